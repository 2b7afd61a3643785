//! The multinomial logistic loss: one programme for all classes (docs/math.md, section 6).

mod common;
#[path = "common/conic.rs"]
mod conic;

use common::{PRECISIONS, Random, exact, gates, near, planted, smooth};
use conic::Conic;
use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, Gates, Model, PathSettings, Settings, SolverChoice, SolverKind, Status,
    StopToken, TrainError, Validation, path, resume, train, verify,
};
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss, ModelError, Targets, TaskChoice};

/// Three uneven classes by a product of features.
fn classes(n: usize, d: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let class = |row: &[f64]| ((row[0] + row[1] * row[d - 1] + 1.3) * 1.4).clamp(0.0, 2.9) as u32;
    let names = ["low", "middle", "high"].map(str::to_string).to_vec();
    let labels = Labels::Names { index: x.chunks(d).map(class).collect(), names };
    Dataset::new(d, x, Some(labels), FeatureKind::Table).unwrap()
}

fn weights(n: usize, seed: u64) -> Vec<f64> {
    Random(seed).vector(n).into_iter().map(|exponent| 4f64.powf(exponent)).collect()
}

fn multinomial() -> Settings {
    Settings { loss: Loss::Multinomial, patterns: 8, beta: Beta::Fraction(0.02), ..Settings::default() }
}

#[test]
fn m4_the_optimum_is_that_of_an_interior_point_method() {
    let (n, d, beta) = (24, 3, 0.05);
    let gates = gates(d, 4, 7);
    for weighted in [false, true] {
        for activation in [Activation::Relu, Activation::Gated] {
            for output_bias in [false, true] {
                let mut data = classes(n, d, 3);
                if weighted {
                    data = data.with_weights(weights(n, 4)).unwrap();
                }
                let settings = Settings {
                    gates: Gates::Given(gates.clone()),
                    beta: Beta::Value(beta),
                    certify: Certify::Sampled,
                    gap: 5e-7,
                    loss: Loss::Multinomial,
                    activation,
                    output_bias,
                    ..exact()
                };
                let x: Vec<Vec<f64>> = (0..n).map(|a| data.row(a).to_vec()).collect();
                let y = Targets::new(data.labels().unwrap(), TaskChoice::Auto).unwrap().y;
                let ones = vec![1.0; n];
                let weights = data.weights().unwrap_or(&ones);
                let loss = Loss::Multinomial;
                let conic =
                    Conic { x: &x, gates: &gates, activation, y: &y, weights, beta, loss, output_bias, signs: None };
                let optimum = conic.optimum().unwrap();
                let solution = train(&data, None, &settings).unwrap();
                assert_eq!(solution.summary.merged_patterns, 0);
                let objective = solution.objective;
                let place = format!("{weighted} {activation:?} {output_bias}: {objective:?}, {optimum}");
                assert_eq!(solution.status, Status::Optimal, "{place}");
                common::assert_sane(&solution, &place);
                let primal = objective.sampled_primal.unwrap();
                assert!(near(primal, optimum, 1e-6) && near(objective.dual_bound, optimum, 1e-6), "{place}");
                assert!(objective.dual_bound <= optimum * (1.0 + 1e-8) && primal >= optimum * (1.0 - 1e-8), "{place}");
                assert!(verify(&solution.model, &data).unwrap().holds(), "{place}");
            }
        }
    }
}

#[test]
fn every_precision_and_solver_reaches_the_gap() {
    let data = classes(120, 4, 5).with_weights(weights(120, 2)).unwrap();
    for activation in [Activation::Relu, Activation::Gated] {
        for precision in PRECISIONS {
            for output_bias in [false, true] {
                for fraction in [0.1, 1e-3] {
                    let beta = Beta::Fraction(fraction);
                    let settings = Settings { activation, precision, output_bias, beta, ..multinomial() };
                    let solution = train(&data, None, &Settings { patterns: 20, ..settings }).unwrap();
                    let (status, iterations) = (solution.status, solution.info.history.len());
                    let place = format!("{activation:?} {precision:?} {output_bias} {fraction}: {iterations}");
                    assert!(status == Status::Optimal && iterations <= 1000, "{place}: {status}");
                    let found = verify(&solution.model, &data).unwrap();
                    assert!(found.holds(), "{place}: {found:?} {:?}", solution.objective);
                }
            }
        }
    }
    let run = |kind| {
        let settings = Settings { solver: SolverChoice::Kind(kind), certify: Certify::Sampled, gap: 1e-4, ..exact() };
        let settings = Settings { loss: Loss::Multinomial, patterns: 6, beta: Beta::Value(0.3), ..settings };
        train(&classes(40, 3, 6), None, &settings).unwrap()
    };
    let expected = run(SolverKind::Cholesky).objective.sampled_primal.unwrap();
    for kind in [SolverKind::GramPcg, SolverKind::GramNystromPcg, SolverKind::Cg] {
        let solution = run(kind);
        assert_eq!(solution.status, Status::Optimal, "{kind}");
        assert!(near(solution.objective.sampled_primal.unwrap(), expected, 2e-4), "{kind}");
    }
}

/// Without neurons, the output biases are the logarithms of the shares of the classes.
#[test]
fn m1_the_zero_network_is_optimal_from_the_gated_beta_max_on() {
    let data = classes(60, 3, 8).with_weights(weights(60, 3)).unwrap();
    for output_bias in [false, true] {
        for precision in PRECISIONS {
            let run = |fraction| {
                let beta = Beta::Fraction(fraction);
                train(&data, None, &Settings { beta, precision, output_bias, ..multinomial() }).unwrap()
            };
            let above = run(1.001);
            assert_eq!((above.status, above.info.history.len()), (Status::Optimal, 0));
            assert!(above.objective.relative_gap <= 1e-6, "{:?}", above.objective);
            assert!(verify(&above.model, &data).unwrap().holds());
            assert!(run(0.3).objective.network < above.objective.network);
            if output_bias {
                let y = above.model.task.encode(data.labels().unwrap()).unwrap();
                let weight = |c: usize| -> f64 {
                    data.weights().unwrap().iter().zip(y.col(c)).map(|(w, y)| if *y > 0.0 { *w } else { 0.0 }).sum()
                };
                let bias = &above.model.network.output_bias;
                for c in 1..3 {
                    assert!((bias[c] - bias[0] - (weight(c) / weight(0)).ln()).abs() < 1e-9, "{bias:?}");
                }
            }
        }
    }
}

#[test]
fn m5_verify_refuses_what_was_tampered_with() {
    let data = classes(60, 4, 8);
    for (activation, output_bias) in [(Activation::Relu, false), (Activation::Gated, true), (Activation::Relu, true)] {
        let model = train(&data, None, &Settings { activation, output_bias, ..multinomial() }).unwrap().model;
        assert!(verify(&model, &data).unwrap().holds());
        let fails = |what: &str, change: &dyn Fn(&mut Model)| {
            let mut changed = model.clone();
            change(&mut changed);
            assert!(!verify(&changed, &data).unwrap().holds(), "{activation:?} {output_bias}: {what}");
        };
        fails("another loss", &|model| model.claim.loss = Loss::Logistic);
        fails("a higher bound", &|model| model.claim.objective.dual_bound *= 1.01);
        fails("other weights", &|model| model.network.w2.values_mut()[0] *= 1.5);
        fails("another xi", &|model| {
            let xi = &mut model.parts[0].witness.as_mut().unwrap().xi;
            (0..xi.rows()).filter(|a| a % 2 == 0).for_each(|a| xi[(a, 1)] *= 0.5);
        });
        fails("other sample weights", &|model| model.claim.weights = Some((0..60).map(|a| 1.0 + a as f64).collect()));
        let mut wilder = model.clone();
        wilder.parts[0].witness.as_mut().unwrap().xi.values_mut().iter_mut().for_each(|xi| *xi *= 3.0);
        let bound = verify(&wilder, &data).unwrap().dual_bound.unwrap();
        assert!(bound <= model.claim.objective.network * (1.0 + 1e-9), "no xi proves too much: {bound}");
    }
}

#[test]
fn f3_a_resumed_run_goes_on_bit_for_bit() {
    let data = classes(70, 4, 9);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.ckpt");
    for (activation, output_bias) in [(Activation::Relu, true), (Activation::Gated, false)] {
        let beta = Beta::Fraction(1e-3);
        let settings = Settings { activation, output_bias, beta, max_iterations: 70, gap: 1e-300, ..multinomial() };
        // Otherwise the last iteration before the interruption is evaluated in one of the runs alone.
        let settings = Settings { evaluate_every: 1, ..settings };
        let whole = train(&data, None, &settings).unwrap();
        assert!(whole.info.penalty_changes > 0);
        let checkpoint = Some(CheckpointPlan { path: file.clone(), every: 1e9 });
        train(&data, None, &Settings { max_iterations: 47, checkpoint, ..settings.clone() }).unwrap();
        let checkpoint = Checkpoint::load(&file).unwrap();
        let resumed = resume(&data, None, &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
        common::assert_same(&resumed, &whole, &format!("{activation:?}"));
    }
}

#[test]
fn a_path_with_folds_and_a_rare_class() {
    let mut random = Random(4);
    let x = random.vector(90);
    let index = (0..30).map(|a| if a % 10 == 7 { 2 } else { u32::from(x[3 * a] > 0.1) }).collect();
    let names = ["a", "b", "rare"].map(str::to_string).to_vec();
    let data = Dataset::new(3, x, Some(Labels::Names { index, names }), FeatureKind::Table).unwrap();
    for output_bias in [false, true] {
        let settings = Settings { output_bias, activation: Activation::Gated, ..multinomial() };
        let along = PathSettings { betas: 6, validation: Validation::Folds(3), ..PathSettings::default() };
        let found = path(&data, None, &settings, &along, &StopToken::new(), &mut ()).unwrap();
        assert_eq!(found.points.len(), 6);
        assert!(found.points.iter().all(|point| point.objective.relative_gap <= 1e-2), "{:?}", found.points);
        let solution = found.solution;
        assert!(verify(&solution.model, &data).unwrap().holds(), "{:?}", solution.objective);
    }
}

#[test]
fn r2_two_classes_and_numbers_are_refused() {
    let refused = |data: &Dataset| train(data, None, &multinomial()).unwrap_err();
    let error = refused(&planted(20, 3, 1));
    assert!(matches!(error, TrainError::Model(ModelError::TwoClasses { .. })), "{error}");
    assert!(error.to_string().contains("multinomial") && error.to_string().contains("logistic"), "{error}");
    let error = refused(&smooth(20, 3, 1));
    assert!(matches!(error, TrainError::Model(ModelError::NeedsClasses { .. })), "{error}");
    // Two classes as two columns are a programme like any other.
    let settings = Settings { task: TaskChoice::Multiclass, ..multinomial() };
    let solution = train(&planted(40, 3, 1), None, &settings).unwrap();
    assert_eq!(solution.status, Status::Optimal);
    assert!(verify(&solution.model, &planted(40, 3, 1)).unwrap().holds());
}
