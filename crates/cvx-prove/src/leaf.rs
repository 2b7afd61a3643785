//! The lower bound of a leaf, with the error of its own evaluation taken off. Nothing of the search is used here.
//!
//! On a part of the region where some switches are decided, for any coefficients c_r of the rows (math.md, (14.2)),
//!
//! f(z) >= l_0 + c'b + sum_j k_j + min over the region of (l + sum_r c_r w_r)'z,
//!
//! where k_j is the least value of what switch j adds less the rows at their coefficients. That is a minimum of a
//! piecewise affine function of intervals, which its corners attain.

use crate::deployed::Deployed;
use crate::function::{Function, Rows, Switch, Term};
use crate::region::{Norm, Region};
use crate::rounding::{UNDERFLOW, absolute_dot, dot, dot_roundings, down, gamma, gamma_of, up};

/// Which side of its gate a switch is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Not decided.
    Free,
    /// h >= 0.
    On,
    /// h < 0.
    Off,
}

/// Bounds of each row on a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    /// At most the smallest value.
    pub low: Vec<f64>,
    /// At least the largest value.
    pub high: Vec<f64>,
    /// The value at the centre, rounded.
    pub centre: Vec<f64>,
    /// |w_r|'reach + |b_r| and what the row has beyond, rounded: what rounding errors are proportional to.
    pub reach: Vec<f64>,
}

impl Intervals {
    /// Those of all rows.
    pub fn new(rows: &Rows, region: &Region) -> Self {
        let n = rows.len();
        let error = gamma(sum_roundings(region) + rows.roundings + 8);
        let mut intervals =
            Intervals { low: vec![0.0; n], high: vec![0.0; n], centre: vec![0.0; n], reach: vec![0.0; n] };
        let rounds_centre = region.slack.iter().any(|slack| *slack > 0.0);
        for r in 0..n {
            let row = rows.row(r);
            let centre = dot(row, &region.centre) + rows.biases[r];
            let mut width = match region.norm {
                Norm::Linf => absolute_dot(row, &region.radii),
                Norm::L2 => scaled_norm(row, &region.radii),
            };
            if rounds_centre {
                width += absolute_dot(row, &region.slack);
            }
            let reach = absolute_dot(row, &region.reach) + rows.biases[r].abs() + rows.extra[r];
            let width = up(width + 2.0 * error * reach + UNDERFLOW + rows.errors[r]);
            (intervals.low[r], intervals.high[r]) = (down(centre - width), up(centre + width));
            (intervals.centre[r], intervals.reach[r]) = (centre, reach);
        }
        intervals
    }
}

/// Rounded operations that a term of a sum over the inputs goes through.
fn sum_roundings(region: &Region) -> usize {
    let d = region.centre.len();
    match region.norm {
        Norm::Linf => dot_roundings(d),
        Norm::L2 => dot_roundings(d).max(d + 4),
    }
}

fn scaled_norm(x: &[f64], scale: &[f64]) -> f64 {
    x.iter().zip(scale).map(|(x, scale)| (x * scale).powi(2)).sum::<f64>().sqrt()
}

/// A function on a region: everything that the bound of a leaf needs.
pub struct Setting<'a> {
    /// The function.
    pub function: &'a Function,
    /// Its rows.
    pub rows: &'a Rows,
    /// The region.
    pub region: &'a Region,
    /// Bounds of the rows.
    pub intervals: &'a Intervals,
    /// What a claim has to be above zero by, rounding of leaves aside.
    pub error: f64,
    /// The size of the sums that the function is made of, which rounding errors are proportional to.
    pub scale: f64,
    /// By how much a computed gate may be off, relative to the reach of its row.
    gate_error: f64,
}

impl<'a> Setting<'a> {
    /// The function on a region, evaluated in an arithmetic.
    pub fn new(
        function: &'a Function,
        rows: &'a Rows,
        region: &'a Region,
        intervals: &'a Intervals,
        deployed: Deployed,
    ) -> Self {
        let (unit, d) = (deployed.unit(), rows.inputs);
        // Where a constant was folded into weights, a program rounds the constant and the result of its operation.
        let folded = 2 * rows.roundings;
        let first = gamma_of(d + 10 + folded, unit);
        let second = gamma_of(function.absolute.len() + 8 + folded, unit);
        let most = |r: usize| intervals.high[r].max(-intervals.low[r]).max(0.0);
        // The own row of a merged neuron is at most the two rows together.
        let both = |term: &Term, of: &dyn Fn(usize) -> f64| of(term.row) + term.residual.map_or(0.0, of);
        let reach = |term: &Term| both(term, &|r| intervals.reach[r]);
        let largest = |term: &Term| both(term, &most);
        let mut error = function.error;
        // What is left of merged neurons: the difference of two rows, each of which is off by its own roundings.
        let left = |term: &Term| {
            let stored = 2.0 * gamma(rows.roundings) * reach(term);
            term.residual.map_or(0.0, |residual| term.weight * (most(residual) + stored))
        };
        error += function.absolute.iter().map(left).sum::<f64>();
        // The coefficients themselves.
        let total = function.absolute.iter().map(|term| term.weight * largest(term)).sum::<f64>();
        let total = total + function.absolute_bias;
        error += gamma(function.roundings) * total;
        error += gamma(function.linear_roundings) * absolute_dot(&function.linear, &region.reach);
        // The evaluation in rounded arithmetic.
        if unit > 0.0 {
            let neuron = |term: &Term| {
                let of_row = first * reach(term) + both(term, &|r| rows.errors[r]);
                let high = intervals.high[term.row] + term.residual.map_or(0.0, most);
                let is_off = !function.is_gated && high < -2.0 * of_row;
                if is_off { 0.0 } else { term.weight * (1.02 * of_row + second * largest(term)) }
            };
            error += function.absolute.iter().map(neuron).sum::<f64>() + second * function.absolute_bias;
        }
        error = error * (1.0 + 1e-9) + UNDERFLOW;
        // Without finite bounds there is no proof.
        if !intervals.low.iter().chain(&intervals.high).chain(&intervals.reach).all(|x| x.is_finite()) {
            error = f64::INFINITY;
        }
        let scale = function.absolute.iter().map(|term| term.weight * reach(term)).sum::<f64>();
        let scale = scale + function.absolute_bias;
        Setting { function, rows, region, intervals, error, scale, gate_error: first }
    }

    /// A lower bound of the function on the part of the region where the switches are on these sides, for these
    /// coefficients of the rows; those of rows that the function does not use are not read. It is above what the
    /// arithmetic and the evaluation here can be off; -infinity where a number overflows.
    pub fn bound(&self, sides: &[Side], coefficients: &[f64]) -> f64 {
        let Setting { function, rows, region, intervals, .. } = *self;
        let mut slope = if function.linear.is_empty() { vec![0.0; rows.inputs] } else { function.linear.clone() };
        let (mut sum, mut magnitude) = (function.constant, function.constant.abs());
        magnitude += absolute_dot(&function.linear, &region.reach);
        let mut used = 0;
        for (switch, &side) in function.switches.iter().zip(sides) {
            let Some(least) = self.least(switch, side, coefficients) else { return f64::INFINITY };
            sum += least;
            magnitude += least.abs();
            for r in std::iter::once(switch.gate).chain(switch.values.iter().map(|&(p, _)| p)) {
                let coefficient = coefficients[r];
                if coefficient != 0.0 {
                    slope.iter_mut().zip(rows.row(r)).for_each(|(slope, weight)| *slope += coefficient * weight);
                    sum += coefficient * rows.biases[r];
                    magnitude += coefficient.abs() * (intervals.reach[r] + rows.errors[r]);
                    sum -= coefficient.abs() * rows.errors[r];
                }
                used += 1;
            }
        }
        sum += dot(&slope, &region.centre) - absolute_dot(&slope, &region.slack);
        sum -= match region.norm {
            Norm::Linf => absolute_dot(&slope, &region.radii),
            Norm::L2 => scaled_norm(&slope, &region.radii),
        };
        let roundings = 4 * used + sum_roundings(region);
        let rounding = gamma(roundings + rows.roundings + 16) * magnitude * 1.01 + UNDERFLOW;
        let bound = sum - rounding - self.error;
        if bound.is_finite() { down(bound) } else { f64::NEG_INFINITY }
    }

    /// k_j: the least of what a switch adds on a side, less its rows at their coefficients. `None` if there is no
    /// input on that side.
    fn least(&self, switch: &Switch, side: Side, coefficients: &[f64]) -> Option<f64> {
        let Intervals { low, high, reach, .. } = self.intervals;
        let (low, high) = (|r: usize| low[r], |r: usize| high[r]);
        let gate = coefficients[switch.gate];
        // A jump is where the computed gate changes its sign. Neurons of one gate are on or off together: a program
        // computes equal gates alike, which claims about rounded arithmetic assume.
        let off_by = match switch.values.is_empty() && switch.beta == 0.0 {
            true => 0.0,
            false => self.gate_error * reach[switch.gate] + self.rows.errors[switch.gate],
        };
        let (on_low, on_high) = (low(switch.gate).max(-off_by), high(switch.gate));
        let (off_low, off_high) = (low(switch.gate), high(switch.gate).min(off_by));
        let on = || {
            if on_high < on_low {
                return None;
            }
            let values =
                switch.values.iter().map(|&(p, alpha)| least_product(alpha - coefficients[p], low(p), high(p)));
            Some(switch.beta + least_product(switch.alpha - gate, on_low, on_high) + values.sum::<f64>())
        };
        let off = || {
            if off_high < off_low {
                return None;
            }
            let values = switch.values.iter().map(|&(p, _)| least_product(-coefficients[p], low(p), high(p)));
            Some(least_product(-gate, off_low, off_high) + values.sum::<f64>())
        };
        match side {
            Side::On => on(),
            Side::Off => off(),
            Side::Free => match (on(), off()) {
                (Some(on), Some(off)) => Some(if on <= off { on } else { off }),
                (one, other) => one.or(other),
            },
        }
    }
}

/// The least value of `factor` x for x between `low` and `high`.
fn least_product(factor: f64, low: f64, high: f64) -> f64 {
    if factor == 0.0 {
        return 0.0;
    }
    (factor * low).min(factor * high)
}
