//! The regularisation path: one factorisation, many betas, and the choice of beta by held-out samples.

pub(crate) mod point;
pub(crate) mod settings;

use crate::api::error::{TrainError, out_of_range};
use crate::api::observer::{Guarded, Observer};
use crate::api::settings::{Beta, Settings, ValidSettings};
use crate::clock::Clock;
use crate::problem::dispatch::{Job, dispatch};
use crate::problem::input::{Host, Problem};
use crate::solver::Solver;
use crate::solver::solution::Solution;
use crate::train::train_with;
use cvx_artifact::{Objective, Scores, Status};
use cvx_linalg::{Backend, StopToken};
use cvx_model::{Dataset, Task, TaskChoice, accuracy, sample_errors};
use point::{FoldPoint, Merged, PathPoint, choose};
use settings::PathSettings;
use std::sync::Arc;

/// A path, and the network on all samples at the chosen beta.
#[derive(Clone, Debug)]
pub struct PathSolution {
    /// All betas, the largest first.
    pub points: Vec<PathPoint>,
    /// max ||X'D_i y|| of the first path.
    pub gated_beta_max: f64,
    /// Index of the point with the chosen fraction.
    pub chosen: usize,
    /// Seconds of the path, without the run on all samples.
    pub seconds: f64,
    /// The reason why the path ended before its last beta: a limit, an interrupt, or the device.
    pub cut_short: Option<Status>,
    /// The network on all samples; `None` if the path ended early.
    pub solution: Option<Solution>,
}

/// Trains along a path of betas on a part of `data`, chooses a beta on the rest, and trains on all of `data` at the
/// chosen beta. The final run evaluates `test` if given. `settings.beta` is not used. A time limit applies to path and
/// final run together.
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
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer));
    let valid = settings.validate()?;
    path.validate()?;
    if let Some(plan) = &settings.checkpoint {
        return Err(out_of_range("checkpoint", plan.path.display(), "left out on a path, which has many runs"));
    }
    let fractions = path.fractions();
    // Validates the samples of the last run now; their task is not inferred again from a part of them.
    let all = Problem::new(data, test, &valid)?;
    all.check_memory(&valid)?;
    let task = all.targets.task.clone();
    drop(all);
    let part = Settings { task: choice_of(&task), gap: path.gap, ..settings.clone() }.validate()?;
    let folds = path.folds(data, &task, settings.seed)?;
    let (mut merged, mut cut_short) = (Merged::default(), None);
    for held_out in &folds {
        let (kept, held_out) = (data.without(held_out)?, data.select(held_out)?);
        let problem = Arc::new(Problem::new(&kept, Some(&held_out), &part)?);
        let job = PathJob { problem, settings: &part, fractions: &fractions, clock, observer: &mut *observer };
        let (gated_beta_max, points, ended) = dispatch(job, &part, stop, clock)?;
        merged.add(gated_beta_max, points);
        cut_short = ended;
        if cut_short.is_some() {
            break;
        }
    }
    let points = merged.finish(&fractions);
    let chosen = choose(&points, path.choice);
    let seconds = clock.seconds();
    let left = settings.time_limit.map(|limit| (limit - seconds).max(0.0));
    if left == Some(0.0) {
        cut_short = cut_short.or(Some(Status::TimeLimit));
    }
    let solution = if cut_short.is_none() {
        let final_settings =
            Settings { beta: Beta::Fraction(points[chosen].fraction), time_limit: left, ..settings.clone() };
        Some(clock.excluding(|| train_with(data, test, &final_settings, None, stop, observer))?)
    } else {
        None
    };
    Ok(PathSolution { points, gated_beta_max: merged.gated_beta_max, chosen, seconds, cut_short, solution })
}

/// The resolved task, as a choice.
fn choice_of(task: &Task) -> TaskChoice {
    match task {
        Task::Binary { .. } => TaskChoice::Binary,
        Task::Multiclass { .. } => TaskChoice::Multiclass,
        Task::Regression { .. } => TaskChoice::Regression,
    }
}

/// A path on one device.
struct PathJob<'a> {
    problem: Arc<Problem>,
    settings: &'a ValidSettings,
    fractions: &'a [f64],
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Job for PathJob<'_> {
    /// The gated beta_max, the points, and the reason for an early end.
    type Output = (f64, Vec<FoldPoint>, Option<Status>);

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Self::Output, TrainError> {
        let mut solver = Solver::open(backend, host, self.problem.clone(), self.settings.clone(), self.clock)?;
        solver.evaluate_sparingly();
        let gated_beta_max = solver.gated_beta_max();
        solver.set_beta(self.fractions[0] * gated_beta_max)?;
        self.observer.begin(solver.summary());
        let mut points = Vec::new();
        for fraction in self.fractions {
            solver.set_beta(fraction * gated_beta_max)?;
            let point = self.solve_point(&mut solver)?;
            if matches!(point.status, Status::Interrupted | Status::TimeLimit | Status::DeviceError) {
                return Ok((gated_beta_max, points, Some(point.status)));
            }
            self.observer.point(*fraction, point.objective.relative_gap, &point.validation);
            points.push(point);
        }
        Ok((gated_beta_max, points, None))
    }
}

impl PathJob<'_> {
    /// Solves at the current beta, and evaluates the best network on the held-out samples.
    fn solve_point<B: Backend>(&mut self, solver: &mut Solver<B>) -> Result<FoldPoint, TrainError> {
        let begin = solver.seconds();
        let status = solver.run(self.observer)?;
        let (task, loss) = (&self.problem.targets.task, self.problem.loss.loss());
        let mut validation = (Scores { loss: 0.0, accuracy: None }, Vec::new());
        if let (Some(prediction), Some((_, y))) = (solver.test_prediction()?, &self.problem.test) {
            let scores = Scores { loss: loss.total(&prediction, y), accuracy: accuracy(task, &prediction, y) };
            validation = (scores, sample_errors(task, loss, &prediction, y));
        }
        let (train, neurons) = solver.train_scores().unwrap_or((validation.0, 0));
        let zero = solver.program().zero_objective();
        let untrained = Objective { network: zero, sampled_primal: None, dual_bound: 0.0, relative_gap: f64::INFINITY };
        Ok(FoldPoint {
            beta: solver.program().beta(),
            status,
            objective: solver.objective().unwrap_or(untrained),
            iterations: solver.info().history.len(),
            seconds: solver.seconds() - begin,
            neurons,
            train,
            validation: validation.0,
            errors: validation.1,
        })
    }
}
