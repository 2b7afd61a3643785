//! `cvx predict --json`.

use super::scores::ScoresReport;
use cvx_model::Task;
use serde::Serialize;

/// How good predictions are.
#[derive(Serialize)]
pub struct PredictionReport<'a> {
    task: &'static str,
    n_samples: usize,
    /// Null without labels.
    scores: Option<ScoresReport<'a>>,
}

impl<'a> PredictionReport<'a> {
    /// The report of predictions on `n_samples` samples.
    pub fn new(task: &Task, n_samples: usize, scores: Option<ScoresReport<'a>>) -> Self {
        PredictionReport { task: task.name(), n_samples, scores }
    }
}
