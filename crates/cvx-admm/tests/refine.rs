//! Pattern refinement: the objective never rises, every round has its bound, and the last one its certificate.

mod common;

use common::{exact, planted, smooth};
use cvx_admm::{
    Beta, Certify, Gates, Iteration, Precision, Settings, Solution, Status, StopToken, TrainError, train, train_with,
    verify,
};
use cvx_model::{Activation, Dataset, Labels, Loss, TaskChoice};
use std::ops::ControlFlow;

fn refined(data: &Dataset, settings: &Settings) -> Solution {
    let solution = train(data, None, settings).unwrap();
    let rounds = &solution.info.rounds;
    assert!(!rounds.is_empty() && rounds.len() <= settings.refine + 1);
    for pair in rounds.windows(2) {
        assert!(pair[1].network <= pair[0].network * (1.0 + 1e-9), "the objective rose: {rounds:?}");
        // A network is a point of the next programme, up to rounding at its cones.
        assert!(pair[1].dual_bound <= pair[0].network * (1.0 + 1e-5), "{rounds:?}");
        assert!(pair[1].iterations > pair[0].iterations && pair[1].seconds >= pair[0].seconds);
    }
    let last = rounds.last().unwrap();
    assert_eq!((last.network, last.dual_bound), (solution.objective.network, solution.objective.dual_bound));
    let iterations: Vec<usize> = solution.info.history.iter().map(|record| record.iteration).collect();
    assert_eq!(iterations, (1..=iterations.len()).collect::<Vec<_>>(), "one record of all rounds");
    assert_eq!(last.iterations, iterations.len());
    assert!(verify(&solution.model, data).unwrap().holds());
    solution
}

#[test]
fn refinement_lowers_the_objective_and_is_certified() {
    for seed in 1..4 {
        let data = planted(120, 6, seed);
        for precision in [Precision::F32, Precision::F64] {
            let settings = Settings { patterns: 8, beta: Beta::Value(0.05), refine: 4, precision, ..exact() };
            let first = train(&data, None, &Settings { refine: 0, ..settings.clone() }).unwrap();
            let solution = refined(&data, &settings);
            assert_eq!(solution.status, Status::Optimal, "{:?}", solution.objective);
            assert!(solution.info.rounds.len() > 2, "{:?}", solution.info.rounds);
            let fell = solution.objective.network / first.objective.network;
            assert!(fell < 0.9, "only to {fell} of the sampled programme's");
        }
    }
}

#[test]
fn every_model_can_be_refined() {
    let classes = {
        let data = planted(90, 4, 8);
        let class = |a: usize| f64::from(u8::from(data.row(a)[0] > 0.3)) + f64::from(u8::from(data.row(a)[1] > 0.0));
        let labels = Labels::numbers((0..90).map(class).collect());
        Dataset::new(4, data.values().to_vec(), Some(labels), data.kind()).unwrap()
    };
    let numbers = smooth(70, 3, 2);
    let base = Settings { patterns: 4, beta: Beta::Fraction(2e-2), refine: 2, ..exact() };
    for (data, settings) in [
        (&classes, base.clone()),
        (&classes, Settings { activation: Activation::Gated, ..base.clone() }),
        (&classes, Settings { loss: Loss::Logistic, ..base.clone() }),
        (&numbers, Settings { loss: Loss::Huber { delta: 0.3 }, task: TaskChoice::Regression, ..base.clone() }),
    ] {
        let solution = refined(data, &settings);
        assert_eq!(solution.status, Status::Optimal, "{:?} {:?}", settings.activation, settings.loss);
    }
}

/// The neurons of all classes are patterns of every class: with ten classes more than eight times the first ones, in
/// blocks of one sign.
#[test]
fn ten_classes_are_refined() {
    let data = planted(150, 4, 3);
    let class = |a: usize| ((data.row(a)[0] + data.row(a)[1] + 4.0) * 1.2).floor().clamp(0.0, 9.0);
    let labels = Labels::numbers((0..150).map(class).collect());
    let data = Dataset::new(4, data.values().to_vec(), Some(labels), data.kind()).unwrap();
    let settings = Settings {
        patterns: 4,
        beta: Beta::Fraction(1e-2),
        refine: 1,
        task: TaskChoice::Multiclass,
        gap: 1e-2,
        ..exact()
    };
    let solution = refined(&data, &settings);
    let rounds = &solution.info.rounds;
    assert_eq!(rounds.len(), 2, "{rounds:?}");
    assert!(rounds[1].patterns > 8 * rounds[0].patterns, "{rounds:?}");
    assert!(rounds[1].network < rounds[0].network, "{rounds:?}");
}

/// A gated network keeps its gates, so new gates cannot make it worse.
#[test]
fn a_refined_gated_network_keeps_its_gates() {
    let data = planted(80, 5, 3);
    let settings = Settings { activation: Activation::Gated, patterns: 10, beta: Beta::Value(0.1), ..exact() };
    let first = train(&data, None, &settings).unwrap();
    let solution = refined(&data, &Settings { refine: 1, ..settings });
    let gates = |solution: &Solution| {
        let gates = solution.model.parts[0].witness.as_ref().unwrap().gates.clone();
        (0..gates.cols()).map(|i| gates.col(i).to_vec()).collect::<Vec<_>>()
    };
    let (before, after) = (first.model.network.gates.unwrap(), gates(&solution));
    assert!((0..before.cols()).all(|i| after.contains(&before.col(i).to_vec())));
}

#[test]
fn without_a_penalty_the_best_network_is_refined_too() {
    let settings = Settings { patterns: 6, beta: Beta::Value(0.0), refine: 2, max_iterations: 60, ..exact() };
    let solution = train(&planted(60, 4, 5), None, &settings).unwrap();
    for pair in solution.info.rounds.windows(2) {
        assert!(pair[1].network <= pair[0].network * (1.0 + 1e-6), "{:?}", solution.info.rounds);
    }
}

#[test]
fn a_round_that_will_not_fit_is_left_out_and_the_last_one_certified() {
    // Rounds of gated neurons add gates; those of ReLU neurons need no more than the first.
    let data = planted(120, 6, 1);
    let activation = Activation::Gated;
    let settings = Settings { activation, patterns: 8, beta: Beta::Value(0.05), refine: 3, ..exact() };
    let needed = train(&data, None, &Settings { refine: 0, ..settings.clone() }).unwrap().summary.memory_bytes;
    let solution = refined(&data, &Settings { memory_budget: Some(needed), ..settings });
    assert_eq!((solution.status, solution.info.rounds.len()), (Status::Optimal, 1));
}

#[test]
fn the_record_is_that_of_all_rounds() {
    let data = planted(120, 6, 3);
    let solution = refined(&data, &Settings { patterns: 8, beta: Beta::Value(0.05), refine: 2, ..exact() });
    assert_eq!(solution.model.provenance.iterations, solution.info.history.len() as u64);
    let changes = solution.info.history.windows(2).filter(|pair| pair[0].rho != pair[1].rho).count();
    assert!(solution.info.penalty_changes >= changes, "{} of {changes}", solution.info.penalty_changes);
    assert!(solution.info.penalty_changes <= changes + solution.info.rounds.len());
}

#[test]
fn gates_of_ones_own_are_refined_by_a_fifth_of_their_number() {
    let data = planted(80, 4, 6);
    let gates = Gates::Given(common::gates(4, 20, 9));
    let settings = Settings { gates, activation: Activation::Gated, beta: Beta::Value(0.1), refine: 1, ..exact() };
    let solution = refined(&data, &settings);
    let [first, second] = [0, 1].map(|round| solution.info.rounds[round]);
    assert!(second.patterns <= first.neurons + 4, "{:?}", solution.info.rounds);
}

#[test]
fn r2_the_sampled_certificate_is_no_match_for_refined_relu_neurons() {
    let settings = Settings { refine: 1, certify: Certify::Sampled, ..exact() };
    let error = train(&planted(30, 3, 1), None, &settings).unwrap_err();
    assert!(matches!(error, TrainError::Setting { name: "refine", .. }), "{error}");
}

#[test]
fn a_zero_network_is_not_refined() {
    let solution = refined(&planted(40, 3, 1), &Settings { beta: Beta::Fraction(1.0), refine: 3, ..exact() });
    assert_eq!((solution.info.rounds.len(), solution.model.network.n_neurons()), (1, 0));
}

#[test]
fn a_stop_in_a_later_round_keeps_the_best_network() {
    let data = planted(120, 6, 2);
    let settings = Settings { patterns: 8, beta: Beta::Value(0.05), refine: 3, ..exact() };
    let first = train(&data, None, &settings).unwrap().info.rounds[0].iterations;
    let mut stop = |record: &Iteration| {
        if record.iteration == first + 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = train_with(&data, None, &settings, None, &StopToken::new(), &mut stop).unwrap();
    assert_eq!(solution.status, Status::Interrupted);
    assert_eq!(solution.info.rounds.len(), 2);
    let rounds = &solution.info.rounds;
    assert!(rounds[1].network <= rounds[0].network * (1.0 + 1e-6));
    assert_eq!(solution.objective.network, rounds[1].network);
    assert!(verify(&solution.model, &data).unwrap().holds());
}
