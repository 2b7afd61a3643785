//! The recorder of a run: its history, its clock, and the scores on held-out samples.

use crate::api::record::{Info, Iteration, IterationTargets};
use crate::clock::Clock;
use crate::iterates::penalty::Residuals;
use cvx_artifact::{Objective, Scores};
use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearInfo};
use cvx_model::{ConvexProgram, HeldOut, NetworkValue, Task, accuracy, accuracy_over};

/// The record of a run, with the data that it needs.
pub(crate) struct Record<B: Backend> {
    pub info: Info,
    pub clock: Clock,
    /// Held-out samples on the device, with their targets (n' x C).
    pub held_out: Option<(HeldOut<B>, HostMatrix)>,
}

/// An iteration without an evaluation.
pub(crate) fn unevaluated(iteration: usize, residuals: &Residuals, rho: f64, inner: &LinearInfo) -> Iteration {
    Iteration {
        iteration,
        seconds: 0.0,
        network: None,
        dual_bound: None,
        relative_gap: None,
        train: None,
        test: None,
        primal_residual: residuals.primal,
        dual_residual: rho * residuals.change,
        rho,
        inner_iterations: inner.iterations,
    }
}

/// Scores of a network on the training samples.
pub(crate) fn train_scores<B: Backend>(program: &ConvexProgram<B>, task: &Task, value: &NetworkValue) -> Scores {
    let samples = program.backend().samples();
    Scores { loss: value.loss, accuracy: accuracy_over(samples, task, &value.prediction, program.y_host()) }
}

impl<B: Backend> Record<B> {
    /// Scores of the network of the blocks `v` (d x 2PC) and this output bias on the held-out samples, if there are
    /// any. The clock is stopped meanwhile.
    pub fn test_scores(
        &mut self,
        program: &ConvexProgram<B>,
        task: &Task,
        v: &B::Matrix,
        output_bias: &[f64],
    ) -> Result<Option<Scores>, LinalgError> {
        let Some((held_out, y)) = &mut self.held_out else { return Ok(None) };
        let prediction = self.clock.excluding(|| held_out.predict(program.backend(), v, output_bias))?;
        let loss = program.loss().loss().total(&prediction, y);
        Ok(Some(Scores { loss, accuracy: accuracy(task, &prediction, y) }))
    }

    /// Appends the values of an iteration by target, if there are several: the `network` of the iteration, and the
    /// certificates so far.
    pub fn push_targets(&mut self, iteration: usize, network: &NetworkValue, objectives: &[Objective]) {
        if objectives.len() > 1 {
            self.info.history_by_target.push(IterationTargets {
                iteration,
                network: network.targets.iter().map(|target| target.objective).collect(),
                dual_bound: objectives.iter().map(|objective| objective.dual_bound).collect(),
                relative_gap: objectives.iter().map(|objective| objective.relative_gap).collect(),
            });
        }
    }

    /// Appends an iteration to the history.
    pub fn push(&mut self, iteration: Iteration) {
        self.info.history.push(iteration);
    }
}
