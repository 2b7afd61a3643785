//! The time of one contender from one seed.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Runs from its start on, to the limit if there is one.
#[derive(Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// When the time is up.
    pub deadline: Option<Instant>,
}

impl Clock {
    /// A clock that starts now.
    pub fn start(limit: Option<f64>) -> Result<Self> {
        let start = Instant::now();
        let limit = limit.map(Duration::try_from_secs_f64).transpose().context("--time-limit")?;
        // A limit beyond what the machine can count is none.
        Ok(Clock { start, deadline: limit.and_then(|limit| start.checked_add(limit)) })
    }

    /// Seconds so far.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Whether the time is up.
    pub fn is_up(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
