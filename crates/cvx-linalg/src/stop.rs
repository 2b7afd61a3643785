//! A flag and a deadline that long verbs look at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::LinalgError;

/// Why a run is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The user asked for it.
    Interrupted,
    /// The time limit has passed.
    TimeLimit,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Interrupted => "interrupted",
            StopReason::TimeLimit => "the time limit has passed",
        })
    }
}

/// A flag that anybody may raise and a deadline; back ends look at both between the blocks of their long verbs.
///
/// Clones share the flag. The deadline never steers an algorithm, it only ends it.
#[derive(Clone, Debug, Default)]
pub struct StopToken {
    raised: Arc<AtomicBool>,
    deadline: Option<Instant>,
    /// Whether nobody is to heed the token now; shared by the clones that one run hands out.
    ignored: Arc<AtomicBool>,
}

impl StopToken {
    /// A token that nothing has stopped yet and no time limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token for one run: the same flag, with a deadline, and ignored until [`heed`](StopToken::heed) is called.
    pub fn for_run(&self, deadline: Option<Instant>) -> Self {
        StopToken { raised: Arc::clone(&self.raised), deadline, ignored: Arc::new(AtomicBool::new(true)) }
    }

    /// From here on, the token stops what looks at it.
    pub fn heed(&self) {
        self.ignored.store(false, Ordering::Relaxed);
    }

    /// From here on, the token stops nothing: a run that has ended still has to evaluate what it returns.
    pub fn ignore(&self) {
        self.ignored.store(true, Ordering::Relaxed);
    }

    /// Asks the run to end at its next look at the token. Safe to call from a signal-handling thread.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked the run to end.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Why the run is to end now, if it is.
    pub fn reason(&self) -> Option<StopReason> {
        if self.ignored.load(Ordering::Relaxed) {
            return None;
        }
        if self.is_raised() {
            return Some(StopReason::Interrupted);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Some(StopReason::TimeLimit),
            _ => None,
        }
    }

    /// [`LinalgError::Stopped`] when the run is to end now.
    pub fn check(&self) -> Result<(), LinalgError> {
        self.reason().map_or(Ok(()), |reason| Err(LinalgError::Stopped(reason)))
    }
}
