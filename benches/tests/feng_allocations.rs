//! After `prepare`, the iterative solvers of Feng et al. allocate nothing either.

use cvx_bench::feng::FengSolver;
use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, HostMatrix, LinearSolver, MaskedSystem, SystemRhs, SystemSolution, ThreadPool,
};
use cvx_model::{ConvexProgram, PatternSet, RowScale, SystemOperator};
use cvx_solvers::SolverSettings;
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

/// Solves twice, the first time for what the libraries below keep for themselves.
fn check<B: Backend>(backend: B, [n, d, p, targets]: [usize; 4]) {
    let entry = |seed: usize| move |i: usize, j: usize| ((i * 7919 + j * 104_729 + seed) % 1013) as f64 / 506.0 - 1.0;
    let (xt, y) = (HostMatrix::from_fn(d, n, entry(1)), HostMatrix::from_fn(n, targets, entry(2)));
    let program = ConvexProgram::new(backend, &xt, y, &PatternSet::sample_gates(d, p, 3), 0.1).unwrap();
    let (backend, columns) = (program.backend(), program.n_blocks());
    let blocks = backend.upload(&HostMatrix::from_fn(d, columns, entry(4))).unwrap();
    let rows = backend.upload(&HostMatrix::from_fn(n, columns, entry(5))).unwrap();
    for kind in [FengSolver::LineSearchRbcd, FengSolver::WholeNystromPcg] {
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
        assert_eq!(taken, 0, "{kind}, {n} x {d}, P = {p}, C = {targets}");
        assert!(steps > 0, "{kind} took no steps");
    }
}

/// One test and one thread: the allocator counts for the whole process.
#[test]
fn nothing_allocates_after_prepare() {
    ThreadPool::new(1).unwrap().run(|| {
        check(Cpu::<f32>::new(), [60, 7, 9, 2]);
        check(Cpu::<f64>::new(), [60, 7, 9, 1]);
    });
}
