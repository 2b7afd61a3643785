//! Loss, accuracy and confusions on one set of samples.

use super::confusion::ConfusionReport;
use cvx_admm::{Quality, Scores};
use cvx_model::Confusion;
use serde::Serialize;

/// The scores, with those of each class if there are classes.
#[derive(Serialize)]
pub struct ScoresReport<'a> {
    #[serde(flatten)]
    scores: Scores,
    /// Log loss, Brier score, calibration error, ROC AUC, reliability and ROC curve of classes; RMSE, MAE and R2 of
    /// numbers. Null if they are unknown.
    quality: Option<&'a Quality>,
    confusion: Option<ConfusionReport<'a>>,
}

impl<'a> ScoresReport<'a> {
    /// The report of `scores`.
    pub fn new(scores: Scores, quality: Option<&'a Quality>, confusion: Option<&'a Confusion>) -> Self {
        ScoresReport { scores, quality, confusion: confusion.map(ConfusionReport::new) }
    }
}
