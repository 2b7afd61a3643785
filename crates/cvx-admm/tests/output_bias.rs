//! The output bias: a number that is added to each output and is not penalised (docs/math.md, section 11).

mod common;

use common::{PRECISIONS, near, planted, smooth, table};
use cvx_admm::{Beta, Certify, Model, Settings, SolverChoice, SolverKind, Status, train, verify};
use cvx_model::{Activation, Dataset, Labels, Loss, Normalisation, TaskChoice};

const LOSSES: [Loss; 4] = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }];

fn biased() -> Settings {
    Settings { output_bias: true, patterns: 8, beta: Beta::Fraction(0.02), ..Settings::default() }
}

/// The same samples with a constant added to each target.
fn lifted(data: &Dataset, constant: f64) -> Dataset {
    let Some(Labels::Numbers { values, .. }) = data.labels() else { panic!("numbers") };
    let y = values.iter().map(|y| y + constant).collect();
    table(data.row(0).len(), data.values().to_vec(), y)
}

/// A constant in y moves the output bias, and nothing else.
#[test]
fn a_constant_in_the_targets_is_the_output_bias() {
    let data = smooth(60, 4, 3);
    for loss in [Loss::Squared, Loss::Huber { delta: 0.2 }] {
        for activation in [Activation::Relu, Activation::Gated] {
            let settings = Settings {
                loss,
                activation,
                task: TaskChoice::Regression,
                certify: Certify::Sampled,
                beta: Beta::Value(0.1),
                gap: 1e-8,
                ..common::exact()
            };
            let settings = Settings { output_bias: true, patterns: 8, ..settings };
            let low = train(&data, None, &settings).unwrap();
            assert_eq!(low.status, Status::Optimal, "{loss:?} {activation:?}: {:?}", low.objective);
            for constant in [3.0, -1000.0] {
                let high = train(&lifted(&data, constant), None, &settings).unwrap();
                let place = format!("{loss:?} {activation:?} {constant}: {:?} {:?}", low.objective, high.objective);
                assert_eq!(high.status, Status::Optimal, "{place}");
                assert!(near(high.objective.network, low.objective.network, 2e-8), "{place}");
                let shift = high.model.network.output_bias[0] - low.model.network.output_bias[0];
                assert!((shift - constant).abs() < 1e-3, "{place}: the bias moved by {shift}");
                let (one, other) = (low.model.predict(&data).unwrap(), high.model.predict(&data).unwrap());
                for (one, other) in one.values().iter().zip(other.values()) {
                    assert!((other - one - constant).abs() < 1e-3, "{place}: {one} {other}");
                }
            }
        }
    }
}

/// Without neurons, the network is its output bias: the mean, the log-odds, or a median of sorts.
#[test]
fn m1_the_zero_network_is_the_best_constant() {
    let numbers = smooth(40, 3, 2);
    let classes = planted(45, 3, 4);
    for loss in LOSSES {
        for precision in PRECISIONS {
            let data = if loss.needs_classes() { &classes } else { &numbers };
            let task = if loss.needs_classes() { TaskChoice::Auto } else { TaskChoice::Regression };
            let settings = Settings { loss, task, precision, beta: Beta::Fraction(1.001), ..biased() };
            let solution = train(data, None, &settings).unwrap();
            assert_eq!((solution.status, solution.info.history.len()), (Status::Optimal, 0), "{loss:?}");
            assert!(solution.objective.relative_gap <= 1e-6, "{loss:?}: {:?}", solution.objective);
            assert_eq!(solution.model.network.n_neurons(), 0);
            let bias = solution.model.network.output_bias[0];
            let y = solution.model.task.encode(data.labels().unwrap()).unwrap();
            let total = |b: f64| y.values().iter().map(|&y| loss.sample(&[b], &[y])).sum::<f64>();
            assert!([-1e-3, 1e-3].iter().all(|step| total(bias) <= total(bias + step)), "{loss:?}: {bias}");
            assert!(verify(&solution.model, data).unwrap().holds(), "{loss:?}");
        }
    }
}

#[test]
fn m6_all_solvers_find_the_same_optimum() {
    let data = planted(40, 4, 11);
    for loss in [Loss::Squared, Loss::Logistic] {
        let run = |kind, precision| {
            let settings = Settings {
                solver: SolverChoice::Kind(kind),
                precision,
                certify: Certify::Sampled,
                gap: 1e-4,
                loss,
                normalisation: Some(Normalisation::None),
                ..biased()
            };
            train(&data, None, &settings).unwrap()
        };
        let expected = run(SolverKind::Cholesky, PRECISIONS[1]).objective;
        for kind in SolverKind::ALL {
            for precision in PRECISIONS {
                let solution = run(kind, precision);
                let place = format!("{loss:?} {kind} {precision:?}: {:?}", solution.objective);
                assert_eq!(solution.status, Status::Optimal, "{place}");
                assert!(near(solution.objective.sampled_primal.unwrap(), expected.sampled_primal.unwrap(), 2e-4));
                assert!(verify(&solution.model, &data).unwrap().holds(), "{place}");
            }
        }
    }
}

/// A wrong output bias, a wrong xi and a forgotten bias of the claim are found.
#[test]
fn m5_verify_refuses_what_was_tampered_with() {
    let data = planted(60, 4, 8);
    for loss in LOSSES {
        for activation in [Activation::Relu, Activation::Gated] {
            let model = train(&data, None, &Settings { loss, activation, ..biased() }).unwrap().model;
            assert!(verify(&model, &data).unwrap().holds(), "{loss:?}");
            let fails = |what: &str, change: &dyn Fn(&mut Model)| {
                let mut changed = model.clone();
                change(&mut changed);
                assert!(!verify(&changed, &data).unwrap().holds(), "{loss:?} {activation:?}: {what}");
            };
            fails("another output bias", &|model| {
                model.network.output_bias[0] += 0.1;
                model.parts[0].output_bias[0] += 0.1;
            });
            fails("an output bias of the part alone", &|model| model.parts[0].output_bias[0] -= 0.1);
            fails("another xi", &|model| {
                let xi = &mut model.parts[0].witness.as_mut().unwrap().xi;
                (0..xi.rows()).filter(|a| a % 2 == 0).for_each(|a| xi[(a, 0)] *= 0.5);
            });
            // A constant in xi is removed: otherwise it would prove another bound.
            let mut lifted = model.clone();
            let witness = lifted.parts[0].witness.as_mut().unwrap();
            witness.xi.values_mut().iter_mut().for_each(|xi| *xi += 0.2);
            let bound = verify(&lifted, &data).unwrap().dual_bound.unwrap();
            assert!(near(bound, model.claim.objective.dual_bound, 1e-9), "{loss:?}: {bound}");
        }
    }
}

/// An output bias never costs: the optimum is at most that without it, and lower where the classes are uneven.
#[test]
fn an_output_bias_lowers_the_optimum() {
    let data = lifted(&smooth(60, 4, 5), 2.0);
    let run = |output_bias| {
        let settings = Settings { output_bias, beta: Beta::Value(0.5), gap: 1e-6, ..biased() };
        train(&data, None, &Settings { task: TaskChoice::Regression, certify: Certify::Sampled, ..settings }).unwrap()
    };
    let (with, without) = (run(true).objective, run(false).objective);
    assert!(with.sampled_primal.unwrap() < 0.7 * without.dual_bound, "{with:?} {without:?}");
}
