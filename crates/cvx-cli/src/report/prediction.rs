//! `cvx predict --json`.

use super::confusion::ConfusionReport;
use cvx_admm::Scores;
use cvx_model::{Confusion, Task};
use serde::Serialize;

/// How good predictions are; all scores are null without labels.
#[derive(Serialize)]
pub struct PredictionReport<'a> {
    task: &'static str,
    n_samples: usize,
    loss: Option<f64>,
    accuracy: Option<f64>,
    confusion: Option<ConfusionReport<'a>>,
}

impl<'a> PredictionReport<'a> {
    /// The report of predictions on `n_samples` samples.
    pub fn new(task: &Task, n_samples: usize, scores: Option<Scores>, confusion: Option<&'a Confusion>) -> Self {
        PredictionReport {
            task: task.name(),
            n_samples,
            loss: scores.map(|scores| scores.loss),
            accuracy: scores.and_then(|scores| scores.accuracy),
            confusion: confusion.map(ConfusionReport::new),
        }
    }
}
