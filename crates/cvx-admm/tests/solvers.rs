//! R4, R10, M6, M7, M9, M10: complete runs with every solver.

mod common;

use common::{PRECISIONS, assert_sane, near, optimum, planted, sharp, smooth, table};
use cvx_admm::{Beta, Precision, Settings, SolverChoice, SolverKind, Status, StopToken, train, train_with};
use cvx_model::{Activation, Dataset, Labels, Normalisation};

/// No bound of any solver in any precision is above a feasible objective of another.
fn interlock(kinds: &[SolverKind]) {
    let data = planted(40, 5, 11);
    let (mut highest, mut lowest) = (0.0f64, f64::INFINITY);
    for precision in [Precision::F32, Precision::F64] {
        for &kind in kinds {
            let solver = SolverChoice::Kind(kind);
            let settings = Settings { patterns: 9, beta: Beta::Value(0.1), precision, solver, ..sharp(1e-4) };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.status, Status::Optimal, "{kind} {precision:?}: {:?}", solution.objective);
            assert_eq!(solution.summary.solver, kind);
            highest = highest.max(solution.objective.dual_bound);
            lowest = lowest.min(solution.objective.sampled_primal.unwrap());
        }
    }
    assert!(highest <= lowest && near(highest, lowest, 1e-4), "{highest} {lowest}");
}

#[test]
fn m6_all_solvers_find_the_same_optimum() {
    interlock(&SolverKind::ALL);
}

#[test]
fn m7_any_first_penalty_ends_with_a_valid_gap() {
    let data = planted(40, 4, 5);
    for precision in [Precision::F32, Precision::F64] {
        for adapt_rho in [true, false] {
            for rho in [1e-8, 1e-5, 1e-2, 1.0, 1e2, 1e5, 1e8] {
                for kind in SolverKind::ALL {
                    let settings = Settings {
                        patterns: 8,
                        beta: Beta::Value(0.1),
                        rho: Some(rho),
                        adapt_rho,
                        precision,
                        solver: SolverChoice::Kind(kind),
                        max_iterations: 60,
                        ..Settings::default()
                    };
                    let solution = train(&data, None, &settings).unwrap();
                    let place = format!("{precision:?}, rho {rho}, adapt {adapt_rho}, {kind}: {}", solution.status);
                    assert_sane(&solution, &place);
                    assert!(
                        matches!(
                            solution.status,
                            Status::Optimal | Status::IterationLimit | Status::InsufficientProgress
                        ),
                        "{place}"
                    );
                    assert!(solution.objective.network <= 20.0 && solution.objective.relative_gap <= 1.0, "{place}");
                }
            }
        }
    }
}

/// With an adaptive penalty, a bad start only costs iterations.
#[test]
fn m7_a_bad_first_penalty_is_recovered_from() {
    let data = planted(40, 4, 5);
    let run = |rho: f64| train(&data, None, &Settings { patterns: 8, rho: Some(rho), ..sharp(1e-4) }).unwrap();
    let expected = optimum(&run(1.0));
    for rho in [1e-4, 1e4] {
        let solution = run(rho);
        assert!(near(optimum(&solution), expected, 1e-4), "{:?}, expected {expected}", solution.objective);
        assert!(solution.info.penalty_changes > 0 && !near(solution.rho, rho, 0.5), "rho {rho} stayed");
    }
}

/// A feature that is zero everywhere never gets a weight, not even by rounding.
#[test]
fn r4_no_solver_gives_a_zero_column_a_weight() {
    let plain = planted(60, 4, 5);
    let x = (0..60).flat_map(|a| [&plain.row(a)[..2], &[0.0], &plain.row(a)[2..], &[0.0]].concat()).collect();
    let data = Dataset::new(6, x, plain.labels().cloned(), plain.kind()).unwrap();
    for precision in PRECISIONS {
        for kind in SolverKind::ALL {
            for normalisation in [Normalisation::None, Normalisation::Column] {
                let solver = SolverChoice::Kind(kind);
                let normalisation = Some(normalisation);
                let settings = Settings { solver, precision, normalisation, patterns: 10, ..Settings::default() };
                let solution = train(&data, None, &settings).unwrap();
                let place = format!("{precision:?} {kind} {normalisation:?}");
                assert_eq!(solution.status, Status::Optimal, "{place}: {:?}", solution.objective);
                let w1 = &solution.model.network.w1;
                assert!(w1.cols() > 0 && [2, 5].iter().all(|&k| (0..w1.cols()).all(|j| w1[(k, j)] == 0.0)), "{place}");
            }
        }
    }
}

/// A change of units has no effect for any solver: the same gap in about as many iterations.
#[test]
fn r10_no_solver_depends_on_units() {
    let data = smooth(40, 4, 10);
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!("numbers") };
    for activation in [Activation::Relu, Activation::Gated] {
        for kind in SolverKind::ALL.into_iter().filter(|kind| activation == Activation::Relu || !kind.needs_cones()) {
            let run = |x_scale: f64, y_scale: f64| {
                let x = data.values().iter().map(|x| x * x_scale).collect();
                let scaled = table(4, x, y.iter().map(|y| y * y_scale).collect());
                let (solver, beta) = (SolverChoice::Kind(kind), Beta::Fraction(1e-2));
                train(&scaled, None, &Settings { activation, solver, patterns: 10, beta, ..sharp(1e-4) }).unwrap()
            };
            let expected = run(1.0, 1.0).info.history.len();
            for (x_scale, y_scale) in [(1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6), (1.0, 1e6), (1e-6, 1e6), (1e6, 1e-6)] {
                let solution = run(x_scale, y_scale);
                let place = format!("{activation:?} {kind}, x {x_scale}, y {y_scale}: {:?}", solution.objective);
                assert_sane(&solution, &place);
                assert_eq!(solution.status, Status::Optimal, "{place}");
                let found = solution.info.history.len();
                assert!(found <= 2 * expected && expected <= 2 * found, "{place}: {found} iterations, not {expected}");
            }
        }
    }
}

/// Sketches of rank 0, of rank 1 and of a rank above the size, of a system whose eigenvalues beyond the rank of the
/// samples are exactly zero: columns of zeros, columns that occur twice, and fewer samples than features.
#[test]
fn m9_sketches_of_singular_systems_end_with_a_status_and_numbers() {
    let (n, d) = (12, 20);
    let plain = smooth(n, 3, 9);
    let entry = |row: &[f64], k: usize| if k < 9 { row[k % 3] } else { 0.0 };
    let x = (0..n).flat_map(|a| (0..d).map(move |k| (a, k))).map(|(a, k)| entry(&plain.row(a), k)).collect();
    let data = Dataset::new(d, x, plain.labels().cloned(), plain.kind()).unwrap();
    for precision in PRECISIONS {
        for kind in [SolverKind::NystromPcg, SolverKind::GramNystromPcg, SolverKind::NystromRbcd] {
            for rank in [Some(0), Some(1), Some(10_000), None] {
                let settings = Settings {
                    solver: SolverChoice::Kind(kind),
                    precision,
                    rank,
                    patterns: 6,
                    max_iterations: 2000,
                    beta: Beta::Fraction(1e-2),
                    ..sharp(1e-3)
                };
                let solution = train(&data, None, &settings).unwrap();
                let place = format!("{precision:?} {kind}, rank {rank:?}");
                assert_sane(&solution, &place);
                assert_eq!(solution.status, Status::Optimal, "{place}: {:?}", solution.objective);
                // A column of zeros has no weight.
                let w1 = &solution.model.network.w1;
                assert!((9..d).all(|k| (0..w1.cols()).all(|j| w1[(k, j)] == 0.0)), "{place}");
            }
        }
    }
}

/// Between iterations, factors have no state beyond that of a warm start; a checkpoint stores the state of other
/// solvers.
#[test]
fn m10_k_runs_of_one_iteration_are_one_run_of_k() {
    let data = planted(60, 5, 6);
    for activation in [Activation::Relu, Activation::Gated] {
        for precision in PRECISIONS {
            let settings = |max_iterations| Settings {
                activation,
                patterns: 8,
                precision,
                max_iterations,
                gap: 1e-14,
                solver: SolverChoice::Kind(SolverKind::Cholesky),
                anderson_depth: 0,
                adapt_rho: false,
                ..Settings::default()
            };
            let mut parts = train(&data, None, &settings(1)).unwrap();
            for k in 2..=20 {
                let warm = parts.warm_start.unwrap();
                parts = train_with(&data, None, &settings(1), Some(&warm), &StopToken::new(), &mut ()).unwrap();
                if [2, 5, 20].contains(&k) {
                    let whole = train(&data, None, &settings(k)).unwrap();
                    assert!(whole.warm_start == parts.warm_start, "{activation:?} {precision:?}, {k}");
                    let v = &whole.warm_start.as_ref().unwrap().v;
                    assert!(v.values().iter().any(|&v| v != 0.0), "the iterates are still zero");
                }
            }
        }
    }
}
