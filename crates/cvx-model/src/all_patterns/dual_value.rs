//! The value (6.4) of a dual point, rounded down.

use crate::entry_loss::EntryLoss;
use crate::loss::LossForm;
use crate::weighted::WeightedLoss;
use cvx_linalg::HostMatrix;

/// Steps of the search for the best multiple; each leaves two thirds of the interval.
const THIRDS: usize = 90;

/// Unit roundoff.
const ROUNDING: f64 = 0.5 * f64::EPSILON;

/// Errors of a term in units of rounding: those of a logarithm of 1 - p, whose p is rounded, are the largest.
const TERM_ROUNDING: f64 = 64.0;

/// Largest multiple that is tried.
const MOST: f64 = 1e6;

/// A lower bound of the maximum of (6.4), or (6.7), over the multiples t of `xi` (n x C) up to the `limits` (C).
pub(super) fn lower(loss: &WeightedLoss, xi: &HostMatrix, y: &HostMatrix, limits: &[f64]) -> f64 {
    let weight = |a: usize| loss.weights().map_or(1.0, |weights| weights[a]);
    match loss.loss().form() {
        LossForm::Row(_) => {
            let rows: Vec<Row> = (0..xi.rows()).map(|a| Row::of(xi, y, a, weight(a))).collect();
            best(limits.iter().copied().fold(MOST, f64::min), &rows)
        }
        LossForm::Entry(entry) => {
            let of_target = |c: usize| {
                let term = |a: usize| Entry { loss: entry, xi: xi[(a, c)], y: y[(a, c)], weight: weight(a) };
                let terms: Vec<Entry> = (0..xi.rows()).map(term).collect();
                best(limits[c].min(MOST), &terms)
            };
            (0..xi.cols()).map(of_target).sum::<f64>() * (1.0 - xi.cols() as f64 * f64::EPSILON)
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
        let p = t * self.xi / self.weight;
        let (value, size) = match self.loss {
            EntryLoss::Squared | EntryLoss::Huber { .. } | EntryLoss::SquaredHinge => {
                (p * self.y - 0.5 * p * p, (p * self.y).abs() + 0.5 * p * p)
            }
            EntryLoss::Logistic => (entropy(p.abs()) + entropy(1.0 - p.abs()), 1.0),
        };
        (self.weight * value, self.weight * size)
    }

    fn limit(&self) -> f64 {
        match self.loss {
            EntryLoss::Squared | EntryLoss::SquaredHinge => f64::INFINITY,
            EntryLoss::Logistic => self.weight / self.xi.abs(),
            EntryLoss::Huber { delta } => delta * self.weight / self.xi.abs(),
        }
    }
}

/// The entropy of the shares e - t xi / omega of a row, times omega.
struct Row {
    /// -xi / omega of the other classes.
    others: Vec<f64>,
    total: f64,
    weight: f64,
}

impl Row {
    fn of(xi: &HostMatrix, y: &HostMatrix, a: usize, weight: f64) -> Row {
        let other = |c: usize| (y[(a, c)] <= 0.0).then(|| -xi[(a, c)] / weight);
        let others: Vec<f64> = (0..xi.cols()).filter_map(other).collect();
        Row { total: others.iter().sum(), others, weight }
    }
}

impl Term for Row {
    fn at(&self, t: f64) -> (f64, f64) {
        let others: f64 = self.others.iter().map(|share| entropy(t * share)).sum();
        let value = others + entropy(1.0 - t * self.total);
        (self.weight * value, self.weight * (1.0 + self.others.len() as f64))
    }

    fn limit(&self) -> f64 {
        1.0 / (self.total * (1.0 + self.others.len() as f64 * f64::EPSILON))
    }
}

/// -p log p.
fn entropy(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
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
