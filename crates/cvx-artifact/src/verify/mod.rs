//! Verification of a model's claims on the data, by plain loops that share no code with the trainer's operators.

mod directions;
mod numbers;
mod patches;
mod signs;

use crate::certify::Certify;
use crate::error::ArtifactError;
use crate::model::{Model, fingerprint};
use crate::part::{GlobalWitness, Witness};
use cvx_linalg::HostMatrix;
use cvx_model::{BlockCones, Dataset, EntryLoss, Loss, LossForm, MOST_ROWS, ModelError, Network};
use directions::Directions;
pub(crate) use numbers::dot;
use numbers::{entropy, halved, in_parallel, maximum, row};
use serde::Serialize;
use signs::Signs;

/// If |x'h| over ||x|| ||h|| is below this limit, rounding decides the side of the plane of h on which a sample lies.
const TIE: f64 = 1e-12;

/// Number of rounds in which the rows and the columns of xi are corrected in turn.
const ROUNDS: usize = 100;

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
    /// Whether every weight has the sign that the constraints ask for; `None` for a model without constraints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints_hold: Option<bool>,
}

impl Verification {
    /// Whether all claims hold.
    pub fn holds(&self) -> bool {
        self.network_agrees && self.bound_agrees && self.gap_agrees && self.constraints_hold != Some(false)
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
    let forward: Vec<(HostMatrix, HostMatrix)> = parts.iter().map(Programme::forward).collect();
    // A part that held nothing out is the whole model, if its network is that of the model.
    let (prediction, doubt) = match (&model.parts[..], &forward[..]) {
        ([part], [forward]) if part.held_out.is_empty() && parts[0].network == whole.network => forward.clone(),
        _ => whole.forward(),
    };
    let loss = whole.total_loss(&prediction);
    let loss_doubt = whole.doubt_of_loss(&prediction, &doubt);
    let (accuracy, tied) = accuracy(model, &prediction, &doubt, &whole.y);
    let accuracy_agrees = match (accuracy, claim.train_accuracy) {
        (Some(found), Some(claimed)) => (found - claimed).abs() <= tied + f64::EPSILON,
        (found, claimed) => found == claimed,
    };
    let networks: Vec<f64> = parts.iter().zip(&forward).map(|(part, forward)| part.objective(&forward.0)).collect();
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
        Certify::Network | Certify::Global => networks[k],
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
        constraints_hold: whole.signs().map(|signs| {
            let hold = |network: &Network| signs.hold(network, &model.transform.scale);
            hold(&whole.network) && parts.iter().all(|part| hold(&part.network))
        }),
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
        let mut scores = row(prediction, a);
        correct += usize::from(model.task.class_of(&scores) == model.task.class_of(&row(y, a)));
        // With one score, its sign decides.
        if scores.len() == 1 {
            scores.push(-scores[0]);
        }
        scores.sort_by(f64::total_cmp);
        let unsure = scale + 2.0 * row(doubt, a).into_iter().fold(0.0, f64::max);
        tied += usize::from(scores[scores.len() - 1] - scores[scores.len() - 2] <= unsure);
    }
    (Some(correct as f64 / y.rows() as f64), tied as f64 / y.rows() as f64)
}

/// A network and the programme that it claims to solve: samples, targets, weights, loss and beta.
struct Programme<'a> {
    network: Network,
    certify: Certify,
    witness: Option<&'a Witness>,
    global: Option<&'a GlobalWitness>,
    cones: Option<&'a BlockCones>,
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
            certify: claim.certify,
            global: None,
            witness: match &model.parts[..] {
                [part] if part.held_out.is_empty() => part.witness.as_ref(),
                _ => None,
            },
            weights: (0..xt.cols()).map(weight).collect(),
            cones: model.cones.as_deref(),
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
            global: model.parts[k].global.as_ref(),
            weights: rows.iter().map(|&row| whole.weights[row]).collect(),
            xt,
            y,
            beta: model.parts[k].beta,
            ..whole
        }
    }

    /// The signs that its weights may have, if they are constrained.
    fn signs(&self) -> Option<Signs<'a>> {
        self.cones.map(|cones| Signs::new(cones, self.network.gates.is_some()))
    }

    /// Loss of these predictions and weight decay of the network.
    fn objective(&self, prediction: &HostMatrix) -> f64 {
        let weights = self.network.w1.values().iter().chain(self.network.w2.values());
        self.total_loss(prediction) + 0.5 * self.beta * weights.map(|w| w * w).sum::<f64>()
    }

    /// f(x_a) for every sample, and by how much it may be another number because rounding decides a gate.
    fn forward(&self) -> (HostMatrix, HostMatrix) {
        let Network { w1, w2, gates, output_bias, patches } = &self.network;
        if let Some(patches) = patches {
            let prediction = patches::predictions(&self.network, patches, &self.xt);
            let certain = HostMatrix::zeros(prediction.rows(), prediction.cols());
            return (prediction, certain);
        }
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

    /// omega_a times the loss of the outputs of sample a, by the definition of each loss.
    fn sample_loss(&self, outputs: &[f64], a: usize) -> f64 {
        let loss = match self.loss.form() {
            LossForm::Entry(loss) => loss,
            LossForm::Row(_) => return self.weights[a] * self.row_loss(outputs, a),
        };
        let value = |f: f64, y: f64| match loss {
            EntryLoss::Squared => 0.5 * (f - y).powi(2),
            // Written so that neither exponential overflows.
            EntryLoss::Logistic if y * f > 0.0 => (-y * f).exp().ln_1p(),
            EntryLoss::Logistic => -y * f + (y * f).exp().ln_1p(),
            EntryLoss::SquaredHinge if y * f < 1.0 => 0.5 * (1.0 - y * f).powi(2),
            EntryLoss::SquaredHinge => 0.0,
            EntryLoss::Huber { delta } if (f - y).abs() > delta => delta * (f - y).abs() - 0.5 * delta.powi(2),
            EntryLoss::Huber { .. } => 0.5 * (f - y).powi(2),
        };
        self.weights[a] * outputs.iter().enumerate().map(|(c, &f)| value(f, self.y[(a, c)])).sum::<f64>()
    }

    /// sum omega_a l(f_a; y_a).
    fn total_loss(&self, prediction: &HostMatrix) -> f64 {
        (0..self.y.rows()).map(|a| self.sample_loss(&row(prediction, a), a)).sum()
    }

    /// By how much the loss may be another number if each f_a may differ by its doubt. The losses of an entry are
    /// convex, and the gradient of that of a row has a sum of magnitudes of at most 2.
    fn doubt_of_loss(&self, prediction: &HostMatrix, doubt: &HostMatrix) -> f64 {
        let sample = |a: usize| {
            let (outputs, radii) = (row(prediction, a), row(doubt, a));
            let largest = radii.iter().copied().fold(0.0, f64::max);
            if largest == 0.0 {
                return 0.0;
            }
            if matches!(self.loss.form(), LossForm::Row(_)) {
                return 2.0 * self.weights[a] * largest;
            }
            let moved = |c: usize, by: f64| {
                let mut moved = outputs.clone();
                moved[c] += by;
                (self.sample_loss(&moved, a) - self.sample_loss(&outputs, a)).abs()
            };
            (0..radii.len()).map(|c| moved(c, radii[c]).max(moved(c, -radii[c]))).sum()
        };
        (0..self.y.rows()).map(sample).sum()
    }

    /// The scale of objectives: the loss of outputs 0 for the losses of classes, which an output bias can make
    /// arbitrarily small, otherwise that of the zero network.
    fn scale(&self, zero: f64) -> f64 {
        match self.loss {
            Loss::Logistic | Loss::SquaredHinge | Loss::Multinomial => {
                self.total_loss(&HostMatrix::zeros(self.y.rows(), self.y.cols()))
            }
            Loss::Squared | Loss::Huber { .. } => zero,
        }
    }

    /// The column of +1 among the targets of sample `a`.
    fn class(&self, a: usize) -> usize {
        (0..self.y.cols()).find(|&c| self.y[(a, c)] > 0.0).unwrap_or(0)
    }

    /// The total weight of the samples of each class.
    fn class_weights(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.y.cols()];
        (0..self.y.rows()).for_each(|a| totals[self.class(a)] += self.weights[a]);
        totals
    }

    /// log sum_c exp(f_c - f_k) of sample `a`, the multinomial loss.
    fn row_loss(&self, outputs: &[f64], a: usize) -> f64 {
        let own = outputs[self.class(a)];
        let margins: Vec<f64> = outputs.iter().map(|f| f - own).collect();
        let highest = margins.iter().copied().fold(0.0, f64::max);
        highest + margins.iter().map(|margin| (margin - highest).exp()).sum::<f64>().ln()
    }

    /// The loss of the zero network, with the best output bias if there is one.
    fn zero_loss(&self) -> f64 {
        let (n, c) = (self.y.rows(), self.y.cols());
        if !self.output_bias {
            return self.total_loss(&HostMatrix::zeros(n, c));
        }
        if let LossForm::Row(_) = self.loss.form() {
            // The best constant gives each class its share of the weight.
            let (weights, total) = (self.class_weights(), self.weights.iter().sum::<f64>());
            return weights.iter().filter(|weight| **weight > 0.0).map(|weight| weight * (total / weight).ln()).sum();
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
                global: None,
                ..*self
            };
            -maximum(ends(c), |b| -alone.total_loss(&HostMatrix::from_fn(n, 1, |_, _| b)))
        };
        (0..c).map(of_target).sum()
    }

    /// xi of the claim (n x C), with each entry, or row, clipped to the domain of the conjugate. With an output bias,
    /// the entries of each target sum to zero. `None` if no such point is found.
    fn usable_xi(&self, xi: &HostMatrix) -> Option<HostMatrix> {
        match self.loss.form() {
            LossForm::Entry(loss) => {
                let columns = (0..xi.cols()).flat_map(|c| self.usable_column(loss, xi.col(c), self.y.col(c)));
                Some(HostMatrix::from_vec(xi.rows(), xi.cols(), columns.collect()))
            }
            LossForm::Row(_) => self.usable_rows(xi.clone()),
        }
    }

    /// With an output bias, the column is first shifted by the number that makes the sum of the clipped entries zero.
    fn usable_column(&self, loss: EntryLoss, xi: &[f64], y: &[f64]) -> Vec<f64> {
        let clip = |a: usize, xi: f64| match loss {
            EntryLoss::Squared => xi,
            // xi pulls the prediction towards y; for the logistic loss, its size is at most the weight.
            EntryLoss::Logistic => y[a] * (y[a] * xi).max(0.0).min(self.weights[a]),
            EntryLoss::SquaredHinge => y[a] * (y[a] * xi).max(0.0),
            EntryLoss::Huber { delta } => xi.signum() * xi.abs().min(delta * self.weights[a]),
        };
        let shifted = |s: f64| xi.iter().enumerate().map(|(a, xi)| clip(a, xi + s)).collect::<Vec<f64>>();
        if !self.output_bias {
            return shifted(0.0);
        }
        if loss == EntryLoss::Squared {
            return shifted(-xi.iter().sum::<f64>() / xi.len() as f64);
        }
        let reach = xi.iter().fold(0.0, |reach: f64, xi| reach.max(xi.abs()));
        let root = halved((-reach, reach), |s| shifted(s).iter().sum());
        shifted(root)
    }

    /// Rows of the multinomial loss: the shares e - xi/omega are moved to the simplex, by subtracting a number from all
    /// of them and cutting off what is negative. With an output bias, a class without samples has no share; the sums of
    /// the columns are removed in turn with that.
    fn usable_rows(&self, mut xi: HostMatrix) -> Option<HostMatrix> {
        let (n, count) = (xi.rows(), xi.cols());
        let exists: Vec<bool> = self.class_weights().iter().map(|weight| *weight > 0.0 || !self.output_bias).collect();
        for _ in 0..ROUNDS {
            for a in 0..n {
                let (class, weight) = (self.class(a), self.weights[a]);
                let own = |c: usize| if c == class { 1.0 } else { 0.0 };
                let shares: Vec<f64> = (0..count).map(|c| own(c) - xi[(a, c)] / weight).collect();
                let cut = |c: usize, off: f64| if exists[c] { (shares[c] - off).max(0.0) } else { 0.0 };
                let reach = shares.iter().fold(1.0, |reach: f64, share| reach.max(share.abs()));
                let off = halved((-2.0 * reach, reach), |off| 1.0 - (0..count).map(|c| cut(c, off)).sum::<f64>());
                (0..count).for_each(|c| xi[(a, c)] = weight * (own(c) - cut(c, off)));
            }
            let sums: Vec<f64> = (0..count).map(|c| xi.col(c).iter().sum()).collect();
            let size: f64 = xi.values().iter().map(|xi| xi.abs()).sum();
            if !self.output_bias || sums.iter().all(|sum: &f64| sum.abs() <= 0.1 * TOLERANCE * size) {
                return Some(xi);
            }
            for (c, sum) in sums.iter().enumerate() {
                xi.col_mut(c).iter_mut().for_each(|xi| *xi -= sum / n as f64);
            }
        }
        None
    }

    /// -omega l*(-t xi / omega; y) summed over the samples of one target, for a usable xi and a t in the domain.
    fn dual_value(&self, loss: EntryLoss, xi: &[f64], y: &[f64], t: f64) -> f64 {
        let term = |a: usize| {
            let p = t * xi[a] / self.weights[a];
            let value = match loss {
                EntryLoss::Squared | EntryLoss::Huber { .. } | EntryLoss::SquaredHinge => p * y[a] - 0.5 * p * p,
                EntryLoss::Logistic => entropy(p.abs()) + entropy(1.0 - p.abs()),
            };
            self.weights[a] * value
        };
        (0..y.len()).map(term).sum()
    }

    /// The largest [`dual_value`](Programme::dual_value) over t in [0, `limit`]. It is concave in t.
    fn best_dual_value(&self, loss: EntryLoss, xi: &[f64], y: &[f64], limit: f64) -> f64 {
        // Values above 1 only if the domain allows them.
        let reach = xi.iter().enumerate().fold(limit, |reach: f64, (a, xi)| match loss {
            EntryLoss::Logistic => reach.min(self.weights[a] / xi.abs()),
            EntryLoss::Huber { delta } => reach.min(delta * self.weights[a] / xi.abs()),
            EntryLoss::Squared | EntryLoss::SquaredHinge => reach,
        });
        let value = |t: f64| self.dual_value(loss, xi, y, t);
        let mut high = reach.min(1.0);
        while high < reach && value(high) > value(0.5 * high) {
            high = reach.min(2.0 * high);
        }
        maximum((0.0, high), value)
    }

    /// The same for the multinomial loss, with one t for all targets: the entropy of the shares e - t xi/omega.
    fn best_row_value(&self, xi: &HostMatrix, limit: f64) -> f64 {
        let pulled = |a: usize, c: usize| if c == self.class(a) { 0.0 } else { -xi[(a, c)] / self.weights[a] };
        let shares: Vec<Vec<f64>> = (0..xi.rows()).map(|a| (0..xi.cols()).map(|c| pulled(a, c)).collect()).collect();
        let totals: Vec<f64> = shares.iter().map(|shares| shares.iter().sum()).collect();
        let reach = totals.iter().fold(limit, |reach: f64, total| reach.min(1.0 / total));
        let value = |t: f64| -> f64 {
            let row = |a: usize| {
                let others: f64 = shares[a].iter().map(|share| entropy(t * share)).sum();
                self.weights[a] * (others + entropy(1.0 - t * totals[a]))
            };
            (0..shares.len()).map(row).sum()
        };
        if totals.iter().all(|total| *total == 0.0) { 0.0 } else { maximum((0.0, reach), value) }
    }

    /// The lower bound that the saved dual point proves: the largest [`dual_value`](Programme::dual_value) with
    /// t <= 1/c. A point that is not what it claims to be proves the bound 0.
    fn dual_bound(&self) -> Option<f64> {
        let point = match self.certify {
            Certify::Global => self.global.map(|global| self.over_all_patterns(global))?,
            Certify::Network | Certify::Sampled => self.witness.map(|witness| self.over_its_patterns(witness))?,
        };
        Some(point.map_or(0.0, |(xi, limits)| self.bound_within(&xi, &limits)))
    }

    /// xi, and 1/c for each target, where c is the claimed maximum of |xi'(Xw)+| over beta, if no w has more. `None`
    /// for sizes that do not fit, or features too many to search.
    fn over_all_patterns(&self, GlobalWitness { xi, maxima }: &GlobalWitness) -> Option<(HostMatrix, Vec<f64>)> {
        let (groups, d) = (self.cones.map_or(1, BlockCones::n_groups), self.xt.rows());
        let (n, count) = (self.y.rows(), self.y.cols());
        if (xi.rows(), xi.cols(), maxima.len()) != (n, count, count) || d > MOST_ROWS {
            return None;
        }
        let xi = self.usable_xi(xi)?;
        let cases = groups * 2 * xi.cols();
        let holds = in_parallel(cases, |case| {
            let (group, side, c) = (case / 2 % groups, if case % 2 == 0 { 1.0 } else { -1.0 }, case / (2 * groups));
            let allowed = |row: usize| {
                [1.0, -1.0].map(|weight| self.signs().is_none_or(|signs| signs.allows(group, side, row, weight)))
            };
            let signs: Vec<[bool; 2]> = (0..d).map(allowed).collect();
            let signed = xi.col(c).iter().map(|xi| side * xi).collect();
            Directions::new(&self.xt, signed, maxima[c]).hold(&signs)
        });
        let limits = maxima.iter().map(|maximum| self.beta / maximum).collect();
        (!holds.contains(&false)).then_some((xi, limits))
    }

    /// xi, and 1/c for each target, where c is the largest norm of a block of +-X'D_i xi + X'(multipliers) over beta,
    /// without the entries that the constraints forbid a block. Multipliers of the wrong sign prove nothing and are set
    /// to 0.
    fn over_its_patterns(&self, witness: &Witness) -> Option<(HostMatrix, Vec<f64>)> {
        let xt = &self.xt;
        let (n, p) = (xt.cols(), witness.gates.cols());
        let patterns = &witness.patterns;
        // A bit must be 1[x'h >= 0]. If x'h is zero to rounding, both values are the pattern of a gate close to h.
        let honest = in_parallel(if self.network.patches.is_some() { 0 } else { p }, |i| {
            let gate = witness.gates.col(i);
            let tie = TIE * dot(gate, gate).sqrt();
            (0..n).all(|a| {
                let (sample, product) = (xt.col(a), dot(xt.col(a), gate));
                (product >= 0.0) == patterns.get(a, i) || product.abs() <= tie * dot(sample, sample).sqrt()
            })
        });
        if honest.contains(&false) {
            // The patterns are not those of the gates, so their bound applies to another programme.
            return None;
        }
        let xi = self.usable_xi(&witness.xi)?;
        let on_patches =
            self.network.patches.as_ref().map(|patches| patches::gradient_norms(patches, &witness.gates, xt, &xi));
        let scale = |c: usize| {
            let xi = xi.col(c);
            // Without cones a block and its negative have the same norm.
            let (cones, layout) = (self.network.gates.is_none(), witness.layout(self.y.cols()));
            let of_block = |block: usize| {
                let sign = layout.sign(block);
                let multipliers = cones.then(|| witness.multipliers.col(layout.per_target() * c + block));
                let mut gradient = vec![0.0; xt.rows()];
                for a in 0..n {
                    let active = patterns.get(a, layout.pattern(block));
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
                match self.signs() {
                    Some(signs) => signs.norm(witness.groups[layout.pattern(block)], sign, &gradient),
                    None => dot(&gradient, &gradient).sqrt(),
                }
            };
            let norms = match &on_patches {
                Some(norms) => norms[c].clone(),
                None => in_parallel(layout.per_target(), of_block),
            };
            // An overflow may give a NaN norm, which f64::max would drop, so it counts as infinite.
            let largest =
                norms.into_iter().map(|norm| if norm.is_nan() { f64::INFINITY } else { norm }).fold(0.0, f64::max);
            // Zero blocks are dual feasible, even at beta = 0.
            if largest == 0.0 { f64::INFINITY } else { self.beta / largest }
        };
        let limits = (0..self.y.cols()).map(scale).collect();
        Some((xi, limits))
    }

    /// The largest value of (6.4), or (6.7), with t within the limits of the targets.
    fn bound_within(&self, xi: &HostMatrix, limits: &[f64]) -> f64 {
        let proved = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        let loss = match self.loss.form() {
            LossForm::Entry(loss) => loss,
            LossForm::Row(_) => {
                let limit = limits.iter().copied().fold(f64::INFINITY, f64::min);
                return proved(self.best_row_value(xi, limit));
            }
        };
        let of_target = |(c, &limit): (usize, &f64)| {
            let (xi, y) = (xi.col(c), self.y.col(c));
            let (xi_y, xi_xi) = (dot(xi, y), dot(xi, xi));
            proved(if xi_xi == 0.0 {
                0.0
            } else if self.plain {
                // The maximum of t xi'y - t^2 ||xi||^2 / 2 has a closed form.
                let t = (xi_y / xi_xi).min(limit).max(0.0);
                t * xi_y - 0.5 * t * t * xi_xi
            } else {
                self.best_dual_value(loss, xi, y, limit)
            })
        };
        limits.iter().enumerate().map(of_target).sum()
    }
}
