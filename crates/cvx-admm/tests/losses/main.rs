//! Every loss, with and without weights: compared with an interior-point method and with repeated samples, and false
//! claims.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/conic.rs"]
mod conic;

use common::{PRECISIONS, Random, exact, gates, near, planted, smooth, table};
use conic::Conic;
use cvx_admm::{Beta, Certify, ClassWeights, Model, Precision, Settings, Solution, SolverChoice, SolverKind};
use cvx_admm::{Status, StopToken, TrainError, train, train_with, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss, ModelError, Normalisation, Targets, TaskChoice};

const LOSSES: [Loss; 4] = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }];

/// Between 1/4 and 4.
fn weights(n: usize, seed: u64) -> Vec<f64> {
    Random(seed).vector(n).into_iter().map(|exponent| 4f64.powf(exponent)).collect()
}

/// Settings with a gap of the sampled programme that determines the optimum accurately, and no transform of the
/// features.
fn sharp(loss: Loss, gap: f64) -> Settings {
    Settings { certify: Certify::Sampled, gap, loss, beta: Beta::Value(0.1), patterns: 6, ..exact() }
}

/// The bounds and primals of both runs are consistent and close.
fn assert_same_optimum(one: &Solution, other: &Solution, gap: f64, place: &str) {
    let (a, b) = (one.objective, other.objective);
    let upper = |objective: cvx_admm::Objective| objective.sampled_primal.unwrap();
    assert_eq!((one.status, other.status), (Status::Optimal, Status::Optimal), "{place}: {a:?} {b:?}");
    let (lowest, highest) = (upper(a).min(upper(b)), a.dual_bound.max(b.dual_bound));
    assert!(highest <= lowest * (1.0 + 1e-12) && near(highest, lowest, 2.0 * gap), "{place}: {a:?} {b:?}");
}

/// Two or more classes, or numbers in one or more columns.
fn data(n: usize, d: usize, targets: usize, classes: bool, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let labels = if classes {
        let count = if targets == 1 { 2 } else { targets };
        let noisy = |a: usize| (3.0 * x[a * d] + x[a * d + 1] + 2.0 * x[a * d] * x[a * d + 1] + 4.0) / 8.0;
        Labels::numbers((0..n).map(|a| (noisy(a) * count as f64).floor().clamp(0.0, count as f64 - 1.0)).collect())
    } else {
        let y = (0..n * targets).map(|k| x[k / targets * d].max(0.0) + 0.5 * random.signed() + (k % targets) as f64);
        Labels::Numbers { columns: targets, values: y.collect() }
    };
    Dataset::new(d, x, Some(labels), FeatureKind::Table).unwrap()
}

/// The optimum over all targets, by the interior-point method.
fn reference(data: &Dataset, gates: &HostMatrix, settings: &Settings, beta: f64) -> f64 {
    let x: Vec<Vec<f64>> = (0..data.n_samples()).map(|a| data.row(a).to_vec()).collect();
    let y = Targets::new(data.labels().unwrap(), settings.task).unwrap().y;
    let ones = vec![1.0; x.len()];
    let weights = data.weights().unwrap_or(&ones);
    let Settings { loss, activation, output_bias, .. } = *settings;
    Conic { x: &x, gates, activation, y: &y, weights, beta, loss, output_bias, signs: None }.optimum().unwrap()
}

/// Each loss with classes and with numbers, with and without weights and an output bias, of both kinds of neurons.
#[test]
fn m4_the_optimum_is_that_of_an_interior_point_method() {
    let mut wrong = Vec::new();
    for loss in LOSSES {
        for (classes, targets) in [(true, 1), (true, 3), (false, 1), (false, 2)] {
            if loss.needs_classes() && !classes {
                continue;
            }
            for weighted in [false, true] {
                for activation in [Activation::Relu, Activation::Gated] {
                    for output_bias in [false, true] {
                        wrong.extend(off_the_optimum(loss, (classes, targets), weighted, activation, output_bias));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the result of one programme.
fn off_the_optimum(
    loss: Loss,
    (classes, targets): (bool, usize),
    weighted: bool,
    activation: Activation,
    output_bias: bool,
) -> Option<String> {
    let (n, d) = (24, 3);
    let mut data = data(n, d, targets, classes, 3);
    if weighted {
        data = data.with_weights(weights(n, 4)).unwrap();
    }
    let (gates, beta) = (gates(d, 5, 7), 0.05);
    let settings = Settings {
        gates: cvx_admm::Gates::Given(gates.clone()),
        beta: Beta::Value(beta),
        certify: Certify::Sampled,
        gap: 5e-7,
        loss,
        task: if classes { TaskChoice::Auto } else { TaskChoice::Regression },
        activation,
        output_bias,
        ..exact()
    };
    let optimum = reference(&data, &gates, &settings, beta);
    let solution = train(&data, None, &settings).unwrap();
    assert_eq!(solution.summary.merged_patterns, 0);
    let objective = solution.objective;
    let primal = objective.sampled_primal.unwrap_or(f64::INFINITY);
    let place = format!("{loss:?} {classes} {targets} weighted {weighted}, {activation:?}, output bias {output_bias}");
    common::assert_sane(&solution, &place);
    assert!(verify(&solution.model, &data).unwrap().holds(), "{place}");
    let fine = solution.status == Status::Optimal
        && near(primal, optimum, 1e-6)
        && near(objective.dual_bound, optimum, 1e-6)
        && objective.dual_bound <= optimum * (1.0 + 1e-8)
        && primal >= optimum * (1.0 - 1e-8);
    (!fine).then(|| format!("{place}: {} {objective:?}, optimum {optimum}", solution.status))
}

/// A weight of 3 is equivalent to three copies of the sample.
#[test]
fn m12_whole_weights_are_repeated_samples() {
    let n = 20;
    let once = planted(n, 3, 5);
    let counts: Vec<usize> = (0..n).map(|a| 1 + a * 7 % 3).collect();
    let rows: Vec<usize> = (0..n).flat_map(|a| std::iter::repeat_n(a, counts[a])).collect();
    let repeated = once.select(&rows).unwrap();
    let weighted = once.with_weights(counts.iter().map(|&count| count as f64).collect()).unwrap();
    for loss in LOSSES {
        let run = |data: &Dataset| train(data, None, &sharp(loss, 2e-10)).unwrap();
        let (one, other) = (run(&weighted), run(&repeated));
        let (a, b) = (one.objective, other.objective);
        let [upper, same] = [a, b].map(|objective| objective.sampled_primal.unwrap());
        assert!(near(upper, same, 1e-9), "{loss:?}: {a:?} {b:?}");
        // The squared hinge reaches the optimum long before its multipliers do.
        let proven = if loss == Loss::SquaredHinge { 1e-7 } else { 2e-10 };
        assert!(a.relative_gap.max(b.relative_gap) <= proven, "{loss:?}: {a:?} {b:?}");
        assert!(a.dual_bound.max(b.dual_bound) <= upper.min(same) * (1.0 + 1e-12), "{loss:?}: {a:?} {b:?}");
        assert!(one.model.claim.weights.is_some() && other.model.claim.weights.is_none());
    }
}

/// Balanced weights are the mean over the share of the class, for a repeated sample as for a weight of two.
#[test]
fn class_weights_are_sample_weights() {
    let label = |a: usize| if a.is_multiple_of(4) { "rare" } else { "usual" };
    let names = Labels::Names {
        index: (0..40).map(|a| u32::from(label(a) == "usual")).collect(),
        names: ["rare", "usual"].map(String::from).into(),
    };
    let data = Dataset::new(3, Random(2).vector(120), Some(names), FeatureKind::Table).unwrap();
    let by_hand = |rare: f64, usual: f64| {
        let weights = (0..40).map(|a| if label(a) == "rare" { rare } else { usual }).collect();
        data.clone().with_weights(weights).unwrap()
    };
    let loss = Loss::Logistic;
    for (class_weights, rare, usual) in [
        (ClassWeights::Balanced, 2.0, 2.0 / 3.0),
        (ClassWeights::Named(vec![("rare".into(), 3.0)]), 3.0, 1.0),
        (ClassWeights::Named(vec![("usual".into(), 0.5), ("rare".into(), 2.0)]), 2.0, 0.5),
    ] {
        // Sample weights affect the scales of features; class weights do not.
        let normalisation = Some(Normalisation::None);
        let base = Settings { loss, normalisation, max_iterations: 20, ..Settings::default() };
        let settings = Settings { class_weights: class_weights.clone(), ..base };
        let found = train(&data, None, &settings).unwrap();
        let plain = Settings { class_weights: ClassWeights::None, ..settings };
        let expected = train(&by_hand(rare, usual), None, &plain).unwrap();
        for (found, expected) in found.model.claim.weights.iter().flatten().zip(expected.model.claim.weights.unwrap()) {
            assert!(near(*found, expected, 1e-14), "{class_weights:?}: {found} {expected}");
        }
        assert!(near(found.objective.network, expected.objective.network, 1e-4), "{class_weights:?}");
    }
}

#[test]
fn every_loss_reaches_the_gap_in_f32() {
    let data = planted(300, 10, 2);
    let uneven = data.clone().with_weights(weights(300, 6)).unwrap();
    for loss in LOSSES {
        for data in [&data, &uneven] {
            for beta in [1e-2, 1e-3] {
                // Every other run has an output bias.
                let output_bias = (data.weights().is_some()) == (beta < 5e-3);
                let beta = Beta::Fraction(beta);
                let settings = Settings { loss, beta, output_bias, patterns: 30, ..Settings::default() };
                let solution = train(data, None, &settings).unwrap();
                let (status, iterations) = (solution.status, solution.info.history.len());
                common::assert_sane(&solution, loss.name());
                assert!(status == Status::Optimal && iterations <= 400, "{loss:?} {beta:?}: {status}, {iterations}");
                let found = verify(&solution.model, data).unwrap();
                assert!(found.holds(), "{loss:?} {beta:?}: {found:?}, claimed {:?}", solution.objective);
            }
        }
    }
}

/// At a small beta the curvature of most samples is far below its bound, and kappa follows.
#[test]
fn small_betas_take_hundreds_of_iterations() {
    let data = planted(200, 5, 3);
    for loss in [Loss::Logistic, Loss::SquaredHinge] {
        for activation in [Activation::Relu, Activation::Gated] {
            let run = |adapt_rho| {
                let beta = Beta::Fraction(1e-3);
                let settings = Settings { loss, activation, adapt_rho, beta, gap: 1e-2, ..Settings::default() };
                let solution = train(&data, None, &Settings { max_iterations: 3000, ..settings }).unwrap();
                (solution.info.history.len(), solution.warm_start.unwrap().split.unwrap().kappa, solution.status)
            };
            let (iterations, kappa, status) = run(true);
            let (fixed, first, _) = run(false);
            let place = format!("{loss:?} {activation:?}: {iterations} and {fixed}, kappa {kappa} and {first}");
            println!("{place}");
            assert!(status == Status::Optimal && iterations <= 400 && kappa < 0.2 * first, "{place}");
            assert!(fixed > 2 * iterations, "{place}");
        }
    }
}

/// The splitting gives every solver another target in every iteration.
#[test]
fn m6_all_solvers_find_the_same_optimum() {
    let data = planted(40, 4, 11).with_weights(weights(40, 1)).unwrap();
    for loss in [Loss::Logistic, Loss::Huber { delta: 0.3 }] {
        let run = |kind, precision| {
            let solver = SolverChoice::Kind(kind);
            train(&data, None, &Settings { solver, precision, ..sharp(loss, 1e-4) }).unwrap()
        };
        let exact = run(SolverKind::Cholesky, Precision::F64);
        for kind in SolverKind::ALL {
            for precision in PRECISIONS {
                assert_same_optimum(&run(kind, precision), &exact, 1e-4, &format!("{loss:?} {kind} {precision:?}"));
            }
        }
    }
}

#[test]
fn m1_the_zero_network_is_optimal_from_the_gated_beta_max_on() {
    let several = data(30, 3, 3, true, 1);
    let weighted = planted(30, 3, 1).with_weights(weights(30, 2)).unwrap();
    for loss in LOSSES {
        for data in [&several, &weighted] {
            for precision in PRECISIONS {
                let run = |fraction: f64| {
                    let settings = Settings {
                        loss,
                        beta: Beta::Fraction(fraction),
                        precision,
                        patterns: 7,
                        ..Settings::default()
                    };
                    train(data, None, &settings).unwrap()
                };
                let above = run(1.001);
                assert_eq!((above.status, above.info.history.len()), (Status::Optimal, 0), "{loss:?}");
                assert!(above.objective.relative_gap <= 1e-6, "{loss:?}: {:?}", above.objective);
                assert!(verify(&above.model, data).unwrap().holds(), "{loss:?}");
                assert!(run(0.3).objective.network < above.objective.network, "{loss:?}");
            }
        }
    }
}

#[test]
fn m3_without_a_penalty_every_loss_runs() {
    for loss in LOSSES {
        let settings =
            Settings { loss, beta: Beta::Value(0.0), patterns: 8, max_iterations: 100, ..Settings::default() };
        let solution = train(&planted(40, 4, 3), None, &settings).unwrap();
        common::assert_sane(&solution, loss.name());
        assert!(solution.train.accuracy.unwrap() > 0.7, "{loss:?}");
        assert!(verify(&solution.model, &planted(40, 4, 3)).unwrap().holds(), "{loss:?}");
    }
}

#[test]
fn m10_a_warm_start_at_the_optimum_takes_one_iteration() {
    let data = planted(40, 4, 6);
    for loss in LOSSES {
        let first = train(&data, None, &sharp(loss, 1e-6)).unwrap();
        assert!(first.status == Status::Optimal && first.info.history.len() > 10, "{loss:?}");
        let again = train_with(&data, None, &sharp(loss, 1e-5), first.warm_start.as_ref(), &StopToken::new(), &mut ());
        let again = again.unwrap();
        assert_eq!((again.status, again.info.history.len()), (Status::Optimal, 1), "{loss:?}: {:?}", again.objective);
    }
}

#[test]
fn m10_five_runs_of_one_iteration_are_one_run_of_five() {
    let data = planted(50, 4, 6);
    for loss in [Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.5 }] {
        let settings = |max_iterations| Settings {
            loss,
            patterns: 8,
            max_iterations,
            gap: 1e-14,
            anderson_depth: 0,
            adapt_rho: false,
            ..exact()
        };
        let whole = train(&data, None, &settings(5)).unwrap();
        let mut parts = train(&data, None, &settings(1)).unwrap();
        for _ in 1..5 {
            let warm = parts.warm_start.unwrap();
            parts = train_with(&data, None, &settings(1), Some(&warm), &StopToken::new(), &mut ()).unwrap();
        }
        assert!(whole.warm_start == parts.warm_start, "{loss:?}");
        let mut other = whole.warm_start.unwrap();
        other.split.as_mut().unwrap().mu = HostMatrix::zeros(3, 1);
        let refused = train_with(&data, None, &settings(1), Some(&other), &StopToken::new(), &mut ());
        assert!(matches!(refused, Err(TrainError::WarmStart { .. })));
    }
}

/// The test loss is the chosen loss, without weights.
#[test]
fn scores_are_of_the_chosen_loss() {
    let test = planted(30, 3, 9);
    let data = planted(60, 3, 9).with_weights(vec![2.0; 60]).unwrap();
    for loss in LOSSES {
        let settings = Settings { loss, patterns: 6, max_iterations: 30, ..Settings::default() };
        let solution = train(&data, Some(&test), &settings).unwrap();
        let sum = |data: &Dataset| {
            let y = solution.model.task.encode(data.labels().unwrap()).unwrap();
            loss.total(&solution.model.predict(data).unwrap(), &y)
        };
        assert!(near(solution.test.unwrap().loss, sum(&test), 1e-4), "{loss:?}");
        assert!(near(solution.train.loss, 2.0 * sum(&data), 1e-9), "{loss:?}");
    }
}

#[test]
fn m5_verify_refuses_a_loss_or_weights_that_were_tampered_with() {
    let plain = planted(60, 4, 8);
    let data = plain.clone().with_weights(weights(60, 3)).unwrap();
    let change = |model: &Model, loss: Loss, weights: Option<Vec<f64>>| {
        let mut changed = model.clone();
        (changed.claim.loss, changed.claim.weights) = (loss, weights);
        changed
    };
    for loss in LOSSES {
        for precision in PRECISIONS {
            let settings = Settings { loss, precision, beta: Beta::Fraction(0.02), patterns: 8, ..Settings::default() };
            let model = train(&data, None, &settings).unwrap().model;
            let found = verify(&model, &plain).unwrap();
            assert!(found.holds(), "{loss:?}: the weights are the model's own: {found:?}");
            let own = model.claim.weights.clone();
            for other in LOSSES.into_iter().filter(|other| *other != loss) {
                assert!(!verify(&change(&model, other, own.clone()), &data).unwrap().holds(), "{loss:?} as {other:?}");
            }
            assert!(!verify(&change(&model, loss, None), &data).unwrap().holds(), "{loss:?} without weights");
            // A sample beyond the hinge has no loss for any weight, so the claim would remain true.
            let xi = &model.parts[0].witness.as_ref().unwrap().xi;
            let pulling = (0..60).fold(0, |most, a| if xi[(a, 0)].abs() > xi[(most, 0)].abs() { a } else { most });
            let mut heavier = own.clone().unwrap();
            heavier[pulling] *= 1.01;
            assert!(!verify(&change(&model, loss, Some(heavier)), &data).unwrap().holds(), "{loss:?}, a weight");
            for wrong in [vec![1.0; 59], vec![-1.0; 60], vec![0.0; 60]] {
                assert!(!verify(&change(&model, loss, Some(wrong)), &data).unwrap().holds(), "{loss:?}: no weights");
            }
            let mut wilder = model.clone();
            wilder.parts[0].witness.as_mut().unwrap().xi.values_mut().iter_mut().for_each(|xi| *xi *= 1.5);
            let bound = verify(&wilder, &data).unwrap().dual_bound.unwrap();
            assert!(bound <= model.claim.objective.network * (1.0 + 1e-9), "{loss:?}: no xi proves too much");
        }
    }
    let model = train(&data, None, &Settings { loss: LOSSES[3], patterns: 8, ..Settings::default() }).unwrap().model;
    let own = model.claim.weights.clone();
    let softer = change(&model, Loss::Huber { delta: 0.31 }, own);
    assert!(!verify(&softer, &data).unwrap().holds());
}

#[test]
fn f5_a_file_with_weights_that_do_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let data = planted(20, 3, 8).with_weights(vec![2.0; 20]).unwrap();
    for loss in LOSSES {
        let model = train(&data, None, &Settings { loss, patterns: 4, ..Settings::default() }).unwrap().model;
        model.save(&path).unwrap();
        assert!(Model::load(&path).unwrap() == model);
        for weights in [vec![2.0; 19], vec![0.0; 20], vec![f64::NAN; 20]] {
            let mut wrong = model.clone();
            wrong.claim.weights = Some(weights);
            wrong.save(&path).unwrap();
            assert!(Model::load(&path).is_err());
        }
        let mut wrong = model;
        wrong.claim.loss = Loss::Huber { delta: -1.0 };
        wrong.save(&path).unwrap();
        assert!(Model::load(&path).is_err());
    }
}

#[test]
fn r2_what_does_not_fit_is_refused_before_work() {
    let (classes, numbers) = (planted(20, 3, 1), smooth(20, 3, 1));
    let refused = |data: &Dataset, settings: Settings| train(data, None, &settings).unwrap_err();
    for loss in [Loss::Logistic, Loss::SquaredHinge] {
        let error = refused(&numbers, Settings { loss, ..Settings::default() });
        assert!(matches!(error, TrainError::Model(ModelError::NeedsClasses { .. })), "{error}");
        assert!(error.to_string().contains(loss.name()), "{error}");
    }
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = refused(&classes, Settings { loss: Loss::Huber { delta }, ..Settings::default() });
        assert!(matches!(error, TrainError::Setting { name: "huber_delta", .. }), "{error}");
    }
    for weight in [0.0, -2.0, f64::NAN, f64::INFINITY] {
        let mut weights = vec![1.0; 20];
        weights[3] = weight;
        let error = classes.clone().with_weights(weights).unwrap_err();
        assert!(matches!(error, ModelError::Weight { row: 3, .. }), "{error}");
        let class_weights = ClassWeights::Named(vec![("1".into(), weight)]);
        let error = refused(&classes, Settings { class_weights, ..Settings::default() });
        assert!(matches!(error, TrainError::Setting { name: "class_weights", .. }), "{error}");
    }
    assert!(matches!(classes.clone().with_weights(vec![1.0; 19]), Err(ModelError::Shape { .. })));
    let named = |names: &[&str]| Settings {
        class_weights: ClassWeights::Named(names.iter().map(|name| (name.to_string(), 2.0)).collect()),
        ..Settings::default()
    };
    let error = refused(&classes, named(&["1", "seven"]));
    assert!(matches!(&error, TrainError::Model(ModelError::UnknownClass { class, .. }) if class == "seven"), "{error}");
    assert!(matches!(refused(&classes, named(&["1", "1"])), TrainError::Setting { .. }));
    for class_weights in [ClassWeights::Balanced, ClassWeights::Named(vec![("1".into(), 2.0)])] {
        let error = refused(&numbers, Settings { class_weights, ..Settings::default() });
        assert!(matches!(error, TrainError::Model(ModelError::NeedsClasses { .. })), "{error}");
    }
    // Each weight is finite, but its product with the class weight is not.
    let heavy = classes.clone().with_weights(vec![1e300; 20]).unwrap();
    let class_weights = ClassWeights::Named(vec![("1".into(), 1e300)]);
    let error = refused(&heavy, Settings { class_weights, ..Settings::default() });
    assert!(matches!(error, TrainError::Model(ModelError::Weight { .. })), "{error}");
}

/// One sample, extreme outliers, a feature of zeros: all results are finite.
#[test]
fn r6_odd_data_of_every_loss_stay_numbers() {
    for loss in LOSSES {
        let labels = if loss.needs_classes() { [0.0, 1.0, 1.0] } else { [1e6, -0.5, 0.5] };
        let data = table(2, vec![1e3, 0.0, -1e-3, 0.0, 2.0, 0.0], labels.to_vec());
        for precision in PRECISIONS {
            let settings = Settings { loss, precision, patterns: 3, max_iterations: 50, ..Settings::default() };
            let solution = train(&data, None, &settings).unwrap();
            common::assert_sane(&solution, loss.name());
            assert!(verify(&solution.model, &data).unwrap().network_agrees, "{loss:?}");
        }
    }
}
