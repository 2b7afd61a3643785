//! Local maxima of xi'(Xw)+ over unit vectors w: where patterns are that a programme lacks.

use super::peak::Peak;
use crate::patterns::PatternSet;
use cvx_linalg::HostMatrix;

/// Random starts, and steps from each.
const STARTS: usize = 60;
const STEPS: usize = 40;

/// Lengths of the steps that are tried, relative to w.
const LENGTHS: [f64; 4] = [4.0, 1.0, 0.25, 0.05];

/// Local maxima for samples `xt` (d x n) and `xi` (n), over the w with entries of these `signs` (d).
pub(super) fn peaks(xt: &HostMatrix, xi: &[f64], signs: &[[bool; 2]], seed: u64) -> Vec<Peak> {
    let starts = PatternSet::sample_gates(xt.rows(), STARTS, seed);
    (0..STARTS).filter_map(|start| ascend(xt, xi, signs, starts.col(start).to_vec())).collect()
}

/// Steps along the gradient from `start` for as long as the value rises; `None` if it is nowhere positive.
fn ascend(xt: &HostMatrix, xi: &[f64], signs: &[[bool; 2]], start: Vec<f64>) -> Option<Peak> {
    let mut at = unit(confined(start, signs))?;
    let (mut value, mut gradient) = evaluate(xt, xi, &at);
    for _ in 0..STEPS {
        let Some(direction) = unit(confined(gradient.clone(), signs)) else { break };
        let step = |length: f64| {
            let moved = at.iter().zip(&direction).map(|(w, g)| w + length * g).collect();
            let moved = unit(confined(moved, signs))?;
            let (found, gradient) = evaluate(xt, xi, &moved);
            (found > value * (1.0 + 1e-9)).then_some((found, moved, gradient))
        };
        let Some(next) = LENGTHS.into_iter().find_map(step) else { break };
        (value, at, gradient) = next;
    }
    (value > 0.0).then_some(Peak { value, direction: at })
}

/// xi'(Xw)+ and its gradient in w, where the samples that are on stay on.
fn evaluate(xt: &HostMatrix, xi: &[f64], w: &[f64]) -> (f64, Vec<f64>) {
    let mut gradient = vec![0.0; w.len()];
    for (a, xi) in xi.iter().enumerate() {
        let x = xt.col(a);
        if x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() >= 0.0 {
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += xi * x);
        }
    }
    (gradient.iter().zip(w).map(|(g, w)| g * w).sum(), gradient)
}

/// The nearest vector whose entries have signs that are allowed.
fn confined(mut w: Vec<f64>, signs: &[[bool; 2]]) -> Vec<f64> {
    w.iter_mut().zip(signs).for_each(|(w, [positive, negative])| {
        *w = w.clamp(if *negative { f64::NEG_INFINITY } else { 0.0 }, if *positive { f64::INFINITY } else { 0.0 });
    });
    w
}

fn unit(w: Vec<f64>) -> Option<Vec<f64>> {
    let norm = w.iter().map(|w| w * w).sum::<f64>().sqrt();
    (norm > 0.0 && norm.is_finite()).then(|| w.iter().map(|w| w / norm).collect())
}
