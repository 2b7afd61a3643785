//! A clock that waits for the device before it reads the time.

use cvx_linalg::{Backend, LinalgError};
use std::time::{Duration, Instant};

/// Seconds since the data were in memory, without those spent on test metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    excluded: Duration,
    /// Seconds of the earlier part of a resumed run.
    earlier: f64,
}

impl Clock {
    pub fn start() -> Self {
        Clock { start: Instant::now(), excluded: Duration::ZERO, earlier: 0.0 }
    }

    /// Starts at the `seconds` of an earlier part of the run. A time limit counts from now.
    pub fn resume(&mut self, seconds: f64) {
        self.earlier = seconds;
    }

    pub fn seconds(&self) -> f64 {
        self.earlier + self.start.elapsed().saturating_sub(self.excluded).as_secs_f64()
    }

    /// The time `limit` seconds after the start.
    pub fn deadline(&self, limit: f64) -> Instant {
        self.start + Duration::from_secs_f64(limit)
    }

    /// Runs `f` while the clock is stopped.
    pub fn excluding<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let begin = Instant::now();
        let result = f();
        self.excluded += begin.elapsed();
        result
    }
}

/// Runs `f` without waiting for the device, and adds the seconds to `phase`. This is for the short steps of an
/// iteration: a wait after each would leave a GPU idle. The work that these steps leave in the queue of the GPU counts
/// for the next phase that waits.
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
    // The first error is the cause.
    let value = result?;
    synchronized.map(|()| value)
}
