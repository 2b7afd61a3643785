//! Constraints on predictions: the optimum against an interior-point method, monotone to the last bit, convex, additive
//! and non-negative networks, the proof in the file, and what is refused.

mod common;
#[path = "common/conic.rs"]
mod conic;

use common::constrained::{FEATURES, bent, increasing, named, sets, settings, waves};
use common::{Random, near, table};
use conic::Conic;
use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, Gates, Iteration, Model, PathSettings, Precision, Returned, Settings,
    Status, StopToken, TrainError, Validation, path, resume, train, verify,
};
use cvx_model::{
    Activation, BlockCones, Constraints, Curvature, Dataset, FeatureKind, GateKind, Labels, Loss, ModelError,
    OutputRange, Targets, TaskChoice, Trend,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Predictions for rows of features.
fn predict(model: &Model, rows: &[Vec<f64>]) -> Vec<f64> {
    let data = Dataset::new(rows[0].len(), rows.concat(), None, FeatureKind::Table).unwrap();
    model.predict(&data).unwrap().into_values()
}

/// Falls of the prediction along one feature: sorted values, many of them neighbours in floating point, from random
/// places within and far outside the samples. With zero tolerance.
fn falls(model: &Model, d: usize, feature: usize, rising: bool) -> usize {
    let mut random = Random(99);
    let mut count = 0;
    for place in 0..60 {
        let scale = [0.3, 1.0, 10.0, 1e3][place % 4];
        let base: Vec<f64> = random.vector(d).into_iter().map(|x| scale * x).collect();
        let mut values: Vec<f64> = random.vector(40).into_iter().map(|x| scale * x).collect();
        for start in random.vector(5) {
            let mut value = scale * start;
            for _ in 0..8 {
                values.push(value);
                value = value.next_up();
            }
        }
        values.sort_by(f64::total_cmp);
        let row = |value: &f64| {
            let mut row = base.clone();
            row[feature] = *value;
            row
        };
        let found = predict(model, &values.iter().map(row).collect::<Vec<_>>());
        count += found.windows(2).filter(|pair| if rising { pair[1] < pair[0] } else { pair[1] > pair[0] }).count();
    }
    count
}

// ---- the optimum ---------------------------------------------------------------------------------------------------

/// What is drawn for a programme.
fn random_constraints(random: &mut Random, d: usize, activation: Activation) -> Constraints {
    let mut pick = |count: usize| ((random.signed() + 1.0) / 2.0 * count as f64) as usize;
    let mut constraints = Constraints::default();
    for k in 0..d {
        match pick(6) {
            0 | 1 => constraints.trends.extend(named([(k, Trend::Increasing)])),
            2 => constraints.trends.extend(named([(k, Trend::Decreasing)])),
            3 => constraints.curvatures.extend(named([(k, Curvature::Convex)])),
            4 => constraints.curvatures.extend(named([(k, Curvature::Concave)])),
            _ => {}
        }
    }
    if pick(3) == 0 && d > 1 {
        let cut = 1 + pick(d - 1);
        let overlap = pick(2);
        let first: Vec<usize> = (0..cut).collect();
        let second: Vec<usize> = (cut - overlap.min(cut)..d).collect();
        constraints.interactions = sets(&[&first, &second]).interactions;
    }
    constraints.nonnegative = activation == Activation::Relu && pick(6) == 0;
    constraints
}

/// Two hundred random programmes in random cones. The bound is never above the optimum, and reaches it; so does the
/// objective of the blocks, which lie in their cones exactly.
#[test]
fn m14_the_optimum_is_that_of_an_interior_point_method() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for number in 0u64.. {
        let mut random = Random(7000 + number);
        let (n, d) = (6 + (number % 9) as usize, 1 + (number % 4) as usize);
        let activation = if number % 4 == 3 { Activation::Gated } else { Activation::Relu };
        let loss =
            [Loss::Squared, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }, Loss::Logistic][number as usize / 3 % 4];
        let constraints = random_constraints(&mut random, d, activation);
        let nonnegative = constraints.nonnegative;
        if constraints.is_empty() || loss.needs_classes() && nonnegative {
            continue;
        }
        let x = random.vector(n * d);
        let y: Vec<f64> = match loss.needs_classes() {
            true => (0..n).map(|a| f64::from(u8::from(a == 0 || a > 1 && x[a * d] > 0.1))).collect(),
            false => random.vector(n),
        };
        let task = if loss.needs_classes() { TaskChoice::Auto } else { TaskChoice::Regression };
        let (bias, output_bias) = (number % 2 == 0, number % 5 == 0 && !nonnegative);
        let data = table(d, x.clone(), y);
        let settings = Settings {
            activation,
            constraints,
            gates: Gates::Kind(GateKind::Gaussian),
            patterns: 6,
            beta: Beta::Fraction(0.05),
            certify: Certify::Sampled,
            gap: 1e-8,
            max_iterations: 4000,
            loss,
            task,
            bias,
            output_bias,
            seed: number,
            ..common::exact()
        };
        let solution = train(&data, None, &settings).unwrap();
        let place = format!("programme {number}, {activation:?}, {loss:?}, {:?}", settings.constraints);
        let model = &solution.model;
        let witness = model.parts[0].witness.as_ref().unwrap();
        let cones = model.cones.as_ref().unwrap();
        let rows: Vec<Vec<f64>> = x.chunks(d).map(|row| [row, &[1.0][..usize::from(bias)]].concat()).collect();
        let (p, groups) = (witness.gates.cols(), &witness.groups);
        // The table of the guide, written down again.
        let signs = |block: usize, row: usize| {
            let side = if block < p { 1.0 } else { -1.0 };
            if nonnegative && side < 0.0 {
                return [false; 2];
            }
            if row >= d {
                return [true; 2];
            }
            let outside = cones.groups().get(groups[block % p]).is_some_and(|group| !group.contains(&row));
            let flat = match settings.constraints.curvatures.iter().find(|(name, _)| *name == (row + 1).to_string()) {
                Some((_, Curvature::Convex)) => activation == Activation::Relu && side < 0.0,
                Some((_, Curvature::Concave)) => activation == Activation::Relu && side > 0.0,
                None => false,
            };
            let trend = settings.constraints.trends.iter().find(|(name, _)| *name == (row + 1).to_string());
            let up = trend.map(|(_, trend)| (*trend == Trend::Increasing) == (side > 0.0));
            if outside || flat { [false; 2] } else { [up != Some(false), up != Some(true)] }
        };
        let targets = Targets::new(data.labels().unwrap(), task).unwrap().y;
        let ones = vec![1.0; n];
        let conic = Conic {
            x: &rows,
            gates: &witness.gates,
            activation,
            y: &targets,
            weights: &ones,
            beta: solution.beta,
            loss,
            output_bias,
            signs: Some(&signs),
        };
        let Ok(optimum) = conic.optimum() else { continue };
        compared += 1;
        // The remaining error of the interior-point method: feasible points were found 2e-8 below its optimum.
        let slack = 5e-8 * optimum.max(1.0);
        let v = &solution.warm_start.as_ref().unwrap().v;
        let inside = (0..v.cols()).all(|block| {
            v.col(block).iter().enumerate().all(|(row, &value)| {
                let [positive, negative] = signs(block, row);
                (value <= 0.0 || positive) && (value >= 0.0 || negative)
            })
        });
        let bound = solution.objective.dual_bound;
        // None if it is no better than the zero network.
        let primal = solution.objective.sampled_primal;
        let below = bound <= optimum + slack && primal.is_none_or(|primal| primal >= optimum - slack);
        let reached = near(bound, optimum, 1e-6) && primal.is_none_or(|primal| near(primal, optimum, 1e-6));
        if !inside || !below || !reached || solution.status != Status::Optimal {
            wrong.push(format!("{place}: {inside}, optimum {optimum}, {}, {:?}", solution.status, solution.objective));
        }
        let verified = verify(model, &data).unwrap();
        assert!(verified.holds() && verified.constraints_hold == Some(true), "{place}: {verified:?}");
        if compared == 200 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// ---- properties of the network -------------------------------------------------------------------------------------

#[test]
fn m14_predictions_never_fall_by_one_unit_in_the_last_place() {
    let data = waves(120, 1);
    for precision in [Precision::F32, Precision::F64] {
        for activation in [Activation::Relu, Activation::Gated] {
            let constraints = Constraints {
                trends: named([(0, Trend::Increasing), (2, Trend::Decreasing)]),
                ..Constraints::default()
            };
            let constrained = Settings { precision, activation, ..settings(constraints) };
            // Also early, where blocks have not settled, and where the acceleration has moved them.
            for max_iterations in [1, 2, 3, 7, 15, 400] {
                for settings in [
                    Settings { max_iterations, ..constrained.clone() },
                    Settings { max_iterations, refine: 2, prune: false, ..constrained.clone() },
                    Settings {
                        max_iterations,
                        certify: Certify::Sampled,
                        loss: Loss::Huber { delta: 0.5 },
                        ..constrained.clone()
                    },
                ] {
                    let model = train(&data, None, &settings).unwrap().model;
                    let place = format!("{precision}, {activation}, {max_iterations}, {}", settings.refine);
                    assert_eq!(falls(&model, FEATURES, 0, true), 0, "{place}");
                    assert_eq!(falls(&model, FEATURES, 2, false), 0, "{place}");
                    assert_eq!(verify(&model, &data).unwrap().constraints_hold, Some(true), "{place}");
                    let read = Model::from_bytes(&model.to_bytes().unwrap(), "a model".as_ref()).unwrap();
                    assert_eq!(read, model, "{place}");
                    assert_eq!(falls(&read, FEATURES, 0, true), 0, "{place}");
                }
            }
        }
    }
    let control = train(&data, None, &settings(Constraints::default())).unwrap().model;
    assert!(falls(&control, FEATURES, 0, true) > 100);
}

/// The order of the operations on a sample does not depend on the samples beside it: a product of matrices would not
/// promise that.
#[test]
fn a_constrained_prediction_has_the_same_bits_in_any_company() {
    let mut random = Random(8);
    let d = 37;
    let x = random.vector(90 * d);
    let y = x.chunks(d).map(|row| row.iter().sum::<f64>().tanh() + 0.3 * random.signed()).collect();
    let data = table(d, x, y);
    for activation in Activation::ALL {
        let model = train(&data, None, &Settings { activation, ..settings(increasing([0, 5])) }).unwrap().model;
        let rows: Vec<Vec<f64>> = (0..101).map(|_| random.vector(d).into_iter().map(|x| 3.0 * x).collect()).collect();
        let together = predict(&model, &rows);
        for size in [1, 2, 3, 7, 16, 50] {
            let apart: Vec<f64> = rows.chunks(size).flat_map(|rows| predict(&model, rows)).collect();
            assert_eq!(apart, together, "{activation}, in groups of {size}");
        }
    }
}

#[test]
fn a_path_of_folds_is_monotone_and_each_part_is_verified() {
    let data = waves(90, 2);
    for activation in [Activation::Relu, Activation::Gated] {
        for returned in [Returned::Mean, Returned::Retrained] {
            let path_settings = PathSettings {
                betas: 5,
                ratio: 0.01,
                validation: Validation::Folds(3),
                returned,
                ..PathSettings::default()
            };
            let settings = Settings { activation, ..settings(increasing([0])) };
            let found = path(&data, None, &settings, &path_settings, &StopToken::new(), &mut ()).unwrap();
            let model = &found.solution.model;
            assert_eq!(falls(model, FEATURES, 0, true), 0, "{activation}, {returned:?}");
            let verified = verify(model, &data).unwrap();
            assert!(verified.holds() && verified.constraints_hold == Some(true), "{verified:?}");
        }
    }
}

#[test]
fn convex_concave_and_additive_networks() {
    let data = waves(150, 3);
    let mut random = Random(5);
    let mut points = |count: usize| -> Vec<Vec<f64>> {
        (0..count)
            .map(|at| random.vector(FEATURES).into_iter().map(|x| [0.5, 2.0, 50.0][at % 3] * x).collect())
            .collect()
    };
    let (a, b) = (points(300), points(300));
    let middle: Vec<Vec<f64>> =
        a.iter().zip(&b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect()).collect();
    // How far the middle lies above the chord, at most, over the size of the predictions.
    let above = |model: &Model, sign: f64| {
        let [a, b, middle] = [&a, &b, &middle].map(|rows| predict(model, rows));
        let excess = (0..a.len()).map(|k| sign * (middle[k] - 0.5 * (a[k] + b[k])) / (1.0 + a[k].abs() + b[k].abs()));
        excess.fold(f64::NEG_INFINITY, f64::max)
    };
    let fit = |constraints| train(&data, None, &settings(constraints)).unwrap().model;
    assert!(above(&fit(bent(Curvature::Convex, 0..3)), 1.0) < 1e-12);
    assert!(above(&fit(bent(Curvature::Concave, 0..3)), -1.0) < 1e-12);
    let control = fit(Constraints::default());
    assert!(above(&control, 1.0) > 0.01 && above(&control, -1.0) > 0.01);

    // f(a) - f(b) - f(c) + f(e) is zero for a sum of functions of {0, 2} and of {1}.
    let mixed = |own: &[Vec<f64>], other: &[Vec<f64>]| -> Vec<Vec<f64>> {
        own.iter().zip(other).map(|(own, other)| vec![own[0], other[1], own[2]]).collect()
    };
    let interaction = |model: &Model| {
        let [aa, bb, ab, ba] =
            [mixed(&a, &a), mixed(&b, &b), mixed(&a, &b), mixed(&b, &a)].map(|rows| predict(model, &rows));
        let size = |k: usize| 1.0 + aa[k].abs() + bb[k].abs() + ab[k].abs();
        (0..a.len()).map(|k| (aa[k] + bb[k] - ab[k] - ba[k]).abs() / size(k)).fold(0.0, f64::max)
    };
    for activation in [Activation::Relu, Activation::Gated] {
        // The second set is what the first leaves.
        let additive = Settings { activation, refine: 1, ..settings(sets(&[&[0, 2]])) };
        let model = train(&data, None, &additive).unwrap().model;
        assert!(interaction(&model) < 1e-12, "{activation}");
        let verified = verify(&model, &data).unwrap();
        assert!(verified.holds(), "{verified:?}");
        let used = |k: usize| (0..model.network.n_neurons()).any(|neuron| model.network.w1[(k, neuron)] != 0.0);
        assert!((0..FEATURES).all(used), "{activation}: every set has neurons");
    }
    assert!(interaction(&control) > 0.01);
}

#[test]
fn non_negative_networks_and_clipped_ones() {
    let data = waves(80, 4);
    let constraints = Constraints { nonnegative: true, ..Constraints::default() };
    let model = train(&data, None, &settings(constraints)).unwrap().model;
    let mut random = Random(3);
    let far: Vec<Vec<f64>> =
        (0..500).map(|_| random.vector(FEATURES).into_iter().map(|x| 30.0 * x).collect()).collect();
    assert!(predict(&model, &far).iter().all(|f| *f >= 0.0));
    assert!(verify(&model, &data).unwrap().holds());

    let range = OutputRange::new(-3.0, 2.5).unwrap();
    let free = train(&data, Some(&data), &settings(Constraints::default())).unwrap();
    let clipped = Settings { output_range: Some(range), ..settings(Constraints::default()) };
    let clipped = train(&data, Some(&data), &clipped).unwrap();
    let (free, found) = (predict(&free.model, &far), predict(&clipped.model, &far));
    assert!(free.iter().any(|f| *f > 2.5) && free.iter().any(|f| *f < -3.0));
    assert!(free.iter().zip(&found).all(|(free, found)| free.clamp(-3.0, 2.5) == *found));
    assert!(clipped.test_predictions.unwrap().outputs.values().iter().all(|f| range.contains(*f)));
    let read = Model::from_bytes(&clipped.model.to_bytes().unwrap(), "a model".as_ref()).unwrap();
    assert_eq!(read, clipped.model);
    let narrow =
        Settings { output_range: Some(OutputRange::new(-0.1, 0.1).unwrap()), ..settings(Constraints::default()) };
    assert!(matches!(train(&data, None, &narrow), Err(TrainError::Model(ModelError::OutOfRange { .. }))));
}

/// The score of the second class rises with an increasing feature.
#[test]
fn two_classes_and_several_numbers_share_a_table_of_signs() {
    let data = waves(120, 6);
    let Some(Labels::Numbers { values, .. }) = data.labels().cloned() else { panic!("numbers") };
    let x = data.values().to_vec();
    let classes: Vec<f64> = values.iter().map(|y| f64::from(u8::from(*y > 0.2))).collect();
    for loss in [Loss::Logistic, Loss::SquaredHinge, Loss::Squared] {
        let two = table(FEATURES, x.clone(), classes.clone());
        let model = train(&two, None, &Settings { loss, ..settings(increasing([0])) }).unwrap().model;
        assert_eq!(falls(&model, FEATURES, 0, true), 0, "{loss:?}");
    }
    let numbers = values.iter().flat_map(|y| [*y, y * y]).collect();
    let labels = Labels::Numbers { columns: 2, values: numbers };
    let both = Dataset::new(FEATURES, x, Some(labels), FeatureKind::Table).unwrap();
    let model = train(&both, None, &settings(increasing([0]))).unwrap().model;
    let mut last = [f64::NEG_INFINITY; 2];
    for step in 0..200 {
        let row = vec![f64::from(step) * 0.02 - 2.0, 0.3, -0.2];
        let found = predict(&model, &[row]);
        assert!(found[0] >= last[0] && found[1] >= last[1]);
        last = [found[0], found[1]];
    }
}

// ---- resumption ----------------------------------------------------------------------------------------------------

#[test]
fn a_resumed_run_is_the_same_and_other_constraints_are_another_run() {
    let data = waves(70, 7);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let constraints = Constraints { interactions: sets(&[&[0, 1]]).interactions, ..increasing([0]) };
    // The first round ends when its progress is slow, the second at the limit.
    let long =
        Settings { gap: 1e-300, refine: 1, max_iterations: 60, precision: Precision::F64, ..settings(constraints) };
    let whole = train(&data, None, &long).unwrap();
    assert_eq!(whole.info.rounds.len(), 2);
    let plan = CheckpointPlan { path: file.clone(), every: 1e9 };
    let again = |settings: &Settings, checkpoint: &Checkpoint| {
        resume(&data, None, settings, checkpoint, &StopToken::new(), &mut ())
    };
    let second = whole.info.rounds[0].iterations + 3;
    for at in [7, second] {
        let mut stop = |record: &Iteration| match record.iteration == at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let first = Settings { checkpoint: Some(plan.clone()), ..long.clone() };
        cvx_admm::train_with(&data, None, &first, None, &StopToken::new(), &mut stop).unwrap();
        let resumed = again(&long, &Checkpoint::load(&file).unwrap()).unwrap();
        assert_eq!((&resumed.model, &resumed.warm_start), (&whole.model, &whole.warm_start), "from iteration {at}");
        assert!(falls(&resumed.model, FEATURES, 0, true) == 0 && verify(&resumed.model, &data).unwrap().holds());
    }
    let checkpoint = Checkpoint::load(&file).unwrap();
    for other in [Constraints::default(), increasing([0]), increasing([1])] {
        let error = again(&Settings { constraints: other, ..long.clone() }, &checkpoint).unwrap_err();
        assert!(matches!(&error, TrainError::OtherRun { given, .. } if given.name == "constraints"), "{error}");
    }
}

#[test]
fn a_warm_start_outside_the_cones_is_projected() {
    let data = waves(70, 8);
    let free = train(&data, None, &settings(increasing([]))).unwrap();
    let gates = free.model.parts[0].witness.as_ref().unwrap().gates.clone();
    let mut warm = free.warm_start.unwrap();
    // Gates that serve: only the always-on gate and those that rise or fall in feature 0 alone can.
    let start = Settings { gates: Gates::Given(gates), max_iterations: 1, ..settings(increasing([0])) };
    warm.lambda.values_mut().fill(0.0);
    let solution = cvx_admm::train_with(&data, None, &start, Some(&warm), &StopToken::new(), &mut ()).unwrap();
    assert_eq!(falls(&solution.model, FEATURES, 0, true), 0);
}

// ---- the proof -----------------------------------------------------------------------------------------------------

#[test]
fn m5_a_file_that_breaks_its_signs_or_drops_its_cones_does_not_verify() {
    let data = waves(90, 9);
    for activation in [Activation::Relu, Activation::Gated] {
        let model = train(&data, None, &Settings { activation, ..settings(increasing([0])) }).unwrap().model;
        assert!(verify(&model, &data).unwrap().holds());
        let mut broken = model.clone();
        let neuron = (0..broken.network.n_neurons()).find(|&j| broken.network.w1[(0, j)] != 0.0).unwrap();
        broken.network.w1[(0, neuron)] *= -1e-9;
        assert_eq!(verify(&broken, &data).unwrap().constraints_hold, Some(false), "{activation}");
        let mut scaled = model.clone();
        scaled.transform.scale[0] *= -1.0;
        scaled.transform.offset[0] = 0.0;
        assert!(verify(&scaled, &data).map_or(true, |found| found.constraints_hold == Some(false)));
        // The bound holds in the cones only.
        let free = Model { cones: None, ..model.clone() };
        let found = verify(&free, &data).unwrap();
        assert!(!found.bound_agrees && found.constraints_hold.is_none(), "{activation}: {found:?}");
    }
    let model = train(&data, None, &Settings { activation: Activation::Gated, ..settings(increasing([0])) }).unwrap();
    let mut seeing = model.model.clone();
    seeing.network.gates.as_mut().unwrap()[(0, 0)] = 1e-9;
    assert_eq!(verify(&seeing, &data).unwrap().constraints_hold, Some(false), "a gate that sees the feature");
}

/// Cones that fit neither the features nor the groups of the proof are refused before they are used.
#[test]
fn f5_constraints_that_do_not_fit_the_model_are_refused() {
    let data = waves(60, 12);
    let model = train(&data, None, &settings(sets(&[&[0, 2]]))).unwrap().model;
    let read = |model: &Model| Model::from_bytes(&model.to_bytes().unwrap(), "a model".as_ref());
    assert_eq!(read(&model).unwrap(), model);
    let with = |cones: BlockCones| Model { cones: Some(Arc::new(cones)), ..model.clone() };
    let free = |d: usize, groups| BlockCones::new(vec![None; d], vec![None; d], groups, false);
    for cones in [
        free(2, Vec::new()),
        free(4, Vec::new()),
        free(3, vec![vec![0], vec![1, 3]]),
        free(3, vec![vec![0, 2], vec![]]),
        free(3, vec![vec![2, 0], vec![1]]),
        BlockCones::new(vec![None; 3], vec![None; 2], Vec::new(), false),
        // The proof has patterns of a second group.
        free(3, vec![vec![0, 1, 2]]),
    ] {
        assert!(read(&with(cones.clone())).is_err(), "{cones:?}");
    }
    let labels = Labels::numbers((0..60).map(|row| f64::from(row % 2)).collect());
    let classes = Dataset::new(FEATURES, data.values().to_vec(), Some(labels), FeatureKind::Table).unwrap();
    let classifier = train(&classes, None, &settings(Constraints::default())).unwrap().model;
    let range = Some(OutputRange::new(0.0, 1.0).unwrap());
    assert!(read(&Model { output_range: range, ..classifier }).is_err(), "a classifier is not clipped");
    assert!(read(&Model { output_range: range, ..model }).is_ok());
}
