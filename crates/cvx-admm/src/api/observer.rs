//! Observer callbacks, which may stop the run.

use crate::api::record::{Iteration, Round};
use cvx_artifact::FileError;
use cvx_artifact::Scores;
use cvx_solvers::{ProblemShape, SolverKind};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What is known before the first iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// `binary`, `multiclass` or `regression`.
    pub task: &'static str,
    /// n, d, P, C.
    pub shape: ProblemShape,
    /// The solver that was chosen.
    pub solver: SolverKind,
    /// `cpu` or `cuda`.
    pub device: &'static str,
    /// `cpu`, or `cuda:0` with the name of the card.
    pub device_name: String,
    /// Why [`Device::Auto`](crate::Device::Auto) did not take a GPU that is there.
    pub passed_over: Option<String>,
    /// Threads of the CPU.
    pub threads: usize,
    /// Weight of the group norm.
    pub beta: f64,
    /// The gap to stop at.
    pub gap: f64,
    /// The limit on iterations.
    pub max_iterations: usize,
    /// Gates merged into others, or dropped because they leave every sample inactive.
    pub merged_patterns: usize,
    /// Estimated bytes at the peak.
    pub memory_bytes: u64,
}

/// Callbacks during a run. [`ControlFlow::Break`] ends the run with
/// [`Status::Interrupted`](crate::Status::Interrupted) and the best network; so does an observer that panics, which is
/// not called again.
pub trait Observer: Send {
    /// The problem is known, set-up begins.
    fn begin(&mut self, _summary: &Summary) {}
    /// An iteration is done.
    fn iteration(&mut self, _iteration: &Iteration) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// A checkpoint has been written, or could not be: the run goes on either way.
    fn checkpoint(&mut self, _written: Result<&Path, &FileError>) {}
    /// A programme is solved, of a run that refines its patterns.
    fn round(&mut self, _round: &Round) {}
    /// A beta of a path is done, on one part of the samples: its fraction, its gap, and its scores on the held-out samples.
    fn point(&mut self, _fraction: f64, _relative_gap: f64, _validation: &Scores) {}
}

/// Ignores every callback.
impl Observer for () {}

/// A closure is called after every iteration.
impl<F: FnMut(&Iteration) -> ControlFlow<()> + Send> Observer for F {
    fn iteration(&mut self, iteration: &Iteration) -> ControlFlow<()> {
        self(iteration)
    }
}

/// An observer whose panic ends the run without losing the network.
pub(crate) struct Guarded<'a> {
    observer: &'a mut dyn Observer,
    panicked: bool,
}

impl<'a> Guarded<'a> {
    pub fn new(observer: &'a mut dyn Observer) -> Self {
        Guarded { observer, panicked: false }
    }

    /// The observer's answer; `None` once it has panicked.
    fn ask<R>(&mut self, question: impl FnOnce(&mut dyn Observer) -> R) -> Option<R> {
        if self.panicked {
            return None;
        }
        // The observer is not called again, so the state that a panic leaves behind does not matter.
        let answer = catch_unwind(AssertUnwindSafe(|| question(&mut *self.observer))).ok();
        self.panicked = answer.is_none();
        answer
    }
}

impl Observer for Guarded<'_> {
    fn begin(&mut self, summary: &Summary) {
        self.ask(|observer| observer.begin(summary));
    }

    fn iteration(&mut self, iteration: &Iteration) -> ControlFlow<()> {
        self.ask(|observer| observer.iteration(iteration)).unwrap_or(ControlFlow::Break(()))
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        self.ask(|observer| observer.checkpoint(written));
    }

    fn round(&mut self, round: &Round) {
        self.ask(|observer| observer.round(round));
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        self.ask(|observer| observer.point(fraction, relative_gap, validation));
    }
}
