//! The plan that a run makes by itself, and what it does with little data.

mod common;

use common::{Random, planted, smooth, table};
use cvx_admm::{Gates, PathSettings, PathSolution, Plan, Returned, Settings, StopToken, TrainError, Validation};
use cvx_admm::{Wishes, automatic, path, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, FeatureKind, GateKind, Labels, Loss, TaskChoice};

fn plan(data: &Dataset, wishes: &Wishes) -> Plan {
    automatic(data, &Settings::default(), &PathSettings::default(), wishes).unwrap()
}

fn follow(data: &Dataset, settings: &Settings) -> Result<PathSolution, TrainError> {
    let Plan { settings, path: along, .. } = automatic(data, settings, &PathSettings::default(), &Wishes::default())?;
    path(data, None, &settings, &along, &StopToken::new(), &mut ())
}

// ---- the plan ------------------------------------------------------------------------------------------------------

#[test]
fn the_number_of_samples_decides() {
    let of = |n: usize| {
        let Plan { settings, path, .. } = plan(&smooth(n, 2, 1), &Wishes::default());
        assert_eq!((settings.activation, settings.output_bias), (Activation::Gated, true));
        assert_eq!(settings.gates, Gates::Kind(GateKind::Mixed));
        assert!(path.patience.is_some());
        (settings.patterns, path.validation, path.returned, path.ensemble)
    };
    assert_eq!(of(3), (200, Validation::Folds(3), Returned::Mean, 3));
    assert_eq!(of(500), (200, Validation::Folds(5), Returned::Mean, 3));
    assert_eq!(of(501), (200, Validation::Folds(5), Returned::Mean, 1));
    assert_eq!(of(2000), (500, Validation::Folds(5), Returned::Mean, 1));
    assert_eq!(of(5000), (1000, Validation::Folds(5), Returned::Mean, 1));
    assert_eq!(of(5001), (1000, Validation::Share(0.2), Returned::Retrained, 1));
}

#[test]
fn values_do_not_decide() {
    let first = plan(&planted(60, 4, 1), &Wishes::default());
    let mut random = Random(8);
    let scaled: Vec<f64> = random.vector(240).iter().map(|x| 1e6 * x).collect();
    let labels: Vec<f64> = (0..60).map(|row| f64::from(row % 7 == 0)).collect();
    assert_eq!(first, plan(&table(4, scaled, labels), &Wishes::default()));
    assert_eq!(
        first,
        plan(
            &planted(60, 4, 1).with_weights(random.vector(60).iter().map(|w| 2.0 + w).collect()).unwrap(),
            &Wishes::default()
        )
    );
    // Patches of images are for local gates.
    let kind = FeatureKind::Image { channels: 1, height: 2, width: 2 };
    let images = Dataset::new(4, random.vector(240), planted(60, 4, 1).labels().cloned(), kind).unwrap();
    assert_eq!(plan(&images, &Wishes::default()).settings.gates, Gates::Auto);
}

/// A wish is respected, and changes nothing but what it is about.
#[test]
fn every_wish_is_respected() {
    let data = planted(60, 4, 1);
    let base = plan(&data, &Wishes::default());
    let runs = |settings: Settings| Plan { settings, path: base.path.clone(), beside: None };
    let of = |settings: &Settings| settings.clone();
    for (wishes, expected) in [
        (
            Wishes { activation: Some(Activation::Relu), ..Wishes::default() },
            runs(Settings { activation: Activation::Relu, ..of(&base.settings) }),
        ),
        (
            Wishes { ensemble: Some(2), ..Wishes::default() },
            Plan { path: PathSettings { ensemble: 2, ..base.path.clone() }, ..base.clone() },
        ),
        (Wishes { patterns: Some(7), ..Wishes::default() }, runs(Settings { patterns: 7, ..of(&base.settings) })),
        (
            Wishes { output_bias: Some(false), ..Wishes::default() },
            runs(Settings { output_bias: false, ..of(&base.settings) }),
        ),
        (
            Wishes { gates: Some(Gates::Kind(GateKind::Gaussian)), ..Wishes::default() },
            runs(Settings { gates: Gates::Kind(GateKind::Gaussian), ..of(&base.settings) }),
        ),
        (
            Wishes { validation: Some(Validation::Folds(3)), ..Wishes::default() },
            Plan { path: PathSettings { validation: Validation::Folds(3), ..base.path.clone() }, ..base.clone() },
        ),
        (
            Wishes { returned: Some(Returned::Retrained), ..Wishes::default() },
            Plan { path: PathSettings { returned: Returned::Retrained, ..base.path.clone() }, ..base.clone() },
        ),
        // What is held out once is trained on again, unless the mean is wished for.
        (
            Wishes { validation: Some(Validation::Share(0.3)), ..Wishes::default() },
            Plan {
                path: PathSettings {
                    validation: Validation::Share(0.3),
                    returned: Returned::Retrained,
                    ..base.path.clone()
                },
                ..base.clone()
            },
        ),
        (
            Wishes { validation: Some(Validation::Share(0.3)), returned: Some(Returned::Mean), ..Wishes::default() },
            Plan { path: PathSettings { validation: Validation::Share(0.3), ..base.path.clone() }, ..base.clone() },
        ),
    ] {
        assert_eq!(plan(&data, &wishes), expected, "{wishes:?}");
    }
    // What is not chosen is kept.
    let settings = Settings { seed: 9, gap: 0.5, loss: Loss::Logistic, bias: false, ..Settings::default() };
    let along = PathSettings { budget: Some(5.0), gap: 0.3, ratio: 0.1, ..PathSettings::default() };
    let found = automatic(&data, &settings, &along, &Wishes::default()).unwrap();
    let kept = &found.settings;
    assert_eq!((kept.seed, kept.gap, kept.loss, kept.bias), (9, 0.5, Loss::Logistic, false));
    let kept = &found.path;
    assert_eq!((kept.budget, kept.gap, kept.ratio), (Some(5.0), 0.3, 0.1));
    // Gates of the user have a number of their own.
    let gates = HostMatrix::from_fn(5, 3, |i, j| (i + 2 * j) as f64 - 3.0);
    let wishes = Wishes { gates: Some(Gates::Given(gates.clone())), ..Wishes::default() };
    let Plan { settings, path: along, .. } = plan(&data, &wishes);
    let found = path(&data, None, &settings, &along, &StopToken::new(), &mut ()).unwrap();
    let witness = found.solution.model.parts[0].witness.as_ref().unwrap();
    assert!(witness.gates.cols() <= 3 && found.solution.summary.shape.n_patterns <= 3);
}

#[test]
fn r2_bad_wishes_are_refused() {
    let data = planted(30, 3, 1);
    for (wishes, name) in [
        (Wishes { patterns: Some(0), ..Wishes::default() }, "patterns"),
        (Wishes { validation: Some(Validation::Folds(1)), ..Wishes::default() }, "folds"),
        (Wishes { validation: Some(Validation::Share(1.0)), ..Wishes::default() }, "validation"),
    ] {
        let error = automatic(&data, &Settings::default(), &PathSettings::default(), &wishes).unwrap_err();
        assert!(matches!(error, TrainError::Setting { name: found, .. } if found == name), "{error}");
    }
}

// ---- little data ---------------------------------------------------------------------------------------------------

fn assert_good(data: &Dataset, settings: &Settings, place: &str) {
    let found = follow(data, settings).unwrap_or_else(|error| panic!("{place}: {error}"));
    let model = &found.solution.model;
    let verified = verify(model, data).unwrap();
    assert!(verified.holds(), "{place}: {verified:?} {:?}", model.claim);
    let outputs = model.predict(data).unwrap();
    assert!(outputs.values().iter().all(|value| value.is_finite()), "{place}");
    assert!(found.points.iter().all(|point| point.mean_loss.is_finite()), "{place}: {:?}", found.points);
    // Each network comes with what is proved, also where numbers of a rounding error are all that is left to fit.
    assert_eq!(found.cut_short, None, "{place}");
    assert!((0.0..=1.0).contains(&found.solution.objective.relative_gap), "{place}: {:?}", model.claim);
    if model.task.classes().is_empty() {
        assert!(model.intervals.is_some(), "{place}");
    } else {
        let p = model.probabilities(&outputs).unwrap().unwrap();
        assert!(p.values().iter().all(|p| (0.0..=1.0).contains(p)), "{place}");
    }
    assert!(cvx_admm::Model::from_bytes(&model.to_bytes().unwrap(), "x".as_ref()).unwrap() == *model, "{place}");
}

#[test]
fn two_and_three_samples() {
    let mut random = Random(2);
    for n in [2, 3, 4, 6] {
        let x = random.vector(2 * n);
        for loss in [Loss::Squared, Loss::Logistic, Loss::SquaredHinge] {
            for activation in [Activation::Gated, Activation::Relu] {
                let classes = table(2, x.clone(), (0..n).map(|row| f64::from(row == 0)).collect());
                let settings = Settings { loss, activation, max_iterations: 300, ..Settings::default() };
                assert_good(&classes, &settings, &format!("{n} samples of two classes, {loss:?}"));
            }
        }
        for y in [random.vector(n), vec![3.0; n], (0..n).map(|row| row as f64 * 1e6).collect()] {
            let settings = Settings { task: TaskChoice::Regression, ..Settings::default() };
            assert_good(&table(2, x.clone(), y), &settings, &format!("{n} numbers"));
            let huber = Settings { loss: Loss::Huber { delta: 0.1 }, ..settings };
            assert_good(&table(2, x.clone(), random.vector(n)), &huber, &format!("{n} numbers, Huber"));
        }
        let names = Labels::Names { index: (0..n as u32).collect(), names: (0..n).map(|k| format!("c{k}")).collect() };
        let each = Dataset::new(2, x.clone(), Some(names), FeatureKind::Table).unwrap();
        for loss in [Loss::Squared, Loss::Logistic] {
            assert_good(&each, &Settings { loss, ..Settings::default() }, &format!("{n} classes of a sample"));
        }
    }
}

#[test]
fn one_sample_cannot_be_parted() {
    let alone = table(2, vec![0.5, 1.0], vec![1.0]);
    for task in [TaskChoice::Regression, TaskChoice::Auto] {
        let error = follow(&alone, &Settings { task, ..Settings::default() }).unwrap_err();
        assert!(matches!(error, TrainError::Setting { .. } | TrainError::Model(_)), "{error:?}");
    }
}

#[test]
fn a_class_with_a_single_sample() {
    let mut random = Random(11);
    let x = random.vector(31 * 3);
    for (classes, loss) in [(2, Loss::Squared), (2, Loss::Logistic), (3, Loss::Squared), (3, Loss::SquaredHinge)] {
        let y = (0..31).map(|row| if row == 30 { 9.0 } else { f64::from(row % (classes - 1)) }).collect();
        let data = table(3, x.clone(), y);
        // Separated classes need many iterations at the smallest betas, which are of no interest here.
        let settings = Settings { loss, max_iterations: 100, ..Settings::default() };
        assert_good(&data, &settings, &format!("{classes} classes, {loss:?}"));
        let balanced = Settings { class_weights: cvx_admm::ClassWeights::Balanced, ..settings };
        assert_good(&data, &balanced, &format!("{classes} balanced classes, {loss:?}"));
    }
}

#[test]
fn tables_with_nothing_in_them() {
    let mut random = Random(12);
    let settings = Settings { task: TaskChoice::Regression, ..Settings::default() };
    assert_good(&table(2, vec![1.0; 40], random.vector(20)), &settings, "constant features");
    assert_good(&table(2, random.vector(40), vec![0.0; 20]), &settings, "constant targets");
    assert_good(&table(1, (0..20).map(|row| f64::from(row % 2)).collect(), random.vector(20)), &settings, "two values");
    let no_bias = Settings { bias: false, ..settings };
    assert_good(&table(2, random.vector(40), random.vector(20)), &no_bias, "no bias column");
}

/// A fold without one of two classes: the output bias alone fits its samples, and nothing is left to iterate for.
#[test]
fn a_fold_of_one_class_is_done_at_once() {
    let mut random = Random(11);
    let data = table(3, random.vector(31 * 3), (0..31).map(|row| f64::from(row == 30)).collect());
    for loss in [Loss::Squared, Loss::Logistic, Loss::SquaredHinge] {
        let settings = Settings { loss, max_iterations: 100, ..Settings::default() };
        let model = follow(&data, &settings).unwrap().solution.model;
        let alone = model.parts.iter().find(|part| part.held_out.contains(&30)).unwrap();
        assert_eq!((alone.neurons, alone.objective.relative_gap < 1e-9), (0, true), "{loss:?}: {:?}", alone.objective);
        assert!(alone.objective.network <= 1e-9, "{loss:?}: {:?}", alone.objective);
    }
}
