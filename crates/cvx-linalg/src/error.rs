//! Why an operation could not be carried out.

use crate::ranks::RankError;
use crate::stop::StopReason;
use thiserror::Error;

/// The failure of one numerical operation. It carries data; how to name a remedy to users is up to the front end.
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
    #[error("{operation}: {detail}")]
    Shape {
        /// The operation that was called.
        operation: &'static str,
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
    /// The run was asked to stop, or its time is up, in the middle of a long operation.
    #[error("stopped: {0}")]
    Stopped(StopReason),
    /// Ranks that cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// An operation that needs all samples in one place.
    #[error("{operation} needs all samples in one process, and they are spread over ranks")]
    Spread {
        /// The operation.
        operation: &'static str,
    },
    /// A thread pool or a device could not be started.
    #[error("the {device} device could not be started: {detail}")]
    Device {
        /// The device.
        device: String,
        /// What it said.
        detail: String,
    },
    /// No driver for NVIDIA GPUs.
    #[error("no NVIDIA driver was found (libcuda cannot be loaded): install it, or compute on the processor")]
    NoDriver,
    /// A GPU with another ordinal than those that there are.
    #[error("there is no GPU with the ordinal {ordinal}: the driver sees {count} (ordinals count from 0)")]
    NoSuchDevice {
        /// The ordinal asked for.
        ordinal: usize,
        /// Number of GPUs that the driver sees.
        count: usize,
    },
    /// A library of the CUDA toolkit that is not on the path of the loader.
    #[error("{library} cannot be loaded: install the CUDA 13 libraries and put their folder into LD_LIBRARY_PATH")]
    NoLibrary {
        /// The library.
        library: &'static str,
    },
    /// An allocation on a GPU that did not fit.
    #[error(
        "the GPU is out of memory: {needed} bytes were needed and {free} were free; \
         use fewer samples or patterns, another solver, or the processor"
    )]
    DeviceMemory {
        /// Bytes of the allocation.
        needed: u64,
        /// Bytes that were free then.
        free: u64,
    },
    /// A GPU that failed in the middle of its work.
    #[error("the GPU failed in {step}: {detail}")]
    DeviceFailure {
        /// The operation or kernel.
        step: &'static str,
        /// What driver or library said.
        detail: String,
    },
}

impl From<StopReason> for LinalgError {
    fn from(reason: StopReason) -> Self {
        LinalgError::Stopped(reason)
    }
}

impl LinalgError {
    /// A [`LinalgError::Shape`] of `operation`.
    pub(crate) fn shape(operation: &'static str, detail: impl Into<String>) -> Self {
        LinalgError::Shape { operation, detail: detail.into() }
    }
}
