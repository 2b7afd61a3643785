//! The weighted loss sum_a omega_a l(q_a; y_a) over all samples a (docs/math.md, section 6).

use crate::dataset::check_weights;
use crate::entry_loss::EntryLoss;
use crate::error::ModelError;
use crate::loss::{Loss, LossForm};
use crate::metrics::{squared_loss_over, squared_losses_over};
use crate::multinomial::Multinomial;
use crate::root::{concave_maximum, increasing_root, root_near_zero};
use crate::weighted_rows::WeightedRows;
use cvx_linalg::{HostMatrix, LossSlope, SampleSums};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A slope of the loss along the output bias that is this small, relative to its terms, is zero.
const FLAT: f64 = 1e-14;

/// Smallest kappa of a Huber loss, for a delta far below the spread of y.
const LEAST_KAPPA: f64 = 1e-6;

/// A value of the programme, with the values of its targets if these are programmes of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSum {
    /// The value of all targets together.
    pub total: f64,
    /// The value of each target (C); they sum to the total up to rounding. Empty for a loss of rows, which couples the
    /// targets.
    pub targets: Vec<f64>,
}

impl TargetSum {
    /// The sum of these values of all targets, in their order.
    fn of(targets: Vec<f64>) -> Self {
        TargetSum { total: targets.iter().sum(), targets }
    }

    /// A value that has no parts.
    fn whole(total: f64) -> Self {
        TargetSum { total, targets: Vec::new() }
    }
}

/// A loss with a positive weight for each sample, which applies to all of its targets.
///
/// With an output bias, the network adds a number b_c to its output c, and b is not penalised. The programme then has
/// the loss min over b of sum_a omega_a l(q_a + b; y_a), and the entries of a dual point sum to zero for each target
/// (docs/math.md, section 11).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedLoss {
    loss: Loss,
    weights: Option<Vec<f64>>,
    output_bias: bool,
    samples: SampleSums,
}

impl WeightedLoss {
    /// The loss with one weight per sample, or with all weights 1.
    ///
    /// # Errors
    /// [`ModelError::Weight`] for a weight that is not positive and finite, [`ModelError::OutOfRange`] for such a
    /// delta.
    pub fn new(loss: Loss, weights: Option<Vec<f64>>) -> Result<Self, ModelError> {
        if let Loss::Huber { delta } = loss
            && !(delta > 0.0 && delta.is_finite())
        {
            return Err(ModelError::OutOfRange { name: "huber-delta", value: delta, range: "a positive number" });
        }
        check_weights(weights.as_deref().unwrap_or_default())?;
        Ok(WeightedLoss { loss, weights, output_bias: false, samples: SampleSums::default() })
    }

    /// The same loss with an output bias, or without.
    pub fn with_output_bias(self, output_bias: bool) -> Self {
        WeightedLoss { output_bias, ..self }
    }

    /// The same loss over all of these samples; by default, all are here.
    pub fn over(self, samples: &SampleSums) -> Self {
        WeightedLoss { samples: samples.clone(), ..self }
    }

    /// The loss of the samples of these rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect());
        let WeightedLoss { loss, output_bias, ref samples, .. } = *self;
        WeightedLoss { loss, weights, output_bias, samples: samples.clone() }
    }

    /// Whether the network has an output bias.
    pub fn has_output_bias(&self) -> bool {
        self.output_bias
    }

    /// The loss without its weights.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The weights; `None` if all are 1.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Whether this is 1/2 ||q - y||^2, up to the output bias. It has closed formulas and a u-update without q.
    pub fn is_plain(&self) -> bool {
        self.loss == Loss::Squared && self.weights.is_none()
    }

    /// l' of each prediction; `None` for a loss of rows.
    pub fn slope(&self) -> Option<LossSlope> {
        match self.loss.form() {
            LossForm::Entry(loss) => Some(loss.slope()),
            LossForm::Row(_) => None,
        }
    }

    fn rows<'a>(&'a self, loss: Multinomial, y: &'a HostMatrix) -> WeightedRows<'a> {
        WeightedRows::new(loss, self.weights(), y, &self.samples)
    }

    /// The sum over all samples of a value of each row here.
    fn sum(&self, rows: usize, value: impl Fn(usize) -> f64) -> f64 {
        let [sum] = self.samples.sum(rows, |rows| [rows.map(&value).sum()]);
        sum
    }

    fn weight(&self, a: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[a])
    }

    /// Checks that loss and weights fit these targets (n x C).
    pub(crate) fn check(&self, y: &HostMatrix) -> Result<(), ModelError> {
        if let Some(weights) = &self.weights
            && weights.len() != y.rows()
        {
            return Err(ModelError::Shape {
                what: "the weights",
                expected: format!("{} of them, one per sample", y.rows()),
                found: weights.len().to_string(),
            });
        }
        let signs = y.values().iter().all(|y| y.abs() == 1.0);
        let fits = match self.loss.form() {
            LossForm::Row(_) if y.cols() == 1 => {
                return Err(ModelError::TwoClasses { loss: self.loss.name(), instead: Loss::Logistic.name() });
            }
            LossForm::Row(_) => signs && (0..y.rows()).all(|a| (0..y.cols()).filter(|&c| y[(a, c)] > 0.0).count() == 1),
            LossForm::Entry(_) => signs || !self.loss.needs_classes(),
        };
        if !fits {
            return Err(ModelError::NeedsClasses { what: format!("the {} loss", self.loss.name()) });
        }
        let zero = self.at_zero(y).total;
        if zero.is_finite() {
            return Ok(());
        }
        let range = "small enough for the loss of the zero network to be a number: rescale y or the weights";
        Err(ModelError::OutOfRange { name: "the loss", value: zero, range })
    }

    /// kappa, the weight of F u = q in ADMM: the curvature of the loss over the spread of y, times the mean weight.
    pub fn kappa(&self, y: &HostMatrix) -> f64 {
        let curvature = match self.loss {
            // Most residuals may be on the linear part. Over a distance, its mean curvature is delta / distance.
            Loss::Huber { delta } => (delta / self.spread(y).max(delta)).max(LEAST_KAPPA),
            // The curvature at equal predictions: diag(p) - p p' with p = 1/C. The largest one is that of two classes.
            Loss::Multinomial => 1.0 / y.cols() as f64,
            loss => loss.curvature(),
        };
        curvature * self.weights.as_deref().map_or(1.0, |weights| self.mean(weights))
    }

    /// Adds the best output bias to the predictions `q` for the targets `y` (both n x C), and returns it (C); zeros
    /// without an output bias.
    pub fn add_bias(&self, q: &mut HostMatrix, y: &HostMatrix) -> Vec<f64> {
        if !self.output_bias {
            return vec![0.0; y.cols()];
        }
        let bias: Vec<f64> = match self.loss.form() {
            LossForm::Entry(loss) => (0..y.cols()).map(|c| self.best_bias(loss, q.col(c), y.col(c))).collect(),
            LossForm::Row(loss) => self.rows(loss, y).best_bias(q),
        };
        for (c, bias) in bias.iter().enumerate() {
            q.col_mut(c).iter_mut().for_each(|q| *q += bias);
        }
        bias
    }

    /// The b that minimises sum_a omega_a l(q_a + b; y_a) for one target.
    fn best_bias(&self, loss: EntryLoss, q: &[f64], y: &[f64]) -> f64 {
        let n = y.len();
        if loss == EntryLoss::Squared {
            let [sum, total] = self.samples.sum(n, |rows| {
                let sum = rows.clone().map(|a| self.weight(a) * (y[a] - q[a])).sum::<f64>();
                [sum, rows.map(|a| self.weight(a)).sum()]
            });
            return sum / total;
        }
        let slope = |b: f64| self.sum(n, |a| self.weight(a) * loss.derivative(q[a] + b, y[a]));
        let flat = FLAT * self.sum(n, |a| self.weight(a) * loss.derivative(q[a], y[a]).abs());
        root_near_zero(slope, flat)
    }

    /// sum_a omega_a l(q_a; y_a), for predictions `q` (with their output bias) and targets `y` (both n x C).
    pub fn total(&self, q: &HostMatrix, y: &HostMatrix) -> f64 {
        if self.is_plain() {
            return squared_loss_over(&self.samples, q, y);
        }
        match self.loss.form() {
            LossForm::Entry(loss) => (0..y.cols()).map(|c| self.of_target(loss, q.col(c), y.col(c))).sum(),
            LossForm::Row(loss) => self.rows(loss, y).total(q),
        }
    }

    /// [`total`](WeightedLoss::total), bit for bit, with the losses of the targets.
    pub fn totals(&self, q: &HostMatrix, y: &HostMatrix) -> TargetSum {
        match self.loss.form() {
            LossForm::Row(loss) => TargetSum::whole(self.rows(loss, y).total(q)),
            LossForm::Entry(_) if self.is_plain() => {
                let mut losses = squared_losses_over(&self.samples, q, y);
                let targets = losses.split_off(1);
                TargetSum { total: losses[0], targets }
            }
            LossForm::Entry(loss) => {
                TargetSum::of((0..y.cols()).map(|c| self.of_target(loss, q.col(c), y.col(c))).collect())
            }
        }
    }

    /// sum_a omega_a l(q_a; y_a) for one target.
    fn of_target(&self, loss: EntryLoss, q: &[f64], y: &[f64]) -> f64 {
        self.sum(y.len(), |a| self.weight(a) * loss.value(q[a], y[a]))
    }

    /// The predictions of the zero network (n x C): its output bias.
    pub fn prediction_at_zero(&self, y: &HostMatrix) -> HostMatrix {
        let mut q = HostMatrix::zeros(y.rows(), y.cols());
        self.add_bias(&mut q, y);
        q
    }

    /// The loss of the zero network.
    pub fn at_zero(&self, y: &HostMatrix) -> TargetSum {
        self.totals(&self.prediction_at_zero(y), y)
    }

    /// The scale of objectives: below 1e-9 of it, differences are rounding. For the losses of classes it is the loss of
    /// outputs 0, since an output bias can fit samples of a single class to any precision; otherwise it is that of the
    /// zero network.
    pub fn scale(&self, y: &HostMatrix) -> TargetSum {
        if self.loss.needs_classes() { self.totals(&HostMatrix::zeros(y.rows(), y.cols()), y) } else { self.at_zero(y) }
    }

    /// -omega l'(0; y), the dual point of the zero network (n x C). For the squared loss it is y, less its mean if
    /// there is an output bias.
    pub fn xi_at_zero(&self, y: &HostMatrix) -> HostMatrix {
        if self.is_plain() && !self.output_bias {
            return y.clone();
        }
        let mut xi = self.xi_at(&self.prediction_at_zero(y), y);
        // The slope along the bias is zero up to the tolerance of its search.
        self.clip(&mut xi, y);
        xi
    }

    /// -omega l'(q; y), the dual point of the predictions q (both n x C).
    pub fn xi_at(&self, q: &HostMatrix, y: &HostMatrix) -> HostMatrix {
        match self.loss.form() {
            LossForm::Entry(loss) => {
                HostMatrix::from_fn(y.rows(), y.cols(), |a, c| -self.weight(a) * loss.derivative(q[(a, c)], y[(a, c)]))
            }
            LossForm::Row(loss) => self.rows(loss, y).xi_at(q),
        }
    }

    /// Replaces z (n x C) by q = argmin of sum omega l(q; y) + kappa/2 ||q - z||^2.
    pub fn prox(&self, z: &mut HostMatrix, y: &HostMatrix, kappa: f64) {
        match self.loss.form() {
            LossForm::Entry(loss) => {
                for c in 0..y.cols() {
                    for (a, (z, &y)) in z.col_mut(c).iter_mut().zip(y.col(c)).enumerate() {
                        *z = loss.prox(*z, y, self.weight(a) / kappa);
                    }
                }
            }
            LossForm::Row(loss) => self.rows(loss, y).prox(z, kappa),
        }
    }

    /// Whether every xi is in the domain of the conjugate, so that [`clip`](WeightedLoss::clip) does nothing.
    pub fn takes_every_xi(&self) -> bool {
        self.is_plain() && !self.output_bias
    }

    /// Moves xi (n x C) into the domain of the conjugate: each -xi_a to the nearest value, or row, in the closed range
    /// of omega_a l'. With an output bias, to the nearest point whose entries also sum to zero for each target.
    pub fn clip(&self, xi: &mut HostMatrix, y: &HostMatrix) {
        let loss = match self.loss.form() {
            LossForm::Entry(loss) => loss,
            LossForm::Row(loss) => return self.rows(loss, y).clip(xi, self.output_bias),
        };
        for c in 0..y.cols() {
            let y = y.col(c);
            let clipped = |a: usize, xi: f64| {
                let (low, high) = loss.domain(y[a]);
                -(-xi).clamp(self.weight(a) * low, self.weight(a) * high)
            };
            let xi = xi.col_mut(c);
            // The sum of the first result has the rounding errors of xi, which may lie far outside the domain.
            for _ in 0..if self.output_bias { 2 } else { 1 } {
                let shift = if self.output_bias { self.balancing_shift(xi, &clipped) } else { 0.0 };
                xi.iter_mut().enumerate().for_each(|(a, xi)| *xi = clipped(a, *xi + shift));
            }
        }
    }

    /// The lower bound that xi (n x C, after [`clip`](WeightedLoss::clip)) proves: for each target, the maximum over t
    /// in [0, its limit] of -sum_a omega_a l*(-t xi_a / omega_a; y_a). Every t gives a lower bound; t = 0 gives 0. A
    /// loss of rows has one t for all targets, within the smallest limit, and one bound.
    pub fn bound(&self, xi: &HostMatrix, y: &HostMatrix, limits: &[f64]) -> TargetSum {
        // Multipliers that overflow prove only the bound 0.
        let proved = |value: f64| if value.is_finite() { value } else { 0.0 };
        match self.loss.form() {
            LossForm::Row(loss) => {
                let limit = limits.iter().copied().fold(f64::INFINITY, f64::min);
                TargetSum::whole(proved(self.rows(loss, y).bound(xi, limit)))
            }
            LossForm::Entry(_) if self.is_plain() => {
                let bound = |(c, &limit): (usize, &f64)| proved(self.squared_bound(xi.col(c), y.col(c), limit));
                TargetSum::of(limits.iter().enumerate().map(bound).collect())
            }
            LossForm::Entry(loss) => {
                let bound = |(c, &limit): (usize, &f64)| proved(self.searched_bound(loss, xi.col(c), y.col(c), limit));
                TargetSum::of(limits.iter().enumerate().map(bound).collect())
            }
        }
    }

    fn searched_bound(&self, loss: EntryLoss, xi: &[f64], y: &[f64], limit: f64) -> f64 {
        // (omega, z, y) with z = -xi / omega. Entries with xi = 0 add nothing.
        type Term = (f64, f64, f64);
        let terms_of = |rows: Range<usize>| {
            let nonzero = rows.filter(|&a| xi[a] != 0.0);
            nonzero.map(|a| (self.weight(a), -xi[a] / self.weight(a), y[a])).collect::<Vec<_>>()
        };
        let terms = self.samples.of_shards(y.len(), terms_of);
        let within = |t: f64, z: f64, y: f64| {
            let (low, high) = loss.domain(y);
            (t * z).clamp(low, high)
        };
        // The domain is an interval that contains 0, so that it limits t only from above.
        let limit = terms.iter().flatten().fold(limit, |limit: f64, &(_, z, y)| {
            let (low, high) = loss.domain(y);
            limit.min(if z > 0.0 { high / z } else { low / z })
        });
        let limit = self.samples.smallest(limit);
        let slope = |t: f64| {
            let slope_of = |&(weight, z, y): &Term| -weight * z * loss.attained_at(within(t, z, y), y);
            self.samples.sum_of_shards(&terms, |terms| terms.iter().map(slope_of).sum())
        };
        let t = concave_maximum(slope, limit);
        let value_of = |&(weight, z, y): &Term| -weight * loss.conjugate(within(t, z, y), y);
        self.samples.sum_of_shards(&terms, |terms| terms.iter().map(value_of).sum())
    }

    /// For each target, the t >= 0 that minimises the loss of t f plus t times the decay of the target; and the loss
    /// there. The predictions `f` and the targets `y` are n x C. A loss of rows has one t for all targets.
    pub fn best_multiples(&self, f: &HostMatrix, y: &HostMatrix, decays: &[f64]) -> (Vec<f64>, TargetSum) {
        let loss = match self.loss.form() {
            LossForm::Entry(loss) => loss,
            LossForm::Row(loss) => {
                let rows = self.rows(loss, y);
                let (t, value) = rows.best_multiple(f, decays.iter().sum(), self.output_bias);
                return (vec![t; decays.len()], TargetSum::whole(value));
            }
        };
        let found = decays.iter().enumerate().map(|(c, &decay)| self.best_multiple(loss, f.col(c), y.col(c), decay));
        let (multiples, losses): (Vec<f64>, Vec<f64>) = found.unzip();
        (multiples, TargetSum::of(losses))
    }

    fn best_multiple(&self, loss: EntryLoss, f: &[f64], y: &[f64], decay: f64) -> (f64, f64) {
        if self.is_plain() {
            let [f, y] = [f, y].map(|values| if self.output_bias { self.centred(values) } else { values.to_vec() });
            return self.squared_multiple(&f, &y, decay);
        }
        let bias = |t: f64| {
            let scaled: Vec<f64> = f.iter().map(|f| t * f).collect();
            if self.output_bias { self.best_bias(loss, &scaled, y) } else { 0.0 }
        };
        // At the best bias, the derivative with respect to t is the partial one.
        let slope = |t: f64| -> f64 {
            let b = bias(t);
            -decay - self.sum(y.len(), |a| self.weight(a) * f[a] * loss.derivative(t * f[a] + b, y[a]))
        };
        let t = concave_maximum(slope, f64::INFINITY);
        let b = bias(t);
        (t, self.sum(y.len(), |a| self.weight(a) * loss.value(t * f[a] + b, y[a])))
    }

    /// The values less their mean.
    fn centred(&self, values: &[f64]) -> Vec<f64> {
        let mean = self.mean(values);
        values.iter().map(|value| value - mean).collect()
    }

    /// The s for which the sum of all `clipped(a, xi_a + s)` is zero, or as near to zero as the ranges allow.
    fn balancing_shift(&self, xi: &[f64], clipped: &impl Fn(usize, f64) -> f64) -> f64 {
        let sum = |s: f64| self.sum(xi.len(), |a| clipped(a, xi[a] + s));
        // Every range contains zero: at these ends, all entries have one sign.
        let (low, high) =
            xi.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), xi| (low.min(-xi), high.max(-xi)));
        let (low, high) = (self.samples.smallest(low), -self.samples.smallest(-high));
        let flat = f64::EPSILON * self.sum(xi.len(), |a| xi[a].abs());
        if low <= high { increasing_root(sum, low, high, flat) } else { 0.0 }
    }

    fn mean(&self, values: &[f64]) -> f64 {
        self.sum(values.len(), |a| values[a]) / self.samples.total(values.len()).max(1) as f64
    }

    /// Mean absolute deviation of y from the mean of its column.
    fn spread(&self, y: &HostMatrix) -> f64 {
        let distance = |c: usize| {
            let (y, centre) = (y.col(c), self.mean(y.col(c)));
            self.sum(y.len(), |a| (y[a] - centre).abs())
        };
        let entries = self.samples.total(y.rows()) * y.cols();
        (0..y.cols()).map(distance).sum::<f64>() / entries.max(1) as f64
    }

    /// The maximum of t xi'y - t^2 ||xi||^2 / 2 over t in [0, `limit`]: the bound of the squared loss in closed form.
    fn squared_bound(&self, xi: &[f64], y: &[f64], limit: f64) -> f64 {
        let [xi_y, xi_xi] = self.products(xi, y);
        if xi_xi > 0.0 {
            let t = (xi_y / xi_xi).min(limit).max(0.0);
            t * xi_y - 0.5 * t * t * xi_xi
        } else {
            0.0
        }
    }

    /// The t >= 0 that minimises 1/2 ||t f - y||^2 + t `decay`, and the loss there: the squared loss in closed form.
    fn squared_multiple(&self, f: &[f64], y: &[f64], decay: f64) -> (f64, f64) {
        let [f_y, f_f] = self.products(f, y);
        let t = if f_f > 0.0 { ((f_y - decay) / f_f).max(0.0) } else { 0.0 };
        (t, 0.5 * self.sum(y.len(), |a| (t * f[a] - y[a]) * (t * f[a] - y[a])))
    }

    /// x'y and x'x.
    fn products(&self, x: &[f64], y: &[f64]) -> [f64; 2] {
        self.samples.sum(y.len(), |rows| {
            let pairs = x[rows.clone()].iter().zip(&y[rows]);
            pairs.fold([0.0, 0.0], |[x_y, x_x], (x, y)| [x_y + x * y, x_x + x * x])
        })
    }
}
