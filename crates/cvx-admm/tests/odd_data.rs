//! R4 to R10: unusual but valid data, from constant columns to one sample of one feature.

mod common;

use common::{PRECISIONS, Random, assert_sane, gates, near, optimum, planted, sharp, smooth, table};
use cvx_admm::{Beta, Certify, Gates, Precision, Settings, Status, train, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, FeatureKind, Labels, Normalisation, Task, TaskChoice};

#[test]
fn r4_constant_and_zero_columns_solve_and_a_zero_column_has_weight_zero() {
    let plain = planted(40, 3, 2);
    // Columns: 3.7, feature, 0, feature, feature.
    let x = (0..40).flat_map(|a| [3.7, plain.row(a)[0], 0.0, plain.row(a)[1], plain.row(a)[2]]).collect();
    let data = Dataset::new(5, x, plain.labels().cloned(), FeatureKind::Table).unwrap();
    for precision in PRECISIONS {
        for bias in [true, false] {
            for (normalisation, zero) in [
                (None, &[0, 2][..]),
                (Some(Normalisation::Column), &[0, 2]),
                (Some(Normalisation::None), &[2]),
                // The mean that is common to all features is subtracted from the zeros too.
                (Some(Normalisation::Global), &[]),
            ] {
                let settings = Settings { patterns: 10, precision, bias, normalisation, ..Settings::default() };
                let solution = train(&data, None, &settings).unwrap();
                let place = format!("{normalisation:?}, bias {bias}, {precision:?}: {}", solution.status);
                assert_eq!(solution.status, Status::Optimal, "{place}");
                assert_sane(&solution, &place);
                let w1 = &solution.model.network.w1;
                assert!(w1.cols() > 0 && w1.values().iter().any(|&w| w != 0.0), "{place}");
                for &k in zero {
                    assert!((0..w1.cols()).all(|j| w1[(k, j)] == 0.0), "{place}: column {k}");
                }
                assert!(verify(&solution.model, &data).unwrap().holds(), "{place}");
            }
        }
    }
}

#[test]
fn r4_test_samples_get_the_transform_of_the_training_samples() {
    let (data, test) = (planted(40, 3, 2), planted(25, 3, 9));
    let shift = |data: &Dataset| {
        let x = data.values().iter().map(|x| 5.0 * x + 100.0).collect();
        Dataset::new(3, x, data.labels().cloned(), data.kind()).unwrap()
    };
    let settings = Settings { patterns: 10, precision: Precision::F64, ..Settings::default() };
    let solution = train(&shift(&data), Some(&shift(&test)), &settings).unwrap();
    let alone = train(&data, Some(&test), &settings).unwrap();
    let (shifted, plain) = (solution.test.unwrap(), alone.test.unwrap());
    assert!(near(shifted.loss, plain.loss, 1e-6), "{} and {}", shifted.loss, plain.loss);
    let prediction = solution.model.predict(&shift(&test)).unwrap();
    let y = solution.model.task.encode(test.labels().unwrap()).unwrap();
    let loss: f64 = prediction.values().iter().zip(y.values()).map(|(f, y)| 0.5 * (f - y).powi(2)).sum();
    assert!(near(shifted.loss, loss, 1e-9), "{} and {loss}", shifted.loss);
}

// ---- R5: duplicates ----------------------------------------------------------------------------------------------

/// A sample that occurs twice is equivalent to one that is sqrt(2) times as long.
#[test]
fn r5_duplicate_rows_are_a_weight() {
    let (n, d) = (15, 3);
    let (data, root) = (smooth(n, d, 3), 2f64.sqrt());
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    let twice = |values: &[f64]| [values, values].concat();
    let scaled = |values: &[f64]| values.iter().map(|value| root * value).collect::<Vec<_>>();
    let settings = Settings { gates: Gates::Given(gates(d, 6, 3)), beta: Beta::Value(0.1), ..sharp(2e-10) };
    let run = |data: &Dataset| optimum(&train(data, None, &settings).unwrap());
    let (doubled, weighted) =
        (run(&table(d, twice(&data.values()), twice(y))), run(&table(d, scaled(&data.values()), scaled(y))));
    assert!(near(doubled, weighted, 1e-9), "{doubled} and {weighted}");
    let named = run(&data.clone().with_weights(vec![2.0; n]).unwrap());
    assert!(near(doubled, named, 1e-9), "{doubled} and {named}");
    assert!(!near(doubled, run(&data), 1e-2));
}

/// A column that occurs twice is equivalent to one of sqrt(2) times its length, with the gate's entries combined.
#[test]
fn r5_duplicate_columns_are_one_longer_column() {
    let (n, d) = (20, 3);
    let (data, root) = (smooth(n, d, 5), 2f64.sqrt());
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    let wide = (0..n).flat_map(|a| [&data.row(a)[..], &data.row(a)[..1]].concat()).collect();
    let long = (0..n).flat_map(|a| [root * data.row(a)[0], data.row(a)[1], data.row(a)[2]]).collect();
    let wide_gates = gates(4, 6, 5);
    let joined = HostMatrix::from_fn(3, 6, |k, i| {
        if k == 0 { (wide_gates[(0, i)] + wide_gates[(3, i)]) / root } else { wide_gates[(k, i)] }
    });
    let run = |data: &Dataset, gates| {
        let settings = Settings { gates: Gates::Given(gates), beta: Beta::Value(0.05), ..sharp(2e-10) };
        optimum(&train(data, None, &settings).unwrap())
    };
    let (twice, once) = (run(&table(4, wide, y.clone()), wide_gates), run(&table(3, long, y.clone()), joined));
    assert!(near(twice, once, 1e-9), "{twice} and {once}");
}

/// X = a b' is equivalent to one feature a ||b||.
#[test]
fn r5_a_rank_one_matrix_is_one_feature() {
    let mut random = Random(8);
    let (a, b, y) = (random.vector(20), random.vector(5), random.vector(20));
    let size = b.iter().map(|b| b * b).sum::<f64>().sqrt();
    let x = a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect();
    for precision in PRECISIONS {
        let gap = if precision == Precision::F64 { 1e-8 } else { 1e-4 };
        let settings = Settings { beta: Beta::Value(0.1), patterns: 12, precision, ..sharp(gap) };
        let solution = train(&table(5, Clone::clone(&x), y.clone()), None, &settings).unwrap();
        let expected = one_feature(&a.iter().map(|a| a * size).collect::<Vec<_>>(), &y, 0.1);
        assert_eq!(solution.summary.shape.n_patterns, 2, "{precision:?}");
        let found = optimum(&solution);
        assert!(near(found, expected, 2.0 * gap), "{precision:?}: {found}, expected {expected}");
    }
}

// ---- R6: closed forms --------------------------------------------------------------------------------------------

/// One feature and both patterns: one weight each fits the samples with x >= 0 and those with x <= 0, w =
/// soft-threshold(x'y, beta) / x'x.
fn one_feature(x: &[f64], y: &[f64], beta: f64) -> f64 {
    let half = |keep: &dyn Fn(f64) -> bool| {
        let pairs = x.iter().zip(y).filter(|(x, _)| keep(**x));
        let (xx, xy) = pairs.fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + x * x, xy + x * y));
        let gain = (xy.abs() - beta).max(0.0);
        if gain > 0.0 { 0.5 * gain * gain / xx } else { 0.0 }
    };
    0.5 * y.iter().map(|y| y * y).sum::<f64>() - half(&|x| x > 0.0) - half(&|x| x < 0.0)
}

#[test]
fn r6_one_sample_of_one_feature() {
    for (x, y) in [(2.0, 3.0), (0.5, -1.0), (-3.0, 0.7), (1e-3, 5.0), (40.0, -2.0)] {
        for beta in [0.01, 0.3, 1.0, 100.0] {
            for precision in PRECISIONS {
                let settings = Settings { patterns: 5, beta: Beta::Value(beta), precision, ..sharp(1e-6) };
                let solution = train(&table(1, vec![x], vec![y]), None, &settings).unwrap();
                let size = f64::abs(x * y);
                let expected =
                    if size > beta { beta * f64::abs(y / x) - 0.5 * (beta / x).powi(2) } else { 0.5 * y * y };
                let place = format!("x {x}, y {y}, beta {beta}, {precision:?}: {:?}", solution.objective);
                assert_sane(&solution, &place);
                let found = optimum(&solution);
                assert!(near(found, expected, 3e-6), "{place}, expected {expected}");
                assert!(near(one_feature(&[x], &[y], beta), expected, 1e-9));
                // The network itself: f(x) = (|xy| - beta)+ sign(y) / |x|.
                let network =
                    train(&table(1, vec![x], vec![y]), None, &Settings { certify: Certify::Network, ..settings });
                let prediction = network.unwrap().model.predict(&table(1, vec![x], vec![y])).unwrap()[(0, 0)];
                let target = (size - beta).max(0.0) * y.signum() / f64::abs(x);
                assert!((prediction - target).abs() <= 1e-2 * y.abs(), "{place}: f = {prediction}, not {target}");
            }
        }
    }
}

#[test]
fn r6_one_sample_is_its_length() {
    let (x, y) = ([0.3, -2.0, 1.1], 1.7);
    let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    for beta in [0.01, 0.5, 4.0] {
        let settings = Settings { patterns: 5, beta: Beta::Value(beta), ..sharp(1e-8) };
        let found = optimum(&train(&table(3, x.to_vec(), vec![y]), None, &settings).unwrap());
        let expected = one_feature(&[size], &[y], beta);
        assert!(near(found, expected, 1e-7), "beta {beta}: {found}, expected {expected}");
    }
}

#[test]
fn r6_one_feature() {
    let mut random = Random(6);
    let (x, y) = (random.vector(12), random.vector(12));
    for beta in [1e-3, 0.2, 0.9] {
        let settings = Settings { patterns: 9, beta: Beta::Value(beta), ..sharp(1e-8) };
        let solution = train(&table(1, x.clone(), y.clone()), None, &settings).unwrap();
        let (found, expected) = (optimum(&solution), one_feature(&x, &y, beta));
        assert!(near(found, expected, 1e-7), "beta {beta}: {found}, expected {expected}");
        assert_eq!((solution.summary.shape.n_patterns, solution.summary.merged_patterns), (2, 7));
    }
}

/// With default settings: one sample has no spread, and only the bias is left.
#[test]
fn r6_one_sample_with_default_settings() {
    for precision in PRECISIONS {
        let settings = Settings { task: TaskChoice::Regression, precision, ..Settings::default() };
        let solution = train(&table(1, vec![5.0], vec![2.0]), None, &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal, "{precision:?}: {:?}", solution.objective);
        // x = (0, 1), beta = 1e-3 of 2: f = 2 - beta.
        let prediction = solution.model.predict(&table(1, vec![5.0], vec![2.0])).unwrap()[(0, 0)];
        assert!((prediction - 1.998).abs() < 2e-3, "{prediction}");
    }
}

// ---- R7, R8: patterns --------------------------------------------------------------------------------------------

#[test]
fn r7_merged_patterns_are_counted_and_change_nothing() {
    let data = smooth(12, 2, 4);
    let distinct = gates(2, 5, 4);
    // Each gate occurs twice, the second time longer; one gate leaves only ties active.
    let repeated = HostMatrix::from_fn(2, 10, |k, i| distinct[(k, i / 2)] * if i % 2 == 0 { 1.0 } else { 2.5 });
    let run = |gates: HostMatrix| {
        train(&data, None, &Settings { gates: Gates::Given(gates), beta: Beta::Value(0.05), ..sharp(1e-8) }).unwrap()
    };
    let (once, twice) = (run(distinct), run(repeated));
    let kept = once.summary.shape.n_patterns;
    assert_eq!((kept, once.summary.merged_patterns), (5, 0));
    assert_eq!((twice.summary.shape.n_patterns, twice.summary.merged_patterns), (5, 5));
    assert_eq!(
        twice.model.parts[0].witness.as_ref().unwrap().gates,
        once.model.parts[0].witness.as_ref().unwrap().gates
    );
    assert!(once.warm_start == twice.warm_start, "the same programme is solved by the same bits");
    assert!(optimum(&once) == optimum(&twice));
}

/// Two dimensions and 12 samples have at most 24 patterns, for any requested number.
#[test]
fn r7_more_gates_than_patterns() {
    let data = smooth(12, 2, 4);
    let run = |patterns| train(&data, None, &Settings { patterns, beta: Beta::Value(0.05), ..sharp(1e-6) }).unwrap();
    let (many, more) = (run(2000), run(2500));
    for (solution, asked) in [(&many, 2000), (&more, 2500)] {
        let kept = solution.summary.shape.n_patterns;
        assert!(kept <= 24 && kept + solution.summary.merged_patterns == asked, "{kept}");
    }
    assert!(near(optimum(&many), optimum(&more), 1e-5));
}

/// x = 0 and x'h = 0 are active, in every precision and in the separate verification.
#[test]
fn r8_zero_samples_and_ties_follow_one_convention() {
    let rows = [[0.0, 0.0], [1.0, -1.0], [2.0, 1.0], [-2.0, 2.0], [0.5, 0.25], [-1.0, -0.5], [0.0, 0.0], [-0.5, 1.5]];
    let data = table(2, rows.concat(), vec![0.3, 1.0, -0.4, 0.8, 0.1, 0.6, -0.2, 0.9]);
    // Ties at rows 1 and 3 for the first, at 5 for the second.
    let gates = HostMatrix::from_vec(2, 3, vec![1.0, 1.0, 0.5, -1.0, -1.0, 0.25]);
    let mut bounds = Vec::new();
    for precision in PRECISIONS {
        let gap = if precision == Precision::F64 { 1e-7 } else { 1e-4 };
        let settings =
            Settings { gates: Gates::Given(gates.clone()), beta: Beta::Value(0.05), precision, ..sharp(gap) };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!(solution.status, Status::Optimal, "{:?}", solution.objective);
        let found = verify(&solution.model, &data).unwrap();
        assert!(found.holds(), "{precision:?}: {found:?}, claimed {:?}", solution.objective);
        bounds.push(solution.objective.dual_bound);
        // The prediction for a zero sample is always 0: half its squared target is in every objective.
        assert!(solution.objective.dual_bound >= 0.5 * (0.09 + 0.04));
        let plain = common::Plain::new(&data, &gates, 0.05);
        assert!(plain.active[0][1] && plain.active[0][3] && plain.active[1][5] && plain.active[2][0]);
        let off = (plain.objective(&solution.warm_start.as_ref().unwrap().v) - optimum(&solution)).abs();
        assert!(off <= 1e-3 * optimum(&solution), "{precision:?}: off by {off}");
    }
    assert!(near(bounds[0], bounds[1], 2e-4), "{bounds:?}");
}

/// A tie in exact arithmetic that rounding decides: trainer and verification must decide in the same way.
#[test]
fn r8_ties_that_rounding_decides_are_decided_once() {
    let mut random = Random(21);
    let x: Vec<f64> = (0..40)
        .flat_map(|a| {
            let value = random.signed();
            if a % 2 == 0 { [value, -value, random.signed()] } else { [random.signed(), random.signed(), value] }
        })
        .collect();
    let y = random.vector(40);
    let data = table(3, x, y);
    let gates = HostMatrix::from_vec(3, 4, vec![0.3, 0.3, 0.0, 0.7, 0.7, 0.0, -0.9, -0.9, 0.0, 0.1, -0.4, 0.6]);
    // A tied gate is not an interior point of its cone: the sampled certificate could not use it.
    let certify = Certify::Network;
    let settings =
        Settings { gates: Gates::Given(gates), beta: Beta::Value(0.1), certify, max_iterations: 500, ..sharp(1e-6) };
    let solution = train(&data, None, &settings).unwrap();
    let found = verify(&solution.model, &data).unwrap();
    assert!(found.holds(), "{found:?}, claimed {:?}", solution.objective);
}

// ---- R9: labels --------------------------------------------------------------------------------------------------

#[test]
fn r9_targets_of_zero_give_the_zero_network_at_once() {
    let x = Random(3).vector(60);
    for columns in [1, 2] {
        let labels = Labels::Numbers { columns, values: vec![0.0; 20 * columns] };
        let data = Dataset::new(3, x.clone(), Some(labels), FeatureKind::Table).unwrap();
        for precision in PRECISIONS {
            for beta in [Beta::Fraction(1e-3), Beta::Value(0.0), Beta::Value(0.1)] {
                for certify in [Certify::Network, Certify::Sampled] {
                    let task = TaskChoice::Regression;
                    let settings = Settings { task, precision, beta, certify, ..Settings::default() };
                    let solution = train(&data, None, &settings).unwrap();
                    let place = format!("{columns}, {precision:?}, {beta:?}, {certify:?}");
                    assert_sane(&solution, &place);
                    assert_eq!((solution.status, solution.info.history.len()), (Status::Optimal, 0), "{place}");
                    assert_eq!(solution.objective.relative_gap, 0.0, "{place}");
                    assert_eq!((solution.objective.network, solution.model.network.n_neurons()), (0.0, 0), "{place}");
                    let prediction = solution.model.predict(&data).unwrap();
                    assert!(prediction.values().iter().all(|&value| value == 0.0), "{place}");
                    assert!(verify(&solution.model, &data).unwrap().holds(), "{place}");
                }
            }
        }
    }
}

#[test]
fn r9_labels_of_any_spelling_are_kept() {
    let x = Random(4).vector(60);
    let code = |a: usize| usize::from(x[3 * a] + x[3 * a + 1] > 0.2);
    let numbers = |names: [f64; 2]| Labels::numbers((0..20).map(|a| names[code(a)]).collect());
    let text =
        Labels::Names { index: (0..20).map(|a| code(a) as u32).collect(), names: vec!["ship".into(), "frog".into()] };
    let mut objectives = Vec::new();
    for (labels, classes) in [
        (numbers([0.0, 1.0]), ["0", "1"]),
        (numbers([-1.0, 1.0]), ["-1", "1"]),
        (numbers([1.0, 2.0]), ["1", "2"]),
        (numbers([7.0, 10.0]), ["7", "10"]),
        (text, ["frog", "ship"]),
    ] {
        let data = Dataset::new(3, x.clone(), Some(labels.clone()), FeatureKind::Table).unwrap();
        let solution = train(&data, None, &Settings { patterns: 20, ..Settings::default() }).unwrap();
        let model = &solution.model;
        assert_eq!(model.task.classes(), classes);
        let prediction = model.predict(&data).unwrap();
        let predicted = model.classes(&prediction).unwrap();
        let right = (0..20).filter(|&a| predicted[a] == labels.class_name(a)).count();
        assert_eq!(solution.train.accuracy, Some(right as f64 / 20.0));
        assert!(right > 16, "{classes:?}: {right} of 20");
        objectives.push(solution.objective.dual_bound);
    }
    assert!(objectives[..4].iter().all(|&bound| bound == objectives[0]), "{objectives:?}");
}

#[test]
fn r9_the_zero_network_predicts_the_majority() {
    let x = Random(4).vector(60);
    let labels = Labels::numbers((0..20).map(|a| if a % 4 == 0 { 3.0 } else { 8.0 }).collect());
    let data = Dataset::new(3, x, Some(labels), FeatureKind::Table).unwrap();
    let solution = train(&data, None, &Settings { beta: Beta::Fraction(2.0), ..Settings::default() }).unwrap();
    assert!(matches!(solution.model.task, Task::Binary { majority: 1, .. }));
    let prediction = solution.model.predict(&data).unwrap();
    assert_eq!(solution.model.classes(&prediction).unwrap(), ["8"; 20]);
    assert_eq!((solution.train.accuracy, solution.convex_accuracy), (Some(0.75), Some(0.75)));
}

// ---- R10: scale --------------------------------------------------------------------------------------------------

/// A change of units has no effect: the relative gap is reached in about as many iterations.
#[test]
fn r10_scales_of_x_and_y_do_not_matter() {
    let data = smooth(40, 4, 10);
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    for certify in [Certify::Network, Certify::Sampled] {
        let run = |x_scale: f64, y_scale: f64| {
            let x = data.values().iter().map(|x| x * x_scale).collect();
            let scaled = table(4, x, y.iter().map(|y| y * y_scale).collect());
            let settings = Settings { patterns: 10, beta: Beta::Fraction(1e-2), certify, ..sharp(1e-5) };
            train(&scaled, None, &Settings { certify, ..settings }).unwrap()
        };
        let plain = run(1.0, 1.0);
        assert_eq!(plain.status, Status::Optimal, "{:?}", plain.objective);
        for (x_scale, y_scale) in
            [(1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6), (1.0, 1e6), (1e-6, 1e6), (1e6, 1e-6), (1e6, 1e6)]
        {
            let solution = run(x_scale, y_scale);
            let place = format!("x {x_scale}, y {y_scale}, {certify:?}: {:?}", solution.objective);
            assert_sane(&solution, &place);
            assert_eq!(solution.status, Status::Optimal, "{place}");
            let (found, expected) = (solution.info.history.len(), plain.info.history.len());
            assert!(found <= 2 * expected && expected <= 2 * found, "{place}: {found} iterations, not {expected}");
            assert!(
                near(solution.objective.dual_bound, plain.objective.dual_bound * y_scale * y_scale, 1e-3),
                "{place}"
            );
        }
    }
}

/// The same in f32, with the default settings.
#[test]
fn r10_scales_do_not_matter_in_f32() {
    let data = smooth(40, 4, 10);
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    for normalisation in [Normalisation::None, Normalisation::Column] {
        let run = |x_scale: f64, y_scale: f64| {
            let x = data.values().iter().map(|x| x * x_scale).collect();
            let scaled = table(4, x, y.iter().map(|y| y * y_scale).collect());
            let bias = normalisation == Normalisation::Column;
            let settings = Settings { normalisation: Some(normalisation), bias, ..Settings::default() };
            train(&scaled, None, &settings).unwrap()
        };
        let expected = run(1.0, 1.0).info.history.len();
        for (x_scale, y_scale) in [(1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6), (1.0, 1e6)] {
            let solution = run(x_scale, y_scale);
            let place = format!("x {x_scale}, y {y_scale}, {normalisation:?}: {:?}", solution.objective);
            assert_sane(&solution, &place);
            assert_eq!(solution.status, Status::Optimal, "{place}");
            let found = solution.info.history.len();
            assert!(found <= 2 * expected && expected <= 2 * found, "{place}: {found} iterations, not {expected}");
        }
    }
}
