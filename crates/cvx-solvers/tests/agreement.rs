//! M6: every solver gives the solution of the same system (4a), and says the truth about its accuracy.

use cvx_linalg::{
    Accuracy, Backend, Cpu, HostMatrix, LinalgError, LinearInfo, LinearOperator, LinearSolver, LinearStatus,
    MaskedSystem, StopToken, SystemRhs, SystemSolution,
};
use cvx_model::reference::{dense_a, dense_f, dense_g, multiply};
use cvx_model::{Certificate, ConvexProgram, PatternSet, RowScale, SystemOperator};
use cvx_solvers::{Cholesky, CholeskyDense, Pcg, ProblemShape, SolverKind, SolverSettings, SpectrumMethod, condition};
use proptest::prelude::*;

/// Numbers in [-1, 1) that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn signed(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn matrix(&mut self, rows: usize, cols: usize) -> HostMatrix {
        HostMatrix::from_fn(rows, cols, |_, _| self.signed())
    }
}

/// One system (4a) with its right-hand side, all on the host.
struct Case {
    xt: HostMatrix,
    y: HostMatrix,
    gates: HostMatrix,
    blocks: HostMatrix,
    rows: HostMatrix,
    row_scale: RowScale,
}

/// What came of a solve, on the host.
struct Solved {
    u: HostMatrix,
    xu: HostMatrix,
    residual: HostMatrix,
    info: LinearInfo,
    /// ||b - A u|| / ||b|| in f64, by other code.
    true_residual: f64,
}

impl Case {
    fn new([n, d, p, targets]: [usize; 4], row_scale: RowScale, seed: u64) -> Self {
        let mut random = Random(seed);
        let (xt, y) = (random.matrix(d, n), random.matrix(n, targets));
        let gates = random.matrix(d, p);
        let columns = 2 * patterns(&xt, &gates).len() * targets;
        Case { xt, y, gates, blocks: random.matrix(d, columns), rows: random.matrix(n, columns), row_scale }
    }

    fn program<B: Backend>(&self, backend: B) -> ConvexProgram<B> {
        ConvexProgram::new(backend, &self.xt, self.y.clone(), &self.gates, 0.1).unwrap()
    }

    /// u by the dense matrix and Gaussian elimination, target by target.
    fn reference(&self, rho: f64) -> HostMatrix {
        let patterns = patterns(&self.xt, &self.gates);
        let norms: Vec<f64> = (0..self.xt.cols()).map(|a| norm(self.xt.col(a))).collect();
        let f = dense_f(&self.xt, &patterns);
        let g = dense_g(&self.xt, &patterns, &self.row_scale.weights(&norms));
        let a = dense_a(&f, &g, rho);
        let mut u = Vec::new();
        for c in 0..self.y.cols() {
            let part = |matrix: &HostMatrix| {
                let length = matrix.values().len() / self.y.cols();
                matrix.values()[c * length..(c + 1) * length].to_vec()
            };
            let from_rows = multiply(&g.transposed(), &part(&self.rows));
            let from_y = multiply(&f.transposed(), self.y.col(c));
            let mut b = part(&self.blocks);
            (0..b.len()).for_each(|k| b[k] += from_rows[k] + from_y[k] / rho);
            u.extend(eliminate(a.clone(), b));
        }
        HostMatrix::from_vec(self.xt.rows(), self.blocks.cols(), u)
    }
}

fn patterns(xt: &HostMatrix, gates: &HostMatrix) -> PatternSet {
    let cpu = Cpu::<f64>::new();
    PatternSet::from_gates(&cpu, &cpu.upload(xt).unwrap(), gates).unwrap()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn relative_distance(found: &HostMatrix, expected: &HostMatrix) -> f64 {
    let squares = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt() / norm(expected.values()).max(f64::MIN_POSITIVE)
}

/// Gaussian elimination with partial pivoting.
fn eliminate(mut a: HostMatrix, mut b: Vec<f64>) -> Vec<f64> {
    let order = b.len();
    for k in 0..order {
        let pivot = (k..order).fold(k, |best, i| if a[(i, k)].abs() > a[(best, k)].abs() { i } else { best });
        for j in 0..order {
            (a[(k, j)], a[(pivot, j)]) = (a[(pivot, j)], a[(k, j)]);
        }
        b.swap(k, pivot);
        for i in k + 1..order {
            let factor = a[(i, k)] / a[(k, k)];
            for j in k..order {
                a[(i, j)] -= factor * a[(k, j)];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..order).rev() {
        let known: f64 = (k + 1..order).map(|j| a[(k, j)] * b[j]).sum();
        b[k] = (b[k] - known) / a[(k, k)];
    }
    b
}

/// An unsolved system on a device.
struct Device<'a, B: Backend> {
    program: &'a ConvexProgram<B>,
    system: SystemOperator<'a, B>,
    blocks: B::Matrix,
    rows: B::Matrix,
    solution: SystemSolution<B>,
}

impl<'a, B: Backend> Device<'a, B> {
    fn new(program: &'a ConvexProgram<B>, case: &Case, rho: f64) -> Self {
        let (backend, n, columns) = (program.backend(), program.n_samples(), program.n_blocks());
        Device {
            program,
            system: SystemOperator::new(program, case.row_scale, rho).unwrap(),
            blocks: backend.upload(&case.blocks).unwrap(),
            rows: backend.upload(&case.rows).unwrap(),
            solution: SystemSolution {
                u: backend.zeros(program.n_features(), columns).unwrap(),
                xu: backend.zeros(n, columns).unwrap(),
                residual: backend.zeros(n, program.n_targets()).unwrap(),
            },
        }
    }

    fn solve(&mut self, solver: &mut dyn LinearSolver<B>, tolerance: f64) -> Result<Solved, LinalgError> {
        self.solve_to(solver, Accuracy::Relative(tolerance))
    }

    fn solve_to(&mut self, solver: &mut dyn LinearSolver<B>, accuracy: Accuracy) -> Result<Solved, LinalgError> {
        let rhs = SystemRhs { blocks: &self.blocks, rows: &self.rows };
        let info = solver.solve(&mut self.system, &rhs, accuracy, &mut self.solution)?;
        let (backend, solution) = (self.program.backend(), &self.solution);
        Ok(Solved {
            u: backend.download(&solution.u)?,
            xu: backend.download(&solution.xu)?,
            residual: backend.download(&solution.residual)?,
            info,
            true_residual: Certificate::new(self.program)?.system_residual(
                &self.system,
                &solution.u,
                &self.blocks,
                &self.rows,
            )?,
        })
    }
}

/// Solves with an unprepared solver of each kind.
fn solve_with_all<B: Backend>(backend: B, case: &Case, rho: f64, tolerance: f64) -> Vec<(&'static str, Solved)> {
    let program = case.program(backend);
    let solve = |kind: SolverKind| {
        let mut solver = kind.build::<B>(&SolverSettings::default());
        assert_eq!(solver.name(), kind.name());
        let mut device = Device::new(&program, case, rho);
        solver.prepare(&mut device.system).unwrap();
        (kind.name(), device.solve(&mut *solver, tolerance).unwrap())
    };
    SolverKind::ALL.into_iter().map(solve).collect()
}

/// Block coordinate descent converges at a rate that a small penalty brings close to 1: it then ends by a limit, and
/// says so.
fn settles(name: &str, rho: f64) -> bool {
    !name.ends_with("rbcd") || rho >= 0.1
}

const PENALTIES: [f64; 5] = [1e-2, 0.1, 1.0, 10.0, 100.0];
const ROW_SCALES: [RowScale; 3] =
    [RowScale::Unscaled, RowScale::Normalised { sigma: 0.25 }, RowScale::Normalised { sigma: 5.0 }];

#[test]
fn m6_all_solvers_agree_with_a_dense_solve() {
    for (seed, shape) in (1..).zip([[14, 4, 3, 1], [9, 5, 4, 2], [5, 8, 3, 1]]) {
        for row_scale in ROW_SCALES {
            let case = Case::new(shape, row_scale, seed);
            for rho in PENALTIES {
                let expected = case.reference(rho);
                let program = case.program(Cpu::<f64>::new());
                let device = Device::new(&program, &case, rho);
                let (blocks, patterns) = (device.system.blocks(), program.patterns());
                assert_eq!((blocks.n_patterns, blocks.mask), (patterns.len(), patterns.bits()));
                for (name, solved) in solve_with_all(Cpu::<f64>::new(), &case, rho, 1e-13) {
                    let place = format!("{name}, {shape:?}, {row_scale:?}, rho {rho}");
                    let error = relative_distance(&solved.u, &expected);
                    if !settles(name, rho) {
                        assert!(solved.info.status != LinearStatus::Converged || error < 1e-6, "{place}: {error}");
                        continue;
                    }
                    assert!(error < 1e-9, "{place}: u differs by {error}");
                    // xu = X u and residual = F u - y of the u that was returned.
                    let dot = |a: usize, u: &[f64]| case.xt.col(a).iter().zip(u).map(|(x, u)| x * u).sum::<f64>();
                    let n = case.xt.cols();
                    let xu = HostMatrix::from_fn(n, solved.u.cols(), |a, j| dot(a, solved.u.col(j)));
                    assert!(relative_distance(&solved.xu, &xu) < 1e-10, "{place}: X u");
                    let p = patterns.len();
                    let fu = HostMatrix::from_fn(n, case.y.cols(), |a, c| {
                        let active = (0..p).filter(|&i| patterns.bits().get(a, i));
                        active.map(|i| xu[(a, 2 * p * c + i)] - xu[(a, 2 * p * c + p + i)]).sum()
                    });
                    let residual = HostMatrix::from_fn(n, case.y.cols(), |a, c| fu[(a, c)] - case.y[(a, c)]);
                    let off = relative_distance(&solved.residual, &residual) * norm(residual.values());
                    assert!(off < 1e-10 * (norm(fu.values()) + norm(case.y.values())), "{place}: F u - y, {off}");
                    assert!(solved.true_residual < 1e-11, "{place}: {}", solved.true_residual);
                    assert_eq!(solved.info.status, LinearStatus::Converged, "{place}: {:?}", solved.info);
                }
            }
        }
    }
}

#[test]
fn m6_the_true_residual_is_small_in_f32() {
    for (seed, shape) in (1..).zip([[14, 4, 3, 1], [30, 6, 5, 2], [8, 20, 4, 1]]) {
        for row_scale in ROW_SCALES {
            let case = Case::new(shape, row_scale, seed);
            for rho in PENALTIES {
                for (name, solved) in solve_with_all(Cpu::<f32>::new(), &case, rho, 1e-5) {
                    let residual = solved.true_residual;
                    let bound = if settles(name, rho) { 1e-4 } else { 1e-2 };
                    assert!(residual < bound, "{name}, {shape:?}, {row_scale:?}, rho {rho}: {residual}");
                }
            }
        }
    }
}

/// Raw pixels: M has eigenvalues of 1e7, in which an f32 identity would drown (math.md, section 3).
#[test]
fn m6_raw_pixels_in_f32_lose_nothing() {
    let mut case = Case::new([60, 25, 6, 1], RowScale::Unscaled, 3);
    case.xt = HostMatrix::from_fn(25, 60, |i, j| (127.5 * (case.xt[(i, j)] + 1.0)).round());
    case.y = HostMatrix::from_fn(60, 1, |a, _| case.y[(a, 0)].signum());
    let columns = 2 * patterns(&case.xt, &case.gates).len();
    let mut random = Random(4);
    (case.blocks, case.rows) = (random.matrix(25, columns), random.matrix(60, columns));
    for rho in [1.0, 100.0] {
        let expected = case.reference(rho);
        let program = case.program(Cpu::<f32>::new());
        let solved = Device::new(&program, &case, rho).solve(&mut Cholesky::new(), 0.0).unwrap();
        assert!(solved.true_residual < 1e-4, "rho {rho}: {}", solved.true_residual);
        let loss = |u: &HostMatrix| {
            let fu = multiply(&dense_f(&case.xt, program.patterns()), u.values());
            0.5 * fu.iter().zip(case.y.values()).map(|(f, y)| (f - y).powi(2)).sum::<f64>()
        };
        let (found, expected) = (loss(&solved.u), loss(&expected));
        assert!((found - expected).abs() < 1e-2 * expected.max(1.0), "rho {rho}: loss {found}, expected {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn m6_cholesky_solves_random_systems(
        sizes in (1usize..20, 1usize..8, 1usize..6, 1usize..4).prop_map(|(n, d, p, c)| [n, d, p, c]),
        exponent in -2.0..2.0f64,
        scale in 0usize..3,
        seed: u64,
    ) {
        let case = Case::new(sizes, ROW_SCALES[scale], seed);
        let rho = 10f64.powf(exponent);
        let program = case.program(Cpu::<f64>::new());
        let solved = Device::new(&program, &case, rho).solve(&mut Cholesky::new(), 0.0).unwrap();
        let error = relative_distance(&solved.u, &case.reference(rho));
        prop_assert!(error < 1e-9, "u differs by {error}");
        prop_assert!(solved.true_residual < 1e-11, "{}", solved.true_residual);
    }
}

/// The set-up serves every penalty: what a change renews is all that depends on it.
#[test]
fn update_penalty_equals_a_fresh_prepare() {
    fn check<B: Backend>(backend: B) {
        let case = Case::new([40, 6, 5, 2], RowScale::Normalised { sigma: 0.25 }, 8);
        let program = case.program(backend);
        for kind in SolverKind::ALL {
            // A rank that adapts does so to the penalty that it meets first.
            let settings = SolverSettings { rank: Some(4), ..SolverSettings::default() };
            let (mut travelled, mut fresh) = (kind.build::<B>(&settings), kind.build::<B>(&settings));
            let mut device = Device::new(&program, &case, 3.0);
            travelled.prepare(&mut device.system).unwrap();
            for rho in [0.05, 70.0, 0.4] {
                travelled.update_penalty(&mut device.system, rho).unwrap();
                assert_eq!(device.system.penalty(), rho);
            }
            // From the same warm start, whatever the solver makes of it.
            let travelled = device.solve(&mut *travelled, 1e-6).unwrap();
            let mut device = Device::new(&program, &case, 0.4);
            fresh.prepare(&mut device.system).unwrap();
            let fresh = device.solve(&mut *fresh, 1e-6).unwrap();
            assert!(travelled.u == fresh.u && travelled.residual == fresh.residual, "{kind}");
            assert!(travelled.true_residual < 1e-4, "{kind}: {}", travelled.true_residual);
        }
    }
    check(Cpu::<f32>::new());
    check(Cpu::<f64>::new());
}

/// M9: a sketch of any rank, nothing and more than there is among them, changes the path and not the solution.
#[test]
fn m9_every_rank_of_a_sketch_gives_the_same_solution() {
    let case = Case::new([24, 6, 5, 2], RowScale::Normalised { sigma: 0.0625 }, 11);
    let (rho, expected) = (0.5, case.reference(0.5));
    let program = case.program(Cpu::<f64>::new());
    for kind in [SolverKind::NystromPcg, SolverKind::GramNystromPcg, SolverKind::NystromRbcd] {
        for original in [false, kind == SolverKind::NystromPcg] {
            for rank in [Some(0), Some(1), Some(7), Some(10_000), None] {
                let mut solver = kind.build(&SolverSettings { rank, original, ..SolverSettings::default() });
                let solved = Device::new(&program, &case, rho).solve(&mut *solver, 1e-13).unwrap();
                let error = relative_distance(&solved.u, &expected);
                assert!(error < 1e-9, "{kind}, original: {original}, rank {rank:?}: {error}, {:?}", solved.info);
            }
        }
    }
}

/// A sketch takes eigenvalues away, so it takes steps away.
#[test]
fn m9_sketches_save_steps() {
    let mut case = Case::new([200, 12, 6, 1], RowScale::Unscaled, 12);
    // A spectrum that decays over three decades.
    case.xt = HostMatrix::from_fn(12, 200, |i, a| case.xt[(i, a)] * 0.5f64.powi(i as i32));
    let program = case.program(Cpu::<f64>::new());
    let steps = |kind: SolverKind, settings: SolverSettings| {
        let solved = Device::new(&program, &case, 0.01).solve(&mut *kind.build(&settings), 1e-8).unwrap();
        assert_eq!(solved.info.status, LinearStatus::Converged, "{kind}");
        solved.info.iterations
    };
    let plain = SolverSettings::default();
    let rank = |rank: usize, original: bool| SolverSettings { rank: Some(rank), original, ..plain };
    let (cg, gram) = (steps(SolverKind::Cg, plain), steps(SolverKind::GramPcg, plain));
    assert!(2 * steps(SolverKind::NystromPcg, rank(60, true)) < cg);
    assert!(3 * steps(SolverKind::NystromPcg, rank(12, false)) < 2 * cg && 3 * gram < 2 * cg);
    assert!(2 * steps(SolverKind::GramNystromPcg, rank(100, false)) < gram);
}

/// What the outer iteration asks for is an error of (u, Gt u); the reference tells whether it was kept.
#[test]
fn m6_an_error_that_was_asked_for_is_kept() {
    for row_scale in [RowScale::Normalised { sigma: 0.0625 }, RowScale::Normalised { sigma: 1.0 }] {
        for rho in [0.1, 1.0, 10.0] {
            let case = Case::new([40, 6, 7, 1], row_scale, 13);
            let expected = case.reference(rho);
            let program = case.program(Cpu::<f64>::new());
            let norms: Vec<f64> = program.row_norms().to_vec();
            let g = row_scale.weights(&norms);
            for kind in SolverKind::ALL {
                for tolerance in [0.1, 1e-3] {
                    let mut device = Device::new(&program, &case, rho);
                    let solver = &mut *kind.build(&SolverSettings::default());
                    let accuracy = Accuracy::Error(tolerance);
                    let solved = device.solve_to(solver, accuracy).unwrap();
                    // ||(du, Gt du)||: signs do not matter to a norm.
                    let du = HostMatrix::from_fn(6, expected.cols(), |i, j| solved.u[(i, j)] - expected[(i, j)]);
                    let mut square: f64 = du.values().iter().map(|x| x * x).sum();
                    for j in 0..du.cols() {
                        for a in 0..40 {
                            let image: f64 = case.xt.col(a).iter().zip(du.col(j)).map(|(x, u)| x * u).sum();
                            square += (g[(a, 0)] * image).powi(2);
                        }
                    }
                    let place = format!("{kind}, {row_scale:?}, rho {rho}, {tolerance}: {:?}", solved.info);
                    // Where it ends on an estimate, it may be off by a factor; block coordinate descent slows down.
                    let slack = if kind.name().ends_with("rbcd") { 4.0 } else { 1.0 };
                    assert!(square.sqrt() <= slack * tolerance, "{} for {place}", square.sqrt());
                    assert_eq!(solved.info.status, LinearStatus::Converged, "{place}");
                }
            }
        }
    }
}

/// However early gram-pcg ends, its u is stationary for the r that it returns: M u_i = (v - lambda)_i + .. -+ X'(d_i o r)/rho.
#[test]
fn gram_pcg_is_stationary_for_its_residual() {
    let case = Case::new([30, 5, 4, 1], RowScale::Unscaled, 14);
    let rho = 0.3;
    let program = case.program(Cpu::<f64>::new());
    let (patterns, p) = (program.patterns(), program.n_patterns());
    for tolerance in [0.9, 0.5, 1e-2] {
        let mut solver = SolverKind::GramPcg.build(&SolverSettings::default());
        let solved = Device::new(&program, &case, rho).solve(&mut *solver, tolerance).unwrap();
        for j in 0..2 * p {
            let (i, sign) = (j % p, if j < p { -1.0 } else { 1.0 });
            for k in 0..5 {
                let (mut left, mut right) = (solved.u[(k, j)], case.blocks[(k, j)]);
                for a in 0..30 {
                    let (x, active) = (case.xt[(k, a)], patterns.bits().get(a, i));
                    left += x * solved.xu[(a, j)];
                    right += x * if active { case.rows[(a, j)] } else { -case.rows[(a, j)] };
                    right += if active { sign * x * solved.residual[(a, 0)] / rho } else { 0.0 };
                }
                assert!((left - right).abs() < 1e-9 * (1.0 + right.abs()), "{tolerance}: {left} instead of {right}");
            }
        }
    }
}

/// The Lanczos estimates agree with the eigenvalues of the dense matrices, within the error that they state.
#[test]
fn condition_numbers_by_lanczos_are_those_of_the_dense_matrix() {
    for (seed, row_scale) in (1..).zip(ROW_SCALES) {
        let case = Case::new([50, 5, 4, 1], row_scale, seed);
        let program = case.program(Cpu::<f64>::new());
        let mut numbers = Vec::new();
        for kind in SolverKind::ALL {
            let settings = SolverSettings { rank: Some(6), ..SolverSettings::default() };
            let mut system = SystemOperator::new(&program, row_scale, 0.05).unwrap();
            let mut look = |method| condition(kind, &settings, &mut system, method);
            let Ok(exact) = look(SpectrumMethod::Exact) else {
                assert!(kind.is_direct() || kind.name().ends_with("rbcd"), "{kind}");
                continue;
            };
            let found = look(SpectrumMethod::Lanczos { accuracy: 1e-6, steps: 2000 }).unwrap();
            let place = format!("{kind}, {row_scale:?}: {found:?} instead of {exact:?}");
            for (found, exact) in [(found.smallest, exact.smallest), (found.largest, exact.largest)] {
                assert!((found.value - exact.value).abs() <= found.error + 1e-6 * exact.value, "{place}");
                assert!(found.error <= 1e-2 * found.value, "{place}");
            }
            let (low, high) = found.interval();
            assert!(low <= found.number() && found.number() <= high && found.steps > 0 && exact.steps == 0, "{place}");
            numbers.push((kind, exact.number()));
        }
        let number = |wanted| numbers.iter().find(|(kind, _)| *kind == wanted).unwrap().1;
        // M takes the cone part away, the kernel's sketch a part of the rest.
        assert!(number(SolverKind::GramPcg) < number(SolverKind::Cg), "{numbers:?}");
        assert!(number(SolverKind::GramNystromPcg) < number(SolverKind::GramPcg), "{numbers:?}");
        assert!(number(SolverKind::NystromPcg) <= number(SolverKind::Cg), "{numbers:?}");
    }
}

/// The original's line search lowers the objective of (4a), whatever it starts from, and makes no claim.
#[test]
fn the_originals_line_search_descends() {
    let case = Case::new([40, 6, 7, 2], RowScale::Unscaled, 15);
    let rho = 0.02;
    let program = case.program(Cpu::<f64>::new());
    let mut device = Device::new(&program, &case, rho);
    let settings = SolverSettings { original: true, ..SolverSettings::default() };
    let solver = &mut *SolverKind::Rbcd.build(&settings);
    let exact = Device::new(&program, &case, rho).solve(&mut Cholesky::new(), 0.0).unwrap();
    let (mut last, first) = (f64::INFINITY, norm(exact.u.values()));
    for _ in 0..20 {
        let solved = device.solve(solver, 0.0).unwrap();
        assert_eq!(solved.info.status, LinearStatus::IterationLimit);
        // The distance to the minimum in the norm of A never grows: the objective never does.
        let energy = energy_distance(&program, &case, rho, &solved.u, &exact.u);
        assert!(energy <= last * (1.0 + 1e-9), "{energy} after {last}");
        last = energy;
    }
    assert!(
        last < 0.9 * energy_distance(&program, &case, rho, &HostMatrix::zeros(6, exact.u.cols()), &exact.u),
        "{first}"
    );
}

/// ||a - b|| in the norm of A.
fn energy_distance<B: Backend>(
    program: &ConvexProgram<B>,
    case: &Case,
    rho: f64,
    a: &HostMatrix,
    b: &HostMatrix,
) -> f64 {
    let backend = program.backend();
    let difference = HostMatrix::from_fn(a.rows(), a.cols(), |i, j| a[(i, j)] - b[(i, j)]);
    let difference = backend.upload(&difference).unwrap();
    let mut image = backend.zeros(a.rows(), a.cols()).unwrap();
    let mut system = SystemOperator::new(program, case.row_scale, rho).unwrap();
    system.apply(&mut image, &difference).unwrap();
    backend.dot(&difference, &image).unwrap().sqrt()
}

#[test]
fn an_unprepared_solver_prepares_itself() {
    let case = Case::new([12, 4, 3, 1], RowScale::Unscaled, 2);
    let program = case.program(Cpu::<f64>::new());
    for kind in SolverKind::ALL {
        let solved =
            Device::new(&program, &case, 0.5).solve(&mut *kind.build(&SolverSettings::default()), 1e-12).unwrap();
        assert!(relative_distance(&solved.u, &case.reference(0.5)) < 1e-9, "{kind}");
        let mut changed = kind.build(&SolverSettings::default());
        let mut device = Device::new(&program, &case, 9.0);
        changed.update_penalty(&mut device.system, 0.5).unwrap();
        let solved = device.solve(&mut *changed, 1e-12).unwrap();
        assert!(relative_distance(&solved.u, &case.reference(0.5)) < 1e-9, "{kind}");
    }
}

#[test]
fn cg_reports_the_true_residual_when_it_has_converged() {
    for rho in PENALTIES {
        let case = Case::new([30, 6, 5, 2], RowScale::Normalised { sigma: 1.0 }, 5);
        let program = case.program(Cpu::<f64>::new());
        let (mut cg, mut last) = (Pcg::cg(SolverSettings::default()), 0);
        for tolerance in [1e-2, 1e-5, 1e-10] {
            let mut device = Device::new(&program, &case, rho);
            let solved = device.solve(&mut cg, tolerance).unwrap();
            let reported = solved.info.relative_residual.unwrap();
            assert_eq!(solved.info.status, LinearStatus::Converged);
            assert!(reported <= tolerance && solved.true_residual <= tolerance * (1.0 + 1e-6));
            assert!((reported - solved.true_residual).abs() <= 1e-3 * reported + 1e-14, "{reported}");
            assert!(solved.info.iterations > last, "{} steps for {tolerance}", solved.info.iterations);
            last = solved.info.iterations;
            // Warm-started at its own solution it has nothing left to do.
            let again = device.solve(&mut cg, tolerance).unwrap();
            assert_eq!((again.info.status, again.info.iterations), (LinearStatus::Converged, 0));
            assert!(again.u == solved.u);
        }
    }
}

/// No residual is below a tolerance of 0 or below rounding: the solver ends, and what it claims is within rounding.
#[test]
fn cg_never_claims_what_rounding_forbids() {
    fn check<B: Backend>(backend: B, rounding: f64, best: f64) {
        for rho in PENALTIES {
            let case = Case::new([30, 6, 5, 1], RowScale::Unscaled, 6);
            let program = case.program(backend.clone());
            for tolerance in [0.0, 1e-7 * best] {
                let solved = Device::new(&program, &case, rho)
                    .solve(&mut Pcg::cg(SolverSettings::default()), tolerance)
                    .unwrap();
                let reported = solved.info.relative_residual.unwrap();
                let claim = if solved.info.status == LinearStatus::Converged { rounding } else { best };
                assert!(reported <= claim && solved.true_residual < best, "{:?}", solved.info);
                assert_ne!(solved.info.status, LinearStatus::NonFinite);
            }
        }
    }
    check(Cpu::<f64>::new(), 1e-14, 1e-11);
    check(Cpu::<f32>::new(), 1e-6, 1e-3);
}

/// Asked for about as much accuracy as f32 has, and for more, it ends no worse than its warm start, and within few
/// steps.
#[test]
fn cg_does_not_leave_a_good_warm_start() {
    for seed in 0..30 {
        let case = Case::new([40, 5, 9, 1], RowScale::Normalised { sigma: 0.25 }, seed);
        let program = case.program(Cpu::<f32>::new());
        for tolerance in (0..20).map(|k| 1e-9 * 1.5f64.powi(k)) {
            let mut device = Device::new(&program, &case, 0.5);
            let before = device.solve(&mut Pcg::cg(SolverSettings::default()), 1e-5).unwrap().true_residual;
            let solved = device.solve(&mut Pcg::cg(SolverSettings::default()), tolerance).unwrap();
            let (after, info) = (solved.true_residual, solved.info);
            let place = format!("seed {seed}, tolerance {tolerance:.1e}: {before:.1e} became {after:.1e}, {info:?}");
            assert!(after <= 2.0 * before && info.iterations < 1000, "{place}");
        }
    }
}

#[test]
fn cg_of_a_zero_right_hand_side_is_zero_at_once() {
    let mut case = Case::new([10, 3, 2, 1], RowScale::Unscaled, 7);
    case.y = HostMatrix::zeros(10, 1);
    case.blocks = HostMatrix::zeros(3, case.blocks.cols());
    case.rows = HostMatrix::zeros(10, case.rows.cols());
    let program = case.program(Cpu::<f64>::new());
    for kind in SolverKind::ALL {
        let solved =
            Device::new(&program, &case, 1.0).solve(&mut *kind.build(&SolverSettings::default()), 1e-6).unwrap();
        assert!(solved.u.values().iter().all(|&u| u == 0.0), "{kind}");
        assert_eq!((solved.info.status, solved.info.iterations), (LinearStatus::Converged, 0), "{kind}");
    }
}

#[test]
fn cg_says_when_a_number_is_not_finite() {
    let mut case = Case::new([10, 3, 2, 1], RowScale::Unscaled, 7);
    case.rows = HostMatrix::from_fn(10, case.rows.cols(), |_, _| 3e38);
    case.xt = HostMatrix::from_fn(3, 10, |i, j| 1.0 + case.xt[(i, j)]);
    let columns = 2 * patterns(&case.xt, &case.gates).len();
    case.blocks = HostMatrix::zeros(3, columns);
    case.rows = HostMatrix::from_fn(10, columns, |_, _| 3e38);
    let program = case.program(Cpu::<f32>::new());
    let solved = Device::new(&program, &case, 1.0).solve(&mut Pcg::cg(SolverSettings::default()), 1e-6).unwrap();
    assert_eq!(solved.info.status, LinearStatus::NonFinite);
}

/// E6, E7: a raised token ends the set-up of the direct solvers and the steps of the iterative one.
#[test]
fn e6_a_raised_token_stops_every_solver() {
    let case = Case::new([40, 6, 5, 1], RowScale::Unscaled, 1);
    for kind in SolverKind::ALL {
        let stop = StopToken::new();
        let program = case.program(Cpu::<f64>::with_stop(stop.clone()));
        let mut device = Device::new(&program, &case, 0.1);
        stop.raise();
        let rhs = SystemRhs { blocks: &device.blocks, rows: &device.rows };
        let result = kind.build(&SolverSettings::default()).solve(
            &mut device.system,
            &rhs,
            Accuracy::Relative(1e-10),
            &mut device.solution,
        );
        assert!(matches!(result, Err(LinalgError::Stopped(_))), "{kind}: {result:?}");
    }
}

#[test]
fn direct_solvers_take_no_inner_steps_and_know_their_price() {
    let case = Case::new([20, 4, 3, 1], RowScale::Unscaled, 1);
    let program = case.program(Cpu::<f64>::new());
    for kind in SolverKind::ALL {
        let mut solver = kind.build(&SolverSettings::default());
        let solved = Device::new(&program, &case, 0.1).solve(&mut *solver, 1e-8).unwrap();
        assert_eq!(solved.info.iterations == 0, kind.is_direct(), "{kind}");
        assert_eq!(solved.info.relative_residual.is_none(), kind.is_direct(), "{kind}");
        let flops = solver.flops();
        assert!(flops.solve > 0.0, "{kind}: {flops:?}");
        // A direct solver pays for a new penalty.
        assert!(flops.update > 0.0 || !kind.is_direct(), "{kind}: {flops:?}");
    }
    assert_eq!(Cholesky::<Cpu<f64>>::new().flops().solve, 0.0);
    assert_eq!(CholeskyDense::<Cpu<f64>>::default().flops().update, 0.0);
}

#[test]
fn e8_memory_estimates_do_not_overflow() {
    let shape = |size: usize| ProblemShape {
        n_samples: size,
        n_features: size,
        n_patterns: size,
        n_targets: size,
        scalar_bytes: 8,
    };
    for kind in SolverKind::ALL {
        assert!(kind.memory_bytes(&shape(10), &SolverSettings::default()) > 0);
        assert_eq!(kind.memory_bytes(&shape(1 << 62), &SolverSettings::default()), u64::MAX, "{kind}");
    }
    // n P above 2^31: the kernel alone is n^2 numbers.
    let wide = ProblemShape { n_samples: 100_000, n_features: 10, n_patterns: 50_000, n_targets: 1, scalar_bytes: 4 };
    assert!(SolverKind::Cholesky.memory_bytes(&wide, &SolverSettings::default()) > 4 * 100_000 * 100_000);
}
