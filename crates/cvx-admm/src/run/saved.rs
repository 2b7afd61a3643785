//! The checkpoint of a run: the values that the next iteration depends on, written and restored.

use crate::api::observer::Observer;
use crate::api::record::Info;
use crate::checkpoint::codec::{CheckpointError, Recorder, Replay};
use crate::iterates::penalty::{Penalty, Preparation, Residuals};
use crate::run::admm::Admm;
use crate::run::recorder::Record;
use crate::run::termination::Progress;
use cvx_linalg::{Backend, SolverState};
use cvx_model::ConvexProgram;

/// Iterations of the run and before it, the last residuals, and the state of the termination tests.
type Counts = (usize, usize, Option<Residuals>, Progress);

impl<B: Backend> Admm<B> {
    /// Writes a checkpoint if the settings request one. A failure does not end the run.
    pub fn write_checkpoint(
        &mut self,
        program: &ConvexProgram<B>,
        record: &mut Record<B>,
        observer: &mut dyn Observer,
    ) {
        let Some(mut checkpointer) = self.checkpointer.take() else { return };
        let progress = (record.info.history.len(), record.clock.seconds());
        let (backend, gates) = (program.backend(), program.patterns().gates());
        let written = checkpointer.write(backend, progress, gates, |out| self.save(backend, &record.info, out));
        observer.checkpoint(written.as_ref().map(|()| checkpointer.path()));
        record.info.checkpoint_failure = written.err().map(|error| error.to_string());
        self.checkpointer = Some(checkpointer);
    }

    fn save(&self, backend: &B, info: &Info, out: &mut Recorder<'_, B>) -> Result<(), CheckpointError> {
        let counts: Counts = (self.iteration, self.earlier, self.residuals, self.termination.progress().clone());
        out.record("progress", &counts)?;
        out.record("penalty", &self.penalty)?;
        out.record("info", info)?;
        let SolverState { words, unknowns } = self.linear.state(backend)?;
        out.record("solver", &(words, unknowns.is_some()))?;
        if let Some(unknowns) = unknowns {
            out.host("solver.t", &unknowns)?;
        }
        self.state.save(out)?;
        self.incumbent.save(out)?;
        self.anderson.save(out)
    }

    /// Restores a checkpoint that was written after `iterations` iterations in total, and returns its record.
    pub fn restore(&mut self, saved: &mut Replay<'_, B>, iterations: usize) -> Result<Info, CheckpointError> {
        let (iteration, earlier, residuals, progress): Counts = saved.record("progress")?;
        let (penalty, info): (Penalty, Info) = (saved.record("penalty")?, saved.record("info")?);
        let done = info.history.len();
        let counted = done == iterations
            && info.unconverged_solves <= done
            && earlier.checked_add(iteration) == Some(done)
            && progress.is_until(iteration);
        if !counted || !penalty.continues(&self.penalty, done) {
            return Err(saved.damaged("its counts, or those of the penalty, contradict one another"));
        }
        (self.iteration, self.resumed_at, self.earlier) = (iteration, iteration, earlier);
        (self.residuals, self.penalty) = (residuals, penalty);
        self.termination.restore(progress);
        let (words, unknowns): (Vec<u64>, bool) = saved.record("solver")?;
        let unknowns = if unknowns { Some(saved.any_matrix("solver.t")?) } else { None };
        self.resumed_solver = Some(SolverState { words, unknowns });
        self.state.restore(saved)?;
        self.incumbent.restore(saved)?;
        self.anderson.restore(saved)?;
        // Before the first iteration of a programme, its solver has not been prepared.
        self.preparation = if iteration > 0 { Preparation::Again } else { Preparation::Everything };
        Ok(info)
    }
}
