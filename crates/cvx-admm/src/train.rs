//! From a data set to a trained model with its certificate.

use crate::api::error::TrainError;
use crate::api::observer::{Guarded, Observer};
use crate::api::settings::{CheckpointPlan, Settings, ValidSettings};
use crate::checkpoint::file::Checkpoint;
use crate::clock::Clock;
use crate::iterates::state::WarmStart;
use crate::problem::dispatch::{Job, dispatch};
use crate::problem::input::{Host, Problem};
use crate::refine::solve_and_refine;
use crate::solver::Solver;
use crate::solver::solution::Solution;
use cvx_artifact::{FileError, check_writable, remove_leftovers};
use cvx_linalg::{Backend, StopToken};
use cvx_model::Dataset;
use std::sync::Arc;

/// Trains a network on `data`, watching `test` where given.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn train(data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<Solution, TrainError> {
    train_with(data, test, settings, None, &StopToken::new(), &mut ())
}

/// [`train`] from a warm start, with a token that stops it and an observer that watches it.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn train_with(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    warm: Option<&WarmStart>,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let (clock, observer) = (Clock::start(), &mut Guarded::new(observer));
    let settings = settings.validate()?;
    let problem = Arc::new(Problem::new(data, test, &settings)?);
    check_checkpoint(&settings)?;
    let job = TrainJob { problem, settings: &settings, opening: &settings, start: Start::Warm(warm), clock, observer };
    dispatch(job, &settings, stop, clock)
}

/// Continues the run that wrote `checkpoint`, on the same samples and with the same settings: on the same machine, bit for
/// bit as it would have continued. Limits, gap, threads, observer and test samples may differ; a time limit is counted
/// from now.
///
/// # Errors
/// [`TrainError`] for bad input, a checkpoint of another run among it, before any work.
pub fn resume(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    checkpoint: &Checkpoint,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer));
    clock.resume(checkpoint.seconds());
    let settings = settings.validate()?;
    let problem = Arc::new(Problem::new(data, test, &settings)?);
    check_checkpoint(&settings)?;
    let opening = checkpoint.opening(&problem, &settings)?;
    let start = Start::Resumed(checkpoint);
    let job = TrainJob { problem, settings: &settings, opening: &opening, start, clock, observer };
    dispatch(job, &settings, stop, clock)
}

/// Whether checkpoints can be written where they are to be.
fn check_checkpoint(settings: &ValidSettings) -> Result<(), TrainError> {
    match &settings.checkpoint {
        Some(CheckpointPlan { path, .. }) => check_writable(path)
            .and_then(|()| remove_leftovers(path))
            .map_err(|source| FileError::io(path, "written", source).into()),
        None => Ok(()),
    }
}

/// Where a run starts.
enum Start<'a> {
    /// From zeros, or from iterates.
    Warm(Option<&'a WarmStart>),
    /// Where another one ended.
    Resumed(&'a Checkpoint),
}

/// One run on one device.
struct TrainJob<'a> {
    problem: Arc<Problem>,
    settings: &'a ValidSettings,
    /// The settings of the first programme, which a checkpoint knows more of.
    opening: &'a ValidSettings,
    start: Start<'a>,
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Job for TrainJob<'_> {
    type Output = Solution;

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Solution, TrainError> {
        let mut solver = Solver::open(backend, host, self.problem.clone(), self.opening.clone(), self.clock)?;
        match self.start {
            Start::Warm(warm) => {
                warm.map_or(Ok(()), |warm| solver.warm_start(warm))?;
                solver.stop_when_slow(self.settings.refine > 0);
            }
            Start::Resumed(checkpoint) => solver.resume(checkpoint, self.settings)?,
        }
        self.observer.begin(solver.summary());
        solve_and_refine(&mut solver, self.settings.sampled(), self.observer)
    }
}
