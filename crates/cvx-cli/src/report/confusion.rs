//! Scores by class.

use cvx_model::{ClassScores, Confusion};
use serde::Serialize;

/// The confusions and the scores of each class, in the order of the classes; undefined scores (0/0) are null.
#[derive(Serialize)]
pub struct ConfusionReport<'a> {
    classes: &'a [String],
    counts: &'a [Vec<usize>],
    precision: Vec<Option<f64>>,
    recall: Vec<Option<f64>>,
    f1: Vec<Option<f64>>,
    support: Vec<usize>,
    mean_precision: Option<f64>,
    mean_recall: Option<f64>,
    mean_f1: Option<f64>,
}

impl<'a> ConfusionReport<'a> {
    /// The report of `confusion`.
    pub fn new(confusion: &'a Confusion) -> Self {
        let scores: Vec<ClassScores> = (0..confusion.classes.len()).map(|class| confusion.scores(class)).collect();
        let means = confusion.means();
        ConfusionReport {
            classes: &confusion.classes,
            counts: &confusion.counts,
            precision: scores.iter().map(|scores| scores.precision).collect(),
            recall: scores.iter().map(|scores| scores.recall).collect(),
            f1: scores.iter().map(|scores| scores.f1).collect(),
            support: scores.iter().map(|scores| scores.support).collect(),
            mean_precision: means.precision,
            mean_recall: means.recall,
            mean_f1: means.f1,
        }
    }
}
