//! The paths of all folds on one device, beta by beta.

use crate::api::error::TrainError;
use crate::api::observer::{Observer, Summary};
use crate::api::settings::{Gates, Settings, ValidSettings};
use crate::clock::Clock;
use crate::path::folds::Fold;
use crate::path::point::{FoldPoint, HeldOutSample, PathPoint, choose, is_far_above};
use crate::path::settings::{PathSettings, Returned};
use crate::problem::dispatch::Job;
use crate::problem::input::{Host, Problem};
use crate::problem::patches::{Features, FittedGates, OwnFeatures};
use crate::solver::Solver;
use crate::solver::solution::Solution;
use cvx_artifact::{Objective, Scores, Status};
use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{PatchFeatures, accuracy, sample_errors, sample_losses};
use std::sync::Arc;

/// Share of the budget after which no other beta is tried: the runs at the chosen beta need the rest.
const BUDGET_OF_BETAS: f64 = 0.75;

/// The paths of the folds. All folds are at the same beta, so that their held-out samples choose it together, and the
/// path can end where they say.
pub(crate) struct PathJob<'a> {
    /// All training samples.
    pub all: &'a Problem,
    /// The samples of each fold, with those that it holds out as test samples.
    pub problems: Vec<Arc<Problem>>,
    pub folds: &'a [Fold],
    /// The settings of the last runs.
    pub settings: &'a ValidSettings,
    pub path: &'a PathSettings,
    pub clock: Clock,
    pub observer: &'a mut dyn Observer,
}

/// What the folds have found.
pub(crate) struct FoldResults {
    /// max ||X'D_i y|| of the first fold.
    pub gated_beta_max: f64,
    pub points: Vec<PathPoint>,
    pub chosen: usize,
    /// The predictions of each fold on its held-out samples at the chosen beta.
    pub predictions: Vec<HostMatrix>,
    /// Seconds until the beta was chosen.
    pub seconds: f64,
    /// The reason for an early end.
    pub cut_short: Option<Status>,
    /// The networks of the folds: all at the chosen beta if they are to be returned, none otherwise. Of a path that was
    /// cut short, the best so far.
    pub solutions: Vec<Solution>,
}

/// What the folds have found at one beta.
struct Tried {
    points: Vec<FoldPoint>,
    predictions: Vec<HostMatrix>,
}

impl Job for PathJob<'_> {
    type Output = FoldResults;

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<FoldResults, TrainError> {
        let mut solvers = self.open(&backend, &host)?;
        let fractions = self.path.fractions();
        let (mut points, mut predictions, mut cut_short) = (Vec::<PathPoint>::new(), Vec::new(), None);
        // The samples of a point are compared with those of the best one so far, and not kept otherwise.
        let (mut best, mut best_folds, mut above) = (f64::INFINITY, Vec::new(), 0);
        for &fraction in &fractions {
            let found = match self.solve_at(&mut solvers, fraction)? {
                Ok(found) => found,
                Err(status) => {
                    cut_short = Some(status);
                    break;
                }
            };
            let point = PathPoint::mean(&found.points, fraction);
            self.observer.point(fraction, point.objective.relative_gap, &point.validation);
            let is_best = points.is_empty() || point.mean_loss < best;
            above = if !is_best && is_far_above(&found.points, &best_folds) { above + 1 } else { 0 };
            if is_best {
                (best, best_folds) = (point.mean_loss, found.points);
            }
            points.push(point);
            predictions.push(found.predictions);
            let spent = |budget| self.clock.seconds() >= BUDGET_OF_BETAS * budget;
            let spent = self.path.budget.is_some_and(|budget| backend.samples().of_first(spent(budget)));
            if self.path.patience.is_some_and(|patience| above >= patience) || spent {
                break;
            }
        }
        let chosen = choose(&points, self.path.choice);
        let seconds = self.clock.seconds();
        let returned = cut_short.is_some() || self.path.returned == Returned::Mean;
        let (mut solutions, mut ended) = (Vec::new(), cut_short);
        for solver in solvers.iter_mut().filter(|_| returned) {
            solver.take_turn();
            solver.set_gap(self.settings.gap);
            if let Some(status) = ended {
                solutions.push(solver.close_as_it_is(status)?);
                continue;
            }
            if chosen + 1 < points.len() {
                solver.set_beta(fractions[chosen] * solver.gated_beta_max())?;
            }
            let solution = solver.solve(self.observer)?;
            ended = Some(solution.status).filter(|status| ends_everything(*status));
            solutions.push(solution);
        }
        Ok(FoldResults {
            gated_beta_max: solvers.first().map_or(0.0, Solver::gated_beta_max),
            points,
            chosen,
            predictions: predictions.into_iter().nth(chosen).unwrap_or_default(),
            seconds,
            cut_short,
            solutions,
        })
    }
}

impl PathJob<'_> {
    /// A solver for each fold, at its first beta.
    fn open<B: Backend>(&mut self, backend: &B, host: &Host) -> Result<Vec<Solver<B>>, TrainError> {
        let first = self.path.fractions()[0];
        let mut solvers = Vec::new();
        let mut shared = None;
        let features = self.features(backend)?;
        for (problem, fold) in self.problems.iter().zip(self.folds) {
            // All folds are in memory together.
            let memory_budget = self.settings.memory_budget.map(|budget| budget / self.folds.len() as u64);
            let settings = Settings { gap: self.path.gap, seed: fold.seed, memory_budget, ..(**self.settings).clone() };
            let (backend, host, problem) = (backend.over(&problem.samples), host.clone(), problem.clone());
            let own = self.own_features(&backend, (fold, &problem), features, &mut shared)?;
            let mut solver = Solver::open_with(backend, host, problem, settings.validate()?, self.clock, None, own)
                .map_err(|error| fold.in_all_samples(error))?;
            solver.evaluate_sparingly();
            solver.set_beta(first * solver.gated_beta_max())?;
            solvers.push(solver);
        }
        if let Some(solver) = solvers.first() {
            self.observer.begin(&Summary { folds: Some(self.folds.len()), ..solver.summary().clone() });
        }
        Ok(solvers)
    }

    /// How the features of patches are at hand, chosen once: networks of features of one precision can be averaged.
    fn features<B: Backend>(&self, backend: &B) -> Result<Option<Features>, TrainError> {
        let Gates::Patches(_) = &self.settings.gates else { return Ok(None) };
        let budget = self.settings.memory_budget.unwrap_or_else(|| backend.memory_info().free / 10 * 9);
        let shape = self.all.shape(self.settings, self.settings.sampled(), backend.scalar_bytes())?;
        let (.., features) = self.all.choose(self.settings, &shape, budget / self.copies(), None)?;
        Ok(features)
    }

    /// How often the features of an image are in memory: those of all images are divided into those of several folds.
    fn copies(&self) -> u64 {
        if self.folds.len() > 1 { self.folds.len() as u64 + 1 } else { 1 }
    }

    /// The features of patches for a fold. Patches and gates are fitted to all training images, whose labels they do
    /// not see: folds of one seed share them, and their features are computed once. A single fold needs no copy.
    fn own_features<B: Backend>(
        &self,
        backend: &B,
        (fold, problem): (&Fold, &Problem),
        features: Option<Features>,
        shared: &mut Option<(u64, PatchFeatures<B>)>,
    ) -> Result<Option<OwnFeatures<B>>, TrainError> {
        let (Gates::Patches(patches), Some(features)) = (&self.settings.gates, features) else { return Ok(None) };
        let drawn = (self.settings.sampled(), fold.seed);
        let fit = || FittedGates::of(backend, self.all, patches, features.precision, drawn);
        if self.copies() == 1 {
            return OwnFeatures::of(backend, &fit()?, problem, features).map(Some);
        }
        let all = match shared {
            Some((seed, all)) if *seed == fold.seed => all,
            _ => &mut shared.insert((fold.seed, fit()?.features(backend, &*self.all.xt, features)?)).1,
        };
        OwnFeatures::divided(backend, all, &fold.held_out, features).map(Some)
    }

    /// Solves all folds at this fraction of their gated beta_max; a status ends the path.
    fn solve_at<B: Backend>(
        &mut self,
        solvers: &mut [Solver<B>],
        fraction: f64,
    ) -> Result<Result<Tried, Status>, TrainError> {
        let mut tried = Tried { points: Vec::new(), predictions: Vec::new() };
        for (solver, problem) in solvers.iter_mut().zip(&self.problems) {
            solver.take_turn();
            solver.set_beta(fraction * solver.gated_beta_max())?;
            let begin = solver.seconds();
            let status = solver.run(self.observer)?;
            if ends_everything(status) {
                return Ok(Err(status));
            }
            let (point, prediction) = evaluate(solver, problem, status, begin)?;
            tried.points.push(point);
            tried.predictions.push(prediction);
        }
        Ok(Ok(tried))
    }
}

/// Whether a run with this status is the last one.
pub(crate) fn ends_everything(status: Status) -> bool {
    matches!(status, Status::Interrupted | Status::TimeLimit | Status::DeviceError)
}

/// The best network of a fold at its present beta, and its predictions on the held-out samples.
fn evaluate<B: Backend>(
    solver: &mut Solver<B>,
    problem: &Problem,
    status: Status,
    begin: f64,
) -> Result<(FoldPoint, HostMatrix), TrainError> {
    let (task, loss) = (&problem.targets.task, problem.loss.loss());
    let none = HostMatrix::zeros(0, problem.targets.y.cols());
    let y = problem.test.as_ref().map_or(&none, |test| &test.y);
    let prediction = solver.test_prediction()?.unwrap_or_else(|| none.clone());
    let weights = problem.test.as_ref().and_then(|test| test.weights.as_deref());
    let validation = Scores { loss: loss.total(&prediction, y), accuracy: accuracy(task, &prediction, y) };
    let values = sample_errors(task, loss, &prediction, y).into_iter().zip(sample_losses(loss, &prediction, y));
    let sample = |(a, (error, loss)): (usize, (f64, f64))| HeldOutSample {
        error,
        loss,
        weight: weights.map_or(1.0, |weights| weights[a]),
    };
    let (train, neurons) = solver.train_scores().unwrap_or((validation, 0));
    let zero = solver.program().zero_objective();
    let untrained = Objective { network: zero, sampled_primal: None, dual_bound: 0.0, relative_gap: f64::INFINITY };
    let point = FoldPoint {
        beta: solver.program().beta(),
        status,
        objective: solver.objective().unwrap_or(untrained),
        iterations: solver.info().history.len(),
        seconds: solver.seconds() - begin,
        neurons,
        train,
        validation,
        samples: values.enumerate().map(sample).collect(),
    };
    Ok((point, prediction))
}
