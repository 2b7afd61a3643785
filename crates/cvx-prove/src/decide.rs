//! Whether a property in VNN-LIB is satisfied by an input.
//!
//! A case asks for an input of a box at which all its constraints g_i are at most zero. If one of them is above zero on
//! the whole box, there is none. Where no single one is, the box is cut in two, until every piece has its own.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::outcome::Budget;
use crate::prover::{Claim, Prover, Theorem};
use crate::region::Shape;
use crate::rounding::{down, up};
use crate::search::{Goal, Limits, Verdict};
use crate::vnnlib::{Constraint, Property};
use cvx_model::OutputRange;
use std::sync::Arc;
use std::time::Instant;

/// Nodes of a search on a box that may still be cut.
const NODES: usize = 2000;

/// The answer to a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is satisfied by this input (d), with these outputs (C), which were computed by the network itself.
    Sat {
        /// The input.
        input: Vec<f64>,
        /// The outputs.
        outputs: Vec<f64>,
    },
    /// By none: the theorems say so, piece by piece of the boxes.
    Unsat(Vec<Theorem>),
    /// Neither was found.
    Unknown,
    /// The time was over before either was found.
    Timeout,
}

/// The outputs of a network at an input, as it is used; `None` where it does not give any.
pub type Evaluate<'a> = &'a (dyn Fn(&[f64]) -> Option<Vec<f64>> + Sync);

/// Decides a property. Outputs are clipped to `range`, if there is one.
///
/// # Errors
/// [`ProveError::Shape`] for a property with other numbers of inputs or outputs, [`ProveError::Unsupported`] for inputs
/// without bounds and for sums of clipped outputs.
pub fn decide(
    prover: &Prover,
    property: &Property,
    evaluate: Evaluate,
    range: Option<OutputRange>,
    deployed: Deployed,
    budget: &Budget,
) -> Result<Decision, ProveError> {
    let sizes = |inputs, outputs| format!("{inputs} inputs and {outputs} outputs");
    let (d, c) = (prover.n_inputs(), prover.n_outputs());
    if (property.inputs, property.outputs) != (d, c) {
        let found = sizes(property.inputs, property.outputs);
        return Err(ProveError::Shape { what: "the property", expected: sizes(d, c), found });
    }
    let mut work = Work { prover, evaluate, deployed, limits: budget.limits(), theorems: Vec::new(), late: false };
    let mut is_open = false;
    for case in &property.cases {
        match work.case(case, range)? {
            Piece::Sat { input, outputs } => return Ok(Decision::Sat { input, outputs }),
            Piece::Open => is_open = true,
            Piece::Unsat => {}
        }
    }
    Ok(match (is_open, work.late) {
        (false, _) => Decision::Unsat(work.theorems),
        (true, true) => Decision::Timeout,
        (true, false) => Decision::Unknown,
    })
}

/// The answer for a piece.
enum Piece {
    Sat { input: Vec<f64>, outputs: Vec<f64> },
    Unsat,
    Open,
}

struct Work<'a> {
    prover: &'a Prover,
    evaluate: Evaluate<'a>,
    deployed: Deployed,
    limits: Limits,
    theorems: Vec<Theorem>,
    /// Whether the time was over.
    late: bool,
}

impl Work<'_> {
    fn case(&mut self, case: &[Constraint], range: Option<OutputRange>) -> Result<Piece, ProveError> {
        let Some((lower, upper)) = bounds(case, self.prover.n_inputs())? else { return Ok(Piece::Unsat) };
        let mut claims = Vec::new();
        for constraint in case.iter().filter(|constraint| single_input(constraint).is_none()) {
            match unclipped(constraint, range, self.deployed)? {
                Unclipped::Constraint(outputs, constant) => {
                    let is_zero = constraint.inputs.iter().all(|weight| *weight == 0.0);
                    let inputs = if is_zero { Vec::new() } else { constraint.inputs.clone() };
                    claims.push(Claim::Combination { outputs, inputs, constant });
                }
                Unclipped::Always => {}
                Unclipped::Never => return Ok(Piece::Unsat),
            }
        }
        let mut pieces = vec![(lower, upper)];
        while let Some((lower, upper)) = pieces.pop() {
            match self.piece(case, &claims, &lower, &upper)? {
                Piece::Unsat => {}
                sat @ Piece::Sat { .. } => return Ok(sat),
                Piece::Open => {
                    // One constraint alone is decided by its search.
                    let widest =
                        (0..lower.len()).max_by(|&a, &b| (upper[a] - lower[a]).total_cmp(&(upper[b] - lower[b])));
                    let Some(k) = widest.filter(|_| claims.len() > 1 && !self.is_over()) else {
                        return Ok(Piece::Open);
                    };
                    let middle = 0.5 * lower[k] + 0.5 * upper[k];
                    if middle <= lower[k] || middle >= upper[k] {
                        return Ok(Piece::Open);
                    }
                    let (mut first, mut second) = (upper.clone(), lower.clone());
                    (first[k], second[k]) = (middle, middle);
                    pieces.extend([(lower, first), (second, upper)]);
                }
            }
        }
        Ok(Piece::Unsat)
    }

    fn is_over(&mut self) -> bool {
        self.late |= self.limits.deadline.is_some_and(|end| Instant::now() >= end);
        self.late || self.limits.nodes == 0
    }

    /// A box, on which one constraint may be above zero everywhere.
    fn piece(
        &mut self,
        case: &[Constraint],
        claims: &[Claim],
        lower: &[f64],
        upper: &[f64],
    ) -> Result<Piece, ProveError> {
        let place = self.prover.place(Shape::Box { lower: lower.to_vec(), upper: upper.to_vec() })?;
        let satisfying = |point: Vec<f64>| {
            let outputs = (self.evaluate)(&point)?;
            case.iter().all(|constraint| holds(constraint, &point, &outputs)).then_some((point, outputs))
        };
        let centre = place.point(&vec![0.0; lower.len()]);
        if let Some((input, outputs)) = satisfying(centre) {
            return Ok(Piece::Sat { input, outputs });
        }
        for claim in claims {
            if self.is_over() {
                break;
            }
            let nodes = if claims.len() > 1 { NODES.min(self.limits.nodes) } else { self.limits.nodes };
            let limits = Limits { nodes, ..self.limits };
            let replay = |y: &[f64]| satisfying(place.point(y)).map(|(point, _)| point);
            let found = self.prover.search(claim, &place, Goal::Positive, self.deployed, limits, &replay)?;
            self.limits.nodes = self.limits.nodes.saturating_sub(found.nodes);
            match found.verdict {
                Verdict::Proved(proof) => {
                    let (claim, shape, deployed) = (claim.clone(), Arc::clone(&place.shape), self.deployed);
                    self.theorems.push(Theorem { claim, shape, deployed, threshold: 0.0, proof });
                    return Ok(Piece::Unsat);
                }
                Verdict::Refuted(input) => {
                    if let Some((input, outputs)) = satisfying(input) {
                        return Ok(Piece::Sat { input, outputs });
                    }
                }
                Verdict::Open => {}
            }
        }
        self.is_over();
        Ok(Piece::Open)
    }
}

/// Whether a constraint holds at an input with these outputs.
fn holds(constraint: &Constraint, input: &[f64], outputs: &[f64]) -> bool {
    let product = |weights: &[f64], values: &[f64]| weights.iter().zip(values).map(|(w, x)| w * x).sum::<f64>();
    // Bounds of one input are compared, not subtracted; a rounded quotient may lie outside.
    if let Some((k, weight)) = single_input(constraint) {
        let (end, is_exact) = end(constraint.constant, weight);
        return match weight > 0.0 {
            true => input[k] <= if is_exact { end } else { down(end) },
            false => input[k] >= if is_exact { end } else { up(end) },
        };
    }
    product(&constraint.outputs, outputs) + product(&constraint.inputs, input) + constraint.constant <= 0.0
}

/// The only variable of a constraint, if that is an input, and its weight.
fn single_input(constraint: &Constraint) -> Option<(usize, f64)> {
    let mut inputs = constraint.inputs.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0);
    let only = inputs.next()?;
    let is_only = inputs.next().is_none() && constraint.outputs.iter().all(|weight| *weight == 0.0);
    is_only.then_some(only)
}

/// The end that weight x + constant <= 0 gives x, and whether it is no rounded quotient.
fn end(constant: f64, weight: f64) -> (f64, bool) {
    (-constant / weight, weight.abs() == 1.0)
}

/// Lower and upper ends of a box.
type Ends = (Vec<f64>, Vec<f64>);

/// The box of a case, rounded outwards where an end is a quotient; `None` if it is empty.
fn bounds(case: &[Constraint], inputs: usize) -> Result<Option<Ends>, ProveError> {
    let (mut lower, mut upper) = (vec![f64::NEG_INFINITY; inputs], vec![f64::INFINITY; inputs]);
    for constraint in case {
        let Some((k, weight)) = single_input(constraint) else { continue };
        let (end, is_exact) = end(constraint.constant, weight);
        if weight > 0.0 {
            upper[k] = upper[k].min(if is_exact { end } else { up(end) });
        } else {
            lower[k] = lower[k].max(if is_exact { end } else { down(end) });
        }
    }
    if lower.iter().zip(&upper).any(|(low, high)| low > high) {
        return Ok(None);
    }
    if let Some(k) = (0..inputs).find(|&k| !(lower[k].is_finite() && upper[k].is_finite())) {
        let why = format!("the input X_{k} has no finite bounds in one of its cases");
        return Err(ProveError::Unsupported { what: "the property", why });
    }
    Ok(Some((lower, upper)))
}

/// A constraint on outputs before they are clipped.
enum Unclipped {
    /// Weights of the outputs, and a constant.
    Constraint(Vec<f64>, f64),
    Always,
    Never,
}

fn unclipped(constraint: &Constraint, range: Option<OutputRange>, deployed: Deployed) -> Result<Unclipped, ProveError> {
    let Constraint { inputs, outputs, constant } = constraint;
    let Some(range) = range.filter(|_| outputs.iter().any(|weight| *weight != 0.0)) else {
        return Ok(Unclipped::Constraint(outputs.clone(), *constant));
    };
    let mut of_outputs = outputs.iter().copied().filter(|weight| *weight != 0.0);
    let (weight, is_only) = (of_outputs.next().unwrap_or(1.0), of_outputs.next().is_none());
    if !is_only || inputs.iter().any(|weight| *weight != 0.0) || weight.abs() != 1.0 {
        let why = "the network clips its outputs, of which a constraint has more than one alone".to_string();
        return Err(ProveError::Unsupported { what: "the property", why });
    }
    // weight Y <= end, where weight Y is between two ends of its own. Where it is deployed they may be rounded: the
    // smaller number for both never says too early that the constraint fails, nor leaves one in that always holds.
    let end = -constant;
    let (low, high) = match weight > 0.0 {
        true => (deployed.below(range.low()), deployed.below(range.high())),
        false => (-deployed.above(range.high()), -deployed.above(range.low())),
    };
    Ok(match end {
        end if end >= high => Unclipped::Always,
        end if end < low => Unclipped::Never,
        _ => Unclipped::Constraint(outputs.clone(), *constant),
    })
}
