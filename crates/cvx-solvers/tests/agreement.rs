//! M6: every solver gives the solution of the same system (4a), and says the truth about its accuracy.

mod common;

use common::{Case, Device, ROW_SCALES, Random, Solved, centred, norm, patterns, relative_distance};
use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, HostMatrix, LinalgError, LinearSolver, LinearStatus, MaskedSystem, StopToken,
    SystemRhs, SystemSolution,
};
use cvx_model::reference::{dense_f, multiply};
use cvx_model::{Activation, RowScale, SystemOperator};
use cvx_solvers::{Cholesky, Pcg, ProblemShape, SolverKind, SolverSettings};
use proptest::prelude::*;

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

/// Row scales, whether there is an output bias, and how many gates have the sign + if each has a block of one sign.
fn variants() -> impl Iterator<Item = (RowScale, bool, Option<usize>)> {
    let biases = |scale| [(scale, false), (scale, true)];
    let signs = |(scale, bias)| [None, Some(0), Some(2)].map(|signs| (scale, bias, signs));
    ROW_SCALES.into_iter().flat_map(biases).flat_map(signs)
}

fn with_signs(case: Case, positive: Option<usize>) -> Case {
    match positive {
        Some(positive) => case.of_signs(positive),
        None => case,
    }
}

#[test]
fn m6_all_solvers_agree_with_a_dense_solve() {
    for (seed, shape) in (1..).zip([[14, 4, 3, 1], [9, 5, 4, 2], [5, 8, 3, 1]]) {
        for (row_scale, output_bias, signs) in variants() {
            let case = with_signs(Case { output_bias, ..Case::new(shape, row_scale, seed) }, signs);
            for rho in PENALTIES {
                let expected = case.reference(rho);
                let program = case.program(Cpu::<f64>::new());
                let device = Device::new(&program, &case, rho);
                let (blocks, patterns) = (device.system.blocks(), program.patterns());
                assert_eq!((blocks.layout.patterns, blocks.masked().unwrap().mask), (patterns.len(), patterns.bits()));
                for (name, solved) in solve_with_all(Cpu::<f64>::new(), &case, rho, 1e-13) {
                    let place =
                        format!("{name}, {shape:?}, {row_scale:?}, output bias {output_bias}, {signs:?}, rho {rho}");
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
                    let layout = program.layout();
                    let fu = HostMatrix::from_fn(n, case.y.cols(), |a, c| {
                        let active = |j: &usize| layout.target(*j) == c && patterns.bits().get(a, layout.pattern(*j));
                        (0..xu.cols()).filter(active).map(|j| layout.sign(j) * xu[(a, j)]).sum()
                    });
                    let residual = HostMatrix::from_fn(n, case.y.cols(), |a, c| fu[(a, c)] - case.y[(a, c)]);
                    let residual = if output_bias { centred(&residual) } else { residual };
                    let off = relative_distance(&solved.residual, &residual) * norm(residual.values());
                    assert!(off < 1e-10 * (norm(fu.values()) + norm(case.y.values())), "{place}: F u - y, {off}");
                    assert!(solved.true_residual < 1e-11, "{place}: {}", solved.true_residual);
                    assert_eq!(solved.info.status, LinearStatus::Converged, "{place}: {:?}", solved.info);
                }
            }
        }
    }
}

/// Without cones there is no X u to be kept, and none is promised: a solver must not need it. u and F u - y are as with
/// cones.
#[test]
fn m6_without_cones_the_solution_has_no_x_u() {
    let shapes = [[14, 4, 3, 1], [9, 5, 4, 2], [5, 8, 3, 1]];
    for (seed, shape, output_bias) in
        (1..).zip(shapes).flat_map(|(seed, shape)| [false, true].map(|bias| (seed, shape, bias)))
    {
        let case = Case { output_bias, ..Case::new(shape, RowScale::None, seed) };
        let program = case.program(Cpu::<f64>::new()).with_activation(Activation::Gated);
        let (backend, rho) = (program.backend(), 0.3);
        let (n, d, p) = (program.n_samples(), program.n_features(), program.n_patterns());
        // F of one sign, and A u = v - lambda + F'y/rho by elimination, target by target.
        let f = case.dense_f(program.patterns());
        let f = HostMatrix::from_fn(n, d * p, |a, k| f[(a, k)]);
        let v = HostMatrix::from_fn(d, program.n_blocks(), |i, j| case.blocks[(i, j)]);
        let gram = |i: usize, j: usize| (0..n).map(|a| f[(a, i)] * f[(a, j)]).sum::<f64>() / rho;
        let a = HostMatrix::from_fn(d * p, d * p, |i, j| f64::from(u8::from(i == j)) + gram(i, j));
        for kind in SolverKind::ALL {
            let mut system = SystemOperator::new(&program, RowScale::None, rho).unwrap();
            let mut solution = SystemSolution::zeros(&system.blocks()).unwrap();
            assert!(solution.xu.is_none());
            let blocks = backend.upload(&v).unwrap();
            let rhs = SystemRhs { blocks: &blocks, rows: None };
            let solver = &mut *kind.build(&SolverSettings::default());
            let solved = solver.solve(&mut system, &rhs, Accuracy::Relative(1e-13), &mut solution);
            if kind.needs_cones() && kind != SolverKind::JacobiPcg {
                assert!(matches!(solved, Err(LinalgError::Shape { .. })), "{kind}: {solved:?}");
                continue;
            }
            assert_eq!(solved.unwrap().status, LinearStatus::Converged, "{kind}");
            let (u, residual) = (backend.download(&solution.u).unwrap(), backend.download(&solution.residual).unwrap());
            for c in 0..program.n_targets() {
                let part = |matrix: &HostMatrix| matrix.values()[c * d * p..(c + 1) * d * p].to_vec();
                let from_y = multiply(&f.transposed(), case.y.col(c));
                let b = part(&v).iter().zip(&from_y).map(|(v, f)| v + f / rho).collect();
                let expected = common::eliminate(a.clone(), b);
                let distance =
                    |x: &[f64], y: &[f64]| norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>()) / norm(y);
                assert!(distance(&part(&u), &expected) < 1e-9, "{kind}, {shape:?}: u");
                let target = if output_bias { centred(&case.y) } else { case.y.clone() };
                let fu: Vec<f64> = multiply(&f, &part(&u)).iter().zip(target.col(c)).map(|(f, y)| f - y).collect();
                assert!(distance(residual.col(c), &fu) < 1e-9, "{kind}, {shape:?}: F u - y");
            }
        }
    }
}

#[test]
fn m6_the_true_residual_is_small_in_f32() {
    for (seed, shape) in (1..).zip([[14, 4, 3, 1], [30, 6, 5, 2], [8, 20, 4, 1]]) {
        for (row_scale, output_bias, signs) in variants() {
            let case = with_signs(Case { output_bias, ..Case::new(shape, row_scale, seed) }, signs);
            for rho in PENALTIES {
                for (name, solved) in solve_with_all(Cpu::<f32>::new(), &case, rho, 1e-5) {
                    let residual = solved.true_residual;
                    let bound = if settles(name, rho) { 1e-4 } else { 1e-2 };
                    assert!(residual < bound, "{name}, {shape:?}, {row_scale:?}, rho {rho}: {residual}");
                    let total = |c: usize| solved.residual.col(c).iter().sum::<f64>();
                    let sums = (0..case.y.cols()).map(total).fold(0.0, |most: f64, sum| most.max(sum.abs()));
                    assert!(!output_bias || sums < 1e-5 * norm(case.y.values()), "{name}: 1'r = {sums}");
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
        output_bias: bool,
        signs in prop::option::of(0usize..6),
        seed: u64,
    ) {
        let case = with_signs(Case { output_bias, ..Case::new(sizes, ROW_SCALES[scale], seed) }, signs);
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
        let case = || Case::new([40, 6, 5, 2], RowScale::Normalised { sigma: 0.25 }, 8).with_output_bias();
        let cases = [case(), case().of_signs(3)];
        for (case, kind) in cases.iter().flat_map(|case| SolverKind::ALL.map(|kind| (case, kind))) {
            let program = case.program(backend.clone());
            // A rank that adapts does so to the penalty of its set-up.
            let settings = SolverSettings { rank: Some(4), ..SolverSettings::default() };
            let (mut travelled, mut fresh) = (kind.build::<B>(&settings), kind.build::<B>(&settings));
            let mut device = Device::new(&program, case, 3.0);
            travelled.prepare(&mut device.system).unwrap();
            for rho in [0.05, 70.0, 0.4] {
                travelled.update_penalty(&mut device.system, rho).unwrap();
                assert_eq!(device.system.penalty(), rho);
            }
            // From the same warm start.
            let travelled = device.solve(&mut *travelled, 1e-6).unwrap();
            assert_as_fresh(&travelled, Device::new(&program, case, 0.4), &mut *fresh, kind);
        }
    }
    check(Cpu::<f32>::new());
    check(Cpu::<f64>::new());
}

/// A solver that has come to this device's system from another one solves it as a `fresh` one does.
fn assert_as_fresh<B: Backend>(
    travelled: &Solved,
    mut device: Device<'_, B>,
    fresh: &mut dyn LinearSolver<B>,
    kind: SolverKind,
) {
    fresh.prepare(&mut device.system).unwrap();
    let fresh = device.solve(fresh, 1e-6).unwrap();
    assert!(travelled.u == fresh.u && travelled.residual == fresh.residual, "{kind}");
    assert!(travelled.true_residual < 1e-4, "{kind}: {}", travelled.true_residual);
}

/// What remains of a set-up serves other patterns, of one sign each after both and the other way round.
#[test]
fn update_patterns_equals_a_fresh_prepare() {
    fn check<B: Backend>(backend: B) {
        let case = || Case::new([40, 6, 5, 2], RowScale::Normalised { sigma: 0.25 }, 8).with_output_bias();
        let (both, each) = (case(), case().of_signs(3));
        for (before, after) in [(&both, &each), (&each, &both)] {
            for kind in SolverKind::ALL {
                let settings = SolverSettings { rank: Some(4), ..SolverSettings::default() };
                let (mut travelled, mut fresh) = (kind.build::<B>(&settings), kind.build::<B>(&settings));
                let (first, second) = (before.program(backend.clone()), after.program(backend.clone()));
                let mut device = Device::new(&first, before, 0.4);
                travelled.prepare(&mut device.system).unwrap();
                let mut device = Device::new(&second, after, 0.4);
                travelled.update_patterns(&mut device.system).unwrap();
                let travelled = device.solve(&mut *travelled, 1e-6).unwrap();
                assert_as_fresh(&travelled, Device::new(&second, after, 0.4), &mut *fresh, kind);
            }
        }
    }
    check(Cpu::<f32>::new());
    check(Cpu::<f64>::new());
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

/// A raised token ends the set-up of the direct solvers and the steps of the iterative one.
#[test]
fn e6_e7_a_raised_token_stops_every_solver() {
    let case = Case::new([40, 6, 5, 1], RowScale::Unscaled, 1);
    for kind in SolverKind::ALL {
        let stop = StopToken::new();
        let program = case.program(Cpu::<f64>::with_stop(stop.clone()));
        let mut device = Device::new(&program, &case, 0.1);
        stop.raise();
        let rhs = SystemRhs { blocks: &device.blocks, rows: Some(ConeRhs { s: &device.s, nu: Some(&device.nu) }) };
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
}

#[test]
fn e8_memory_estimates_do_not_overflow() {
    let shape = |size: usize| ProblemShape {
        n_samples: size,
        n_features: size,
        n_patterns: size,
        n_targets: size,
        signs: 2,
        cones: true,
        scalar_bytes: 8,
    };
    for kind in SolverKind::ALL {
        assert!(kind.memory_bytes(&shape(10), &SolverSettings::default()) > 0);
        assert_eq!(kind.memory_bytes(&shape(1 << 62), &SolverSettings::default()), u64::MAX, "{kind}");
    }
    // n P above 2^31: the kernel alone is n^2 numbers.
    let wide = ProblemShape {
        n_samples: 100_000,
        n_features: 10,
        n_patterns: 50_000,
        n_targets: 1,
        signs: 2,
        cones: true,
        scalar_bytes: 4,
    };
    assert!(SolverKind::Cholesky.memory_bytes(&wide, &SolverSettings::default()) > 4 * 100_000 * 100_000);
}
