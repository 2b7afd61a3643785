//! Errors in the use of a model.

use cvx_linalg::LinalgError;
use cvx_model::ModelError;
use thiserror::Error;

/// Errors of a prediction or verification.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ArtifactError {
    /// The samples do not fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The computation failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// The data are not those that the model was trained on, by their checksum.
    #[error("the {found} samples are not the {expected} that the model was trained on")]
    OtherData {
        /// Number of samples that the model was trained on.
        expected: usize,
        /// Number of samples given.
        found: usize,
    },
}
