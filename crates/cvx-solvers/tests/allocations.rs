//! After `prepare`, nothing allocates: neither a solve nor its inner iterations.

use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, HostMatrix, LinearSolver, MaskedSystem, SystemRhs, SystemSolution, ThreadPool,
};
use cvx_model::{ConvexProgram, PatternSet, RowScale, SystemOperator};
use cvx_solvers::{SolverKind, SolverSettings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that `work` holds at its peak beyond what was there: one allocation, however short, would show.
fn taken(work: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

/// Solves twice with each kind, the first time for what the libraries below keep for themselves.
fn check<B: Backend>(backend: B, [n, d, p, targets]: [usize; 4]) {
    let entry = |seed: usize| move |i: usize, j: usize| ((i * 7919 + j * 104_729 + seed) % 1013) as f64 / 506.0 - 1.0;
    let xt = HostMatrix::from_fn(d, n, entry(1));
    let y = HostMatrix::from_fn(n, targets, entry(2));
    let program = ConvexProgram::new(backend, &xt, y, &PatternSet::sample_gates(d, p, 3), 0.1).unwrap();
    let (backend, columns) = (program.backend(), program.n_blocks());
    let blocks = backend.upload(&HostMatrix::from_fn(d, columns, entry(4))).unwrap();
    let rows = backend.upload(&HostMatrix::from_fn(n, columns, entry(5))).unwrap();
    let second_solve = |kind: SolverKind| {
        let settings = SolverSettings { rank: Some(4), ..SolverSettings::default() };
        let mut system = SystemOperator::new(&program, RowScale::Normalised { sigma: 0.0625 }, 0.5).unwrap();
        let mut solver = kind.build(&settings);
        solver.prepare(&mut system).unwrap();
        let mut solution = SystemSolution::zeros(&system.blocks()).unwrap();
        let mut steps = 0;
        let mut solve = |tolerance: f64, system: &mut dyn MaskedSystem<B>, solver: &mut dyn LinearSolver<B>| {
            let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &rows, nu: None }) };
            steps = solver.solve(system, &rhs, Accuracy::Relative(tolerance), &mut solution).unwrap().iterations;
        };
        solve(0.1, &mut system, &mut *solver);
        let taken = taken(|| solve(1e-5, &mut system, &mut *solver));
        (taken, steps)
    };
    for kind in SolverKind::ALL {
        // The test harness has a thread of its own, which may allocate meanwhile, but not each time.
        let (taken, steps) = (0..5).map(|_| second_solve(kind)).min().unwrap();
        assert_eq!(taken, 0, "{kind}, {n} x {d}, P = {p}, C = {targets}");
        assert!(steps > 0 || kind == SolverKind::Cholesky, "{kind} took no steps");
    }
}

/// One test: the allocator counts for the whole process. One thread: what a pool of several keeps for its queues is not
/// the solver's.
#[test]
fn nothing_allocates_after_prepare() {
    assert!(taken(|| drop(std::hint::black_box(vec![0u8; 8]))) >= 8, "the counter counts");
    ThreadPool::new(1).unwrap().run(|| {
        check(Cpu::<f32>::new(), [60, 7, 9, 2]);
        check(Cpu::<f64>::new(), [60, 7, 9, 1]);
        check(Cpu::<f32>::new(), [700, 40, 12, 1]);
    });
}
