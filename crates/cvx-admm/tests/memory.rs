//! E8: what a run is said to need is what it takes, no less and not much more.

mod common;

use common::smooth;
use cvx_admm::{Beta, Precision, Settings, SolverChoice, SolverKind, train};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What faer reserves, or has reserved before, to pack blocks, whatever the sizes; little of it is ever touched. The
/// runs here take less.
const PACKING: usize = 64 << 20;

/// Bytes that `work` takes at its peak.
fn peak(work: impl FnOnce()) -> usize {
    let before = settled();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

/// What is in use once the threads of the run before have given back theirs, which they do after it has returned.
fn settled() -> usize {
    let mut usage = ALLOCATOR.current_usage();
    let mut unchanged = 0;
    while unchanged < 3 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let now = ALLOCATOR.current_usage();
        unchanged = if now == usage { unchanged + 1 } else { 0 };
        usage = now;
    }
    usage
}

/// One test: the allocator counts for the whole process.
#[test]
fn e8_the_estimate_covers_the_peak() {
    let data = smooth(700, 60, 3);
    let test = smooth(300, 60, 4);
    // A rank that adapts may end below what is counted with.
    let settings = Settings { threads: 1, rank: Some(32), ..Settings::default() };
    for kind in SolverKind::ALL {
        for (precision, patterns) in [(Precision::F32, 20), (Precision::F32, 200), (Precision::F64, 100)] {
            let settings = Settings {
                solver: SolverChoice::Kind(kind),
                precision,
                patterns,
                beta: Beta::Fraction(1e-2),
                max_iterations: 25,
                gap: 1e-12,
                ..settings.clone()
            };
            let mut said = 0.0;
            let peak = peak(|| said = train(&data, Some(&test), &settings).unwrap().summary.memory_bytes as f64);
            // The samples of the caller are part of what is said.
            let caller = (data.values().len() + test.values().len()) * size_of::<f64>();
            let taken = (peak % PACKING + caller) as f64;
            assert!(taken < said, "{kind} {precision:?} P = {patterns}: took {taken}, said {said}");
            assert!(taken > 0.5 * said, "{kind} {precision:?} P = {patterns}: took {taken}, said {said}");
        }
    }
}
