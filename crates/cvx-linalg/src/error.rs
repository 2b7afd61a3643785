//! Why a verb could not be carried out.

use crate::stop::StopReason;
use thiserror::Error;

/// The failure of one numerical verb.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LinalgError {
    /// A Cholesky factorisation met a pivot that is not positive.
    #[error("the matrix is not positive definite: pivot {pivot} (counted from 0) is not positive")]
    NotPositiveDefinite {
        /// Index of the pivot, from 0.
        pivot: usize,
    },
    /// The eigenvalues of a small matrix could not be found.
    #[error("the eigenvalues of a matrix could not be found: an entry is not finite")]
    NoEigenvalues,
    /// Operands whose shapes do not fit together.
    #[error("{verb}: {detail}")]
    Shape {
        /// The verb that was called.
        verb: &'static str,
        /// The shapes.
        detail: String,
    },
    /// A value too large for the storage precision, or not a number to begin with.
    #[error(
        "the value at row {row}, column {column} (counted from 0) is not finite in {precision}: rescale or remove it"
    )]
    NonFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// Name of the storage precision.
        precision: &'static str,
    },
    /// The run was asked to stop, or its time is up, in the middle of a long verb.
    #[error("stopped: {0}")]
    Stopped(StopReason),
    /// A thread pool or a device could not be started.
    #[error("the {device} device could not be started: {detail}")]
    Device {
        /// The device.
        device: &'static str,
        /// What it said.
        detail: String,
    },
}

impl LinalgError {
    /// A [`LinalgError::Shape`] of `verb`.
    pub(crate) fn shape(verb: &'static str, detail: impl Into<String>) -> Self {
        LinalgError::Shape { verb, detail: detail.into() }
    }
}
