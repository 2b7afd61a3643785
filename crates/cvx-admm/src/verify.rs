//! Checks a model's claims against the data, by plain loops that share nothing with the trainer's operators.

use crate::error::TrainError;
use crate::model::{Model, fingerprint};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, ModelError};
use std::num::NonZero;
use std::thread;

/// Relative disagreement that rounding explains.
const TOLERANCE: f64 = 1e-9;

/// What was found, beside what was claimed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verification {
    /// Objective of the saved network on these data.
    pub network: f64,
    /// 1/2 ||f - y||^2.
    pub loss: f64,
    /// Share of samples in the right class.
    pub accuracy: Option<f64>,
    /// Lower bound that the saved multipliers prove; `None` for a model without them.
    pub dual_bound: Option<f64>,
    /// (network - bound)+ / network.
    pub relative_gap: Option<f64>,
    /// Whether the network's objective is what the model claims.
    pub network_agrees: bool,
    /// Whether the bound is at least what the model claims.
    pub bound_agrees: bool,
}

impl Verification {
    /// Whether all claims hold.
    pub fn holds(&self) -> bool {
        self.network_agrees && self.bound_agrees
    }
}

/// Recomputes objective and certificate of `model` on its training data.
///
/// # Errors
/// [`TrainError::Model`] for data that the model was not trained on.
pub fn verify(model: &Model, data: &Dataset) -> Result<Verification, TrainError> {
    let claim = &model.claim;
    let xt = model.transform.apply(data)?;
    let y = model.task.encode(data.labels().ok_or(ModelError::NoLabels)?)?;
    if fingerprint(&xt, &y) != claim.fingerprint {
        return Err(ModelError::Shape {
            what: "the data",
            expected: format!("the {} samples that the model was trained on", claim.n_samples),
            found: format!(
                "{} others (by checksum): give the same source and the same --classes and --limit",
                xt.cols()
            ),
        }
        .into());
    }
    let prediction = forward(model, &xt);
    let loss = 0.5 * prediction.values().iter().zip(y.values()).map(|(f, y)| (f - y).powi(2)).sum::<f64>();
    let weights = model.network.w1.values().iter().chain(model.network.w2.values());
    let network = loss + 0.5 * claim.beta * weights.map(|w| w * w).sum::<f64>();
    let correct = (0..y.rows()).filter(|&a| {
        let row = |matrix: &HostMatrix| (0..y.cols()).map(|c| matrix[(a, c)]).collect::<Vec<_>>();
        model.task.class_of(&row(&prediction)) == model.task.class_of(&row(&y))
    });
    let accuracy = (!model.task.classes().is_empty()).then(|| correct.count() as f64 / y.rows() as f64);
    let dual_bound = dual_bound(model, &xt, &y);
    let zero = 0.5 * y.values().iter().map(|y| y * y).sum::<f64>();
    let agrees = |found: f64, claimed: f64| (found - claimed).abs() <= TOLERANCE * claimed.abs().max(1e-9 * zero);
    Ok(Verification {
        network,
        loss,
        accuracy,
        relative_gap: dual_bound
            .map(|bound| (network - bound).max(0.0) / network.max(1e-9 * zero).max(f64::MIN_POSITIVE)),
        network_agrees: agrees(network, claim.objective.network)
            && agrees(loss, claim.train_loss)
            && accuracy == claim.train_accuracy,
        bound_agrees: dual_bound
            .is_none_or(|bound| bound >= claim.objective.dual_bound || agrees(bound, claim.objective.dual_bound)),
        dual_bound,
    })
}

/// f(x_a) for every sample.
fn forward(model: &Model, xt: &HostMatrix) -> HostMatrix {
    let (w1, w2) = (&model.network.w1, &model.network.w2);
    let rows = in_parallel(xt.cols(), |a| {
        let mut out = vec![0.0; w2.cols()];
        for neuron in 0..w1.cols() {
            let hidden = dot(w1.col(neuron), xt.col(a)).max(0.0);
            out.iter_mut().enumerate().for_each(|(c, out)| *out += hidden * w2[(neuron, c)]);
        }
        out
    });
    HostMatrix::from_fn(xt.cols(), w2.cols(), |a, c| rows[a][c])
}

/// t xi'y - t^2 ||xi||^2 / 2 with t = min(1/c, xi'y / ||xi||^2), c the largest norm of a block of
/// +-X'D_i xi + X'(multipliers) over beta. Multipliers of the wrong sign prove nothing and count as 0.
fn dual_bound(model: &Model, xt: &HostMatrix, y: &HostMatrix) -> Option<f64> {
    let witness = model.witness.as_ref()?;
    let (n, p) = (xt.cols(), witness.gates.cols());
    let patterns = &witness.patterns;
    // A bit has to be 1[x'h >= 0]; where x'h is zero to rounding, either is the pattern of a gate next to h.
    let honest = in_parallel(p, |i| {
        let gate = witness.gates.col(i);
        let tie = 1e-12 * dot(gate, gate).sqrt();
        (0..n).all(|a| {
            let (sample, product) = (xt.col(a), dot(xt.col(a), gate));
            (product >= 0.0) == patterns.get(a, i) || product.abs() <= tie * dot(sample, sample).sqrt()
        })
    });
    if honest.contains(&false) {
        // These patterns are not those of the gates: what they prove is about another programme.
        return Some(0.0);
    }
    let mut bound = 0.0;
    for c in 0..y.cols() {
        let (xi, y) = (witness.xi.col(c), y.col(c));
        let norms = in_parallel(2 * p, |block| {
            let sign = if block < p { 1.0 } else { -1.0 };
            let multipliers = witness.multipliers.col(2 * p * c + block);
            let mut gradient = vec![0.0; xt.rows()];
            for a in 0..n {
                let active = patterns.get(a, block % p);
                let right_sign = (multipliers[a] >= 0.0) == active;
                let mut weight = if right_sign { multipliers[a] } else { 0.0 };
                if active {
                    weight += sign * xi[a];
                }
                if weight != 0.0 {
                    gradient.iter_mut().zip(xt.col(a)).for_each(|(g, x)| *g += weight * x);
                }
            }
            dot(&gradient, &gradient).sqrt()
        });
        let ratio = norms.into_iter().fold(0.0, f64::max) / model.claim.beta;
        let (xi_y, xi_xi) = (dot(xi, y), dot(xi, xi));
        // beta = 0 with zero blocks is 0/0: such a point is dual feasible.
        let scale = if ratio.is_nan() { f64::INFINITY } else { 1.0 / ratio };
        if xi_xi > 0.0 {
            let t = (xi_y / xi_xi).min(scale).max(0.0);
            bound += t * xi_y - 0.5 * t * t * xi_xi;
        }
    }
    Some(bound)
}

/// Sum of products, eight at a time.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        (0..8).for_each(|k| sums[k] += a[k] * b[k]);
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// f(0), .., f(count - 1), on as many threads as there are cores.
fn in_parallel<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let run = count.div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .step_by(run)
            .map(|first| {
                let f = &f;
                scope.spawn(move || (first..(first + run).min(count)).map(f).collect::<Vec<R>>())
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
