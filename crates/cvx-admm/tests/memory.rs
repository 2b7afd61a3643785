//! E8: the reported memory requirement covers the actual use, and is not much larger.

mod common;

use common::smooth;
use cvx_admm::{Beta, Precision, Settings, SolverChoice, SolverKind, train};
use cvx_model::Activation;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that faer reserves for packed blocks, independent of the sizes; it touches only a small part of them. The runs
/// here take less.
const PACKING: usize = 64 << 20;

/// Bytes that `work` takes at its peak.
fn peak(work: impl FnOnce()) -> usize {
    let before = settled();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

/// The bytes in use after the threads of the previous run have freed theirs, which happens after the run returns.
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

/// A single test, because the allocator counts for the whole process.
#[test]
fn e8_the_estimate_covers_the_peak() {
    let data = smooth(700, 60, 3);
    let test = smooth(300, 60, 4);
    // An adaptive rank may end below the rank of the estimate.
    let settings = Settings { threads: 1, rank: Some(32), ..Settings::default() };
    let check = |settings: Settings, least: f64| {
        let mut said = 0.0;
        let peak = peak(|| said = train(&data, Some(&test), &settings).unwrap().summary.memory_bytes as f64);
        // The estimate includes the samples of the caller.
        let caller = (data.values().len() + test.values().len()) * size_of::<f64>();
        let taken = (peak % PACKING + caller) as f64;
        let Settings { activation, solver, precision, patterns, refine, anderson_depth, .. } = settings;
        let place = format!(
            "{activation:?} {solver:?} {precision:?} P = {patterns}, {refine} rounds, {anderson_depth} differences: \
             took {taken}, said {said}"
        );
        assert!(taken < said, "{place}");
        // How many neurons are left, and so what pruning takes, is known at the end.
        assert!(taken > least * said, "{place}");
    };
    for activation in [Activation::Relu, Activation::Gated] {
        for kind in SolverKind::ALL.into_iter().filter(|kind| activation == Activation::Relu || !kind.needs_cones()) {
            for (precision, patterns) in [(Precision::F32, 20), (Precision::F32, 200), (Precision::F64, 100)] {
                let settings = Settings {
                    solver: SolverChoice::Kind(kind),
                    activation,
                    precision,
                    patterns,
                    beta: Beta::Fraction(1e-2),
                    max_iterations: 25,
                    gap: 1e-12,
                    ..settings.clone()
                };
                check(settings, 0.75);
            }
        }
    }
    // Rounds with soft cones, with the acceleration and without, whose room the change of patterns takes.
    for kind in [SolverKind::Cholesky, SolverKind::GramPcg] {
        for (precision, anderson_depth) in [(Precision::F32, 0), (Precision::F32, 10), (Precision::F64, 0)] {
            let solver = SolverChoice::Kind(kind);
            let beta = Beta::Fraction(1e-3);
            let rounds = Settings { refine: 2, patterns: 100, max_iterations: 25, gap: 1e-12, ..settings.clone() };
            check(Settings { solver, precision, anderson_depth, beta, ..rounds }, 0.65);
        }
    }
}
