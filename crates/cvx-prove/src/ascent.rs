//! The lower bound of a node, raised step by step.
//!
//! The largest D(v) is a saddle point of k + v'(b + W c) + (r o (l + W'v))'y over inputs y and coefficients v, for
//! which the primal-dual method of Chambolle & Pock (2011) needs two products with W a step. Diagonal steps are those
//! of Pock & Chambolle (2011), restarts from averages and the weight of the two steps those of Applegate et al. (2021).
//! Every v gives a bound, every y a value of the function.

use crate::leaf::Side;
use crate::node::{Limits, Local};
use crate::rounding::dot;

/// Steps before the first restart.
const FIRST_RESTART: usize = 24;

/// A pair of points, where a node begins its search.
#[derive(Clone)]
pub struct Start {
    /// Coefficients of the variables, in their units.
    v: Vec<f64>,
    /// The input.
    y: Vec<f64>,
}

impl Start {
    /// The centre, with every coefficient as it is there.
    pub fn of(local: &Local) -> Self {
        let v = (0..local.len()).map(|variable| f64::from(u8::from(local.centre(variable) > 0.0))).collect();
        Start { v, y: vec![0.0; local.slope.len()] }
    }

    /// The input.
    pub fn y(&self) -> &[f64] {
        &self.y
    }
}

/// What came of a node.
pub struct Bounded {
    /// The best lower bound found; rounding is not accounted for.
    pub bound: f64,
    /// Its coefficients, by row.
    pub coefficients: Vec<f64>,
    /// The best point found, and its value.
    pub point: (f64, Vec<f64>),
    /// Where children begin.
    pub start: Start,
}

/// When to end.
#[derive(Clone, Copy)]
pub struct Ends {
    /// Most steps.
    pub steps: usize,
    /// A bound above this is enough.
    pub target: f64,
    /// A value at or below this is enough.
    pub floor: f64,
}

/// Raises the bound of a node until an end is reached, or the relaxation of the node shows that it cannot be.
pub fn ascend(local: &Local, sides: &[Side], start: &Start, ends: Ends) -> Bounded {
    let mut ascent = Ascent::new(local, sides, start, ends);
    let mut restart = FIRST_RESTART;
    for step in 1..=ends.steps.max(1) {
        if ascent.step() {
            break;
        }
        if ascent.mean.count == restart || step == ends.steps {
            if ascent.restart() {
                break;
            }
            restart += restart / 2;
        }
    }
    let Ascent { best: (bound, v), point, y, .. } = ascent;
    Bounded { bound, coefficients: local.coefficients(&v), point, start: Start { v, y } }
}

/// Sums of the iterates since the last restart.
struct Mean {
    v: Vec<f64>,
    slope: Vec<f64>,
    y: Vec<f64>,
    count: usize,
}

impl Mean {
    fn take(&mut self) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let factor = 1.0 / self.count.max(1) as f64;
        self.count = 0;
        let mean = |sum: &mut Vec<f64>| {
            let mean = sum.iter().map(|sum| factor * sum).collect();
            sum.fill(0.0);
            mean
        };
        (mean(&mut self.v), mean(&mut self.slope), mean(&mut self.y))
    }
}

struct Ascent<'a> {
    local: &'a Local<'a>,
    limits: Limits,
    ends: Ends,
    /// Variables with more than one coefficient.
    free: Vec<usize>,
    /// What the other coefficients add: a constant, and slopes in y.
    constant: f64,
    base: Vec<f64>,
    /// The iterates, and the variables at y.
    v: Vec<f64>,
    y: Vec<f64>,
    at: Vec<f64>,
    /// r o (l + W'v).
    slope: Vec<f64>,
    mean: Mean,
    /// The iterates at the last restart.
    last: Start,
    /// Ratio of the steps of coefficients and inputs, by how far both go between restarts.
    weight: f64,
    best: (f64, Vec<f64>),
    point: (f64, Vec<f64>),
}

impl<'a> Ascent<'a> {
    fn new(local: &'a Local<'a>, sides: &[Side], start: &Start, ends: Ends) -> Self {
        let (limits, n, d) = (local.limits(sides), local.len(), local.slope.len());
        let (free, fixed): (Vec<usize>, Vec<usize>) = (0..n).partition(|&k| limits.low[k] < limits.high[k]);
        let (mut constant, mut base) = (local.constant + limits.constant, local.slope.clone());
        for variable in fixed.into_iter().filter(|&variable| limits.low[variable] != 0.0) {
            add(&mut base, limits.low[variable], local.weights(variable));
            constant += limits.low[variable] * local.centre(variable);
        }
        let v: Vec<f64> = (0..n).map(|k| start.v[k].max(limits.low[k]).min(limits.high[k])).collect();
        Ascent {
            mean: Mean { v: vec![0.0; n], slope: vec![0.0; d], y: vec![0.0; d], count: 0 },
            last: Start { v: v.clone(), y: start.y.clone() },
            best: (f64::NEG_INFINITY, v.clone()),
            point: (f64::INFINITY, start.y.clone()),
            at: local.variables_at(&start.y),
            y: start.y.clone(),
            slope: vec![0.0; d],
            weight: 1.0,
            local,
            limits,
            ends,
            free,
            constant,
            base,
            v,
        }
    }

    fn clamp(&self, variable: usize, v: f64) -> f64 {
        v.max(self.limits.low[variable]).min(self.limits.high[variable])
    }

    /// D(v), and the slope at v.
    fn dual(&mut self, v: &[f64]) -> f64 {
        self.slope.copy_from_slice(&self.base);
        for &variable in self.free.iter().filter(|&&variable| v[variable] != 0.0) {
            add(&mut self.slope, v[variable], self.local.weights(variable));
        }
        self.dual_at(v, &self.slope)
    }

    /// D(v) for a v with this slope.
    fn dual_at(&self, v: &[f64], slope: &[f64]) -> f64 {
        let linear: f64 = self.free.iter().map(|&variable| v[variable] * self.local.centre(variable)).sum();
        self.constant + linear + self.local.least_product(slope)
    }

    /// Keeps the best bound; returns whether it is enough.
    fn keep_bound(&mut self, bound: f64, v: &[f64]) -> bool {
        if bound > self.best.0 {
            self.best = (bound, v.to_vec());
        }
        self.best.0 > self.ends.target
    }

    /// Keeps the best point; returns whether it is enough.
    fn keep_point(&mut self, at: &[f64], y: &[f64]) -> bool {
        let value = self.local.value(at, y);
        if value < self.point.0 {
            self.point = (value, y.to_vec());
        }
        value <= self.ends.floor
    }

    /// One step; returns whether an end is reached.
    fn step(&mut self) -> bool {
        let v = std::mem::take(&mut self.v);
        let bound = self.dual(&v);
        let is_enough = self.keep_bound(bound, &v);
        self.v = v;
        if is_enough || self.free.is_empty() {
            return true;
        }
        let step = |k: usize| self.y[k] - self.local.steps[k] / self.weight * self.slope[k];
        let mut next: Vec<f64> = (0..self.y.len()).map(step).collect();
        self.local.project(&mut next);
        let at = self.local.variables_at(&next);
        if self.keep_point(&at, &next) {
            return true;
        }
        add(&mut self.mean.v, 1.0, &self.v);
        add(&mut self.mean.slope, 1.0, &self.slope);
        add(&mut self.mean.y, 1.0, &next);
        self.mean.count += 1;
        for &variable in &self.free {
            // The rows at 2 next - y.
            let ahead = 2.0 * at[variable] - self.at[variable];
            let step = self.weight * self.local.step(variable) * ahead;
            self.v[variable] = self.clamp(variable, self.v[variable] + step);
        }
        (self.y, self.at) = (next, at);
        false
    }

    /// Goes on from the averages; returns whether an end is reached.
    fn restart(&mut self) -> bool {
        let (v, slope, y) = self.mean.take();
        let bound = self.dual_at(&v, &slope);
        let is_enough = self.keep_bound(bound, &v);
        let at = self.local.variables_at(&y);
        let is_low = self.keep_point(&at, &y);
        // No bound of this node is larger than the value of its relaxation.
        let is_over = is_enough || is_low || self.relaxed(&at, &y) <= self.ends.target;
        self.y = y;
        if is_over {
            return true;
        }
        self.v = self.extended(v);
        self.at = at;
        let (moved, moved_y) = (distance(&self.v, &self.last.v), distance(&self.y, &self.last.y));
        if moved > 0.0 {
            self.weight = (self.weight * (moved / moved_y.max(1e-3 * moved))).sqrt().clamp(1e-4, 1e6);
        }
        self.last = Start { v: self.v.clone(), y: self.y.clone() };
        self.best.0 > self.ends.target
    }

    /// Coefficients further along the way since the last restart, as long as the bound rises: multipliers of an empty
    /// node grow without end.
    fn extended(&mut self, mean: Vec<f64>) -> Vec<f64> {
        let (mut found, mut reach) = (mean.clone(), 1.0);
        while reach <= 1e9 {
            let ahead = |k: usize| self.clamp(k, mean[k] + reach * (mean[k] - self.last.v[k]));
            let further: Vec<f64> = (0..mean.len()).map(ahead).collect();
            let bound = self.dual(&further);
            if bound <= self.best.0 {
                break;
            }
            self.best = (bound, further.clone());
            (found, reach) = (further, 4.0 * reach);
        }
        found
    }

    /// The value of the relaxation of the node at y: the most that free coefficients make of the variables there;
    /// infinite where a halfspace of the node does not hold.
    fn relaxed(&self, at: &[f64], y: &[f64]) -> f64 {
        let most = |&variable: &usize| {
            let at = at[variable];
            let end = if at > 0.0 { self.limits.high[variable] } else { self.limits.low[variable] };
            match end.is_infinite() {
                true if at.abs() <= 1e-9 * self.local.centre(variable).abs() => 0.0,
                true => f64::INFINITY,
                false => end * at,
            }
        };
        self.constant + dot(&self.base, y) + self.free.iter().map(most).sum::<f64>()
    }
}

fn add(sum: &mut [f64], factor: f64, x: &[f64]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
}

/// ||x - y||.
fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}
