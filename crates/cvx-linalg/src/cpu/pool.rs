//! Threads and memory of the host.

use crate::backend::MemoryInfo;
use crate::error::LinalgError;

/// A pool of a chosen number of threads to run CPU work on.
pub struct ThreadPool(rayon::ThreadPool);

impl ThreadPool {
    /// A pool of `threads` threads; 0 takes one per core that this process may use.
    ///
    /// # Errors
    /// [`LinalgError::Device`] when the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, LinalgError> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cvx-{index}"))
            .build()
            .map(ThreadPool)
            .map_err(|error| LinalgError::Device { device: "cpu", detail: error.to_string() })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `f` on the pool: every verb called inside uses its threads and no others.
    pub fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.0.install(f)
    }
}

/// Total and available memory as Linux reports them; without `/proc`, nothing is known and nothing is refused.
pub(super) fn memory_info() -> MemoryInfo {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
            .map_or(u64::MAX, |kibibytes| kibibytes * 1024)
    };
    MemoryInfo { total: field("MemTotal:"), free: field("MemAvailable:") }
}
