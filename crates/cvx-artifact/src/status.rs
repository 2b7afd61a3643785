//! How a training run ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a training run ended. Each comes with the best network seen and its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The certified relative gap is within the tolerance.
    Optimal,
    /// The iteration limit came first.
    IterationLimit,
    /// The time limit came first.
    TimeLimit,
    /// The user or the observer stopped the run.
    Interrupted,
    /// The gap has stopped falling.
    InsufficientProgress,
    /// An iterate was not finite, or a factorisation failed.
    NumericalError,
    /// The GPU ran out of memory or failed during the run.
    DeviceError,
}

impl Status {
    /// Whether the iterates of a run that ended so can be continued with other patterns or another beta.
    pub fn can_continue(self) -> bool {
        matches!(self, Status::Optimal | Status::IterationLimit | Status::InsufficientProgress)
    }

    /// Whether a run that ended so can be resumed from a checkpoint: a limit or a stop request ended it.
    pub fn can_resume(self) -> bool {
        matches!(self, Status::IterationLimit | Status::Interrupted | Status::TimeLimit)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
