//! Sets of inputs: boxes, and balls around a sample.

use crate::error::ProveError;
use crate::rounding::{down, up};
use cvx_linalg::named;
use cvx_model::Transform;

/// A set of inputs in their own units, before any transform.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// lower <= x <= upper, each with d entries.
    Box {
        /// The smallest value of each feature (d).
        lower: Vec<f64>,
        /// The largest value of each feature (d).
        upper: Vec<f64>,
    },
    /// ||x - centre|| <= radius in the Euclidean norm, where the features that do not move are equal.
    Ball {
        /// The sample (d).
        centre: Vec<f64>,
        /// Its radius.
        radius: f64,
        /// Whether a feature moves (d).
        moves: Vec<bool>,
    },
}

/// The norm of a perturbation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// The largest entry.
    Linf,
    /// The Euclidean norm.
    L2,
}

named!(Norm, "norm": Linf = "linf", L2 = "l2");

impl Shape {
    /// All inputs within `radius` of a sample in a norm, along the features that move.
    ///
    /// # Errors
    /// [`ProveError::Range`] for a radius that is negative or not finite.
    pub fn around(sample: &[f64], norm: Norm, radius: f64, moves: &[bool]) -> Result<Self, ProveError> {
        if !(radius.is_finite() && radius >= 0.0) {
            return Err(ProveError::Range { name: "eps", value: radius, range: "a finite number that is 0 or larger" });
        }
        let end = |direction: f64, outward: fn(f64) -> f64| {
            let moved = |(x, moves): (&f64, &bool)| if *moves { outward(x + direction * radius) } else { *x };
            sample.iter().zip(moves).map(moved).collect()
        };
        Ok(match norm {
            Norm::Linf if radius == 0.0 => Shape::Box { lower: sample.to_vec(), upper: sample.to_vec() },
            Norm::Linf => Shape::Box { lower: end(-1.0, down), upper: end(1.0, up) },
            Norm::L2 => Shape::Ball { centre: sample.to_vec(), radius, moves: moves.to_vec() },
        })
    }

    /// Number of features d.
    pub fn n_features(&self) -> usize {
        match self {
            Shape::Box { lower, .. } => lower.len(),
            Shape::Ball { centre, .. } => centre.len(),
        }
    }

    /// The point at `y`, whose entries are in \[-1, 1\], or whose norm is at most 1. It lies in a box; a rounded sum
    /// may lie outside of a ball that is small beside its centre.
    pub fn point(&self, y: &[f64]) -> Vec<f64> {
        match self {
            Shape::Box { lower, upper } => {
                let between = |((low, high), y): ((&f64, &f64), &f64)| match *y {
                    y if y >= 1.0 => *high,
                    y if y <= -1.0 => *low,
                    y => (0.5 * (low + high) + 0.5 * y * (high - low)).clamp(*low, *high),
                };
                lower.iter().zip(upper).zip(y).map(between).collect()
            }
            Shape::Ball { centre, radius, moves } => {
                // Shortened, so that rounding does not leave the ball.
                let radius = radius * (1.0 - 1e-12);
                let moved = |((x, moves), y): ((&f64, &bool), &f64)| if *moves { x + radius * y } else { *x };
                centre.iter().zip(moves).zip(y).map(moved).collect()
            }
        }
    }

    fn check(&self, n_inputs: usize) -> Result<(), ProveError> {
        let wrong = |what, found: usize| {
            Err(ProveError::Shape { what, expected: format!("{n_inputs} features"), found: found.to_string() })
        };
        let finite = |values: &[f64]| match values.iter().find(|value| !value.is_finite()) {
            Some(&value) => Err(ProveError::Range { name: "an input", value, range: "a finite number" }),
            None => Ok(()),
        };
        match self {
            Shape::Box { lower, upper } => {
                if let Some(found) = [lower, upper].into_iter().map(Vec::len).find(|&found| found != n_inputs) {
                    return wrong("the box", found);
                }
                finite(lower)?;
                finite(upper)?;
                match lower.iter().zip(upper).find(|(low, high)| low > high) {
                    Some((&value, _)) => {
                        Err(ProveError::Range { name: "a lower end", value, range: "at most its upper end" })
                    }
                    None => Ok(()),
                }
            }
            Shape::Ball { centre, radius, moves } => {
                if let Some(found) = [centre.len(), moves.len()].into_iter().find(|&found| found != n_inputs) {
                    return wrong("the ball", found);
                }
                finite(centre)?;
                if radius.is_finite() && *radius >= 0.0 {
                    return Ok(());
                }
                Err(ProveError::Range { name: "eps", value: *radius, range: "a finite number that is 0 or larger" })
            }
        }
    }
}

/// A set of transformed inputs that contains the transform of a [`Shape`], whatever was rounded on the way:
/// c + r o y + e with ||y|| <= 1 and |e| <= s. Without a bias entry: biases are numbers of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Norm of y.
    pub norm: Norm,
    /// c (d).
    pub centre: Vec<f64>,
    /// r (d).
    pub radii: Vec<f64>,
    /// s (d).
    pub slack: Vec<f64>,
    /// Largest |z_k|, and the offset in the same units: what rounding errors of an evaluation are proportional to (d).
    pub reach: Vec<f64>,
}

impl Region {
    /// The transform of a set of inputs, rounded outwards.
    ///
    /// # Errors
    /// [`ProveError`] for a set with another number of features, or ends that are not in order.
    pub fn new(shape: &Shape, transform: &Transform) -> Result<Self, ProveError> {
        shape.check(transform.n_inputs())?;
        let scales = || transform.offset.iter().zip(&transform.scale);
        let (mut centre, mut radii, mut slack) = (Vec::new(), Vec::new(), Vec::new());
        match shape {
            Shape::Box { lower, upper } => {
                for ((low, high), (offset, scale)) in lower.iter().zip(upper).zip(scales()) {
                    let (low, high) = transformed(*low, *high, *offset, *scale);
                    let (middle, radius) = around(low, high);
                    centre.push(middle);
                    radii.push(radius);
                    slack.push(0.0);
                }
                Ok(Self::of(Norm::Linf, centre, radii, slack, transform))
            }
            Shape::Ball { centre: sample, radius, moves } => {
                for ((x, moves), (offset, scale)) in sample.iter().zip(moves).zip(scales()) {
                    let (low, high) = transformed(*x, *x, *offset, *scale);
                    let (middle, rounding) = around(low, high);
                    centre.push(middle);
                    radii.push(if *moves && *radius > 0.0 { up(radius / scale.abs()) } else { 0.0 });
                    slack.push(rounding);
                }
                Ok(Self::of(Norm::L2, centre, radii, slack, transform))
            }
        }
    }
}

impl Region {
    fn of(norm: Norm, centre: Vec<f64>, radii: Vec<f64>, slack: Vec<f64>, transform: &Transform) -> Self {
        let largest = |k: usize| {
            let offset = (transform.offset[k] / transform.scale[k]).abs();
            (centre[k].abs() + radii[k] + slack[k] + offset) * (1.0 + 1e-15)
        };
        let reach = (0..centre.len()).map(largest).collect();
        Region { norm, centre, radii, slack, reach }
    }
}

/// (x - offset) / scale for x between two ends, rounded outwards.
fn transformed(low: f64, high: f64, offset: f64, scale: f64) -> (f64, f64) {
    if offset == 0.0 && scale == 1.0 {
        return (low, high);
    }
    let (low, high) = (down(low - offset), up(high - offset));
    if scale > 0.0 { (down(low / scale), up(high / scale)) } else { (down(high / scale), up(low / scale)) }
}

/// A centre with the radius that reaches both ends.
fn around(low: f64, high: f64) -> (f64, f64) {
    let middle = 0.5 * low + 0.5 * high;
    let radius = (high - middle).max(middle - low);
    (middle, if low == high { 0.0 } else { up(radius) })
}
