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
            .map_err(|error| LinalgError::Device { device: "cpu".to_string(), detail: error.to_string() })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `f` on the pool: every operation called inside uses its threads and no others.
    pub fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.0.install(f)
    }
}

/// Total and available memory as Linux reports them, and no more than the control group allows (containers); without
/// `/proc`, nothing is known and nothing is refused.
pub(super) fn memory_info() -> MemoryInfo {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = |name| field(&meminfo, name).map_or(u64::MAX, |size| size.saturating_mul(1024));
    let group = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{file}")).unwrap_or_default();
    // `max` where there is no limit.
    let limit = group("max").trim().parse().unwrap_or(u64::MAX);
    // The kernel frees the page cache when memory is needed.
    let reclaimable = field(&group("stat"), "inactive_file").unwrap_or(0);
    let used = group("current").trim().parse::<u64>().unwrap_or(0).saturating_sub(reclaimable);
    MemoryInfo {
        total: kibibytes("MemTotal:").min(limit),
        free: kibibytes("MemAvailable:").min(limit.saturating_sub(used)),
    }
}

/// The number after `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
