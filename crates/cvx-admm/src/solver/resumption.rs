//! What a checkpoint says of a solver, and how a solver continues from one.

use super::Solver;
use crate::api::error::TrainError;
use crate::api::settings::ValidSettings;
use crate::checkpoint::file::{Checkpoint, Header};
use crate::checkpoint::identity::identity;
use cvx_linalg::{Backend, Signs};

impl<B: Backend> Solver<B> {
    /// Continues the run of a checkpoint, on a solver that was opened with its settings. `settings` are those of the
    /// user.
    pub(crate) fn resume(&mut self, checkpoint: &Checkpoint, settings: &ValidSettings) -> Result<(), TrainError> {
        let Header { round, intermediate, merged, seconds, .. } = *checkpoint.header();
        self.settings = settings.clone();
        (self.round, self.intermediate, self.ended_at) = (round, intermediate, seconds);
        self.summary.merged_patterns = merged;
        self.install_cold()?;
        let Solver { program, record, admm, .. } = self;
        let Some(admm) = admm else { return Ok(()) };
        let mut saved = checkpoint.replay(program.backend())?;
        record.info = admm.restore(&mut saved, checkpoint.iterations())?;
        saved.finish()?;
        (self.resumed, self.keeps_record) = (true, true);
        Ok(())
    }

    /// The header of a checkpoint of the run.
    pub(super) fn header(&self) -> Header {
        Header {
            settings: identity(&self.problem, &self.settings, self.summary.features.map(|found| found.precision)),
            fingerprint: self.problem.fingerprint,
            solver: self.summary.solver.name().to_string(),
            beta: self.program.beta(),
            sigma: self.sigma,
            round: self.round,
            intermediate: self.intermediate,
            merged: self.summary.merged_patterns,
            positive: match self.program.layout().signs {
                Signs::Each { positive } if self.program.n_cones() > 0 => Some(positive),
                _ => None,
            },
            iterations: self.record.info.history.len(),
            seconds: self.ended_at,
        }
    }
}
