//! From a data set to a trained model with its certificate.

use crate::checkpoint::{Checkpoint, CheckpointPlan};
use crate::clock::Clock;
use crate::dispatch::{Job, dispatch};
use crate::error::TrainError;
use crate::info::Info;
use crate::observer::{Guarded, Observer, Summary};
use crate::session::Session;
use crate::settings::{Settings, ValidSettings};
use crate::weights::sample_weights;
use cvx_artifact::FileError;
use cvx_artifact::Status;
use cvx_artifact::{Model, fingerprint};
use cvx_artifact::{Objective, Scores};
use cvx_artifact::{check_writable, remove_leftovers};
use cvx_linalg::{Backend, HostMatrix, StopToken};
use cvx_model::{Confusion, Dataset, FeatureKind, ModelError, Normalisation, Targets, Transform, WeightedLoss};

/// Iterates that a later run on the same samples and gates can begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmStart {
    /// v (d x 2PC).
    pub v: HostMatrix,
    /// Scaled dual of u = v (d x 2PC).
    pub lambda: HostMatrix,
    /// s (n x 2PC).
    pub s: HostMatrix,
    /// Scaled dual of Gt u = s (n x 2PC).
    pub nu: HostMatrix,
    /// q and mu, where the loss is split off; without them a run begins at the prediction 0.
    pub prediction: Option<PredictionStart>,
    /// The penalty that the duals are scaled by.
    pub rho: f64,
    /// The weight that s and nu are scaled by.
    pub sigma: f64,
}

/// Predictions that a later run can begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionStart {
    /// q (n x C).
    pub q: HostMatrix,
    /// Scaled dual of F u = q (n x C).
    pub mu: HostMatrix,
}

/// What a run returns, however it ended.
#[derive(Clone, Debug)]
pub struct Solution {
    /// How it ended.
    pub status: Status,
    /// The best network, ready to predict.
    pub model: Model,
    /// The certificate.
    pub objective: Objective,
    /// On the training samples, of the recovered network.
    pub train: Scores,
    /// The same by class; `None` for a regression.
    pub train_confusion: Option<Confusion>,
    /// Training accuracy of the convex model F u of the last iterate; `None` for a run that was stopped.
    pub convex_accuracy: Option<f64>,
    /// On the test samples, where there are any.
    pub test: Option<Scores>,
    /// The same by class; `None` for a regression.
    pub test_confusion: Option<Confusion>,
    /// Number of neurons that were taken out in the end, because the network can do without them.
    pub pruned: usize,
    /// Largest relative violation of a cone by the returned network, before it was pruned.
    pub cone_violation: f64,
    /// Weight of the group norm.
    pub beta: f64,
    /// The last penalty.
    pub rho: f64,
    /// The weight of the cone constraint.
    pub sigma: f64,
    /// What was run.
    pub summary: Summary,
    /// History and phase times.
    pub info: Info,
    /// The last iterates.
    pub warm_start: WarmStart,
}

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
    let problem = Problem::new(data, test, &settings)?;
    check_checkpoint(&settings)?;
    let job = TrainJob {
        problem: &problem,
        settings: &settings,
        opening: &settings,
        begin: Begin::At(warm),
        clock,
        observer,
    };
    dispatch(job, &settings, stop, clock)
}

/// Goes on with the run that wrote `checkpoint`, on the same samples and with the same settings: on the same machine, bit for bit as it
/// would have gone on. Limits, gap, threads, observer and test samples may be others; a time limit is counted from now.
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
    let problem = Problem::new(data, test, &settings)?;
    check_checkpoint(&settings)?;
    let opening = checkpoint.opening(&problem, &settings)?;
    let begin = Begin::From(checkpoint);
    let job = TrainJob { problem: &problem, settings: &settings, opening: &opening, begin, clock, observer };
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

/// What a run is to say of the machine around its device.
#[derive(Clone)]
pub(crate) struct Host {
    /// Threads of the CPU.
    pub threads: usize,
    /// Why a GPU that is there is not used.
    pub passed_over: Option<String>,
}

/// The input, checked and transformed, still on the host.
pub(crate) struct Problem {
    pub xt: HostMatrix,
    pub targets: Targets,
    pub transform: Transform,
    pub normalisation: Normalisation,
    pub kind: FeatureKind,
    pub fingerprint: u32,
    pub loss: WeightedLoss,
    pub test: Option<(HostMatrix, HostMatrix)>,
}

impl Problem {
    pub fn new(data: &Dataset, test: Option<&Dataset>, settings: &ValidSettings) -> Result<Self, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let targets = Targets::new(labels, settings.task)?;
        if settings.loss.needs_classes() && targets.task.classes().is_empty() {
            return Err(ModelError::NeedsClasses { what: format!("the {} loss", settings.loss.name()) }.into());
        }
        let weights = sample_weights(data, &targets.task, &targets.y, &settings.class_weights)?;
        let loss = WeightedLoss::new(settings.loss, weights)?;
        let normalisation = settings.normalisation.unwrap_or(Normalisation::default_for(data.kind()));
        let transform = Transform::fit(data, normalisation, settings.bias)?;
        let test = match test {
            None => None,
            Some(test) => {
                let labels = test.labels().ok_or(TrainError::Test(ModelError::NoLabels))?;
                let xt = transform.apply(test).map_err(TrainError::Test)?;
                Some((xt, targets.task.encode(labels).map_err(TrainError::Test)?))
            }
        };
        let xt = transform.apply(data)?;
        Ok(Problem {
            fingerprint: fingerprint(&xt, &targets.y),
            xt,
            targets,
            transform,
            normalisation,
            kind: data.kind(),
            loss,
            test,
        })
    }
}

/// Where a run begins.
#[derive(Clone, Copy)]
enum Begin<'a> {
    /// At zero, or at iterates.
    At(Option<&'a WarmStart>),
    /// Where another ended.
    From(&'a Checkpoint),
}

/// One run on one device.
struct TrainJob<'a> {
    problem: &'a Problem,
    settings: &'a ValidSettings,
    /// The settings for the first programme, of which a checkpoint knows more.
    opening: &'a ValidSettings,
    begin: Begin<'a>,
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Job for TrainJob<'_> {
    type Output = Solution;

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Solution, TrainError> {
        let mut session = Session::open(backend, host, self.problem, self.opening, self.clock)?;
        match self.begin {
            Begin::At(None) => {}
            Begin::At(Some(warm)) => session.take_warm_start(warm)?,
            Begin::From(checkpoint) => session.resume(checkpoint, self.settings),
        }
        self.observer.begin(session.summary());
        session.solve_and_refine(self.observer)
    }
}
