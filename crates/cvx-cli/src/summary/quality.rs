//! The quality of predictions in words.

use crate::number::{percent, short};
use cvx_admm::{Model, PathSolution, Predictions, Quality, Scores, Solution};
use cvx_model::{ProbabilityScores, RegressionScores};

/// Accuracy and probabilities, or the errors in the units of the targets, beside those of a constant prediction.
pub fn words(scores: &Scores, quality: Option<&Quality>, constant: &str) -> String {
    match (scores.accuracy, quality) {
        (_, Some(Quality::Numbers(RegressionScores { targets, mean }))) => {
            let r2 = mean.r2.map_or(String::new(), |r2| format!(", R2 {r2:.4}"));
            let several = if targets.len() > 1 { " (means of the targets)" } else { "" };
            format!(
                "RMSE {}, MAE {}{r2}{several}; RMSE {} of predicting {constant}",
                short(mean.rmse),
                short(mean.mae),
                short(mean.reference_rmse)
            )
        }
        (Some(accuracy), Some(Quality::Classes(scores))) => {
            let ProbabilityScores { log_loss, brier, calibration_error, auc, .. } = scores;
            let auc = auc.map_or(String::new(), |auc| format!(", ROC AUC {auc:.4}"));
            format!(
                "accuracy {}, log loss {log_loss:.4}, Brier {brier:.4}, calibration error {calibration_error:.4}{auc}",
                percent(accuracy)
            )
        }
        (Some(accuracy), None) => format!("accuracy {}, loss {:.6}", percent(accuracy), scores.loss),
        (None, _) => format!("loss {:.6}", scores.loss),
    }
}

/// The quality on the samples of a run, if it can be computed.
pub struct Qualities {
    /// On the training samples.
    pub train: Option<Quality>,
    /// On samples that the network that predicts them was not trained on.
    pub held_out: Option<Quality>,
    /// On the test samples.
    pub test: Option<Quality>,
}

impl Qualities {
    /// Of a run, with the path that led to it.
    pub fn of(solution: &Solution, path: Option<&PathSolution>) -> Self {
        let means = solution.train_predictions.target_means();
        let quality = |predictions: &Predictions| of_predictions(&solution.model, predictions, &means);
        Qualities {
            train: quality(&solution.train_predictions),
            held_out: path.and_then(|path| quality(&path.held_out.predictions)),
            test: solution.test_predictions.as_ref().and_then(quality),
        }
    }
}

/// The quality of predictions of this model; predictions that are not numbers have none.
pub fn of_predictions(model: &Model, predictions: &Predictions, training_means: &[f64]) -> Option<Quality> {
    predictions.quality(model, training_means).ok().flatten()
}
