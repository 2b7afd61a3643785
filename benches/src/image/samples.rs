//! Images to train on and images to look at, as all methods have them.

use anyhow::{Context, Result};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, FeatureKind, Targets, Task, TaskChoice, Transform, accuracy, squared_loss};

/// Images with their targets.
pub struct Images {
    /// Scaled pixels (pixels x n).
    pub pixels: HostMatrix,
    /// Targets (n x C).
    pub y: HostMatrix,
}

/// What is trained on, and what is looked at.
pub struct Samples {
    /// Size of the images.
    pub kind: FeatureKind,
    /// Of the training images.
    pub task: Task,
    /// Trained on.
    pub train: Images,
    /// Looked at.
    pub watched: Option<Images>,
}

impl Samples {
    /// Scales all pixels by those that are trained on, and encodes the labels.
    pub fn new(train: &Dataset, watched: Option<&Dataset>) -> Result<Self> {
        let labels = |data: &'_ Dataset| data.labels().cloned().context("the data have no labels");
        let Targets { task, y } = Targets::new(&labels(train)?, TaskChoice::Auto)?;
        let kind = train.kind();
        let transform = Transform::fit(train, cvx_model::Normalisation::default_for(kind), false)?;
        let watched = match watched {
            Some(data) => Some(Images { pixels: transform.apply(data)?, y: task.encode(&labels(data)?)? }),
            None => None,
        };
        Ok(Samples { kind, train: Images { pixels: transform.apply(train)?, y }, task, watched })
    }

    /// Accuracy, where there are classes, and loss of these predictions (n x C) of images with the targets `y`.
    pub fn score(&self, prediction: &HostMatrix, y: &HostMatrix) -> (Option<f64>, f64) {
        (accuracy(&self.task, prediction, y), squared_loss(prediction, y))
    }
}
