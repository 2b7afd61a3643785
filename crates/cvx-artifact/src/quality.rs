//! How good predictions are: probabilities of classes, or errors in the units of the targets.

use crate::error::ArtifactError;
use crate::model::Model;
use cvx_linalg::HostMatrix;
use cvx_model::{ProbabilityScores, RegressionScores};
use serde::Serialize;

/// Outputs of a network, with the targets of the same samples (both n x C).
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The outputs.
    pub outputs: HostMatrix,
    /// The targets.
    pub targets: HostMatrix,
}

/// The quality of predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Quality {
    /// Of classes, by their probabilities.
    Classes(ProbabilityScores),
    /// Of numbers, in their units.
    Numbers(RegressionScores),
}

impl Predictions {
    /// The classes that the targets encode; none for a regression.
    pub fn classes(&self, model: &Model) -> Vec<usize> {
        let row = |a: usize| (0..self.targets.cols()).map(|c| self.targets[(a, c)]).collect::<Vec<_>>();
        (0..self.targets.rows()).filter_map(|a| model.task.class_of(&row(a))).collect()
    }

    /// Mean of each target.
    pub fn target_means(&self) -> Vec<f64> {
        let n = self.targets.rows().max(1) as f64;
        (0..self.targets.cols()).map(|c| self.targets.col(c).iter().sum::<f64>() / n).collect()
    }

    /// The quality of the predictions; `None` for classes without probabilities, and without samples. A regression is
    /// compared with predicting the `training_means` (C).
    ///
    /// # Errors
    /// [`ArtifactError::Model`] for predictions of another model.
    pub fn quality(&self, model: &Model, training_means: &[f64]) -> Result<Option<Quality>, ArtifactError> {
        if self.targets.values().is_empty() {
            return Ok(None);
        }
        if model.task.classes().is_empty() {
            let scores = RegressionScores::new(&self.outputs, &self.targets, training_means)?;
            return Ok(Some(Quality::Numbers(scores)));
        }
        let Some(probabilities) = model.probabilities(&self.outputs)? else { return Ok(None) };
        Ok(Some(Quality::Classes(ProbabilityScores::new(&probabilities, &self.classes(model))?)))
    }
}
