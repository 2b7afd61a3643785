//! Seconds, read only after the device is done.

use cvx_linalg::{Backend, LinalgError};
use std::time::{Duration, Instant};

/// Seconds since the data were in memory, without those spent on test metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    excluded: Duration,
    /// Seconds of the run that is resumed.
    earlier: f64,
}

impl Clock {
    pub fn start() -> Self {
        Clock { start: Instant::now(), excluded: Duration::ZERO, earlier: 0.0 }
    }

    /// Begins at the `seconds` of an earlier run; a limit is counted from now.
    pub fn resume(&mut self, seconds: f64) {
        self.earlier = seconds;
    }

    pub fn seconds(&self) -> f64 {
        self.earlier + self.start.elapsed().saturating_sub(self.excluded).as_secs_f64()
    }

    /// The moment `limit` seconds after the start.
    pub fn deadline(&self, limit: f64) -> Instant {
        self.start + Duration::from_secs_f64(limit)
    }

    /// Runs `f` with the clock stopped.
    pub fn excluding<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let begin = Instant::now();
        let result = f();
        self.excluded += begin.elapsed();
        result
    }
}

/// Runs `f` without waiting for the device, and adds the seconds to `phase`. For the short steps of an iteration: waiting
/// after each would leave a GPU idle, and what they leave in its queue counts for the next phase that waits.
pub(crate) fn enqueued<R>(phase: &mut f64, f: impl FnOnce() -> R) -> R {
    let begin = Instant::now();
    let result = f();
    *phase += begin.elapsed().as_secs_f64();
    result
}

/// Runs `f`, waits for the device, and adds the seconds to `phase`.
pub(crate) fn timed<B: Backend, R>(
    backend: &B,
    phase: &mut f64,
    f: impl FnOnce() -> Result<R, LinalgError>,
) -> Result<R, LinalgError> {
    let begin = Instant::now();
    let result = f();
    let synchronized = backend.synchronize();
    *phase += begin.elapsed().as_secs_f64();
    // The first failure is the cause.
    let value = result?;
    synchronized.map(|()| value)
}
