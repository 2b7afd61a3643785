//! The regularisation path: one factorisation for each fold, many betas, and the choice of beta by held-out samples.

pub(crate) mod folds;
mod job;
mod mean;
pub(crate) mod point;
pub(crate) mod settings;

use crate::api::error::{TrainError, out_of_range};
use crate::api::observer::{Guarded, Observer};
use crate::api::settings::{Beta, Gates, Settings};
use crate::clock::Clock;
use crate::problem::agreement::agree;
use crate::problem::dispatch::dispatch;
use crate::problem::input::Problem;
use crate::solver::solution::Solution;
use crate::train::train_with;
use cvx_artifact::{Certify, Model, Predictions, Status};
use cvx_linalg::{HostMatrix, LinalgError, StopToken};
use cvx_model::{Calibration, Dataset, Intervals, ModelError, Task, TaskChoice};
use folds::Fold;
use job::{FoldResults, PathJob, ends_everything};
use mean::mean_of;
use point::PathPoint;
use settings::{PathSettings, Returned};
use std::sync::Arc;

/// A network that was compared with the chosen one, at its best beta.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Settings of its runs.
    pub settings: Settings,
    /// What its path found at its best beta.
    pub point: PathPoint,
}

/// A path, and the network at the chosen beta.
#[derive(Clone, Debug)]
pub struct PathSolution {
    /// Settings of the runs, apart from beta.
    pub settings: Settings,
    /// The network that was compared with this one, if there was one.
    pub beside: Option<Beside>,
    /// All betas, the largest first.
    pub points: Vec<PathPoint>,
    /// max ||X'D_i y|| of the first fold.
    pub gated_beta_max: f64,
    /// Index of the point with the chosen fraction.
    pub chosen: usize,
    /// Number of folds.
    pub folds: usize,
    /// Seconds until the beta was chosen.
    pub seconds: f64,
    /// The reason why the path ended before its last beta: a limit, an interrupt, or the device. The network is then
    /// the mean of those of the folds as they were.
    pub cut_short: Option<Status>,
    /// What the networks at the chosen beta predict on samples that they were not trained on.
    pub held_out: HeldOutPredictions,
    /// The network.
    pub solution: Solution,
}

/// Predictions on held-out samples, the mean over the networks that held a sample out.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutPredictions {
    /// The rows of these samples among the training samples, in ascending order.
    pub rows: Vec<usize>,
    /// The outputs and targets (m x C).
    pub predictions: Predictions,
}

/// Trains along a path of betas on parts of `data`, chooses a beta by the samples that the parts hold out, and returns
/// the network that `path` asks for. `test` is only evaluated. `settings.beta` is not used. A time limit applies to
/// everything together.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn path(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    path: &PathSettings,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<PathSolution, TrainError> {
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer, data.samples()));
    let search = Search::new(data, test, settings, path, (clock, stop), observer)?;
    search.finish(data, test, path, (&mut clock, stop), observer)
}

/// The paths of all folds, and what they have found.
pub(crate) struct Search {
    settings: Settings,
    all: Problem,
    folds: Vec<Fold>,
    found: FoldResults,
}

impl Search {
    /// Searches with these settings.
    pub(crate) fn new(
        data: &Dataset,
        test: Option<&Dataset>,
        settings: &Settings,
        path: &PathSettings,
        (clock, stop): (Clock, &StopToken),
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        path.validate()?;
        if let Some(plan) = &settings.checkpoint {
            return Err(out_of_range("checkpoint", plan.path.display(), "left out on a path, which has many runs"));
        }
        if settings.certify == Certify::Global {
            let range = "network or sampled on a path: the search over all patterns is for one beta";
            return Err(out_of_range("certify", settings.certify, range));
        }
        agree(data.samples(), || path.as_given())?;
        let valid = settings.validate()?;
        let all = Problem::new(data, test, &valid)?;
        let task = all.targets.task.clone();
        let part = Settings { task: choice_of(&task), ..settings.clone() }.validate()?;
        let labels = all.labels_of_folds(data.labels().ok_or(ModelError::NoLabels)?)?;
        let folds = path.folds(&labels, &task, settings.seed)?;
        all.check_memory(&part, folds.len())?;
        let problem = |fold: &Fold| all.without(&fold.held_out).map(Arc::new);
        let problems = folds.iter().map(problem).collect::<Result<_, _>>()?;
        let job = PathJob { all: &all, problems, folds: &folds, settings: &part, path, clock, observer };
        let found = dispatch(job, data.samples(), &part, stop, clock)?;
        Ok(Search { settings: settings.clone(), all, folds, found })
    }

    /// The mean loss of held-out samples at the chosen beta.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.found.points.get(self.found.chosen).map_or(f64::INFINITY, |point| point.mean_loss)
    }

    /// Whether a limit or an interrupt ended it.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.found.cut_short.is_some()
    }

    /// Seconds until its beta was chosen.
    pub(crate) fn seconds(&self) -> f64 {
        self.found.seconds
    }

    /// What is said of it where another network was chosen.
    pub(crate) fn into_beside(self) -> Option<Beside> {
        let Search { settings, found, .. } = self;
        Some(Beside { settings, point: found.points.into_iter().nth(found.chosen)? })
    }

    /// The network that the path returns, at the chosen beta.
    pub(crate) fn finish(
        self,
        data: &Dataset,
        test: Option<&Dataset>,
        path: &PathSettings,
        (clock, stop): (&mut Clock, &StopToken),
        observer: &mut dyn Observer,
    ) -> Result<PathSolution, TrainError> {
        let Search { settings, all, folds, found } = self;
        let FoldResults { gated_beta_max, points, chosen, predictions, seconds, cut_short, solutions } = found;
        let held_out: Vec<Vec<usize>> = folds.iter().map(|fold| fold.held_out.clone()).collect();
        let evidence = pooled(&all, &folds, &predictions)?;
        let solution = match (cut_short, path.returned, points.get(chosen)) {
            (None, Returned::Retrained, Some(point)) => {
                let again = Settings { beta: Beta::Fraction(point.fraction), ..settings.clone() };
                clock.excluding(|| retrain(data, test, &again, path.ensemble, seconds, stop, observer))?
            }
            _ => mean_of(&all, solutions, &held_out, clock.seconds())?,
        };
        let mut solution = solution.ok_or(ModelError::Empty { what: "samples" })?;
        take_evidence(&mut solution.model, weights_of(&all, &evidence.rows)?, &evidence);
        Ok(PathSolution {
            settings,
            beside: None,
            points,
            gated_beta_max,
            chosen,
            folds: folds.len(),
            seconds,
            cut_short,
            held_out: evidence,
            solution,
        })
    }
}

/// The network of a run on all samples, or the mean of those of several seeds. A time limit counts from the start of
/// the path, `seconds` ago.
fn retrain(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    ensemble: usize,
    seconds: f64,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Option<Solution>, TrainError> {
    let clock = Clock::start();
    let mut settings = settings.clone();
    let mut solutions = Vec::new();
    for repeat in 0..ensemble as u64 {
        let left = settings.time_limit.map(|limit| (limit - seconds - clock.seconds()).max(0.0));
        let own = Settings { seed: settings.seed.wrapping_add(repeat), time_limit: left, ..settings.clone() };
        let solution = train_with(data, test, &own, None, stop, observer)?;
        let ended = ends_everything(solution.status);
        // Networks are averaged only if they have features of one precision, whatever memory is free next.
        if let (Gates::Patches(patches), Some(features)) = (&mut settings.gates, solution.summary.features) {
            patches.precision = Some(features.precision);
        }
        solutions.push(solution);
        if ended {
            break;
        }
    }
    if solutions.len() == 1 {
        return Ok(solutions.pop());
    }
    let all = Problem::new(data, test, &settings.validate()?)?;
    mean_of(&all, solutions, &vec![Vec::new(); ensemble], seconds + clock.seconds())
}

/// The predictions of all folds, by sample, on every rank.
fn pooled(all: &Problem, folds: &[Fold], predictions: &[HostMatrix]) -> Result<HeldOutPredictions, TrainError> {
    let targets = all.samples.everywhere(all.targets.y.clone()).map_err(LinalgError::from)?;
    let (n, c) = (targets.rows(), targets.cols());
    let (mut sums, mut counts) = (HostMatrix::zeros(n, c), vec![0.0; n]);
    for (fold, outputs) in folds.iter().zip(predictions) {
        for (a, &row) in fold.held_out.iter().enumerate() {
            counts[row] += 1.0;
            (0..c).for_each(|c| sums[(row, c)] += outputs[(a, c)]);
        }
    }
    let rows: Vec<usize> = (0..n).filter(|&row| counts[row] > 0.0).collect();
    let predictions = Predictions {
        outputs: HostMatrix::from_fn(rows.len(), c, |a, c| sums[(rows[a], c)] / counts[rows[a]]),
        targets: HostMatrix::from_fn(rows.len(), c, |a, c| targets[(rows[a], c)]),
    };
    Ok(HeldOutPredictions { rows, predictions: all.clipped(predictions) })
}

/// The weights of these rows among all samples, unless all are 1.
fn weights_of(all: &Problem, rows: &[usize]) -> Result<Option<Vec<f64>>, TrainError> {
    let Some(here) = all.loss.weights() else { return Ok(None) };
    let column = HostMatrix::from_vec(here.len(), 1, here.to_vec());
    let weights = all.samples.everywhere(column).map_err(LinalgError::from)?;
    Ok(Some(rows.iter().map(|&row| weights[(row, 0)]).collect()))
}

/// Probabilities and intervals of the model, from what its folds predict on samples that they held out. Outputs that
/// overflow say nothing.
fn take_evidence(model: &mut Model, weights: Option<Vec<f64>>, found: &HeldOutPredictions) {
    let HeldOutPredictions { rows, predictions } = found;
    if rows.is_empty() {
        return;
    }
    if model.task.classes().is_empty() {
        model.intervals = Intervals::new(&predictions.outputs, &predictions.targets).ok();
        return;
    }
    let fitted = Calibration::fit(&predictions.outputs, &predictions.classes(model), weights.as_deref());
    if let Ok(calibration) = fitted {
        model.calibration = Some(calibration);
    }
}

/// The resolved task, as a choice.
fn choice_of(task: &Task) -> TaskChoice {
    match task {
        Task::Binary { .. } => TaskChoice::Binary,
        Task::Multiclass { .. } => TaskChoice::Multiclass,
        Task::Regression { .. } => TaskChoice::Regression,
    }
}
