//! Loss, accuracy and confusions on one set of samples.

use super::confusion::ConfusionReport;
use cvx_admm::Scores;
use cvx_model::Confusion;
use serde::Serialize;

/// The scores, with those of each class if there are classes.
#[derive(Serialize)]
pub struct ScoresReport<'a> {
    #[serde(flatten)]
    scores: Scores,
    confusion: Option<ConfusionReport<'a>>,
}

impl<'a> ScoresReport<'a> {
    /// The report of `scores`.
    pub fn new(scores: Scores, confusion: Option<&'a Confusion>) -> Self {
        ScoresReport { scores, confusion: confusion.map(ConfusionReport::new) }
    }
}
