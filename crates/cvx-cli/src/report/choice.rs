//! How beta was chosen.

use cvx_admm::{PathPoint, PathSolution, Quality, Status};
use serde::Serialize;

/// The path on which beta was chosen.
#[derive(Serialize)]
pub struct ChoiceReport<'a> {
    gated_beta_max: f64,
    folds: usize,
    held_out_samples: usize,
    chosen: usize,
    cut_short: Option<Status>,
    seconds: f64,
    /// Of the predictions on held-out samples at the chosen beta.
    quality: Option<&'a Quality>,
    points: &'a [PathPoint],
}

impl<'a> ChoiceReport<'a> {
    /// The report of a path that ended.
    pub fn new(path: &'a PathSolution, quality: Option<&'a Quality>) -> Self {
        ChoiceReport {
            gated_beta_max: path.gated_beta_max,
            folds: path.folds,
            held_out_samples: path.held_out.rows.len(),
            chosen: path.chosen,
            cut_short: path.cut_short,
            seconds: path.seconds,
            quality,
            points: &path.points,
        }
    }
}
