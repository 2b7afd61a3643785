//! What a network on the device is worth, found outside every clock.

use super::back_propagation::Layers;
use super::problem::Problem;
use crate::row::{Goal, Outcome, TARGET_ACCURACY, TracePoint, finite};
use anyhow::{Context, Result};
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{Network, Normalisation, Targets, TaskChoice, Transform, accuracy, squared_loss};

/// Relative disagreement of the objective between the storage precision and f64 that rounding explains.
const OBJECTIVE_TOLERANCE: f64 = 1e-4;

/// Share of samples whose class may hang on rounding.
const ACCURACY_TOLERANCE: f64 = 1e-3;

/// The training samples as the convex programme has them too.
pub struct Samples {
    /// Columns of samples, the bias among the features (d x n).
    pub xt: HostMatrix,
    /// Task and targets.
    pub targets: Targets,
    /// For the test samples.
    pub transform: Transform,
}

/// Evaluates networks.
pub struct Evaluator<B: Backend> {
    samples: Samples,
    beta: f64,
    goal: Goal,
    /// Samples (d x n) on the device and targets (n x C).
    test: Option<(B::Matrix, HostMatrix)>,
}

impl Samples {
    /// Scales the features, adds the bias, encodes the labels.
    pub fn new(problem: &Problem) -> Result<Self> {
        let data = problem.train;
        let targets = Targets::new(data.labels().context("the data have no labels")?, TaskChoice::Auto)?;
        let transform = Transform::fit(data, Normalisation::default_for(data.kind()), true)?;
        Ok(Samples { xt: transform.apply(data)?, targets, transform })
    }
}

impl<B: Backend> Evaluator<B> {
    /// Takes the samples, and the problem's test samples to the device.
    pub fn new(backend: &B, problem: &Problem, samples: Samples) -> Result<Self> {
        let test = match problem.test {
            None => None,
            Some(test) => {
                let y = samples.targets.task.encode(test.labels().context("the test samples have no labels")?)?;
                Some((backend.upload(&samples.transform.apply(test)?)?, y))
            }
        };
        Ok(Evaluator { samples, beta: problem.beta, goal: problem.goal, test })
    }

    /// Everything about the network of these weights, in the storage precision; no objective where it is no number.
    pub fn point(
        &self,
        backend: &B,
        xt: &B::Matrix,
        weights: &Layers<B>,
        iteration: f64,
        seconds: f64,
    ) -> Result<TracePoint> {
        let Targets { task, y } = &self.samples.targets;
        let mut point = TracePoint { iteration, seconds, ..TracePoint::default() };
        let network = download(backend, weights)?;
        // What is not finite cannot be uploaded again.
        let mut all = network.w1.values().iter().chain(network.w2.values());
        if !all.all(|weight| weight.is_finite()) {
            return Ok(point);
        }
        let prediction = network.predict(backend, xt)?;
        let loss = squared_loss(&prediction, y);
        point.objective = finite(loss + network.balanced_weight_decay(self.beta));
        point.train_loss = finite(loss);
        point.train_accuracy = accuracy(task, &prediction, y);
        if let Some((xt, y)) = &self.test {
            let prediction = network.predict(backend, xt)?;
            point.test_loss = finite(squared_loss(&prediction, y));
            point.test_accuracy = accuracy(task, &prediction, y);
        }
        Ok(point)
    }

    /// Finds objective and accuracy of the closing network again, from its weights in f64, beside the `last` point. A
    /// time to the accuracy that ended the run counts only if the accuracy is found again.
    pub fn close(&self, backend: &B, weights: &Layers<B>, last: &TracePoint, outcome: &mut Outcome) -> Result<Network> {
        let Targets { task, y } = &self.samples.targets;
        outcome.test_accuracy = last.test_accuracy;
        let (network, wide) = (download(backend, weights)?, backend.wide());
        let Some(claimed) = last.objective else { return Ok(network) };
        let prediction = network.predict(&wide, &wide.upload(&self.samples.xt)?)?;
        let loss = squared_loss(&prediction, y);
        let objective = loss + network.balanced_weight_decay(self.beta);
        let found = accuracy(task, &prediction, y);
        let accuracy_agrees = match (found, last.train_accuracy) {
            (Some(found), Some(claimed)) => (found - claimed).abs() <= ACCURACY_TOLERANCE,
            (found, claimed) => found == claimed,
        };
        outcome.verified = accuracy_agrees && (objective - claimed).abs() <= OBJECTIVE_TOLERANCE * claimed.abs();
        outcome.objective = finite(objective);
        outcome.train_loss = finite(loss);
        outcome.train_accuracy = found;
        let holds = self.goal != Goal::Accuracy || found.is_some_and(|found| found >= TARGET_ACCURACY);
        outcome.seconds_to_train_accuracy_97.take_if(|_| !(outcome.verified && holds));
        Ok(network)
    }
}

fn download<B: Backend>(backend: &B, weights: &Layers<B>) -> Result<Network> {
    Ok(Network::new(backend.download(&weights.w1)?, backend.download(&weights.w2)?, None))
}
