//! What cannot be proved, and why.

use cvx_artifact::{ArtifactError, FileError};
use cvx_model::ModelError;
use thiserror::Error;

impl ProveError {
    /// This error, about the sample at a row.
    pub fn at(self, row: usize) -> Self {
        match self {
            ProveError::Outside { value, low, high, .. } => ProveError::Outside { row, value, low, high },
            error => error,
        }
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
    /// A sample that is not among the inputs that a claim about it is about.
    #[error(
        "the sample at row {} (counted from 1) has the value {value}, which is not between {low} and {high}: \
         widen the values that perturbed features stay in, or leave them out", row + 1
    )]
    Outside {
        /// Its row; 0 of a question about one sample.
        row: usize,
        /// The value of a feature that moves.
        value: f64,
        /// The smallest value that is allowed.
        low: f64,
        /// The largest one.
        high: f64,
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
