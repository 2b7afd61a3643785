//! Claims about a model, and their proofs and refutations.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::function::Function;
use crate::leaf::{Intervals, Setting};
use crate::proof::Proof;
use crate::region::{Region, Shape};
use crate::search::{Found, Goal, Limits, Replay, search};
use crate::subject::Subject;
use cvx_artifact::Model;
use cvx_model::{Dataset, Network, Transform};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is above zero on a set of inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Claim {
    /// sum_c q_c f_c(x) + p'x + constant, with the outputs f of a model, or those of the first less those of another.
    Combination {
        /// q (C).
        outputs: Vec<f64>,
        /// p (d), or empty for zeros.
        inputs: Vec<f64>,
        /// The constant.
        constant: f64,
    },
    /// `sign` times the derivative of an output by a feature, almost everywhere, plus `tolerance` times the sum of the
    /// absolute derivatives of the neurons.
    Slope {
        /// The output.
        output: usize,
        /// The feature.
        feature: usize,
        /// 1 for rising, -1 for falling.
        sign: f64,
        /// Share of the derivatives.
        tolerance: f64,
    },
}

impl Claim {
    /// sum_c q_c f_c(x) + constant.
    pub fn outputs(outputs: Vec<f64>, constant: f64) -> Self {
        Claim::Combination { outputs, inputs: Vec::new(), constant }
    }

    /// Whether every number of it is finite.
    pub(crate) fn is_finite(&self) -> bool {
        match self {
            Claim::Combination { outputs, inputs, constant } => {
                outputs.iter().chain(inputs).chain([constant]).all(|x| x.is_finite())
            }
            Claim::Slope { sign, tolerance, .. } => sign.is_finite() && tolerance.is_finite(),
        }
    }
}

/// A claim that was proved: above `threshold` on a set of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Theorem {
    /// The function.
    pub claim: Claim,
    /// The inputs, shared by the theorems about them.
    pub shape: Arc<Shape>,
    /// The arithmetic that is meant.
    pub deployed: Deployed,
    /// The function is above this.
    pub threshold: f64,
    /// Why.
    pub proof: Proof,
}

/// A set of inputs, with the bounds of all rows on it: the claims about one set share them.
pub struct Place {
    /// The set.
    pub shape: Arc<Shape>,
    region: Region,
    intervals: Intervals,
    /// The sign of each scale: transformed features may fall where features rise.
    signs: Vec<f64>,
}

impl Place {
    /// The input at `y` of the search, in the units of the features.
    pub fn point(&self, y: &[f64]) -> Vec<f64> {
        let y: Vec<f64> = y.iter().zip(&self.signs).map(|(y, sign)| y * sign).collect();
        self.shape.point(&y)
    }
}

/// A model, or two of them, about which claims are made.
pub struct Prover {
    subject: Subject,
    transform: Transform,
}

impl Prover {
    /// For claims about a model.
    ///
    /// # Errors
    /// [`ProveError::Unsupported`] for a kind of model that the method does not cover.
    pub fn new(model: &Model) -> Result<Self, ProveError> {
        Self::of_network(&model.network, &model.transform, 0)
    }

    /// For claims about a network whose inputs are transformed, and whose weights are the results of `roundings`
    /// rounded operations each.
    ///
    /// # Errors
    /// [`ProveError::Unsupported`] for a kind of network that the method does not cover.
    pub fn of_network(network: &Network, transform: &Transform, roundings: usize) -> Result<Self, ProveError> {
        let mut subject = Subject::new(network, transform)?;
        subject.set_roundings(roundings);
        Ok(Prover { subject, transform: transform.clone() })
    }

    /// For claims about the outputs of a model less those of another. Claims are about outputs before they are
    /// clipped, which only brings them closer if both are clipped alike.
    ///
    /// # Errors
    /// [`ProveError::Shape`] for models with other inputs or outputs; [`ProveError::Unsupported`], also for models that
    /// clip their predictions to different intervals.
    pub fn of_difference(model: &Model, other: &Model) -> Result<Self, ProveError> {
        if model.output_range != other.output_range {
            let why = "they clip their predictions to different intervals".to_string();
            return Err(ProveError::Unsupported { what: "the difference of these models", why });
        }
        Ok(Prover { subject: Subject::difference(model, other)?, transform: model.transform.clone() })
    }

    /// Number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.subject.n_outputs()
    }

    /// Number of features.
    pub fn n_inputs(&self) -> usize {
        self.transform.n_inputs()
    }

    /// A set of inputs.
    ///
    /// # Errors
    /// [`ProveError`] for a set with another number of features, or with ends that are not in order.
    pub fn place(&self, shape: impl Into<Arc<Shape>>) -> Result<Place, ProveError> {
        let shape = shape.into();
        let region = Region::new(&shape, &self.transform)?;
        let intervals = Intervals::new(&self.subject.rows, &region);
        let signs = self.transform.scale.iter().map(|scale| scale.signum()).collect();
        Ok(Place { shape, region, intervals, signs })
    }

    /// The function of a claim.
    pub(crate) fn function(&self, claim: &Claim, deployed: Deployed) -> Result<Function, ProveError> {
        let shape = |what, expected: usize, found: usize| {
            Err(ProveError::Shape { what, expected: format!("{expected} numbers"), found: found.to_string() })
        };
        match claim {
            Claim::Combination { outputs, inputs, constant } => {
                if outputs.len() != self.n_outputs() {
                    return shape("a claim about outputs", self.n_outputs(), outputs.len());
                }
                if !inputs.is_empty() && inputs.len() != self.n_inputs() {
                    return shape("a claim about inputs", self.n_inputs(), inputs.len());
                }
                if let Some(&value) = outputs.iter().chain(inputs).chain([constant]).find(|x| !x.is_finite()) {
                    return Err(ProveError::Range { name: "a weight of a claim", value, range: "a finite number" });
                }
                let mut function = self.subject.combination(outputs, *constant);
                self.add_inputs(&mut function, inputs);
                Ok(function)
            }
            &Claim::Slope { output, feature, sign, tolerance } => {
                if output >= self.n_outputs() || feature >= self.n_inputs() {
                    return shape("a claim about a slope", self.n_outputs().min(self.n_inputs()), output.max(feature));
                }
                if !(tolerance >= 0.0 && tolerance.is_finite() && sign.abs() == 1.0) {
                    return Err(ProveError::Range { name: "tolerance", value: tolerance, range: "0 or larger" });
                }
                let sign = sign * self.transform.scale[feature].signum();
                self.subject.slope(output, feature, sign, tolerance, deployed)
            }
        }
    }

    /// Adds p'x = p'(o + s z).
    fn add_inputs(&self, function: &mut Function, inputs: &[f64]) {
        if inputs.is_empty() {
            return;
        }
        let Transform { offset, scale, .. } = &self.transform;
        function.linear = inputs.iter().zip(scale).map(|(p, scale)| p * scale).collect();
        let offsets = inputs.iter().zip(offset).map(|(p, offset)| p * offset);
        function.constant += offsets.clone().sum::<f64>();
        let total: f64 = offsets.map(f64::abs).sum();
        function.error += crate::rounding::gamma(inputs.len() + 4) * (total + function.constant.abs());
        if scale.iter().any(|scale| *scale != 1.0) {
            function.linear_roundings = 2;
        }
    }

    /// The width of the interval of a claim's function that those of its rows give.
    ///
    /// # Errors
    /// [`ProveError`] for a claim that does not fit the model.
    pub(crate) fn width(&self, claim: &Claim, place: &Place) -> Result<f64, ProveError> {
        let function = self.function(claim, Deployed::Exact)?;
        let Intervals { low, high, .. } = &place.intervals;
        let positive = |r: usize| high[r].max(0.0) - low[r].max(0.0);
        let switch = |switch: &crate::function::Switch| {
            let values = switch.values.iter().map(|&(p, alpha)| alpha.abs() * (high[p].max(0.0) - low[p].min(0.0)));
            switch.alpha.abs() * positive(switch.gate) + switch.beta.abs() + values.sum::<f64>()
        };
        Ok(function.switches.iter().map(switch).sum())
    }

    /// How far an evaluation in an arithmetic can be from the exact value of a claim's function, anywhere on a set.
    ///
    /// # Errors
    /// [`ProveError`] for a claim that does not fit the model.
    pub(crate) fn rounding(&self, claim: &Claim, place: &Place, deployed: Deployed) -> Result<f64, ProveError> {
        let function = self.function(claim, deployed)?;
        Ok(Setting::new(&function, &self.subject.rows, &place.region, &place.intervals, deployed).error)
    }

    /// Searches for a proof or a counterexample.
    ///
    /// # Errors
    /// [`ProveError`] for a claim that does not fit the model.
    pub fn search(
        &self,
        claim: &Claim,
        place: &Place,
        goal: Goal,
        deployed: Deployed,
        limits: Limits,
        replay: Replay,
    ) -> Result<Found, ProveError> {
        let function = self.function(claim, deployed)?;
        let Place { region, intervals, .. } = place;
        let setting = Setting::new(&function, &self.subject.rows, region, intervals, deployed);
        Ok(search(&setting, goal, limits, replay))
    }

    /// Checks a theorem, with nothing of the search: returns the number that its function is above.
    ///
    /// # Errors
    /// [`ProveError::Invalid`] where the proof does not hold, and errors of claims and sets that do not fit.
    pub fn check(&self, theorem: &Theorem) -> Result<f64, ProveError> {
        let function = self.function(&theorem.claim, theorem.deployed)?;
        let place = self.place(theorem.shape.clone())?;
        let setting = Setting::new(&function, &self.subject.rows, &place.region, &place.intervals, theorem.deployed);
        let bound = theorem.proof.bound(&setting).map_err(|detail| ProveError::Invalid { detail })?;
        if bound > theorem.threshold || (bound == theorem.threshold && theorem.threshold != 0.0) {
            return Ok(bound);
        }
        let detail = format!("a leaf gives {bound:e}, and the claim is {:e}", theorem.threshold);
        Err(ProveError::Invalid { detail })
    }
}

/// The predictions of a model (C) at one input, in f64.
///
/// # Errors
/// [`ProveError`] for an input that does not fit.
pub fn predict(model: &Model, input: &[f64]) -> Result<Vec<f64>, ProveError> {
    let data = Dataset::new(input.len(), input.to_vec(), None, model.kind)?;
    let prediction = model.predict(&data)?;
    Ok((0..prediction.cols()).map(|c| prediction[(0, c)]).collect())
}
