//! The solvers of Feng et al. solve the same system (4a) as those of the shipped crates.

#[path = "../../crates/cvx-solvers/tests/common/mod.rs"]
mod common;

use common::{Case, Device, norm, relative_distance};
use cvx_admm::{Settings, verify};
use cvx_bench::feng::{FengSolver, Run, settings};
use cvx_bench::history::seconds_to;
use cvx_bench::place::Place;
use cvx_data::Planted;
use cvx_linalg::{
    Accuracy, Backend, Cpu, HostMatrix, LinalgError, LinearOperator, LinearSolver, LinearStatus, StopToken,
};
use cvx_model::{ConvexProgram, RowScale, SystemOperator};
use cvx_solvers::{Cholesky, ProblemShape, SolverKind, SolverSettings, SpectrumMethod, condition, condition_of};

/// Those that solve to the accuracy that is asked for.
const ACCURATE: [FengSolver; 2] = [FengSolver::DenseCholesky, FengSolver::WholeNystromPcg];

#[test]
fn the_dense_factor_and_the_sketch_of_a_agree_with_a_dense_solve() {
    for (seed, shape) in (1..).zip([[14, 4, 3, 1], [9, 5, 4, 2], [5, 8, 3, 1]]) {
        for row_scale in common::ROW_SCALES {
            let case = Case::new(shape, row_scale, seed);
            let program = case.program(Cpu::<f64>::new());
            for rho in [1e-2, 1.0, 100.0] {
                let expected = case.reference(rho);
                for kind in ACCURATE {
                    let solver = &mut *kind.build(&SolverSettings::default());
                    let mut device = Device::new(&program, &case, rho);
                    solver.prepare(&mut device.system).unwrap();
                    let solved = device.solve(solver, 1e-13).unwrap();
                    let place = format!("{kind}, {shape:?}, {row_scale:?}, rho {rho}");
                    assert_eq!(solved.info.status, LinearStatus::Converged, "{place}: {:?}", solved.info);
                    let error = relative_distance(&solved.u, &expected);
                    assert!(error < 1e-9 && solved.true_residual < 1e-11, "{place}: u differs by {error}");
                }
            }
        }
    }
}

#[test]
fn every_rank_of_the_sketch_gives_the_same_solution() {
    let case = Case::new([24, 6, 5, 2], RowScale::Normalised { sigma: 0.0625 }, 11);
    let (rho, expected) = (0.5, case.reference(0.5));
    let program = case.program(Cpu::<f64>::new());
    for rank in [Some(0), Some(1), Some(7), Some(10_000), None] {
        let solver = &mut *FengSolver::WholeNystromPcg.build(&SolverSettings { rank, ..SolverSettings::default() });
        let solved = Device::new(&program, &case, rho).solve(solver, 1e-13).unwrap();
        let error = relative_distance(&solved.u, &expected);
        assert!(error < 1e-9, "rank {rank:?}: {error}, {:?}", solved.info);
    }
}

/// Their iteration trains with every solver of theirs, and its model can be verified.
#[test]
fn a_run_as_printed_fits_the_samples() {
    let planted = Planted { n_train: 100, n_test: 0, n_features: 6, n_neurons: 3, noise: 0.05, seed: 2 };
    let train = &planted.generate().unwrap().train;
    for solver in [None, Some(FengSolver::DenseCholesky), Some(FengSolver::WholeNystromPcg)] {
        for double in [false, true] {
            let settings = &Settings { max_iterations: 60, ..settings() };
            assert_eq!((settings.over_relaxation, settings.adapt_rho, settings.anderson_depth), (1.0, false, 0));
            let run = Run { train, test: None, settings, double, unscaled_rows: true, solver };
            let solution = run.on(&Place::processor(), &mut ()).unwrap();
            assert!(verify(&solution.model, train).unwrap().holds(), "{solver:?}, double: {double}");
            assert!(solution.info.history.iter().all(|record| record.rho == 1e-2 && record.network.is_some()));
            assert_eq!((solution.rho, solution.info.penalty_changes), (1e-2, 0));
            // More weights than samples and hardly a penalty: the samples are fitted.
            assert!(solution.train.accuracy.unwrap() >= 0.97, "{solver:?}, double: {double}: {:?}", solution.train);
            assert!(seconds_to(0.97, &solution.info.history).is_some());
        }
    }
}

/// A sketch takes eigenvalues away, so it takes steps away, and the condition number says so.
#[test]
fn the_sketch_of_a_saves_steps() {
    let mut case = Case::new([200, 12, 6, 1], RowScale::Unscaled, 12);
    // A spectrum that decays over three decades.
    case.xt = HostMatrix::from_fn(12, 200, |i, a| case.xt[(i, a)] * 0.5f64.powi(i as i32));
    let program = case.program(Cpu::<f64>::new());
    let plain = SolverSettings::default();
    let steps = |solver: &mut dyn LinearSolver<Cpu<f64>>| {
        let solved = Device::new(&program, &case, 0.01).solve(solver, 1e-8).unwrap();
        assert_eq!(solved.info.status, LinearStatus::Converged);
        solved.info.iterations
    };
    let ranked = SolverSettings { rank: Some(60), ..plain };
    let cg = steps(&mut *SolverKind::Cg.build(&plain));
    assert!(2 * steps(&mut *FengSolver::WholeNystromPcg.build(&ranked)) < cg);

    let mut system = SystemOperator::new(&program, RowScale::Unscaled, 0.01).unwrap();
    let without = condition(SolverKind::Cg, &plain, &mut system, SpectrumMethod::Exact).unwrap();
    let pcg = &mut cvx_bench::feng::whole_nystrom_pcg(ranked);
    let sketched = condition_of(pcg, 0, &mut system, SpectrumMethod::Exact).unwrap();
    assert!(sketched.number() < without.number(), "{sketched:?} {without:?}");
}

/// The set-up serves every penalty: a change renews all that depends on it.
#[test]
fn update_penalty_equals_a_fresh_prepare() {
    let case = Case::new([40, 6, 5, 2], RowScale::Normalised { sigma: 0.25 }, 8);
    let program = case.program(Cpu::<f64>::new());
    for kind in ACCURATE {
        // A rank that adapts does so to the penalty of its set-up.
        let settings = SolverSettings { rank: Some(4), ..SolverSettings::default() };
        let (changed, fresh) = (&mut *kind.build(&settings), &mut *kind.build(&settings));
        let mut device = Device::new(&program, &case, 3.0);
        changed.prepare(&mut device.system).unwrap();
        for rho in [0.05, 70.0, 0.4] {
            changed.update_penalty(&mut device.system, rho).unwrap();
        }
        let changed = device.solve(changed, 1e-6).unwrap();
        let mut device = Device::new(&program, &case, 0.4);
        fresh.prepare(&mut device.system).unwrap();
        let fresh = device.solve(fresh, 1e-6).unwrap();
        assert!(changed.u == fresh.u && changed.residual == fresh.residual, "{kind}");
    }
}

/// A checkpoint holds the solution and what the solver keeps: another of its kind then takes the same next step.
#[test]
fn a_solver_that_recalls_continues_bit_for_bit() {
    let case = Case::new([40, 6, 7, 2], RowScale::Normalised { sigma: 0.25 }, 17);
    let program = case.program(Cpu::<f32>::new());
    let settings = SolverSettings { seed: 3, ..SolverSettings::default() };
    for kind in FengSolver::ALL {
        let mut device = Device::new(&program, &case, 0.7);
        let solver = &mut *kind.build(&settings);
        for _ in 0..3 {
            device.solve(solver, 0.3).unwrap();
        }
        let state = solver.state(program.backend()).unwrap();
        let mut later = Device::new(&program, &case, 0.7);
        later.begin_at(&device.solution);
        let whole = device.solve(solver, 1e-3).unwrap();

        let other = &mut *kind.build(&settings);
        other.prepare(&mut later.system).unwrap();
        other.restore(program.backend(), &state).unwrap();
        let resumed = later.solve(other, 1e-3).unwrap();
        assert_eq!((resumed.u, resumed.info), (whole.u, whole.info), "{kind}");
        assert_eq!(other.flops(), solver.flops(), "{kind}");
    }
}

#[test]
fn a_raised_token_stops_every_solver() {
    let case = Case::new([40, 6, 5, 1], RowScale::Unscaled, 1);
    for kind in FengSolver::ALL {
        let stop = StopToken::new();
        let program = case.program(Cpu::<f64>::with_stop(stop.clone()));
        let mut device = Device::new(&program, &case, 0.1);
        stop.raise();
        let result = device.solve_to(&mut *kind.build(&SolverSettings::default()), Accuracy::Relative(1e-10));
        assert!(matches!(result.err(), Some(LinalgError::Stopped(_))), "{kind}");
    }
}

/// The line search lowers the objective of (4a) from any start, and makes no claim.
#[test]
fn the_line_search_descends() {
    let case = Case::new([40, 6, 7, 2], RowScale::Unscaled, 15);
    let rho = 0.02;
    let program = case.program(Cpu::<f64>::new());
    let mut device = Device::new(&program, &case, rho);
    let solver = &mut *FengSolver::LineSearchRbcd.build(&SolverSettings::default());
    let exact = Device::new(&program, &case, rho).solve(&mut Cholesky::new(), 0.0).unwrap();
    let mut last = f64::INFINITY;
    for _ in 0..20 {
        let solved = device.solve(solver, 0.0).unwrap();
        assert_eq!(solved.info.status, LinearStatus::IterationLimit);
        // The distance to the minimum in the norm of A never grows: the objective never does.
        let energy = energy_distance(&program, &case, rho, &solved.u, &exact.u);
        assert!(energy <= last * (1.0 + 1e-9), "{energy} after {last}");
        last = energy;
    }
    let start = energy_distance(&program, &case, rho, &HostMatrix::zeros(6, exact.u.cols()), &exact.u);
    assert!(last < 0.9 * start, "{last} of {start}, for a solution of norm {}", norm(exact.u.values()));
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

/// What Feng et al. print: beta and rho fixed, no relaxation, no acceleration.
#[test]
fn the_settings_are_those_that_were_printed() {
    let settings = settings();
    assert_eq!((settings.rho, settings.adapt_rho, settings.over_relaxation), (Some(1e-2), false, 1.0));
    assert_eq!((settings.beta, settings.anderson_depth), (cvx_admm::Beta::Value(1e-3), 0));
}

/// A dense factor of 2dP = 2 x 3,073 x 50 unknowns takes a terabyte: it is refused before anything is allocated for it.
#[test]
fn a_dense_factor_that_does_not_fit_is_refused() {
    use cvx_bench::feng::Run;
    use cvx_bench::place::Place;
    let split = cvx_data::open("planted:60x5", &cvx_data::Request::default()).unwrap();
    let shape = ProblemShape {
        n_samples: 10_000,
        n_features: 3073,
        n_patterns: 50,
        n_targets: 1,
        signs: 2,
        cones: true,
        scalar_bytes: 4,
    };
    assert!(FengSolver::DenseCholesky.dense_bytes(&shape) > 1 << 40);
    let settings = Settings { memory_budget: Some(2_000_000), max_iterations: 5, patterns: 40, ..settings() };
    let (train, test, settings) = (&split.train, None, &settings);
    let run = |solver| Run { train, test, settings, double: false, unscaled_rows: true, solver };
    let error = run(Some(FengSolver::DenseCholesky)).on(&Place::processor(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("cholesky-dense needs"), "{error}");
    for solver in [None, Some(FengSolver::LineSearchRbcd)] {
        assert_eq!(run(solver).on(&Place::processor(), &mut ()).unwrap().info.history.len(), 5);
    }
}
