//! Checks a model's claims against the data, by plain loops that share nothing with the trainer's operators.

use crate::error::TrainError;
use crate::model::{Model, fingerprint};
use crate::settings::Certify;
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
    /// Gap of the claimed certificate, to the bound that was found.
    pub relative_gap: Option<f64>,
    /// Whether the network's objective is what the model claims.
    pub network_agrees: bool,
    /// Whether a bound is proved, and is at least what the model claims.
    pub bound_agrees: bool,
    /// Whether the gap is at most what the model claims; a sampled primal is taken on trust, since the model
    /// does not hold the point that attains it.
    pub gap_agrees: bool,
}

impl Verification {
    /// Whether all claims hold.
    pub fn holds(&self) -> bool {
        self.network_agrees && self.bound_agrees && self.gap_agrees
    }
}

/// Recomputes objective and certificate of `model` on its training data.
///
/// # Errors
/// [`TrainError::OtherData`] for data that the model was not trained on, [`TrainError::Model`] for data that do not fit it.
pub fn verify(model: &Model, data: &Dataset) -> Result<Verification, TrainError> {
    let claim = &model.claim;
    let xt = model.transform.apply(data)?;
    let y = model.task.encode(data.labels().ok_or(ModelError::NoLabels)?)?;
    if fingerprint(&xt, &y) != claim.fingerprint {
        return Err(TrainError::OtherData { expected: claim.n_samples, found: xt.cols() });
    }
    let prediction = forward(model, &xt);
    let loss = 0.5 * prediction.values().iter().zip(y.values()).map(|(f, y)| (f - y).powi(2)).sum::<f64>();
    let weights = model.network.w1.values().iter().chain(model.network.w2.values());
    let network = loss + 0.5 * claim.beta * weights.map(|w| w * w).sum::<f64>();
    let (accuracy, tied) = accuracy(model, &prediction, &y);
    let accuracy_agrees = match (accuracy, claim.train_accuracy) {
        (Some(found), Some(claimed)) => (found - claimed).abs() <= tied + f64::EPSILON,
        (found, claimed) => found == claimed,
    };
    let dual_bound = dual_bound(model, &xt, &y);
    let zero = 0.5 * y.values().iter().map(|y| y * y).sum::<f64>();
    let agrees = |found: f64, claimed: f64| (found - claimed).abs() <= TOLERANCE * claimed.abs().max(1e-9 * zero);
    let gap = |upper: f64, bound: f64| (upper - bound).max(0.0) / upper.max(1e-9 * zero).max(f64::MIN_POSITIVE);
    let upper = match claim.certify {
        Certify::Network => network,
        // Zero is feasible too.
        Certify::Sampled => claim.objective.sampled_primal.unwrap_or(zero).min(zero),
    };
    Ok(Verification {
        network,
        loss,
        accuracy,
        relative_gap: dual_bound.map(|bound| gap(upper, bound)),
        network_agrees: agrees(network, claim.objective.network) && agrees(loss, claim.train_loss) && accuracy_agrees,
        bound_agrees: dual_bound
            .is_some_and(|bound| bound >= claim.objective.dual_bound || agrees(bound, claim.objective.dual_bound)),
        gap_agrees: dual_bound.is_some_and(|bound| gap(upper, bound) <= claim.objective.relative_gap + TOLERANCE),
        dual_bound,
    })
}

/// Share of samples in the right class, and share whose class hangs on rounding; `None` for a regression.
fn accuracy(model: &Model, prediction: &HostMatrix, y: &HostMatrix) -> (Option<f64>, f64) {
    if model.task.classes().is_empty() {
        return (None, 0.0);
    }
    let scale = TOLERANCE * prediction.values().iter().fold(0.0, |largest: f64, f| largest.max(f.abs()));
    let (mut correct, mut tied) = (0, 0);
    for a in 0..y.rows() {
        let row = |matrix: &HostMatrix| (0..y.cols()).map(|c| matrix[(a, c)]).collect::<Vec<_>>();
        let mut scores = row(prediction);
        correct += usize::from(model.task.class_of(&scores) == model.task.class_of(&row(y)));
        // One score decides by its sign.
        if scores.len() == 1 {
            scores.push(-scores[0]);
        }
        scores.sort_by(f64::total_cmp);
        tied += usize::from(scores[scores.len() - 1] - scores[scores.len() - 2] <= scale);
    }
    (Some(correct as f64 / y.rows() as f64), tied as f64 / y.rows() as f64)
}

/// f(x_a) for every sample.
fn forward(model: &Model, xt: &HostMatrix) -> HostMatrix {
    let (w1, w2) = (&model.network.w1, &model.network.w2);
    let rows = in_parallel(xt.cols(), |a| {
        let mut out = vec![0.0; w2.cols()];
        for neuron in 0..w1.cols() {
            let z = dot(w1.col(neuron), xt.col(a));
            let hidden = match &model.network.gates {
                None => z.max(0.0),
                Some(gates) if dot(gates.col(neuron), xt.col(a)) >= 0.0 => z,
                Some(_) => 0.0,
            };
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
        // Without cones a block and its negative are one.
        let cones = model.network.gates.is_none();
        let norms = in_parallel(if cones { 2 * p } else { p }, |block| {
            let sign = if block < p { 1.0 } else { -1.0 };
            let multipliers = cones.then(|| witness.multipliers.col(2 * p * c + block));
            let mut gradient = vec![0.0; xt.rows()];
            for a in 0..n {
                let active = patterns.get(a, block % p);
                let multiplier = multipliers.map_or(0.0, |multipliers| multipliers[a]);
                let right_sign = (multiplier >= 0.0) == active;
                let mut weight = if right_sign { multiplier } else { 0.0 };
                if active {
                    weight += sign * xi[a];
                }
                if weight != 0.0 {
                    gradient.iter_mut().zip(xt.col(a)).for_each(|(g, x)| *g += weight * x);
                }
            }
            dot(&gradient, &gradient).sqrt()
        });
        // A norm that overflowed may be anything, so it is infinite: f64::max would drop a NaN.
        let largest =
            norms.into_iter().map(|norm| if norm.is_nan() { f64::INFINITY } else { norm }).fold(0.0, f64::max);
        // Zero blocks are dual feasible even at beta = 0.
        let scale = if largest == 0.0 { f64::INFINITY } else { model.claim.beta / largest };
        let (xi_y, xi_xi) = (dot(xi, y), dot(xi, xi));
        if xi_xi > 0.0 {
            let t = (xi_y / xi_xi).min(scale).max(0.0);
            let value = t * xi_y - 0.5 * t * t * xi_xi;
            bound += if value.is_finite() { value } else { 0.0 };
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
