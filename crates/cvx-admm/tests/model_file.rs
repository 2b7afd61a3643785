//! F2, M5: model files that are complete, that cannot be written, or that make false claims.

mod common;

use common::frame::{bytes, parse, small};
use common::textures::{on_patches, textures};
use common::{Random, exact, planted, sharp, smooth};
use cvx_admm::{Beta, FileError, Model, Precision, Settings, train, verify};
use cvx_linalg::{FeaturePrecision, HostMatrix};
use cvx_model::{Dataset, FeatureKind, Labels, Patches, Task};

/// The same model without the witness of its bound.
fn without_proof(model: &Model) -> Model {
    let mut bare = model.clone();
    bare.parts.iter_mut().for_each(|part| part.witness = None);
    bare
}

#[test]
fn a_saved_model_comes_back_equal() {
    let several = Dataset::new(
        3,
        Random(1).vector(60),
        Some(Labels::Names {
            index: (0..20).map(|a| a % 3).collect(),
            names: ["x", "y", "z"].map(String::from).into(),
        }),
        FeatureKind::Image { channels: 1, height: 1, width: 3 },
    )
    .unwrap();
    for (name, data) in [("binary", planted(30, 4, 1)), ("regression", smooth(20, 3, 1)), ("classes", several)] {
        for precision in [Precision::F32, Precision::F64] {
            for bias in [true, false] {
                // The last is a zero network, without neurons.
                for fraction in [1e-2, 2.0] {
                    let beta = Beta::Fraction(fraction);
                    let settings =
                        Settings { patterns: 6, precision, bias, beta, max_iterations: 200, ..Settings::default() };
                    let model = train(&data, None, &settings).unwrap().model;
                    let place = format!("{name} {precision:?} bias {bias} beta {fraction}");
                    assert_eq!(model.network.n_neurons() == 0, fraction > 1.0, "{place}");
                    let again = parse(&bytes(&model)).unwrap();
                    assert!(again == model, "{place}");
                    assert!(again.predict(&data).unwrap() == model.predict(&data).unwrap(), "{place}");
                    assert!(verify(&again, &data).unwrap().holds(), "{place}");
                    let bare = without_proof(&model);
                    assert!(parse(&bytes(&bare)).unwrap() == bare, "{place}, without its proof");
                }
            }
        }
    }
}

#[test]
fn load_reads_what_save_wrote_and_replaces_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let (_, first) = small();
    first.save(&path).unwrap();
    assert!(Model::load(&path).unwrap() == first);
    let second = train(&smooth(10, 2, 2), None, &Settings { patterns: 3, ..Settings::default() }).unwrap().model;
    second.save(&path).unwrap();
    assert!(Model::load(&path).unwrap() == second);
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["model.cvx"], "no temporary file stays behind");
}

// ---- F2 ----------------------------------------------------------------------------------------------------------

#[test]
fn f2_what_cannot_be_written_is_an_error_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let (_, model) = small();
    model.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();

    let missing = folder.path().join("missing").join("model.cvx");
    match model.save(&missing) {
        Err(error @ FileError::Io { action: "written", .. }) => assert!(error.to_string().contains("missing")),
        other => panic!("{other:?}"),
    }
    // A folder at the path of the file, and a file at the path of the folder.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(matches!(model.save(&taken), Err(FileError::Io { .. })));
    assert!(matches!(model.save(&path.join("inside.cvx")), Err(FileError::Io { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["model.cvx", "taken"], "no temporary file stays behind");

    assert!(matches!(Model::load(&taken), Err(FileError::Io { action: "read", .. })));
    match Model::load(&missing) {
        Err(error @ FileError::Missing { .. }) => {
            assert!(error.to_string().contains("model does not exist"), "{error}")
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn f2_names_beyond_what_is_read_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.cvx");
    let (_, mut model) = small();
    let named = |length| Task::Binary { classes: ["a".to_string(), "b".repeat(length)], majority: 0 };
    model.task = named(1 << 19);
    model.save(&path).unwrap();
    assert!(Model::load(&path).unwrap() == model);
    let before = std::fs::read(&path).unwrap();
    model.task = named(1 << 20);
    match model.save(&path) {
        Err(error @ FileError::Unstorable { .. }) => assert!(error.to_string().contains("header takes"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

// ---- M5 ----------------------------------------------------------------------------------------------------------

fn trained(precision: Precision) -> (Dataset, Model, f64) {
    let data = planted(40, 4, 5);
    let settings = Settings { patterns: 8, precision, gap: 1e-4, beta: Beta::Value(0.3), ..exact() };
    let model = train(&data, None, &settings).unwrap().model;
    let best = train(&data, None, &Settings { certify: cvx_admm::Certify::Sampled, gap: 1e-6, ..settings }).unwrap();
    (data, model, best.objective.sampled_primal.unwrap())
}

#[test]
fn m5_verification_agrees_with_the_claims() {
    for precision in [Precision::F32, Precision::F64] {
        let (data, model, _) = trained(precision);
        let (found, claim) = (verify(&model, &data).unwrap(), &model.claim);
        assert!(found.holds() && found.network_agrees && found.bound_agrees, "{found:?}");
        assert!((found.network - claim.objective.network).abs() <= 1e-9 * claim.objective.network);
        assert!((found.loss - claim.train_loss).abs() <= 1e-9 * claim.train_loss);
        let bound = found.dual_bound.unwrap();
        assert!((bound - claim.objective.dual_bound).abs() <= 1e-9 * bound, "{bound}");
        assert_eq!(found.accuracy, claim.train_accuracy);
        let bare = verify(&without_proof(&model), &data).unwrap();
        assert!(bare.network_agrees && bare.dual_bound.is_none() && bare.relative_gap.is_none());
        assert!(!bare.holds(), "a bound without a proof does not hold");
    }
}

#[test]
fn m5_other_data_are_refused() {
    let (data, model, _) = trained(Precision::F64);
    let with = |x: Vec<f64>, y: Vec<f64>| Dataset::new(4, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap();
    let Some(Labels::Numbers { values: y, .. }) = data.labels() else { panic!() };
    let x = data.values();
    assert!(verify(&model, &with(x.to_vec(), y.clone())).is_ok());
    let mut nudged = x.to_vec();
    nudged[77] += 1e-9;
    let mut relabelled = y.clone();
    relabelled[7] = 1.0 - y[7];
    for other in [
        with(nudged, y.clone()),
        with(x.to_vec(), relabelled),
        data.clone().limit(39).unwrap(),
        data.select(&(0..40).rev().collect::<Vec<_>>()).unwrap(),
        planted(40, 4, 6),
        Dataset::new(4, x.to_vec(), None, FeatureKind::Table).unwrap(),
        planted(40, 5, 5),
    ] {
        assert!(verify(&model, &other).is_err());
    }
}

#[test]
fn m5_one_corrupted_weight_is_caught() {
    let (data, model, _) = trained(Precision::F64);
    let (first, second) = (model.network.w1.values().len(), model.network.w2.values().len());
    for k in 0..first + second {
        // At a good network, the objective is flat to first order: a much smaller change leaves all claims unchanged.
        for factor in [1.01, 0.99, -1.0, 0.0] {
            let mut corrupted = model.clone();
            let network = &mut corrupted.network;
            let weight =
                if k < first { &mut network.w1.values_mut()[k] } else { &mut network.w2.values_mut()[k - first] };
            // The effect of a weight of the smallest kind may be below rounding.
            if weight.abs() < 1e-3 {
                continue;
            }
            *weight *= factor;
            let found = verify(&corrupted, &data).unwrap();
            assert!(!found.network_agrees && !found.holds(), "weight {k} times {factor}: {found:?}");
        }
    }
}

#[test]
fn m5_inflated_claims_are_caught() {
    let (data, model, _) = trained(Precision::F64);
    let lie = |change: &dyn Fn(&mut Model)| {
        let mut model = model.clone();
        change(&mut model);
        verify(&model, &data).unwrap()
    };
    let holds = lie(&|_| ());
    assert!(holds.holds());
    for (what, found) in [
        ("a higher bound", lie(&|model| model.claim.objective.dual_bound *= 1.0 + 1e-6)),
        ("a NaN bound", lie(&|model| model.claim.objective.dual_bound = f64::NAN)),
        ("a smaller gap", lie(&|model| model.claim.objective.relative_gap = -1e-6)),
        ("a NaN gap", lie(&|model| model.claim.objective.relative_gap = f64::NAN)),
        ("a lower objective", lie(&|model| model.claim.objective.network *= 1.0 - 1e-6)),
        ("a NaN objective", lie(&|model| model.claim.objective.network = f64::NAN)),
        ("a lower loss", lie(&|model| model.claim.train_loss *= 0.999)),
        ("another beta", lie(&|model| model.claim.beta *= 1.001)),
        ("a negative beta", lie(&|model| model.claim.beta = -0.3)),
        ("a NaN beta", lie(&|model| model.claim.beta = f64::NAN)),
    ] {
        assert!(!found.holds(), "{what}: {found:?}");
    }
    // A claim below the proven value is valid.
    assert!(lie(&|model| model.claim.objective.dual_bound *= 0.5).holds());
}

#[test]
fn m5_an_inflated_accuracy_is_caught() {
    let (data, mut model, _) = trained(Precision::F64);
    assert!(model.claim.train_accuracy.unwrap() < 1.0);
    model.claim.train_accuracy = Some(1.0);
    let found = verify(&model, &data).unwrap();
    assert!(!found.holds(), "{found:?}");
}

/// No witness proves more than the true bound.
#[test]
fn m5_no_witness_proves_more_than_the_optimum() {
    let (data, model, optimum) = trained(Precision::F64);
    let mut random = Random(8);
    for scale in [1e-4, 1e-2, 1.0, 100.0] {
        for _ in 0..10 {
            let mut forged = model.clone();
            let witness = forged.parts[0].witness.as_mut().unwrap();
            witness.xi.values_mut().iter_mut().for_each(|xi| *xi += scale * random.signed());
            witness.multipliers.values_mut().iter_mut().for_each(|eta| *eta += scale * random.signed());
            let found = verify(&forged, &data).unwrap();
            assert!(found.dual_bound.unwrap() <= optimum * (1.0 + 1e-12), "{found:?} above {optimum}");
        }
    }
    // The true multipliers with one sign reversed do not prove more either.
    let mut turned = model.clone();
    turned.parts[0].witness.as_mut().unwrap().multipliers.values_mut().iter_mut().for_each(|eta| *eta = -*eta);
    assert!(verify(&turned, &data).unwrap().dual_bound.unwrap() <= optimum);
}

/// Norms that overflow to inf - inf are NaN, and must not count as zero.
#[test]
fn m5_multipliers_that_overflow_prove_nothing() {
    let (data, model, optimum) = trained(Precision::F64);
    let y = model.task.encode(data.labels().unwrap()).unwrap();
    for huge in [1e160, 1.7e308] {
        let mut forged = model.clone();
        let witness = forged.parts[0].witness.as_mut().unwrap();
        let patterns = witness.patterns.clone();
        witness.multipliers = HostMatrix::from_fn(40, witness.multipliers.cols(), |a, j| {
            if patterns.get(a, j % patterns.cols()) { huge } else { -huge }
        });
        for scale in [1.0, huge] {
            forged.parts[0].witness.as_mut().unwrap().xi = HostMatrix::from_fn(40, 1, |a, _| scale * y[(a, 0)]);
            let found = verify(&forged, &data).unwrap();
            assert!(found.dual_bound.unwrap() <= optimum && !found.holds(), "{found:?}");
        }
    }
}

/// beta = 0 gives 0/0 in the bound; the result must still be a number.
#[test]
fn m3_a_model_without_penalty_is_verified() {
    let data = smooth(15, 2, 3);
    let settings = Settings { patterns: 4, beta: Beta::Value(0.0), max_iterations: 50, ..sharp(1e-6) };
    let found = verify(&train(&data, None, &settings).unwrap().model, &data).unwrap();
    assert!(found.holds() && found.dual_bound.is_some_and(f64::is_finite), "{found:?}");
    assert!(found.relative_gap.is_some_and(|gap| (0.0..=1.0).contains(&gap)));
}

// ---- gates of patches --------------------------------------------------------------------------------------------

#[test]
fn a_model_on_patches_comes_back_equal() {
    for (classes, precision) in [(2, Precision::F32), (3, Precision::F64)] {
        let data = textures(24, classes, 1);
        // The last is a zero network, without neurons.
        for (fraction, output_bias) in [(0.05, true), (0.05, false), (2.0, true)] {
            let settings = Settings { precision, output_bias, beta: Beta::Fraction(fraction), ..on_patches() };
            let model = train(&data, None, &settings).unwrap().model;
            let place = format!("{classes} {precision:?} {fraction}");
            assert_eq!(model.network.n_neurons() == 0, fraction > 1.0, "{place}");
            let again = parse(&bytes(&model)).unwrap();
            assert!(again == model && again.network.patches.is_some(), "{place}");
            assert!(again.predict(&data).unwrap() == model.predict(&data).unwrap(), "{place}");
            assert!(verify(&again, &data).unwrap().holds(), "{place}");
            let bare = without_proof(&model);
            assert!(parse(&bytes(&bare)).unwrap() == bare, "{place}, without its proof");
        }
    }
}

#[test]
fn m5_every_corruption_of_a_model_on_patches_is_caught() {
    let data = textures(24, 2, 2);
    let model = train(&data, None, &Settings { output_bias: true, gap: 1e-4, ..on_patches() }).unwrap().model;
    assert!(verify(&model, &data).unwrap().holds());
    let caught = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut other = model.clone();
        change(&mut other);
        let found = verify(&other, &data).unwrap();
        assert!(!found.holds(), "{what}: {found:?}");
    };
    let largest = |matrix: &HostMatrix| {
        let size = |at: &usize| matrix.values()[*at].abs();
        (0..matrix.values().len()).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap()
    };
    let patches = |model: &mut Model, change: &dyn Fn(&mut Patches)| {
        let mut patches = (**model.network.patches.as_ref().unwrap()).clone();
        change(&mut patches);
        model.network.patches = Some(std::sync::Arc::new(patches));
    };
    let (w1, w2) = (largest(&model.network.w1), largest(&model.network.w2));
    caught("a weight of the first layer", &|model| model.network.w1.values_mut()[w1] *= 1.01);
    caught("a weight of the second layer", &|model| model.network.w2.values_mut()[w2] *= 1.01);
    caught("the output bias", &|model| model.network.output_bias[0] += 1e-3);
    caught("the gates of the network", &|model| {
        let gates = model.network.gates.as_mut().unwrap();
        gates.values_mut().iter_mut().for_each(|gate| *gate = -*gate);
    });
    // Gates that are always on have larger gradients.
    caught("a gate of the proof", &|model| {
        let gates = &mut model.parts[0].witness.as_mut().unwrap().gates;
        let last = gates.rows() - 1;
        (0..gates.cols()).for_each(|gate| gates[(last, gate)] = 1e3);
    });
    caught("beta", &|model| model.claim.beta *= 1.001);
    caught("beta of the part", &|model| model.parts[0].beta *= 1.001);
    caught("both", &|model| {
        model.claim.beta *= 1.001;
        model.parts[0].beta *= 1.001;
    });
    caught("the bound", &|model| model.claim.objective.dual_bound *= 1.001);
    caught("the bound of the part", &|model| model.parts[0].objective.dual_bound *= 1.001);
    caught("xi", &|model| model.parts[0].witness.as_mut().unwrap().xi.values_mut()[3] += 1.0);
    caught("the values", &|model| patches(model, &|patches| patches.values.values_mut()[0] *= 1.1));
    caught("the contrast", &|model| patches(model, &|patches| patches.contrast *= 1.1));
    caught("mirror images", &|model| patches(model, &|patches| patches.mirrored = !patches.mirrored));
    let half = FeaturePrecision::Half;
    caught("the precision of features", &|model| patches(model, &|patches| patches.precision = half));
    caught("the stride", &|model| patches(model, &|patches| patches.stride = 2));
    let other = textures(24, 2, 3);
    assert!(verify(&model, &other).is_err(), "other images");
}
