//! `cvx path --json`.

use super::run::RunReport;
use cvx_admm::{PathPoint, PathSolution, Settings, Status};
use serde::Serialize;

/// A path.
#[derive(Serialize)]
pub struct PathReport<'a> {
    gated_beta_max: f64,
    chosen: Option<usize>,
    cut_short: Option<Status>,
    seconds: f64,
    points: &'a [PathPoint],
    solution: Option<RunReport<'a>>,
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
            points: &path.points,
            solution: path.solution.as_ref().map(|solution| RunReport::new(solution, settings)),
        }
    }
}
