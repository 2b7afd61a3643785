//! Robustness of a classifier: no input near a sample is given another class.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::inputs::moving;
use crate::outcome::{Budget, Outcome};
use crate::prover::{Claim, Prover, Theorem, predict};
use crate::region::{Norm, Shape};
use crate::rounding::{dot, dot_roundings, down, gamma, up};
use crate::search::{Goal, Verdict};
use cvx_artifact::Model;
use cvx_model::{Dataset, Task};
use rayon::prelude::*;
use std::sync::Arc;

/// A first radius, as a share of the spread of a feature.
const SHARE: f64 = 0.02;

/// The inputs near a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbourhood {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the features.
    pub radius: f64,
    /// Whether a feature moves (d).
    pub moves: Vec<bool>,
    /// Features that move stay between these values.
    pub values: Option<(f64, f64)>,
}

impl Neighbourhood {
    /// The set around a sample, rounded outwards.
    ///
    /// # Errors
    /// [`ProveError`] for a radius that is negative or not finite, for clipped values in a ball, and for a sample that
    /// is not between the values: next to none of its inputs something could be wrong.
    pub fn around(&self, sample: &[f64], radius: f64) -> Result<Shape, ProveError> {
        if self.moves.len() != sample.len() {
            let (expected, found) = (format!("{} features", self.moves.len()), sample.len().to_string());
            return Err(ProveError::Shape { what: "a sample", expected, found });
        }
        let shape = Shape::around(sample, self.norm, radius, &self.moves)?;
        let Some((low, high)) = self.values else { return Ok(shape) };
        let Shape::Box { mut lower, mut upper } = shape else {
            let why = "values are clipped in boxes alone: leave them out, or take linf".to_string();
            return Err(ProveError::Unsupported { what: "a ball of clipped values", why });
        };
        for k in (0..sample.len()).filter(|&k| self.moves[k]) {
            let value = sample[k];
            if !(low <= value && value <= high) {
                return Err(ProveError::Outside { row: 0, value, low, high });
            }
            (lower[k], upper[k]) = (lower[k].max(low), upper[k].min(high));
        }
        Ok(Shape::Box { lower, upper })
    }

    /// A point of the set that was rounded outwards, moved into the set itself: an input that refutes has a distance
    /// of at most `radius` in exact arithmetic. `None` where that is not certain.
    fn within(&self, sample: &[f64], radius: f64, mut point: Vec<f64>) -> Option<Vec<f64>> {
        match self.norm {
            Norm::Linf => {
                // The numbers next to the rounded ends, on the inside. A radius that rounding swallows leaves the
                // sample.
                for (x, centre) in point.iter_mut().zip(sample) {
                    *x = x.clamp(up(centre - radius).min(*centre), down(centre + radius).max(*centre));
                }
                Some(point)
            }
            Norm::L2 => (self.distance(sample, &point) <= radius).then_some(point),
        }
    }
}

/// What was found about a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Certified {
    /// The class that the model gives the sample.
    pub class: usize,
    /// Proved: every input of the set has this class. Refuted: the point has another one.
    pub outcome: Outcome,
    /// Nodes of all searches.
    pub nodes: usize,
    /// A theorem for each other class, if all were proved.
    pub theorems: Vec<Theorem>,
}

/// A classifier about whose classes claims are made.
pub struct Classifier<'a> {
    model: &'a Model,
    prover: Prover,
    deployed: Deployed,
}

impl<'a> Classifier<'a> {
    /// For a model in an arithmetic.
    ///
    /// # Errors
    /// [`ProveError::Unsupported`] for a regression, and for a kind of model that the method does not cover.
    pub fn new(model: &'a Model, deployed: Deployed) -> Result<Self, ProveError> {
        if let Task::Regression { .. } = model.task {
            let why = "it predicts numbers, which have no classes to keep: ask for their range".to_string();
            return Err(ProveError::Unsupported { what: "robustness of this model", why });
        }
        Ok(Classifier { model, prover: Prover::new(model)?, deployed })
    }

    /// Whether every input near a sample has the class `expected`, or the class of the sample if none is given.
    ///
    /// # Errors
    /// [`ProveError`] for a sample that does not fit the model.
    pub fn certify(
        &self,
        sample: &[f64],
        expected: Option<usize>,
        near: &Neighbourhood,
        radius: f64,
        budget: &Budget,
    ) -> Result<Certified, ProveError> {
        let place = self.prover.place(near.around(sample, radius)?)?;
        let scores = predict(self.model, sample)?;
        let class = self.model.task.class_of(&scores).unwrap_or_default();
        let mut found = Certified { class, outcome: Outcome::Proved, nodes: 0, theorems: Vec::new() };
        if expected.is_some_and(|expected| expected != class) {
            found.outcome = Outcome::Refuted { point: sample.to_vec(), other: None };
            return Ok(found);
        }
        let replay = |y: &[f64]| {
            let point = near.within(sample, radius, place.point(y))?;
            let scores = predict(self.model, &point).ok()?;
            (self.model.task.class_of(&scores) != Some(class)).then_some(point)
        };
        let mut limits = budget.limits();
        for outputs in self.margins(&scores, class) {
            let claim = Claim::outputs(outputs, 0.0);
            let result = self.prover.search(&claim, &place, Goal::Positive, self.deployed, limits, &replay)?;
            found.nodes += result.nodes;
            limits.nodes = limits.nodes.saturating_sub(result.nodes);
            match result.verdict {
                Verdict::Proved(proof) => found.theorems.push(Theorem {
                    claim,
                    shape: Arc::clone(&place.shape),
                    deployed: self.deployed,
                    threshold: 0.0,
                    proof,
                }),
                Verdict::Refuted(point) => {
                    found.outcome = Outcome::Refuted { point, other: None };
                    break;
                }
                // Another class may still be reached.
                Verdict::Open => found.outcome = found.outcome.or_open(result.bound, result.best),
            }
        }
        if found.outcome != Outcome::Proved {
            found.theorems.clear();
        }
        Ok(found)
    }

    /// The class that the model gives a sample.
    ///
    /// # Errors
    /// [`ProveError`] for a sample that does not fit the model.
    pub fn class(&self, sample: &[f64]) -> Result<usize, ProveError> {
        Ok(self.model.task.class_of(&predict(self.model, sample)?).unwrap_or_default())
    }

    /// The margins of a class over each other one, as weights of the outputs; the closest one first.
    fn margins(&self, scores: &[f64], class: usize) -> Vec<Vec<f64>> {
        if let [_] = scores {
            return vec![vec![if class == 1 { 1.0 } else { -1.0 }]];
        }
        let mut others: Vec<usize> = (0..scores.len()).filter(|&other| other != class).collect();
        others.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let margin = |other: usize| {
            let weight = |c: usize| f64::from(u8::from(c == class)) - f64::from(u8::from(c == other));
            (0..scores.len()).map(weight).collect()
        };
        others.into_iter().map(margin).collect()
    }

    /// The largest radius that is proved for a sample, and the smallest at which it is refuted, by bisection until they
    /// differ by at most `tolerance` times the larger one. Radii are at most `largest`; a radius of 0 is proved if
    /// nothing else is. Every step has the whole budget.
    ///
    /// # Errors
    /// [`ProveError`] for a sample that does not fit the model, and for a tolerance that is not positive.
    pub fn radius(
        &self,
        sample: &[f64],
        expected: Option<usize>,
        near: &Neighbourhood,
        tolerance: f64,
        largest: f64,
        budget: &Budget,
    ) -> Result<Radius, ProveError> {
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(ProveError::Range { name: "tolerance", value: tolerance, range: "a positive number" });
        }
        let mut radius = Radius { proved: 0.0, refuted: None, nodes: 0 };
        let limits = budget.limits();
        let mut next = near.radius;
        loop {
            let found = self.certify(sample, expected, near, next, budget)?;
            radius.nodes += found.nodes;
            match found.outcome {
                Outcome::Proved => radius.proved = next,
                Outcome::Refuted { point, .. } => {
                    // The point may be much closer than the set is wide.
                    let distance = near.distance(sample, &point);
                    radius.refuted = Some(distance.min(next));
                    if distance == 0.0 {
                        return Ok(radius);
                    }
                }
                Outcome::Open { .. } => return Ok(radius),
            }
            let is_late = limits.deadline.is_some_and(|end| std::time::Instant::now() >= end);
            next = match radius.refuted {
                Some(refuted) if refuted - radius.proved <= tolerance * refuted || is_late => return Ok(radius),
                Some(refuted) if radius.proved == 0.0 => 0.5 * refuted,
                Some(refuted) => 0.5 * (radius.proved + refuted),
                None if radius.proved >= largest || is_late => return Ok(radius),
                None => (2.0 * radius.proved).min(largest),
            };
            // Nothing is in between, or the sample is as good as on the boundary.
            let is_known = next <= radius.proved || radius.refuted.is_some_and(|refuted| next >= refuted);
            if is_known || next < f64::MIN_POSITIVE || next <= 1e-9 * near.radius {
                return Ok(radius);
            }
        }
    }
}

/// How far a sample can move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radius {
    /// No input within this radius has another class.
    pub proved: f64,
    /// One within this radius has; `None` if none was found.
    pub refuted: Option<f64>,
    /// Nodes of all searches.
    pub nodes: usize,
}

impl Neighbourhood {
    /// At least the distance of two inputs in the norm; 0 where they are equal.
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        let differences: Vec<f64> = x.iter().zip(y).filter(|(x, y)| x != y).map(|(x, y)| up((x - y).abs())).collect();
        match self.norm {
            Norm::Linf => differences.into_iter().fold(0.0, f64::max),
            // The root halves the error of the sum.
            Norm::L2 => {
                let sum = dot(&differences, &differences);
                up(sum.sqrt() * (1.0 + gamma(dot_roundings(differences.len()) / 2 + 4)))
            }
        }
    }
}

/// [`Classifier::certify`] for all samples of a data set, in parallel. `expected` holds a class for each sample, or
/// nothing.
///
/// # Errors
/// [`ProveError`] for samples that do not fit the model.
pub fn certify_all(
    classifier: &Classifier,
    data: &Dataset,
    expected: Option<&[usize]>,
    question: &Question,
    budget: &Budget,
) -> Result<Vec<Certified>, ProveError> {
    let one = |a: usize| {
        let sample = data.row(a);
        let near = question.near(classifier.model, &sample);
        let expected = expected.and_then(|all| all.get(a).copied());
        classifier.certify(&sample, expected, &near, near.radius, budget).map_err(|error| error.at(a))
    };
    (0..data.n_samples()).into_par_iter().map(one).collect()
}

/// [`Classifier::radius`] for all samples of a data set, in parallel, from the radius of the question on.
///
/// # Errors
/// [`ProveError`] for samples that do not fit the model.
pub fn radius_all(
    classifier: &Classifier,
    data: &Dataset,
    question: &Question,
    tolerance: f64,
    budget: &Budget,
) -> Result<Vec<Radius>, ProveError> {
    let one = |a: usize| {
        let sample = data.row(a);
        let near = question.near(classifier.model, &sample);
        let first = near.radius;
        classifier.radius(&sample, None, &near, tolerance, 1e6 * first, budget).map_err(|error| error.at(a))
    };
    (0..data.n_samples()).into_par_iter().map(one).collect()
}

/// The inputs near every sample of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the features; `None` for a small share of the spread of the features.
    pub radius: Option<f64>,
    /// Features that move stay between these values.
    pub values: Option<(f64, f64)>,
}

impl Question {
    /// The inputs near one sample.
    pub fn near(&self, model: &Model, sample: &[f64]) -> Neighbourhood {
        let moves = moving(model, sample);
        let radius = self.radius.unwrap_or_else(|| {
            let spread = |(scale, moves): (&f64, &bool)| if *moves { scale.abs() } else { f64::INFINITY };
            let least = model.transform.scale.iter().zip(&moves).map(spread).fold(f64::INFINITY, f64::min);
            SHARE * if least.is_finite() { least } else { 1.0 }
        });
        Neighbourhood { norm: self.norm, radius, moves, values: self.values }
    }
}
