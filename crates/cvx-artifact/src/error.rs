//! Why a model could not be used.

use cvx_linalg::LinalgError;
use cvx_model::ModelError;
use thiserror::Error;

/// Why a model could not predict or be verified.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ArtifactError {
    /// The samples do not fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The computation failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// Data that the model was not trained on, by their checksum.
    #[error("the {found} samples are not the {expected} that the model was trained on")]
    OtherData {
        /// Samples that the model was trained on.
        expected: usize,
        /// Samples given.
        found: usize,
    },
}
