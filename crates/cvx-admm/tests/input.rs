//! R1 to R3: invalid input is refused before any work, with its name and location.

mod common;

use common::{Random, assert_sane, exact, planted, table};
use cvx_admm::{ArtifactError, Beta, Certify, Choice, Device, Gates, Precision, Settings, SolverChoice, SolverKind};
use cvx_admm::{Status, TrainError, train};
use cvx_linalg::{HostMatrix, LinalgError, UnknownName};
use cvx_model::{Dataset, FeatureKind, Labels, ModelError, Normalisation, TaskChoice};
use std::fmt::{Debug, Display};
use std::str::FromStr;

// ---- R1: non-finite numbers -------------------------------------------------------------------------------------

#[test]
fn r1_nan_and_infinity_are_refused_with_their_place() {
    let x: Vec<f64> = Random(1).vector(15);
    let y = vec![0.0, 1.0, 1.0, 0.0, 1.0];
    for (at, row, column) in [(0, 0, 0), (7, 2, 1), (14, 4, 2)] {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut x = x.clone();
            x[at] = value;
            let error = Dataset::new(3, x, Some(Labels::numbers(y.clone())), FeatureKind::Table).unwrap_err();
            assert_eq!(error, ModelError::NonFinite { what: "x", row, column });
        }
    }
    for (row, value) in [(0, f64::NAN), (4, f64::INFINITY)] {
        let mut y = y.clone();
        y[row] = value;
        let error = Dataset::new(3, x.clone(), Some(Labels::numbers(y)), FeatureKind::Table).unwrap_err();
        assert_eq!(error, ModelError::NonFinite { what: "y", row, column: 0 });
    }
    let labels = Labels::Numbers { columns: 2, values: vec![1.0, 2.0, 3.0, f64::NAN] };
    let error = Dataset::new(1, vec![1.0, 2.0], Some(labels), FeatureKind::Table).unwrap_err();
    assert_eq!(error, ModelError::NonFinite { what: "y", row: 1, column: 1 });
}

/// A finite f64 may overflow f32: it is refused with the row and column of the user's data.
#[test]
fn r1_features_that_overflow_f32_are_refused() {
    for (row, column) in [(0, 0), (1, 2), (4, 1)] {
        let mut x = Random(1).vector(15);
        x[3 * row + column] = -1e39;
        let data = table(3, x, vec![0.0, 1.0, 1.0, 0.0, 1.0]);
        for bias in [false, true] {
            let settings = Settings { precision: Precision::F32, bias, ..exact() };
            match train(&data, None, &settings) {
                Err(TrainError::Model(ModelError::NonFinite { what, row: a, column: k })) => {
                    assert_eq!((a, k), (row, column));
                    assert!(what.starts_with('x'), "{what}");
                }
                other => panic!("{:?}", other.map(|solution| solution.status)),
            }
        }
        // f64 can hold the value; the network may be poor, but training succeeds.
        assert_sane(&train(&data, None, &Settings { max_iterations: 20, ..exact() }).unwrap(), "1e39 in f64");
    }
}

#[test]
fn r1_targets_that_overflow_f32_are_refused_by_name() {
    let data = table(1, vec![1.0, 2.0, 3.0], vec![0.5, -1e39, 0.25]);
    match train(&data, None, &Settings { precision: Precision::F32, ..exact() }) {
        Err(TrainError::Model(ModelError::NonFinite { what, row, column })) => {
            assert!(what.starts_with('y'), "the targets overflow, not {what}");
            assert_eq!((row, column), (1, 0));
        }
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
}

/// If 1/2 ||y||^2 is not finite, no gap can be computed.
#[test]
fn r1_targets_whose_squares_overflow_are_refused() {
    let data = table(1, vec![1.0, 2.0, 3.0], vec![0.5, -1e160, 0.25]);
    match train(&data, None, &Settings { task: TaskChoice::Regression, ..exact() }) {
        Err(TrainError::Model(ModelError::OutOfRange { name, value, .. })) => {
            assert!(name.contains('y') && value == 1e160);
        }
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
}

#[test]
fn r1_test_samples_that_overflow_f32_are_named_as_test_samples() {
    let data = planted(20, 3, 1);
    let mut x = planted(5, 3, 2).values().to_vec();
    x[3 * 4 + 2] = 1e39;
    let test = table(3, x, vec![0.0, 1.0, 1.0, 0.0, 1.0]);
    let settings = Settings { precision: Precision::F32, patterns: 5, ..exact() };
    match train(&data, Some(&test), &settings) {
        Err(TrainError::Test(ModelError::NonFinite { row: 4, column: 2, .. })) => {}
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
    // A transform may overflow even f64.
    let model = train(&table(1, vec![1e-100, -1e-100], vec![0.0, 1.0]), None, &Settings::default()).unwrap().model;
    let far = Dataset::new(1, vec![1.0, 1e300], None, FeatureKind::Table).unwrap();
    let error = model.predict(&far).unwrap_err();
    assert!(matches!(error, ArtifactError::Model(ModelError::NonFinite { row: 1, column: 0, .. })), "{error}");
}

/// A spread beyond the range of f64 has no scale.
#[test]
fn r1_an_overflowing_spread_is_refused() {
    let data = table(2, vec![1.0, 1e308, 2.0, -1e308, 3.0, 1e308], vec![0.0, 1.0, 1.0]);
    for normalisation in [Normalisation::Global, Normalisation::Column] {
        let result = train(&data, None, &Settings { normalisation: Some(normalisation), ..exact() });
        assert!(
            matches!(result, Err(TrainError::Model(ModelError::NonFinite { .. }))),
            "{normalisation:?}: {:?}",
            result.map(|solution| solution.status)
        );
    }
}

// ---- R2: settings -----------------------------------------------------------------------------------------------

#[test]
fn r2_every_setting_out_of_range_is_named() {
    let data = planted(20, 3, 1);
    let good = Settings { patterns: 4, ..Settings::default() };
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings
    };
    let mut bad: Vec<(&str, Settings)> = vec![
        ("patterns", with(&|s| s.patterns = 0)),
        ("max_iterations", with(&|s| s.max_iterations = 0)),
        ("evaluate_every", with(&|s| s.evaluate_every = 0)),
        ("threads", with(&|s| s.threads = 5000)),
        ("threads", with(&|s| s.threads = usize::MAX)),
        ("over_relaxation", with(&|s| s.over_relaxation = 2.0)),
        ("dual_step", with(&|s| s.dual_step = 1.7)),
        // alpha gamma must be less than 2 (docs/math.md, section 2).
        ("dual_step", with(&|s| (s.over_relaxation, s.dual_step) = (1.6, 1.3))),
        ("gap", with(&|s| s.gap = 0.0)),
        ("rho", with(&|s| s.rho = Some(0.0))),
        ("sigma", with(&|s| s.sigma = Some(0.0))),
        ("time_limit", with(&|s| s.time_limit = Some(1e300))),
        ("gates", with(&|s| s.gates = Gates::Given(HostMatrix::zeros(4, 0)))),
        ("gates", with(&|s| s.gates = Gates::Given(HostMatrix::zeros(0, 0)))),
    ];
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
        bad.extend([
            ("beta", with(&|s| s.beta = Beta::Value(value))),
            ("beta_fraction", with(&|s| s.beta = Beta::Fraction(value))),
            ("rho", with(&|s| s.rho = Some(value))),
            ("sigma", with(&|s| s.sigma = Some(value))),
            ("time_limit", with(&|s| s.time_limit = Some(value))),
            ("gap", with(&|s| s.gap = value)),
            ("over_relaxation", with(&|s| s.over_relaxation = value)),
            ("dual_step", with(&|s| s.dual_step = value)),
        ]);
        if !value.is_finite() {
            bad.push((
                "gates",
                with(&|s| s.gates = Gates::Given(HostMatrix::from_vec(4, 1, vec![1.0, 0.0, value, 1.0]))),
            ));
        }
    }
    for (name, settings) in bad {
        let error = train(&data, None, &settings).map(|solution| solution.status).unwrap_err();
        assert_eq!(settings.validate().unwrap_err(), error);
        match &error {
            TrainError::Setting { name: named, value, range } => {
                assert_eq!(*named, name);
                assert!(error.to_string().contains(value.as_str()) && error.to_string().contains(range));
            }
            TrainError::Model(error) => assert!(error.to_string().contains(name), "{name}: {error}"),
            error => panic!("{name}: {error}"),
        }
    }
    assert_eq!(train(&data, None, &good).unwrap().status, Status::Optimal);
}

#[test]
fn r2_the_ends_of_the_ranges_are_allowed() {
    let data = planted(20, 3, 1);
    let good = Settings { patterns: 4, max_iterations: 10, ..Settings::default() };
    for settings in [
        Settings { over_relaxation: 1.2, dual_step: 1.618, ..good.clone() },
        Settings { over_relaxation: 1.999, ..good.clone() },
        Settings { over_relaxation: 1e-3, ..good.clone() },
        Settings { gap: f64::MIN_POSITIVE, ..good.clone() },
        Settings { time_limit: Some(4e9), ..good.clone() },
        Settings { evaluate_every: usize::MAX, ..good.clone() },
        Settings { anderson_depth: usize::MAX, ..good.clone() },
        Settings { beta: Beta::Value(f64::MAX), ..good.clone() },
        Settings { memory_budget: Some(u64::MAX), ..good.clone() },
        Settings { patterns: 1, ..good.clone() },
    ] {
        let solution = train(&data, None, &settings).unwrap();
        assert_sane(&solution, &format!("{settings:?}"));
    }
}

/// Each value is parsed from its printed form, and the error for an unknown name lists the `known` ones.
fn check_names<T>(values: impl IntoIterator<Item = T>, known: &[&str])
where
    T: FromStr<Err = UnknownName> + Debug + Display + PartialEq,
{
    for value in values {
        assert_eq!(value.to_string().parse(), Ok(value));
    }
    for other in ["", "none of them", "Auto", "cuda:", "cuda:-1"] {
        let error = other.parse::<T>().unwrap_err();
        assert_eq!((error.found.as_str(), error.known.as_slice()), (other, known));
        assert!(error.to_string().ends_with(&known.join(", ")), "{error}");
    }
}

#[test]
fn r2_a_name_is_parsed_and_an_unknown_one_lists_the_known_ones() {
    check_names(Precision::ALL, &["f32", "f64"]);
    check_names(Certify::ALL, &["network", "sampled", "global"]);
    check_names(Choice::ALL, &["best", "sparsest"]);
    check_names(SolverKind::ALL, &SolverKind::ALL.map(SolverKind::name));
    let solvers = [SolverChoice::Auto].into_iter().chain(SolverKind::ALL.map(SolverChoice::Kind));
    let known: Vec<&str> = solvers.clone().map(SolverChoice::name).collect();
    assert_eq!(known[..3], ["auto", "cholesky", "gram-pcg"]);
    check_names(solvers, &known);
    let devices = [Device::Auto, Device::Cpu, Device::Cuda(0), Device::Cuda(12)];
    check_names(devices, &["auto", "cpu", "cuda", "cuda:I"]);
    assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
}

// ---- R3: shapes and classes -------------------------------------------------------------------------------------

#[test]
fn r3_data_without_samples_or_features_are_refused() {
    let new = |d, x: Vec<f64>, y: Vec<f64>| Dataset::new(d, x, Some(Labels::numbers(y)), FeatureKind::Table);
    assert!(matches!(new(3, vec![], vec![]), Err(ModelError::Empty { what: "samples" })));
    assert!(matches!(new(0, vec![], vec![]), Err(ModelError::Empty { what: "features" })));
    assert!(matches!(new(3, vec![1.0; 7], vec![1.0; 2]), Err(ModelError::Shape { what: "x", .. })));
    assert!(matches!(new(2, vec![1.0; 4], vec![1.0; 3]), Err(ModelError::Shape { what: "y", .. })));
    let data = planted(5, 2, 1);
    assert!(matches!(data.clone().limit(0), Err(ModelError::Empty { .. })));
    assert!(matches!(data.select(&[5]), Err(ModelError::Shape { .. })));
}

#[test]
fn r3_labels_that_do_not_hold_together_are_refused() {
    let new = |labels| Dataset::new(1, vec![1.0, 2.0], Some(labels), FeatureKind::Table);
    let names = |index: Vec<u32>| Labels::Names { index, names: vec!["a".into(), "b".into()] };
    assert!(new(names(vec![0, 1])).is_ok());
    assert!(new(names(vec![0, 2])).is_err(), "an index beyond the dictionary");
    assert!(new(Labels::Numbers { columns: 2, values: vec![1.0; 5] }).is_err(), "a value too many");
    assert!(new(Labels::Numbers { columns: 0, values: vec![] }).is_err(), "no columns");
    assert!(new(Labels::Numbers { columns: 0, values: vec![1.0, 2.0] }).is_err(), "values in no columns");
}

#[test]
fn r3_what_cannot_be_trained_is_refused() {
    let data = planted(20, 3, 1);
    let status = |data: &Dataset, settings: &Settings| train(data, None, settings).map(|solution| solution.status);
    let unlabelled = Dataset::new(3, data.values().to_vec(), None, FeatureKind::Table).unwrap();
    assert_eq!(status(&unlabelled, &exact()), Err(TrainError::Model(ModelError::NoLabels)));
    let one = table(3, data.values().to_vec(), vec![1.0; 20]);
    let single = ModelError::SingleClass { class: "1".into() };
    assert_eq!(status(&one, &Settings::default()), Err(TrainError::Model(single)));
    let regression = Settings { task: TaskChoice::Regression, ..Settings::default() };
    assert_eq!(status(&one, &regression), Ok(Status::Optimal), "a constant is a valid target");

    // Gates: one row per feature, including the bias.
    for (rows, bias, fits) in
        [(3, false, true), (4, true, true), (3, true, false), (4, false, false), (1, false, false)]
    {
        let gates = Gates::Given(HostMatrix::from_fn(rows, 2, |k, i| (k + i) as f64 - 0.5));
        let found = status(&data, &Settings { gates, bias, ..exact() });
        match found {
            Err(TrainError::Model(ModelError::Shape { what: "gates", .. })) => assert!(!fits),
            other => assert!(fits && other.is_ok(), "{rows} rows, bias {bias}: {other:?}"),
        }
    }
    let cuda = status(&data, &Settings { device: Device::Cuda(0), ..Settings::default() });
    match (cuda, cfg!(feature = "cuda")) {
        (Err(TrainError::NotCompiledIn { .. }), false)
        | (Ok(_) | Err(TrainError::Linalg(LinalgError::NoDriver)), true) => {}
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn r3_test_samples_that_do_not_fit_are_refused() {
    let (data, names) = (planted(20, 3, 1), vec!["a".to_string(), "b".to_string()]);
    let test = |test: &Dataset| train(&data, Some(test), &Settings::default()).map(|solution| solution.status);
    assert!(matches!(test(&planted(6, 4, 1)), Err(TrainError::Test(ModelError::Shape { .. }))));
    let named = Labels::Names { index: vec![0, 1], names };
    let other = Dataset::new(3, vec![0.0; 6], Some(named), FeatureKind::Table).unwrap();
    assert!(matches!(test(&other), Err(TrainError::Test(ModelError::UnknownClass { .. }))));
    let unlabelled = Dataset::new(3, vec![0.0; 6], None, FeatureKind::Table).unwrap();
    assert!(matches!(test(&unlabelled), Err(TrainError::Test(ModelError::NoLabels))));
    let model = train(&data, None, &Settings::default()).unwrap().model;
    assert!(model.predict(&planted(6, 4, 1)).is_err() && model.predict(&unlabelled).is_ok());
}

// ---- R4: columns without information -----------------------------------------------------------------------------
