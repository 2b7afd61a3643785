//! Observer callbacks, which may stop the run.

use crate::api::record::{Iteration, Round};
use crate::api::settings::Settings;
use crate::problem::patches::Features;
use cvx_artifact::FileError;
use cvx_artifact::Scores;
use cvx_linalg::SampleSums;
use cvx_solvers::{ProblemShape, SolverKind};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The facts that are known before the first iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// `binary`, `multiclass` or `regression`.
    pub task: &'static str,
    /// n, d, P, C.
    pub shape: ProblemShape,
    /// Number of parts that the samples of a path are split into; n is that of the first run, without the samples that
    /// it holds out. `None` for a run on all samples.
    pub folds: Option<usize>,
    /// The chosen solver.
    pub solver: SolverKind,
    /// `cpu` or `cuda`.
    pub device: &'static str,
    /// `cpu`, or `cuda:0` with the name of the card.
    pub device_name: String,
    /// The reason why [`Device::Auto`](crate::Device::Auto) did not take an existing GPU.
    pub passed_over: Option<String>,
    /// Number of CPU threads.
    pub threads: usize,
    /// Weight of the group norm.
    pub beta: f64,
    /// The gap at which the run stops.
    pub gap: f64,
    /// The maximum number of iterations.
    pub max_iterations: usize,
    /// Gates merged into others, or dropped because they leave every sample inactive.
    pub merged_patterns: usize,
    /// How the features of patches are at hand; `None` for gates of whole samples.
    pub features: Option<Features>,
    /// Estimated peak memory in bytes.
    pub memory_bytes: u64,
}

/// Callbacks during a run. [`ControlFlow::Break`] ends the run with [`Status::Interrupted`](crate::Status::Interrupted)
/// and the best network. An observer that panics ends the run in the same way and is not called again.
pub trait Observer: Send {
    /// Called by [`choose`](crate::choose), when there are several networks to choose from, before the path of each of
    /// them.
    fn candidate(&mut self, _settings: &Settings) {}
    /// Called when the problem is known and set-up starts.
    fn begin(&mut self, _summary: &Summary) {}
    /// Called after each iteration.
    fn iteration(&mut self, _iteration: &Iteration) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// Called after an attempt to write a checkpoint, successful or not. The run continues in both cases.
    fn checkpoint(&mut self, _written: Result<&Path, &FileError>) {}
    /// Called after each programme of a run that refines its patterns.
    fn round(&mut self, _round: &Round) {}
    /// Called after each beta of a path, on one part of the samples, with its fraction, its gap, and its scores on the
    /// held-out samples.
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

/// An observer whose panic ends the run without loss of the network. Where it ends a run on one rank, the run goes on
/// to the next sum, at which all ranks learn of it.
pub(crate) struct Guarded<'a> {
    observer: &'a mut dyn Observer,
    samples: SampleSums,
    panicked: bool,
}

impl<'a> Guarded<'a> {
    pub fn new(observer: &'a mut dyn Observer, samples: &SampleSums) -> Self {
        Guarded { observer, samples: samples.clone(), panicked: false }
    }

    /// The observer's answer; `None` after it has panicked.
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
    fn candidate(&mut self, settings: &Settings) {
        self.ask(|observer| observer.candidate(settings));
    }

    fn begin(&mut self, summary: &Summary) {
        self.ask(|observer| observer.begin(summary));
    }

    fn iteration(&mut self, iteration: &Iteration) -> ControlFlow<()> {
        let answer = self.ask(|observer| observer.iteration(iteration)).unwrap_or(ControlFlow::Break(()));
        match self.samples.ranks() {
            Some(ranks) if answer.is_break() => {
                ranks.interrupt();
                ControlFlow::Continue(())
            }
            _ => answer,
        }
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
