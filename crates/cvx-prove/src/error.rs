//! What cannot be proved, and why.

use cvx_artifact::{ArtifactError, FileError};
use cvx_model::ModelError;
use thiserror::Error;

impl ProveError {
    /// This error, at a sample.
    pub fn at(self, row: usize) -> Self {
        ProveError::Sample { row, error: Box::new(self) }
    }
}

/// Errors of a proof, before any search.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The model is of a kind that the method does not cover.
    #[error("{what} cannot be proved or refuted: {why}")]
    Unsupported {
        /// The model, or the question.
        what: &'static str,
        /// What it has that the method does not cover.
        why: String,
    },
    /// Two parts of a question do not fit each other.
    #[error("{what} has {found}, but {expected} is needed")]
    Shape {
        /// The part.
        what: &'static str,
        /// What the other part needs.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A number that is out of its range.
    #[error("{name} is {value}, but it must be {range}")]
    Range {
        /// The argument.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Its range.
        range: &'static str,
    },
    /// A sample about which a question cannot be asked.
    #[error("the sample at row {} (counted from 1): {error}", row + 1)]
    Sample {
        /// Its row.
        row: usize,
        /// Why.
        error: Box<ProveError>,
    },
    /// A proof file that does not prove its claim.
    #[error("the proof does not hold: {detail}")]
    Invalid {
        /// The place, and what is wrong there.
        detail: String,
    },
    /// The samples do not fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A prediction failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}
