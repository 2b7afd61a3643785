//! Questions about the outputs of a model on a box: their ranges, their trends, and how far another model is away.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::outcome::{Budget, Outcome};
use crate::prover::{Claim, Place, Prover, Theorem, predict};
use crate::region::Shape;
use crate::search::{Found, Goal, Verdict};
use cvx_artifact::Model;

/// Share of the absolute slopes of the neurons that a slope may be on the wrong side of zero by: rounding.
const SLOPE_TOLERANCE: f64 = 1e-12;

/// An end of the range of an output.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// No output is beyond this number.
    pub bound: f64,
    /// The outermost one that was found.
    pub found: f64,
    /// Its input (d).
    pub point: Vec<f64>,
    /// The theorem of the bound; `None` if a limit was reached.
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
            let inside = |value: f64| model.output_range.map_or(value, |range| value.clamp(range.low(), range.high()));
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
                Some(Theorem { claim, shape: place.shape.clone(), deployed, threshold: bound, proof })
            }
            _ => None,
        };
        Ok(End { bound: sign * bound, found: sign * best, point: place.shape.point(&y), theorem, nodes })
    };
    (0..prover.n_outputs()).map(|c| Ok(OutputBounds { low: end(c, 1.0)?, high: end(c, -1.0)? })).collect()
}

/// How far the outputs of two models are apart on a set of inputs: for each output the range of the first one's less
/// the other's. Both predict before they clip, which only brings them closer if they clip alike.
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
    alike(model, other)?;
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
    alike(model, other)?;
    let prover = Prover::of_difference(model, other)?;
    let place = prover.place(shape)?;
    let replay = |y: &[f64]| {
        let point = place.shape.point(y);
        let (first, second) = (predict(model, &point).ok()?, predict(other, &point).ok()?);
        let differs = first.iter().zip(&second).any(|(first, second)| (first - second).abs() >= within);
        differs.then_some((point, None))
    };
    let claims = (0..prover.n_outputs()).flat_map(|output| {
        let claim = move |sign: f64| {
            let weight = |c: usize| if c == output { sign } else { 0.0 };
            Claim::outputs((0..prover.n_outputs()).map(weight).collect(), within)
        };
        [claim(1.0), claim(-1.0)]
    });
    all(&prover, &place, claims.collect(), deployed, budget, &replay)
}

/// Refuses two models that clip their predictions in different ways.
fn alike(model: &Model, other: &Model) -> Result<(), ProveError> {
    if model.output_range == other.output_range {
        return Ok(());
    }
    let why = "they clip their predictions to different intervals".to_string();
    Err(ProveError::Unsupported { what: "the difference of these models", why })
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
    let Shape::Box { lower, upper } = &place.shape else {
        let why = "it is about steps along a feature: give a box".to_string();
        return Err(ProveError::Unsupported { what: "monotonicity on a ball", why });
    };
    let replay = |y: &[f64]| {
        let point = place.shape.point(y);
        let width = upper.get(feature)? - lower.get(feature)?;
        let output_at = |x: f64| {
            let mut moved = point.clone();
            moved[feature] = x.clamp(lower[feature], upper[feature]);
            predict(model, &moved).ok().map(|outputs| (outputs[output], moved))
        };
        // Small steps stay in the piece of the point, larger ones are less rounded.
        (0..12).flat_map(|k| [0.5f64.powi(k), -(0.5f64.powi(k))]).find_map(|share| {
            let (here, there) = (output_at(point[feature])?, output_at(point[feature] + share * width)?);
            let step = there.1[feature] - here.1[feature];
            let change = sign * (there.0 - here.0) * step.signum();
            let rounding = 1e-12 * here.0.abs().max(there.0.abs());
            (step != 0.0 && change < -rounding).then_some((here.1, Some(there.1)))
        })
    };
    let claim = Claim::Slope { output, feature, sign, tolerance: SLOPE_TOLERANCE };
    all(&prover, &place, vec![claim], Deployed::Exact, budget, &replay)
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
                let shape = place.shape.clone();
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
