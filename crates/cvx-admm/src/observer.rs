//! Somebody who watches a run, and may end it.

use crate::file_error::FileError;
use crate::info::{Iteration, Scores};
use crate::refine::Round;
use cvx_solvers::{ProblemShape, SolverKind};
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

/// Whether the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It ends with [`Status::Interrupted`](crate::Status::Interrupted) and the best network.
    Stop,
}

/// Watches a run. One that panics ends the run as [`Flow::Stop`] does, and is not asked again.
pub trait Observer: Send {
    /// The problem is known, set-up begins.
    fn begin(&mut self, _summary: &Summary) {}
    /// An iteration is done.
    fn iteration(&mut self, _iteration: &Iteration) -> Flow {
        Flow::Continue
    }
    /// A checkpoint has been written, or could not be: the run goes on either way.
    fn checkpoint(&mut self, _written: Result<&Path, &FileError>) {}
    /// A programme is solved, of a run that refines its patterns.
    fn round(&mut self, _round: &Round) {}
    /// A beta of a path is done, on one part of the samples: its fraction, its gap, and its scores on the held-out samples.
    fn point(&mut self, _fraction: f64, _relative_gap: f64, _validation: &Scores) {}
}

/// Watches nothing.
impl Observer for () {}

/// A closure watches the iterations.
impl<F: FnMut(&Iteration) -> Flow + Send> Observer for F {
    fn iteration(&mut self, iteration: &Iteration) -> Flow {
        self(iteration)
    }
}

/// An observer whose panics cost no network.
pub(crate) struct Guarded<'a> {
    observer: &'a mut dyn Observer,
    panicked: bool,
}

impl<'a> Guarded<'a> {
    pub fn new(observer: &'a mut dyn Observer) -> Self {
        Guarded { observer, panicked: false }
    }

    /// What the observer answers, as long as it does.
    fn ask<R>(&mut self, question: impl FnOnce(&mut dyn Observer) -> R) -> Option<R> {
        if self.panicked {
            return None;
        }
        // Whatever state a panic leaves behind is not looked at again.
        let answer = catch_unwind(AssertUnwindSafe(|| question(&mut *self.observer))).ok();
        self.panicked = answer.is_none();
        answer
    }
}

impl Observer for Guarded<'_> {
    fn begin(&mut self, summary: &Summary) {
        self.ask(|observer| observer.begin(summary));
    }

    fn iteration(&mut self, iteration: &Iteration) -> Flow {
        self.ask(|observer| observer.iteration(iteration)).unwrap_or(Flow::Stop)
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
