//! The solver object: one set-up, many solves, and the changes between them.

mod common;

use common::{PRECISIONS, exact, near, planted, smooth, table};
use cvx_admm::{
    Beta, Certify, Precision, Settings, Solution, Solver, SolverChoice, SolverKind, Status, StopToken, train, verify,
};
use cvx_linalg::{Backend, Cpu, HostMatrix};
use cvx_model::{Activation, Dataset, Labels, Loss, ModelError, PatternSet};
use cvx_solvers::SolverSettings;
use std::ops::ControlFlow;

fn settings(activation: Activation) -> Settings {
    Settings { activation, patterns: 10, gap: 1e-6, certify: Certify::Sampled, ..exact() }
}

fn solver(data: &Dataset, settings: &Settings) -> Solver<Cpu<f64>> {
    Solver::new(Cpu::<f64>::new(), data, None, settings).unwrap()
}

/// Objectives of two certified solutions of one programme.
fn agree(found: &Solution, expected: &Solution, place: &str) {
    assert_eq!((found.status, expected.status), (Status::Optimal, Status::Optimal), "{place}");
    let upper = |solution: &Solution| solution.objective.sampled_primal.unwrap();
    assert!(near(upper(found), upper(expected), 3e-6), "{place}: {:?}, {:?}", found.objective, expected.objective);
}

#[test]
fn betas_on_one_set_up_have_the_optima_of_runs_of_their_own() {
    let data = planted(60, 4, 3);
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Logistic] {
            let settings = Settings { loss, ..settings(activation) };
            let mut solver = solver(&data, &settings);
            for share in [0.3, 0.1, 0.03] {
                let beta = share * solver.gated_beta_max();
                solver.set_beta(beta).unwrap();
                let found = solver.solve(&mut ()).unwrap();
                let alone = train(&data, None, &Settings { beta: Beta::Value(beta), ..settings.clone() }).unwrap();
                agree(&found, &alone, &format!("{activation:?}, {loss:?}, {share}"));
                assert_eq!((found.beta, found.info.rounds.len()), (beta, 1));
                assert_eq!(found.info.history[0].iteration, 1, "each run has a record of its own");
                assert!(verify(&found.model, &data).unwrap().holds());
            }
        }
    }
}

#[test]
fn steps_are_a_solve_that_can_be_looked_at() {
    let data = planted(60, 4, 3);
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = settings(activation);
        let (mut stepped, mut solved) = (solver(&data, &settings), solver(&data, &settings));
        assert!(stepped.objective().is_none() && stepped.network().unwrap().is_none());
        let whole = solved.solve(&mut ()).unwrap();
        let mut history = Vec::new();
        let status = loop {
            match stepped.step().unwrap() {
                ControlFlow::Continue(iteration) => history.push(iteration),
                ControlFlow::Break(status) => break status,
            }
            let objective = stepped.objective().unwrap();
            assert!(objective.dual_bound <= objective.network * (1.0 + 1e-9) || activation == Activation::Relu);
        };
        assert_eq!(status, whole.status);
        // The iteration that reaches the gap is in the record, and ends the run.
        assert_eq!(history.len() + 1, whole.info.history.len());
        assert_eq!(stepped.info().history.len(), whole.info.history.len());
        assert!(history.iter().zip(&whole.info.history).all(|(a, b)| a.primal_residual == b.primal_residual));
        assert!(stepped.iterates().unwrap() == whole.warm_start, "the same iterates");
    }
}

/// The returned dual point is the one that proves the bound: its predictions, clipped and scaled, are the model's.
#[test]
fn the_dual_point_is_that_of_the_model() {
    let data = smooth(50, 3, 2);
    for activation in [Activation::Relu, Activation::Gated] {
        let mut solver = solver(&data, &settings(activation));
        let before = solver.dual_point().unwrap();
        assert_eq!(before.xi, solver.program().xi_at_zero(), "that of the zero network");
        let solution = solver.solve(&mut ()).unwrap();
        let (dual, witness) = (solver.dual_point().unwrap(), solution.model.parts[0].witness.clone().unwrap());
        assert_eq!((dual.xi, dual.multipliers), (witness.xi, witness.multipliers));
    }
}

#[test]
fn other_weights_have_the_optimum_of_a_run_with_them() {
    let data = planted(60, 4, 3);
    let weights: Vec<f64> = (0..60).map(|a| [0.5, 1.0, 3.0][a % 3]).collect();
    let weighted = data.clone().with_weights(weights.clone()).unwrap();
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Logistic] {
            let settings = Settings { loss, beta: Beta::Value(0.5), ..settings(activation) };
            let mut solver = solver(&data, &settings);
            let first = solver.solve(&mut ()).unwrap();
            solver.set_weights(Some(weights.clone())).unwrap();
            let found = solver.solve(&mut ()).unwrap();
            agree(&found, &train(&weighted, None, &settings).unwrap(), &format!("{activation:?}, {loss:?}"));
            assert!(verify(&found.model, &weighted).unwrap().holds());
            // The change back.
            solver.set_weights(None).unwrap();
            agree(&solver.solve(&mut ()).unwrap(), &first, &format!("{activation:?}, {loss:?}, back"));
            let refused = solver.set_weights(Some(vec![1.0, -1.0])).unwrap_err();
            assert!(refused.to_string().contains("weight"), "{refused}");
        }
    }
}

#[test]
fn other_targets_have_the_optimum_of_a_run_on_them() {
    let (n, d) = (50, 3);
    let data = smooth(n, d, 2);
    let other: Vec<f64> = (0..n).map(|a| (0.9 * a as f64).sin()).collect();
    let moved = table(d, data.values().to_vec(), other.clone());
    for activation in [Activation::Relu, Activation::Gated] {
        for loss in [Loss::Squared, Loss::Huber { delta: 0.4 }] {
            let settings = Settings { loss, beta: Beta::Value(0.2), ..settings(activation) };
            let mut solver = solver(&data, &settings);
            solver.solve(&mut ()).unwrap();
            solver.set_targets(&Labels::numbers(other.clone())).unwrap();
            let found = solver.solve(&mut ()).unwrap();
            agree(&found, &train(&moved, None, &settings).unwrap(), &format!("{activation:?}, {loss:?}"));
            assert!(verify(&found.model, &moved).unwrap().holds());
            assert!(verify(&found.model, &data).is_err(), "the claim is about the new targets");
            let short = solver.set_targets(&Labels::numbers(vec![1.0; n - 1])).unwrap_err();
            assert!(short.to_string().contains("targets"), "{short}");
            assert!(matches!(solver.set_beta(-1.0), Err(cvx_admm::TrainError::Model(ModelError::OutOfRange { .. }))));
        }
    }
}

/// Betas in any order, equal or nearly equal ones among them.
#[test]
fn betas_may_be_repeated_and_far_apart() {
    let data = planted(60, 4, 3);
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = settings(activation);
        let mut solver = solver(&data, &settings);
        for share in [0.1, 0.1, 0.3, 0.299999, 0.02, 0.02, 0.2] {
            let beta = share * solver.gated_beta_max();
            solver.set_beta(beta).unwrap();
            let found = solver.solve(&mut ()).unwrap();
            let alone = train(&data, None, &Settings { beta: Beta::Value(beta), ..settings.clone() }).unwrap();
            agree(&found, &alone, &format!("{activation:?}, {share}"));
        }
    }
}

/// What a run proved at one beta, weight or target says nothing of the next, also if the run had not ended.
#[test]
fn a_change_in_the_middle_of_a_run_starts_a_new_certificate() {
    let data = planted(60, 4, 3);
    let weights: Vec<f64> = (0..60).map(|a| [0.5, 0.9][a % 2]).collect();
    let weighted = data.clone().with_weights(weights.clone()).unwrap();
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = Settings { beta: Beta::Fraction(0.3), ..settings(activation) };
        let stepped = || {
            let mut solver = solver(&data, &settings);
            (0..6).for_each(|_| assert!(solver.step().unwrap().is_continue()));
            solver
        };
        let mut solver = stepped();
        let beta = 0.01 * solver.gated_beta_max();
        solver.set_beta(beta).unwrap();
        let found = solver.solve(&mut ()).unwrap();
        agree(&found, &train(&data, None, &Settings { beta: Beta::Value(beta), ..settings.clone() }).unwrap(), "beta");
        assert!(verify(&found.model, &data).unwrap().holds(), "{activation:?}, beta: {:?}", found.objective);

        let mut solver = stepped();
        let beta = Beta::Value(solver.program().beta());
        solver.set_weights(Some(weights.clone())).unwrap();
        let found = solver.solve(&mut ()).unwrap();
        agree(&found, &train(&weighted, None, &Settings { beta, ..settings.clone() }).unwrap(), "weights");
        assert!(verify(&found.model, &weighted).unwrap().holds(), "{activation:?}, weights: {:?}", found.objective);
    }
}

#[test]
fn a_raised_token_ends_a_run_with_a_network_and_the_next_one_continues() {
    let data = planted(60, 4, 3);
    let token = StopToken::new();
    let settings = settings(Activation::Relu);
    let mut solver = Solver::new(Cpu::<f64>::with_stop(token.clone()), &data, None, &settings).unwrap();
    for _ in 0..7 {
        assert!(solver.step().unwrap().is_continue());
    }
    token.raise();
    let solution = solver.solve(&mut ()).unwrap();
    assert_eq!((solution.status, solution.info.history.len()), (Status::Interrupted, 7));
    assert!(verify(&solution.model, &data).unwrap().holds());
}

/// A user's solver replaces that of the settings, and so do a user's row weights.
#[test]
fn a_linear_solver_can_be_given() {
    let data = planted(60, 4, 3);
    let direct = settings(Activation::Relu);
    let expected = train(&data, None, &direct).unwrap();
    let given = SolverKind::GramPcg.build::<Cpu<f64>>(&SolverSettings::default());
    let found = solver(&data, &direct).with_linear_solver(given).solve(&mut ()).unwrap();
    assert!(found.info.history.iter().any(|record| record.inner_iterations > 0), "conjugate gradients");
    agree(&found, &expected, "gram-pcg");
    let named = Settings { solver: SolverChoice::Kind(SolverKind::GramPcg), ..direct };
    agree(&train(&data, None, &named).unwrap(), &expected, "by name");
}

/// New gates that start with those of the neurons: the best network is kept, and the record continues.
#[test]
fn gates_can_be_exchanged_at_the_network() {
    let data = planted(60, 4, 3);
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = Settings { certify: Certify::Network, ..settings(activation) };
        let mut solver = solver(&data, &settings);
        let first = solver.solve(&mut ()).unwrap();
        let network = &first.model.network;
        let own = network.gates.as_ref().unwrap_or(&network.w1);
        let fresh = PatternSet::sample_gates(own.rows(), 5, 99);
        let gates = HostMatrix::from_vec(own.rows(), own.cols() + 5, [own.values(), fresh.values()].concat());
        solver.set_gates(&gates, network).unwrap();
        let second = solver.solve(&mut ()).unwrap();
        assert!(second.objective.network <= first.objective.network * (1.0 + 1e-9), "{activation:?}");
        assert_eq!((solver.round(), second.info.rounds.len()), (1, 2));
        assert!(second.info.history.len() > first.info.history.len());
        assert!(verify(&second.model, &data).unwrap().holds());
    }
}

/// The precision in a model's provenance is that of the back end, not that of the settings.
#[test]
fn the_back_end_says_where_and_how() {
    let data = planted(40, 4, 3);
    for precision in PRECISIONS {
        let settings = Settings { precision, gap: 1e-2, ..settings(Activation::Gated) };
        let found = Solver::new(Cpu::<f32>::new(), &data, None, &settings).unwrap().solve(&mut ()).unwrap();
        assert_eq!(found.model.provenance.precision, Precision::F32.name());
        assert_eq!(Cpu::<f32>::new().precision(), "f32");
    }
}
