//! `cvx path --json`.

use super::run::RunReport;
use super::scores::ScoresReport;
use cvx_admm::{PathPoint, PathSolution, Settings, Status};
use serde::Serialize;

/// A path.
#[derive(Serialize)]
pub struct PathReport<'a> {
    gated_beta_max: f64,
    chosen: Option<usize>,
    cut_short: Option<Status>,
    seconds: f64,
    points: Vec<PointReport>,
    solution: Option<RunReport<'a>>,
}

#[derive(Serialize)]
struct PointReport {
    fraction: f64,
    beta: f64,
    status: Status,
    network: f64,
    dual_bound: f64,
    relative_gap: f64,
    iterations: usize,
    seconds: f64,
    neurons: f64,
    train: ScoresReport<'static>,
    validation: ScoresReport<'static>,
    error: f64,
    standard_error: f64,
}

impl<'a> PathReport<'a> {
    /// The report of a path that ended, with the `settings` of its runs.
    pub fn new(path: &'a PathSolution, settings: &Settings) -> Self {
        PathReport {
            gated_beta_max: path.gated_beta_max,
            // A path that was cut short has chosen nothing.
            chosen: path.solution.as_ref().map(|_| path.chosen),
            cut_short: path.cut_short,
            seconds: path.seconds,
            points: path.points.iter().map(PointReport::new).collect(),
            solution: path.solution.as_ref().map(|solution| RunReport::new(solution, settings)),
        }
    }
}

impl PointReport {
    fn new(point: &PathPoint) -> Self {
        PointReport {
            fraction: point.fraction,
            beta: point.beta,
            status: point.status,
            network: point.objective.network,
            dual_bound: point.objective.dual_bound,
            relative_gap: point.objective.relative_gap,
            iterations: point.iterations,
            seconds: point.seconds,
            neurons: point.neurons,
            train: ScoresReport::new(point.train, None),
            validation: ScoresReport::new(point.validation, None),
            error: point.error,
            standard_error: point.standard_error,
        }
    }
}
