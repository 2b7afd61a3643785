//! Training: from a data set to a model with its certificate.

use crate::api::error::TrainError;
use crate::api::observer::{Guarded, Observer, Summary};
use crate::api::settings::{CheckpointPlan, Settings, ValidSettings};
use crate::checkpoint::file::Checkpoint;
use crate::clock::Clock;
use crate::exchange::{self, settings_of_rounds, solve_over_all_patterns};
use crate::iterates::state::WarmStart;
use crate::problem::dispatch::{Job, dispatch};
use crate::problem::input::{Host, Problem};
use crate::refine::solve_and_refine;
use crate::solver::Solver;
use crate::solver::solution::Solution;
use cvx_artifact::{Certify, FileError, check_writable, remove_leftovers};
use cvx_linalg::{Backend, SampleSums, StopToken};
use cvx_model::Dataset;
use std::sync::Arc;

/// Trains a network on `data`, and evaluates it on `test` if given.
///
/// # Errors
/// [`TrainError`] for invalid input, before any work.
pub fn train(data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<Solution, TrainError> {
    train_with(data, test, settings, None, &StopToken::new(), &mut ())
}

/// [`train`] from a warm start, with a token that stops the run and an observer of the run.
///
/// # Errors
/// [`TrainError`] for invalid input, before any work.
pub fn train_with(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    warm: Option<&WarmStart>,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let (clock, observer) = (Clock::start(), &mut Guarded::new(observer, data.samples()));
    let settings = settings.validate()?;
    let problem = Arc::new(Problem::new(data, test, &settings)?);
    check_checkpoint(&settings, data.samples())?;
    let rounds = match settings.certify {
        Certify::Global => {
            exchange::check(&problem)?;
            settings_of_rounds(&settings)
        }
        Certify::Network | Certify::Sampled => settings.clone(),
    };
    let job = TrainJob { problem, settings: &settings, opening: &rounds, start: Start::Warm(warm), clock, observer };
    dispatch(job, data.samples(), &settings, stop, clock)
}

/// Continues the run that wrote `checkpoint`, on the same samples and with the same settings. On the same machine, the
/// result is bit for bit that of the uninterrupted run. Limits, gap, threads, observer and test samples may differ. A
/// time limit counts from now.
///
/// # Errors
/// [`TrainError`] for invalid input, including a checkpoint of another run, before any work.
pub fn resume(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    checkpoint: &Checkpoint,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer, data.samples()));
    clock.resume(checkpoint.seconds());
    let settings = settings.validate()?;
    if settings.certify == Certify::Global {
        return Err(TrainError::Checkpoint { detail: "a run with the global certificate is not resumed".to_string() });
    }
    let problem = Arc::new(Problem::new(data, test, &settings)?);
    check_checkpoint(&settings, data.samples())?;
    let opening = checkpoint.opening(&problem, &settings)?;
    let start = Start::Resumed(checkpoint);
    let job = TrainJob { problem, settings: &settings, opening: &opening, start, clock, observer };
    dispatch(job, data.samples(), &settings, stop, clock)
}

/// Checks that checkpoints can be written to their path, by the first rank.
fn check_checkpoint(settings: &ValidSettings, samples: &SampleSums) -> Result<(), TrainError> {
    match &settings.checkpoint {
        Some(CheckpointPlan { path, .. }) if samples.is_first() => check_writable(path)
            .and_then(|()| remove_leftovers(path))
            .map_err(|source| FileError::io(path, "written", source).into()),
        _ => Ok(()),
    }
}

/// The start of a run.
enum Start<'a> {
    /// Start from zeros, or from the given iterates.
    Warm(Option<&'a WarmStart>),
    /// Start at the end of another run.
    Resumed(&'a Checkpoint),
}

/// One run on one device.
struct TrainJob<'a> {
    problem: Arc<Problem>,
    settings: &'a ValidSettings,
    /// The settings of the first programme, with those parts that a checkpoint determines.
    opening: &'a ValidSettings,
    start: Start<'a>,
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Job for TrainJob<'_> {
    type Output = Solution;

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Solution, TrainError> {
        let positive = match self.start {
            Start::Resumed(checkpoint) => checkpoint.header().positive,
            Start::Warm(_) => None,
        };
        let (problem, opening) = (self.problem.clone(), self.opening.clone());
        let mut solver = Solver::open(backend, host, problem, opening, self.clock, positive)?;
        if self.settings.refine > 0 {
            solver.soften_cones();
        }
        match self.start {
            Start::Warm(warm) => {
                warm.map_or(Ok(()), |warm| solver.warm_start(warm))?;
                solver.stop_when_slow(self.settings.refine > 0);
            }
            Start::Resumed(checkpoint) => solver.resume(checkpoint, self.settings)?,
        }
        self.observer.begin(&Summary { gap: self.settings.gap, ..solver.summary().clone() });
        if self.settings.certify == Certify::Global {
            return solve_over_all_patterns(&mut solver, self.settings.gap, self.observer);
        }
        solve_and_refine(&mut solver, self.settings.sampled(), self.observer)
    }
}
