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
    /// The gravest status of several runs: an error before a request to stop, and a request before a limit.
    pub fn of_all(statuses: impl IntoIterator<Item = Status>) -> Status {
        let severity = |status: &Status| match status {
            Status::Optimal => 0,
            Status::IterationLimit => 1,
            Status::InsufficientProgress => 2,
            Status::TimeLimit => 3,
            Status::Interrupted => 4,
            Status::NumericalError => 5,
            Status::DeviceError => 6,
        };
        statuses.into_iter().max_by_key(severity).unwrap_or(Status::Optimal)
    }

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

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn runs_together_have_the_gravest_status_whatever_their_order() {
        let runs = [Status::IterationLimit, Status::Interrupted, Status::Optimal];
        assert_eq!(Status::of_all(runs), Status::Interrupted);
        assert_eq!(Status::of_all(runs.into_iter().rev()), Status::Interrupted);
        assert_eq!(Status::of_all([Status::Optimal; 2]), Status::Optimal);
    }
}
