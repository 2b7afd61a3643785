//! Seconds of the work alone.

use anyhow::Result;
use cvx_linalg::Backend;
use std::time::{Duration, Instant};

/// Runs only while it is told to; evaluations happen in between.
#[derive(Default)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Runs `f` with the watch running, until the device is done.
    pub fn run<B: Backend, R>(&mut self, backend: &B, f: impl FnOnce() -> Result<R>) -> Result<R> {
        let begin = Instant::now();
        let value = f()?;
        backend.synchronize()?;
        self.0 += begin.elapsed();
        Ok(value)
    }

    /// Seconds so far.
    pub fn seconds(&self) -> f64 {
        self.0.as_secs_f64()
    }
}
