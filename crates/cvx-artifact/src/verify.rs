//! Verification of a model's claims on the data, by plain loops that share no code with the trainer's operators.

use crate::certify::Certify;
use crate::error::ArtifactError;
use crate::model::{Model, fingerprint};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, Loss, ModelError};
use serde::Serialize;
use std::num::NonZero;
use std::thread;

/// If |x'h| over ||x|| ||h|| is below this limit, rounding decides the side of the plane of h on which a sample lies.
const TIE: f64 = 1e-12;

/// Number of steps of the search for the best multiple; each removes a third of the interval.
const THIRDS: usize = 100;

/// Relative difference that rounding explains.
const TOLERANCE: f64 = 1e-9;

/// The computed values and their comparison with the claims.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Objective of the saved network on the given data.
    pub network: f64,
    /// The loss of the claim: 1/2 ||f - y||^2, or another loss.
    pub loss: f64,
    /// Share of correctly classified samples.
    pub accuracy: Option<f64>,
    /// Lower bound that the saved multipliers prove; `None` for a model without them.
    pub dual_bound: Option<f64>,
    /// Gap of the claimed certificate, computed with the verified bound.
    pub relative_gap: Option<f64>,
    /// Whether the network's objective agrees with the claim.
    pub network_agrees: bool,
    /// Whether a bound is proved and is at least the claimed one.
    pub bound_agrees: bool,
    /// Whether the gap is at most the claimed one. A sampled primal is not verified, since the model does not hold the
    /// point that attains it.
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
/// [`ArtifactError::OtherData`] for data that the model was not trained on, [`ArtifactError::Model`] for data that do
/// not fit the model.
pub fn verify(model: &Model, data: &Dataset) -> Result<Verification, ArtifactError> {
    let claim = &model.claim;
    let xt = model.transform.apply(data)?;
    let y = model.task.encode(data.labels().ok_or(ModelError::NoLabels)?)?;
    if fingerprint(&xt, &y) != claim.fingerprint {
        return Err(ArtifactError::OtherData { expected: claim.n_samples, found: xt.cols() });
    }
    let prediction = forward(model, &xt);
    let loss = total_loss(model, &prediction, &y);
    let weights = model.network.w1.values().iter().chain(model.network.w2.values());
    let network = loss + 0.5 * claim.beta * weights.map(|w| w * w).sum::<f64>();
    let (accuracy, tied) = accuracy(model, &prediction, &y);
    let accuracy_agrees = match (accuracy, claim.train_accuracy) {
        (Some(found), Some(claimed)) => (found - claimed).abs() <= tied + f64::EPSILON,
        (found, claimed) => found == claimed,
    };
    let dual_bound = dual_bound(model, &xt, &y);
    let zero = total_loss(model, &HostMatrix::zeros(y.rows(), y.cols()), &y);
    let agrees = |found: f64, claimed: f64| (found - claimed).abs() <= TOLERANCE * claimed.abs().max(1e-9 * zero);
    let gap = |upper: f64, bound: f64| (upper - bound).max(0.0) / upper.max(1e-9 * zero).max(f64::MIN_POSITIVE);
    let upper = match claim.certify {
        Certify::Network => network,
        // Zero is also feasible.
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

/// Share of correctly classified samples, and share whose class depends on rounding; `None` for a regression.
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
        // With one score, its sign decides.
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
                Some(gates) if is_on(model, gates.col(neuron), xt.col(a), a) => z,
                Some(_) => 0.0,
            };
            out.iter_mut().enumerate().for_each(|(c, out)| *out += hidden * w2[(neuron, c)]);
        }
        out
    });
    HostMatrix::from_fn(xt.cols(), w2.cols(), |a, c| rows[a][c])
}

/// Whether the gate h is on for sample a: x'h >= 0. If x'h is zero to rounding, the witness decides.
fn is_on(model: &Model, gate: &[f64], sample: &[f64], a: usize) -> bool {
    let product = dot(gate, sample);
    if product.abs() > TIE * (dot(gate, gate) * dot(sample, sample)).sqrt() {
        return product > 0.0;
    }
    let witness = model.witness.as_ref();
    let known = witness.and_then(|witness| {
        (0..witness.gates.cols()).find(|&i| witness.gates.col(i) == gate).map(|i| witness.patterns.get(a, i))
    });
    known.unwrap_or(product >= 0.0)
}

/// omega_a of the claim. An invalid weight gives NaN, and then no claim holds.
fn weight(model: &Model, a: usize) -> f64 {
    let positive = |weights: &Vec<f64>| weights.get(a).copied().filter(|weight| *weight > 0.0).unwrap_or(f64::NAN);
    model.claim.weights.as_ref().map_or(1.0, positive)
}

/// sum omega_a l(f_a; y_a), by the definition of each loss.
fn total_loss(model: &Model, prediction: &HostMatrix, y: &HostMatrix) -> f64 {
    let value = |f: f64, y: f64| match model.claim.loss {
        Loss::Squared => 0.5 * (f - y).powi(2),
        // Written so that neither exponential overflows.
        Loss::Logistic if y * f > 0.0 => (-y * f).exp().ln_1p(),
        Loss::Logistic => -y * f + (y * f).exp().ln_1p(),
        Loss::SquaredHinge if y * f < 1.0 => 0.5 * (1.0 - y * f).powi(2),
        Loss::SquaredHinge => 0.0,
        Loss::Huber { delta } if (f - y).abs() > delta => delta * (f - y).abs() - 0.5 * delta.powi(2),
        Loss::Huber { .. } => 0.5 * (f - y).powi(2),
    };
    let of_target = |c| (0..y.rows()).map(|a| weight(model, a) * value(prediction[(a, c)], y[(a, c)])).sum::<f64>();
    (0..y.cols()).map(of_target).sum()
}

/// xi of the claim for one target, with each entry clipped to the domain of the conjugate.
fn clipped_xi(model: &Model, xi: &[f64], y: &[f64]) -> Vec<f64> {
    let entries = xi.iter().zip(y).enumerate();
    let clip = |(a, (&xi, &y)): (usize, (&f64, &f64))| match model.claim.loss {
        Loss::Squared => xi,
        // xi pulls the prediction towards y; for the logistic loss, its size is at most the weight.
        Loss::Logistic => y * (y * xi).max(0.0).min(weight(model, a)),
        Loss::SquaredHinge => y * (y * xi).max(0.0),
        Loss::Huber { delta } => xi.signum() * xi.abs().min(delta * weight(model, a)),
    };
    entries.map(clip).collect()
}

/// -omega l*(-t xi / omega; y) summed over the samples of one target, for a clipped xi and a t in the domain.
fn dual_value(model: &Model, xi: &[f64], y: &[f64], t: f64) -> f64 {
    let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let term = |a: usize| {
        let p = t * xi[a] / weight(model, a);
        let value = match model.claim.loss {
            Loss::Squared | Loss::Huber { .. } | Loss::SquaredHinge => p * y[a] - 0.5 * p * p,
            Loss::Logistic => entropy(p.abs()) + entropy(1.0 - p.abs()),
        };
        weight(model, a) * value
    };
    (0..y.len()).map(term).sum()
}

/// The largest [`dual_value`] over t in [0, `limit`]. It is concave in t, so a ternary search finds it.
fn best_dual_value(model: &Model, xi: &[f64], y: &[f64], limit: f64) -> f64 {
    // Values above 1 only if the domain allows them.
    let reach = xi.iter().enumerate().fold(limit, |reach: f64, (a, xi)| match model.claim.loss {
        Loss::Logistic => reach.min(weight(model, a) / xi.abs()),
        Loss::Huber { delta } => reach.min(delta * weight(model, a) / xi.abs()),
        Loss::Squared | Loss::SquaredHinge => reach,
    });
    let value = |t: f64| dual_value(model, xi, y, t);
    let (mut low, mut high) = (0.0, reach.min(1.0));
    while high < reach && value(high) > value(0.5 * high) {
        high = reach.min(2.0 * high);
    }
    let mut best = value(high);
    for _ in 0..THIRDS {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        let (at_left, at_right) = (value(left), value(right));
        best = best.max(at_left).max(at_right);
        if at_left < at_right { low = left } else { high = right }
    }
    best
}

/// The lower bound that the saved multipliers prove: the largest [`dual_value`] with t <= 1/c, where c is the largest
/// norm of a block of +-X'D_i xi + X'(multipliers) over beta. Multipliers of the wrong sign prove nothing and are set
/// to 0.
fn dual_bound(model: &Model, xt: &HostMatrix, y: &HostMatrix) -> Option<f64> {
    let witness = model.witness.as_ref()?;
    let (n, p) = (xt.cols(), witness.gates.cols());
    let patterns = &witness.patterns;
    // A bit must be 1[x'h >= 0]. If x'h is zero to rounding, both values are the pattern of a gate close to h.
    let honest = in_parallel(p, |i| {
        let gate = witness.gates.col(i);
        let tie = TIE * dot(gate, gate).sqrt();
        (0..n).all(|a| {
            let (sample, product) = (xt.col(a), dot(xt.col(a), gate));
            (product >= 0.0) == patterns.get(a, i) || product.abs() <= tie * dot(sample, sample).sqrt()
        })
    });
    if honest.contains(&false) {
        // The patterns are not those of the gates, so their bound applies to another programme.
        return Some(0.0);
    }
    let mut bound = 0.0;
    for c in 0..y.cols() {
        let (xi, y) = (&clipped_xi(model, witness.xi.col(c), y.col(c)), y.col(c));
        // Without cones a block and its negative have the same norm.
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
        // An overflow may give a NaN norm, which f64::max would drop, so it counts as infinite.
        let largest =
            norms.into_iter().map(|norm| if norm.is_nan() { f64::INFINITY } else { norm }).fold(0.0, f64::max);
        // Zero blocks are dual feasible, even at beta = 0.
        let scale = if largest == 0.0 { f64::INFINITY } else { model.claim.beta / largest };
        let (xi_y, xi_xi) = (dot(xi, y), dot(xi, xi));
        let value = if xi_xi == 0.0 {
            0.0
        } else if model.claim.loss == Loss::Squared && model.claim.weights.is_none() {
            // The maximum of t xi'y - t^2 ||xi||^2 / 2 has a closed form.
            let t = (xi_y / xi_xi).min(scale).max(0.0);
            t * xi_y - 0.5 * t * t * xi_xi
        } else {
            best_dual_value(model, xi, y, scale)
        };
        bound += if value.is_finite() { value.max(0.0) } else { 0.0 };
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

/// f(0), .., f(count - 1), computed on as many threads as there are cores.
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
