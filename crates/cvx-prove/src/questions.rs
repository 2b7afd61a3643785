//! Questions about the outputs of a model on a box: their ranges, their trends, and how far another model is away.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::outcome::{Budget, Outcome};
use crate::prover::{Claim, Place, Prover, Theorem, predict};
use crate::region::Shape;
use crate::rounding::down;
use crate::search::{Found, Goal, Verdict};
use cvx_artifact::Model;
use std::sync::Arc;

/// Share of the absolute slopes of the neurons that a slope may be on the wrong side of zero by: rounding.
const SLOPE_TOLERANCE: f64 = 1e-12;

/// An end of the range of an output.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// No output is beyond this number, in the arithmetic that is meant.
    pub bound: f64,
    /// The outermost one that was found.
    pub found: f64,
    /// Its input (d).
    pub point: Vec<f64>,
    /// The theorem of the bound of the output before it is clipped; `None` if a limit was reached.
    pub theorem: Option<Theorem>,
    /// Nodes of the search.
    pub nodes: usize,
}

/// The range of an output on a set of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputBounds {
    /// The smallest output.
    pub low: End,
    /// The largest one.
    pub high: End,
}

/// The range of each output of a model on a set of inputs, up to `tolerance` times the width that intervals give.
///
/// # Errors
/// [`ProveError`] for a set that does not fit the model, and a model that the method does not cover.
pub fn output_bounds(
    model: &Model,
    shape: Shape,
    tolerance: f64,
    deployed: Deployed,
    budget: &Budget,
) -> Result<Vec<OutputBounds>, ProveError> {
    let prover = Prover::new(model)?;
    let place = prover.place(shape)?;
    let mut bounds = ends(&prover, &place, tolerance, deployed, budget)?;
    for OutputBounds { low, high } in &mut bounds {
        for end in [low, high] {
            // The ends of the interval may be rounded where the model is deployed.
            let ends = model.output_range.map(|range| (deployed.below(range.low()), deployed.above(range.high())));
            let inside = |value: f64| ends.map_or(value, |(low, high)| value.clamp(low, high));
            (end.bound, end.found) = (inside(end.bound), inside(end.found));
        }
    }
    Ok(bounds)
}

fn ends(
    prover: &Prover,
    place: &Place,
    tolerance: f64,
    deployed: Deployed,
    budget: &Budget,
) -> Result<Vec<OutputBounds>, ProveError> {
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(ProveError::Range { name: "tolerance", value: tolerance, range: "a positive number" });
    }
    let end = |output: usize, sign: f64| -> Result<End, ProveError> {
        let weight = |c: usize| if c == output { sign } else { 0.0 };
        let claim = Claim::outputs((0..prover.n_outputs()).map(weight).collect(), 0.0);
        let width = prover.width(&claim, place)?;
        let goal = Goal::Minimum(tolerance * width.max(f64::MIN_POSITIVE));
        let Found { verdict, bound, best, y, nodes } =
            prover.search(&claim, place, goal, deployed, budget.limits(), &|_| None)?;
        let theorem = match verdict {
            Verdict::Proved(proof) => {
                Some(Theorem { claim, shape: Arc::clone(&place.shape), deployed, threshold: bound, proof })
            }
            _ => None,
        };
        Ok(End { bound: sign * bound, found: sign * best, point: place.point(&y), theorem, nodes })
    };
    (0..prover.n_outputs()).map(|c| Ok(OutputBounds { low: end(c, 1.0)?, high: end(c, -1.0)? })).collect()
}

/// How far the outputs of two models are apart on a set of inputs: for each output the range of the first one's less
/// the other's, before they are clipped.
///
/// # Errors
/// [`ProveError`] for models or sets that do not fit each other.
pub fn difference_bounds(
    model: &Model,
    other: &Model,
    shape: Shape,
    tolerance: f64,
    deployed: Deployed,
    budget: &Budget,
) -> Result<Vec<OutputBounds>, ProveError> {
    let prover = Prover::of_difference(model, other)?;
    let place = prover.place(shape)?;
    ends(&prover, &place, tolerance, deployed, budget)
}

/// The answer about one claim or several.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer.
    pub outcome: Outcome,
    /// The theorems of all claims, if they were proved.
    pub theorems: Vec<Theorem>,
    /// Nodes of all searches.
    pub nodes: usize,
}

/// Whether no output of two models differs by `within` or more on a set of inputs.
///
/// # Errors
/// [`ProveError`] for models or sets that do not fit each other, and for a distance that is not positive.
pub fn same_as(
    model: &Model,
    other: &Model,
    shape: Shape,
    within: f64,
    deployed: Deployed,
    budget: &Budget,
) -> Result<Answer, ProveError> {
    if !(within > 0.0 && within.is_finite()) {
        return Err(ProveError::Range { name: "within", value: within, range: "a positive number" });
    }
    let prover = Prover::of_difference(model, other)?;
    let place = prover.place(shape)?;
    let replay = |y: &[f64]| {
        let point = place.point(y);
        let (first, second) = (predict(model, &point).ok()?, predict(other, &point).ok()?);
        let differs = first.iter().zip(&second).any(|(first, second)| down((first - second).abs()) >= within);
        differs.then_some((point, None))
    };
    let mut claims = Vec::new();
    for (output, sign) in (0..prover.n_outputs()).flat_map(|output| [(output, 1.0), (output, -1.0)]) {
        let weight = |c: usize| if c == output { sign } else { 0.0 };
        claims.push(Claim::outputs((0..prover.n_outputs()).map(weight).collect(), within));
    }
    all(&prover, &place, claims, deployed, budget, &replay)
}

/// Whether an output of a model never falls (`sign` 1) or never rises (-1) along a feature, on a box.
///
/// # Errors
/// [`ProveError`] for a box, a feature or a model that does not fit.
pub fn monotone(
    model: &Model,
    shape: Shape,
    output: usize,
    feature: usize,
    sign: f64,
    budget: &Budget,
) -> Result<Answer, ProveError> {
    let prover = Prover::new(model)?;
    let place = prover.place(shape)?;
    let Shape::Box { lower, upper } = &*place.shape else {
        let why = "it is about steps along a feature: give a box".to_string();
        return Err(ProveError::Unsupported { what: "monotonicity on a ball", why });
    };
    let claim = Claim::Slope { output, feature, sign, tolerance: SLOPE_TOLERANCE };
    // Refuses what does not fit, so that `output` and `feature` exist.
    prover.function(&claim, Deployed::Exact)?;
    let weight = |c: usize| if c == output { 1.0 } else { 0.0 };
    let of_output = Claim::outputs((0..prover.n_outputs()).map(weight).collect(), 0.0);
    // Predictions in f64 are off by this each.
    let rounding = 2.0 * prover.rounding(&of_output, &place, Deployed::F64)?;
    let along = Along { model, lower, upper, output, feature, sign, rounding };
    let replay = |y: &[f64]| near(y).into_iter().find_map(|y| along.falling(&place.point(&y)));
    all(&prover, &place, vec![claim], Deployed::Exact, budget, &replay)
}

/// An input and inputs around it: a point on the boundary of a piece is next to points within it.
fn near(y: &[f64]) -> Vec<Vec<f64>> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let mut points = vec![y.to_vec()];
    for reach in [1e-6, 1e-4, 1e-2, 1e-1] {
        for _ in 0..8 {
            points.push(y.iter().map(|y| (y + reach * next()).clamp(-1.0, 1.0)).collect());
        }
    }
    points
}

/// A question about a trend on a box.
struct Along<'a> {
    model: &'a Model,
    lower: &'a [f64],
    upper: &'a [f64],
    output: usize,
    feature: usize,
    sign: f64,
    /// By how much the difference of two predictions may be off.
    rounding: f64,
}

impl Along<'_> {
    /// Two inputs along the feature, from `point` on, along which the prediction has the wrong trend.
    fn falling(&self, point: &[f64]) -> Option<Witness> {
        let Along { model, lower, upper, output, feature, sign, rounding } = *self;
        let width = upper[feature] - lower[feature];
        let at = |x: f64| {
            let mut moved = point.to_vec();
            moved[feature] = x.clamp(lower[feature], upper[feature]);
            predict(model, &moved).ok().map(|outputs| (outputs[output], moved))
        };
        let here = at(point[feature])?;
        // Small steps stay in the piece of the point, larger ones are less rounded.
        (0..20).flat_map(|k| [0.5f64.powi(k), -(0.5f64.powi(k))]).find_map(|share| {
            let there = at(point[feature] + share * width)?;
            let step = there.1[feature] - here.1[feature];
            let change = sign * (there.0 - here.0) * step.signum();
            (step != 0.0 && change < -rounding).then_some((here.1.clone(), Some(there.1)))
        })
    }
}

/// A counterexample at y: an input, and a second one where the claim is about two.
type Witness = (Vec<f64>, Option<Vec<f64>>);

/// Proves all claims about one set, or refutes one.
fn all(
    prover: &Prover,
    place: &Place,
    claims: Vec<Claim>,
    deployed: Deployed,
    budget: &Budget,
    replay: &(dyn Fn(&[f64]) -> Option<Witness> + Sync),
) -> Result<Answer, ProveError> {
    let mut answer = Answer { outcome: Outcome::Proved, theorems: Vec::new(), nodes: 0 };
    let mut limits = budget.limits();
    let d = place.shape.n_features();
    let joined = |y: &[f64]| replay(y).map(|(point, other)| [point, other.unwrap_or_default()].concat());
    for claim in claims {
        let found = prover.search(&claim, place, Goal::Positive, deployed, limits, &joined)?;
        answer.nodes += found.nodes;
        limits.nodes = limits.nodes.saturating_sub(found.nodes);
        match found.verdict {
            Verdict::Proved(proof) => {
                let shape = Arc::clone(&place.shape);
                answer.theorems.push(Theorem { claim, shape, deployed, threshold: 0.0, proof });
            }
            Verdict::Refuted(mut point) => {
                let other = point.split_off(d);
                answer.outcome = Outcome::Refuted { point, other: (!other.is_empty()).then_some(other) };
                answer.theorems.clear();
                return Ok(answer);
            }
            Verdict::Open => answer.outcome = answer.outcome.or_open(found.bound, found.best),
        }
    }
    if answer.outcome != Outcome::Proved {
        answer.theorems.clear();
    }
    Ok(answer)
}
