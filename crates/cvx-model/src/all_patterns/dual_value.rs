//! The value (6.4) of a dual point, rounded down.

use crate::entry_loss::EntryLoss;
use crate::loss::LossForm;
use crate::metrics::row;
use crate::multinomial::Multinomial;
use crate::weighted::{TargetSum, WeightedLoss};
use cvx_linalg::HostMatrix;

/// Steps of the search for the best multiple; each leaves two thirds of the interval.
const THIRDS: usize = 90;

/// Unit roundoff.
const ROUNDING: f64 = 0.5 * f64::EPSILON;

/// Errors of a term in units of rounding: those of a logarithm of 1 - p, whose p is rounded, are the largest.
const TERM_ROUNDING: f64 = 64.0;

/// Largest multiple that is tried.
const MOST: f64 = 1e6;

/// A lower bound of the maximum of (6.4), or (6.7), over the multiples t of `xi` (n x C) up to the `limits` (C), which
/// are numbers.
pub(super) fn lower(loss: &WeightedLoss, xi: &HostMatrix, y: &HostMatrix, limits: &[f64]) -> TargetSum {
    let weight = |a: usize| loss.weights().map_or(1.0, |weights| weights[a]);
    match loss.loss().form() {
        LossForm::Row(loss) => {
            let rows: Vec<Row> = (0..xi.rows()).map(|a| Row::of(loss, xi, y, a, weight(a))).collect();
            TargetSum { total: best(limits.iter().copied().fold(MOST, f64::min), &rows), targets: Vec::new() }
        }
        LossForm::Entry(loss) => {
            let of_target = |c: usize| {
                let term = |a: usize| Entry { loss, xi: xi[(a, c)], y: y[(a, c)], weight: weight(a) };
                let terms: Vec<Entry> = (0..xi.rows()).map(term).collect();
                best(limits[c].min(MOST), &terms)
            };
            let targets: Vec<f64> = (0..xi.cols()).map(of_target).collect();
            TargetSum { total: targets.iter().sum::<f64>() * (1.0 - xi.cols() as f64 * f64::EPSILON), targets }
        }
    }
}

/// A term of the value, as a function of the multiple t.
trait Term {
    /// The term, and the size of what it is computed from.
    fn at(&self, t: f64) -> (f64, f64);
    /// The largest t in the domain.
    fn limit(&self) -> f64;
}

/// -omega l*(-t xi / omega; y).
struct Entry {
    loss: EntryLoss,
    xi: f64,
    y: f64,
    weight: f64,
}

impl Term for Entry {
    fn at(&self, t: f64) -> (f64, f64) {
        let z = -t * self.xi / self.weight;
        let size = match self.loss {
            EntryLoss::Squared | EntryLoss::Huber { .. } | EntryLoss::SquaredHinge => (z * self.y).abs() + 0.5 * z * z,
            EntryLoss::Logistic => 1.0,
        };
        (-self.weight * self.loss.conjugate(z, self.y), self.weight * size)
    }

    fn limit(&self) -> f64 {
        let (low, high) = self.loss.domain(self.y);
        let end = if self.xi > 0.0 { -low } else { high };
        if self.xi == 0.0 { f64::INFINITY } else { end * self.weight / self.xi.abs() }
    }
}

/// -omega l*(-t xi / omega; k) of a row.
struct Row {
    loss: Multinomial,
    /// -xi / omega, at t = 1 the shares of the classes but k.
    z: Vec<f64>,
    class: usize,
    weight: f64,
}

impl Row {
    fn of(loss: Multinomial, xi: &HostMatrix, y: &HostMatrix, a: usize, weight: f64) -> Row {
        let z = (0..xi.cols()).map(|c| -xi[(a, c)] / weight).collect();
        Row { loss, z, class: loss.class(&row(y, a)), weight }
    }
}

impl Term for Row {
    fn at(&self, t: f64) -> (f64, f64) {
        let z: Vec<f64> = self.z.iter().map(|z| t * z).collect();
        (-self.weight * self.loss.conjugate(&z, self.class), self.weight * z.len() as f64)
    }

    fn limit(&self) -> f64 {
        let total: f64 = (0..self.z.len()).filter(|&c| c != self.class).map(|c| self.z[c]).sum();
        if total > 0.0 { 1.0 / (total * (1.0 + self.z.len() as f64 * f64::EPSILON)) } else { f64::INFINITY }
    }
}

/// The largest value found over the multiples up to `limit`, rounded down; at least 0, that of t = 0.
fn best(limit: f64, terms: &[impl Term]) -> f64 {
    let within = terms.iter().map(Term::limit).fold(limit, f64::min) * (1.0 - 8.0 * f64::EPSILON);
    let value = |t: f64| {
        let (value, size) = terms.iter().map(|term| term.at(t)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        value - 2.0 * (terms.len() as f64 + TERM_ROUNDING) * ROUNDING * size
    };
    let (mut low, mut high, mut best) = (0.0, within, value(within).max(0.0));
    for _ in 0..THIRDS {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        let (at_left, at_right) = (value(left), value(right));
        best = best.max(at_left).max(at_right);
        if at_left < at_right { low = left } else { high = right }
    }
    if best.is_finite() { best } else { 0.0 }
}
