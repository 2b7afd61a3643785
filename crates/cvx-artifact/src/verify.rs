//! Verification of a model's claims on the data, by plain loops that share no code with the trainer's operators.

use crate::certify::Certify;
use crate::error::ArtifactError;
use crate::model::{Model, fingerprint};
use crate::part::Witness;
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, Loss, ModelError, Network};
use serde::Serialize;
use std::num::NonZero;
use std::thread;

/// If |x'h| over ||x|| ||h|| is below this limit, rounding decides the side of the plane of h on which a sample lies.
const TIE: f64 = 1e-12;

/// Number of steps of the search for the best multiple; each removes a third of the interval.
const THIRDS: usize = 100;

/// Number of halvings of the interval of a shift of xi.
const HALVINGS: usize = 200;

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

/// Recomputes objective and certificate of `model` on its training data, part by part.
///
/// # Errors
/// [`ArtifactError::OtherData`] for data that the model was not trained on, [`ArtifactError::Model`] for data that do
/// not fit the model.
pub fn verify(model: &Model, data: &Dataset) -> Result<Verification, ArtifactError> {
    let claim = &model.claim;
    let xt = model.transform.apply(data)?;
    let y = model.task.encode(data.labels().ok_or(ModelError::NoLabels)?)?;
    if xt.cols() != claim.n_samples || fingerprint(&xt, &y) != claim.fingerprint {
        return Err(ArtifactError::OtherData { expected: claim.n_samples, found: xt.cols() });
    }
    let parts: Vec<Programme> = (0..model.parts.len()).map(|k| Programme::of_part(model, k, &xt, &y)).collect();
    let whole = Programme::of_model(model, xt, y);
    let (prediction, doubt) = whole.forward();
    let loss = whole.total_loss(&prediction);
    let loss_doubt = whole.doubt_of_loss(&prediction, &doubt);
    let (accuracy, tied) = accuracy(model, &prediction, &doubt, &whole.y);
    let accuracy_agrees = match (accuracy, claim.train_accuracy) {
        (Some(found), Some(claimed)) => (found - claimed).abs() <= tied + f64::EPSILON,
        (found, claimed) => found == claimed,
    };
    let networks: Vec<f64> = parts.iter().map(Programme::objective).collect();
    let bounds: Vec<Option<f64>> = parts.iter().map(Programme::dual_bound).collect();
    let zeros: Vec<f64> = parts.iter().map(Programme::zero_loss).collect();
    let scales: Vec<f64> = (0..parts.len()).map(|k| parts[k].scale(zeros[k])).collect();
    let agrees =
        |found: f64, claimed: f64, scale: f64| (found - claimed).abs() <= TOLERANCE * claimed.abs().max(1e-9 * scale);
    let keeps = |bound: f64, claimed: f64, scale: f64| bound >= claimed || agrees(bound, claimed, scale);
    let each = |holds: &dyn Fn(usize) -> bool| (0..parts.len()).all(holds);
    let network: f64 = networks.iter().sum();
    let (scale, dual_bound) = (scales.iter().sum::<f64>(), bounds.iter().copied().sum::<Option<f64>>());
    let gap =
        |upper: f64, bound: f64, scale: f64| (upper - bound).max(0.0) / upper.max(1e-9 * scale).max(f64::MIN_POSITIVE);
    let claimed = |k: usize| &model.parts[k].objective;
    let upper = |k: usize| match claim.certify {
        Certify::Network => networks[k],
        // Zero is also feasible.
        Certify::Sampled => claimed(k).sampled_primal.unwrap_or(zeros[k]).min(zeros[k]),
    };
    let uppers: f64 = (0..parts.len()).map(upper).sum();
    let sampled: Option<f64> = (0..parts.len()).map(|k| claimed(k).sampled_primal).sum();
    Ok(Verification {
        network,
        loss,
        accuracy,
        relative_gap: dual_bound.map(|bound| gap(uppers, bound, scale)),
        network_agrees: each(&|k| agrees(networks[k], claimed(k).network, scales[k]))
            && agrees(network, claim.objective.network, scale)
            && (agrees(loss, claim.train_loss, scale) || (loss - claim.train_loss).abs() <= loss_doubt)
            && accuracy_agrees
            && model.parts.first().is_some_and(|first| first.beta == claim.beta),
        bound_agrees: each(&|k| bounds[k].is_some_and(|bound| keeps(bound, claimed(k).dual_bound, scales[k])))
            && dual_bound.is_some_and(|bound| keeps(bound, claim.objective.dual_bound, scale)),
        gap_agrees: each(&|k| {
            bounds[k].is_some_and(|bound| gap(upper(k), bound, scales[k]) <= claimed(k).relative_gap + TOLERANCE)
        }) && dual_bound
            .is_some_and(|bound| gap(uppers, bound, scale) <= claim.objective.relative_gap + TOLERANCE)
            && claim.objective.sampled_primal == sampled,
        dual_bound,
    })
}

/// Share of correctly classified samples, and share whose class depends on rounding; `None` for a regression.
fn accuracy(model: &Model, prediction: &HostMatrix, doubt: &HostMatrix, y: &HostMatrix) -> (Option<f64>, f64) {
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
        let unsure = scale + 2.0 * row(doubt).into_iter().fold(0.0, f64::max);
        tied += usize::from(scores[scores.len() - 1] - scores[scores.len() - 2] <= unsure);
    }
    (Some(correct as f64 / y.rows() as f64), tied as f64 / y.rows() as f64)
}

/// A network and the programme that it claims to solve: samples, targets, weights, loss and beta.
struct Programme<'a> {
    network: Network,
    witness: Option<&'a Witness>,
    xt: HostMatrix,
    y: HostMatrix,
    /// omega_a; an invalid weight is NaN, and then no claim holds.
    weights: Vec<f64>,
    loss: Loss,
    output_bias: bool,
    /// Whether the loss is the squared one without weights, for which the bound has a closed form.
    plain: bool,
    beta: f64,
}

impl<'a> Programme<'a> {
    /// The network of the model on all training samples (d x n) and their targets (n x C).
    fn of_model(model: &'a Model, xt: HostMatrix, y: HostMatrix) -> Self {
        let claim = &model.claim;
        let positive = |weights: &Vec<f64>, a: usize| weights.get(a).copied().filter(|weight| *weight > 0.0);
        let weight = |a| claim.weights.as_ref().map_or(1.0, |weights| positive(weights, a).unwrap_or(f64::NAN));
        Programme {
            network: model.network.clone(),
            witness: match &model.parts[..] {
                [part] if part.held_out.is_empty() => part.witness.as_ref(),
                _ => None,
            },
            weights: (0..xt.cols()).map(weight).collect(),
            xt,
            y,
            loss: claim.loss,
            output_bias: claim.output_bias,
            plain: claim.loss == Loss::Squared && claim.weights.is_none(),
            beta: claim.beta,
        }
    }

    /// The network of part `k` on the samples that it was trained on.
    fn of_part(model: &'a Model, k: usize, xt: &HostMatrix, y: &HostMatrix) -> Self {
        let (network, rows) = model.part(k);
        let xt = HostMatrix::from_fn(xt.rows(), rows.len(), |feature, a| xt[(feature, rows[a])]);
        let y = HostMatrix::from_fn(rows.len(), y.cols(), |a, c| y[(rows[a], c)]);
        let whole = Programme::of_model(model, HostMatrix::zeros(0, model.claim.n_samples), HostMatrix::zeros(0, 0));
        Programme {
            network,
            witness: model.parts[k].witness.as_ref(),
            weights: rows.iter().map(|&row| whole.weights[row]).collect(),
            xt,
            y,
            beta: model.parts[k].beta,
            ..whole
        }
    }

    /// Loss and weight decay of the network.
    fn objective(&self) -> f64 {
        let weights = self.network.w1.values().iter().chain(self.network.w2.values());
        self.total_loss(&self.forward().0) + 0.5 * self.beta * weights.map(|w| w * w).sum::<f64>()
    }

    /// f(x_a) for every sample, and by how much it may be another number because rounding decides a gate.
    fn forward(&self) -> (HostMatrix, HostMatrix) {
        let Network { w1, w2, gates, output_bias } = &self.network;
        let rows = in_parallel(self.xt.cols(), |a| {
            let (mut out, mut doubt) = (output_bias.clone(), vec![0.0; output_bias.len()]);
            for neuron in 0..w1.cols() {
                let z = dot(w1.col(neuron), self.xt.col(a));
                let (on, known) = gates.as_ref().map_or((z > 0.0, true), |gates| self.is_on(gates.col(neuron), a));
                for c in 0..out.len() {
                    let term = z * w2[(neuron, c)];
                    out[c] += if on { term } else { 0.0 };
                    doubt[c] += if known { 0.0 } else { term.abs() };
                }
            }
            (out, doubt)
        });
        let matrix = |of: &dyn Fn(usize, usize) -> f64| HostMatrix::from_fn(self.xt.cols(), w2.cols(), of);
        (matrix(&|a, c| rows[a].0[c]), matrix(&|a, c| rows[a].1[c]))
    }

    /// Whether the gate h is on for sample a, x'h >= 0, and whether this is certain. If x'h is zero to rounding, the
    /// witness decides. It does not know the samples that its part held out.
    fn is_on(&self, gate: &[f64], a: usize) -> (bool, bool) {
        let (sample, product) = (self.xt.col(a), dot(gate, self.xt.col(a)));
        if product.abs() > TIE * (dot(gate, gate) * dot(sample, sample)).sqrt() {
            return (product > 0.0, true);
        }
        let known = self.witness.and_then(|witness| {
            (0..witness.gates.cols()).find(|&i| witness.gates.col(i) == gate).map(|i| witness.patterns.get(a, i))
        });
        // A product of exact zeros has no rounding.
        let zero = gate.iter().zip(sample).all(|(h, x)| h * x == 0.0);
        (known.unwrap_or(product >= 0.0), known.is_some() || zero)
    }

    /// l(f; y), by the definition of each loss.
    fn loss_at(&self, f: f64, y: f64) -> f64 {
        match self.loss {
            Loss::Squared => 0.5 * (f - y).powi(2),
            // Written so that neither exponential overflows.
            Loss::Logistic if y * f > 0.0 => (-y * f).exp().ln_1p(),
            Loss::Logistic => -y * f + (y * f).exp().ln_1p(),
            Loss::SquaredHinge if y * f < 1.0 => 0.5 * (1.0 - y * f).powi(2),
            Loss::SquaredHinge => 0.0,
            Loss::Huber { delta } if (f - y).abs() > delta => delta * (f - y).abs() - 0.5 * delta.powi(2),
            Loss::Huber { .. } => 0.5 * (f - y).powi(2),
        }
    }

    /// sum omega_a l(f_a; y_a).
    fn total_loss(&self, prediction: &HostMatrix) -> f64 {
        let entry = |a: usize, c: usize| self.weights[a] * self.loss_at(prediction[(a, c)], self.y[(a, c)]);
        (0..self.y.cols()).map(|c| (0..self.y.rows()).map(|a| entry(a, c)).sum::<f64>()).sum()
    }

    /// By how much the loss may be another number if each f_a may differ by its doubt: the losses are convex.
    fn doubt_of_loss(&self, prediction: &HostMatrix, doubt: &HostMatrix) -> f64 {
        let entry = |a: usize, c: usize| {
            let (f, r, y) = (prediction[(a, c)], doubt[(a, c)], self.y[(a, c)]);
            let change = |f: f64, at: f64| (self.loss_at(f, y) - self.loss_at(at, y)).abs();
            self.weights[a] * if r > 0.0 { change(f - r, f).max(change(f + r, f)) } else { 0.0 }
        };
        (0..self.y.cols()).map(|c| (0..self.y.rows()).map(|a| entry(a, c)).sum::<f64>()).sum()
    }

    /// The scale of objectives: the loss of outputs 0 for the losses of classes, which an output bias can make arbitrarily
    /// small, otherwise that of the zero network.
    fn scale(&self, zero: f64) -> f64 {
        match self.loss {
            Loss::Logistic | Loss::SquaredHinge => self.total_loss(&HostMatrix::zeros(self.y.rows(), self.y.cols())),
            Loss::Squared | Loss::Huber { .. } => zero,
        }
    }

    /// The loss of the zero network, with the best output bias if there is one.
    fn zero_loss(&self) -> f64 {
        let (n, c) = (self.y.rows(), self.y.cols());
        if !self.output_bias {
            return self.total_loss(&HostMatrix::zeros(n, c));
        }
        // The best bias of a target is between its smallest and its largest target, but for the logistic loss.
        let ends = |c: usize| {
            let ends = self.y.col(c).iter().fold((0.0f64, 0.0f64), |(low, high), y| (low.min(*y), high.max(*y)));
            if self.loss == Loss::Logistic { (40.0 * ends.0, 40.0 * ends.1) } else { ends }
        };
        let of_target = |c: usize| {
            let alone = Programme {
                y: HostMatrix::from_vec(n, 1, self.y.col(c).to_vec()),
                network: self.network.clone(),
                xt: HostMatrix::zeros(0, 0),
                weights: self.weights.clone(),
                witness: None,
                ..*self
            };
            -maximum(ends(c), |b| -alone.total_loss(&HostMatrix::from_fn(n, 1, |_, _| b)))
        };
        (0..c).map(of_target).sum()
    }

    /// xi of the claim for one target, with each entry clipped to the domain of the conjugate. With an output bias, it
    /// is first shifted by the number that makes the sum of the clipped entries zero.
    fn usable_xi(&self, xi: &[f64], y: &[f64]) -> Vec<f64> {
        let clip = |a: usize, xi: f64| match self.loss {
            Loss::Squared => xi,
            // xi pulls the prediction towards y; for the logistic loss, its size is at most the weight.
            Loss::Logistic => y[a] * (y[a] * xi).max(0.0).min(self.weights[a]),
            Loss::SquaredHinge => y[a] * (y[a] * xi).max(0.0),
            Loss::Huber { delta } => xi.signum() * xi.abs().min(delta * self.weights[a]),
        };
        let shifted = |s: f64| xi.iter().enumerate().map(|(a, xi)| clip(a, xi + s)).collect::<Vec<f64>>();
        if !self.output_bias {
            return shifted(0.0);
        }
        if self.loss == Loss::Squared {
            return shifted(-xi.iter().sum::<f64>() / xi.len() as f64);
        }
        let reach = xi.iter().fold(0.0, |reach: f64, xi| reach.max(xi.abs()));
        let (mut low, mut high) = (-reach, reach);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if shifted(middle).iter().sum::<f64>() < 0.0 { low = middle } else { high = middle }
        }
        shifted(0.5 * (low + high))
    }

    /// -omega l*(-t xi / omega; y) summed over the samples of one target, for a usable xi and a t in the domain.
    fn dual_value(&self, xi: &[f64], y: &[f64], t: f64) -> f64 {
        let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let term = |a: usize| {
            let p = t * xi[a] / self.weights[a];
            let value = match self.loss {
                Loss::Squared | Loss::Huber { .. } | Loss::SquaredHinge => p * y[a] - 0.5 * p * p,
                Loss::Logistic => entropy(p.abs()) + entropy(1.0 - p.abs()),
            };
            self.weights[a] * value
        };
        (0..y.len()).map(term).sum()
    }

    /// The largest [`dual_value`](Programme::dual_value) over t in [0, `limit`]. It is concave in t.
    fn best_dual_value(&self, xi: &[f64], y: &[f64], limit: f64) -> f64 {
        // Values above 1 only if the domain allows them.
        let reach = xi.iter().enumerate().fold(limit, |reach: f64, (a, xi)| match self.loss {
            Loss::Logistic => reach.min(self.weights[a] / xi.abs()),
            Loss::Huber { delta } => reach.min(delta * self.weights[a] / xi.abs()),
            Loss::Squared | Loss::SquaredHinge => reach,
        });
        let value = |t: f64| self.dual_value(xi, y, t);
        let mut high = reach.min(1.0);
        while high < reach && value(high) > value(0.5 * high) {
            high = reach.min(2.0 * high);
        }
        maximum((0.0, high), value)
    }

    /// The lower bound that the saved multipliers prove: the largest [`dual_value`](Programme::dual_value) with
    /// t <= 1/c, where c is the largest norm of a block of +-X'D_i xi + X'(multipliers) over beta. Multipliers of the
    /// wrong sign prove nothing and are set to 0.
    fn dual_bound(&self) -> Option<f64> {
        let (witness, xt) = (self.witness?, &self.xt);
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
        for c in 0..self.y.cols() {
            let y = self.y.col(c);
            let xi = &self.usable_xi(witness.xi.col(c), y);
            // Without cones a block and its negative have the same norm.
            let cones = self.network.gates.is_none();
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
            let scale = if largest == 0.0 { f64::INFINITY } else { self.beta / largest };
            let (xi_y, xi_xi) = (dot(xi, y), dot(xi, xi));
            let value = if xi_xi == 0.0 {
                0.0
            } else if self.plain {
                // The maximum of t xi'y - t^2 ||xi||^2 / 2 has a closed form.
                let t = (xi_y / xi_xi).min(scale).max(0.0);
                t * xi_y - 0.5 * t * t * xi_xi
            } else {
                self.best_dual_value(xi, y, scale)
            };
            bound += if value.is_finite() { value.max(0.0) } else { 0.0 };
        }
        Some(bound)
    }
}

/// The largest value of a concave function on an interval, by a ternary search.
fn maximum((mut low, mut high): (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    let mut best = value(high);
    for _ in 0..THIRDS {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        let (at_left, at_right) = (value(left), value(right));
        best = best.max(at_left).max(at_right);
        if at_left < at_right { low = left } else { high = right }
    }
    best
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
