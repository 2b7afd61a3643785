//! How a training run ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of a training run. Every run returns the best network found, with its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The certified relative gap is within the tolerance.
    Optimal,
    /// The run reached the iteration limit.
    IterationLimit,
    /// The run reached the time limit.
    TimeLimit,
    /// The user or the observer stopped the run.
    Interrupted,
    /// The gap no longer falls.
    InsufficientProgress,
    /// An iterate was not finite, or a factorisation failed.
    NumericalError,
    /// The GPU ran out of memory or failed during the run.
    DeviceError,
}

impl Status {
    /// Whether the iterates of a run with this status can be continued with other patterns or another beta.
    pub fn can_continue(self) -> bool {
        matches!(self, Status::Optimal | Status::IterationLimit | Status::InsufficientProgress)
    }

    /// Whether a run with this status can be resumed from a checkpoint: a limit or a stop request ended it.
    pub fn can_resume(self) -> bool {
        matches!(self, Status::IterationLimit | Status::Interrupted | Status::TimeLimit)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
