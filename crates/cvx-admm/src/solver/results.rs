//! The results of a solver so far.

use super::Solver;
use crate::api::error::TrainError;
use crate::api::record::Info;
use crate::iterates::state::WarmStart;
use crate::run::recorder::train_scores;
use cvx_artifact::{Objective, Scores};
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::Network;

/// The dual point of the best bound (docs/math.md, section 5).
#[derive(Clone, Debug, PartialEq)]
pub struct DualPoint {
    /// xi (n x C), the multiplier of the predictions.
    pub xi: HostMatrix,
    /// e_i o g o eta_i (n x 2PC), the signed multipliers of the cones; n x 0 for gated neurons.
    pub multipliers: HostMatrix,
}

impl<B: Backend> Solver<B> {
    /// The certificate of the best network and bound so far; `None` before the first run.
    pub fn objective(&self) -> Option<Objective> {
        self.admm.as_ref().map(|admm| admm.incumbent.objective())
    }

    /// The best network so far; `None` before the first run.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] if the device fails.
    pub fn network(&self) -> Result<Option<Network>, TrainError> {
        let Some(admm) = &self.admm else { return Ok(None) };
        let (program, v) = (&self.program, self.program.backend().download(admm.incumbent.v())?);
        let gates = program.patterns().gates();
        let network = Network::from_blocks(&v, program.activation(), gates, program.layout());
        Ok(Some(Network {
            output_bias: admm.incumbent.network().output_bias.clone(),
            patches: program.patches().map(|features| features.patches().clone()),
            ..network
        }))
    }

    /// The dual point of the best bound so far; that of the zero network before the first run.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] if the device fails.
    pub fn dual_point(&self) -> Result<DualPoint, TrainError> {
        let (xi, multipliers) = match &self.admm {
            Some(admm) => admm.incumbent.witness(&self.program)?,
            None => (self.program.xi_at_zero(), HostMatrix::zeros(self.program.n_samples(), self.program.n_cones())),
        };
        Ok(DualPoint { xi, multipliers })
    }

    /// The current iterates, which [`warm_start`](Solver::warm_start) takes; `None` before the first run.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] if the device fails.
    pub fn iterates(&self) -> Result<Option<WarmStart>, TrainError> {
        let Some(admm) = &self.admm else { return Ok(None) };
        Ok(Some(admm.state.warm_start(admm.penalty.weights(), self.sigma)?))
    }

    /// The record of the current run.
    pub fn info(&self) -> &Info {
        &self.record.info
    }

    /// Seconds since the data were in memory, without the evaluation of test metrics.
    pub fn seconds(&self) -> f64 {
        self.record.clock.seconds()
    }

    /// Scores of the best network so far on the training samples, with its number of non-zero blocks; `None` before the
    /// first run.
    pub fn train_scores(&self) -> Option<(Scores, usize)> {
        let value = self.admm.as_ref()?.incumbent.network();
        Some((train_scores(&self.program, &self.problem.targets.task, value), value.neurons))
    }

    /// Predictions of the best network so far on the test samples (n' x C), in storage precision; `None` before the
    /// first run or without test samples.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] if the device fails.
    pub fn test_prediction(&mut self) -> Result<Option<HostMatrix>, TrainError> {
        match (&self.admm, &mut self.record.held_out) {
            (Some(admm), Some((held_out, _))) => {
                let bias = &admm.incumbent.network().output_bias;
                Ok(Some(held_out.predict(self.program.backend(), admm.incumbent.v(), bias)?))
            }
            _ => Ok(None),
        }
    }
}
