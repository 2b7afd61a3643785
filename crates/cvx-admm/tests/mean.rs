//! The mean of the networks of the folds, as one model of several parts: its predictions, its claims and its file.

mod common;

use common::frame::{Frame, bytes, parse};
use common::{Random, exact, near, planted, smooth, table};
use cvx_admm::{Certify, ClassWeights, Model, Objective, PathSettings, PathSolution, Precision, Returned, Settings};
use cvx_admm::{StopToken, Validation, path, train, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, FeatureKind, GateKind, Loss, Normalisation, TaskChoice};
use std::path::Path;
use std::time::Instant;

fn mean_path(folds: usize) -> PathSettings {
    let validation = Validation::Folds(folds);
    PathSettings { betas: 3, ratio: 0.03, gap: 1e-2, validation, returned: Returned::Mean, ..PathSettings::default() }
}

fn along(data: &Dataset, settings: &Settings, path_settings: &PathSettings) -> PathSolution {
    path(data, None, settings, path_settings, &StopToken::new(), &mut ()).unwrap()
}

fn three_classes(n: usize) -> Dataset {
    let mut random = Random(7);
    let x = random.vector(n * 3);
    let y = x.chunks(3).map(|row| f64::from(u8::from(row[0] > 0.2)) + f64::from(u8::from(row[1] > 0.0))).collect();
    table(3, x, y)
}

fn weighted(data: Dataset) -> Dataset {
    let mut random = Random(5);
    let weights = random.vector(data.n_samples()).iter().map(|w| 1.2 + w).collect();
    data.with_weights(weights).unwrap()
}

/// A mean of three parts of few neurons.
fn small(activation: Activation) -> (Dataset, Model) {
    let data = planted(24, 3, 5);
    let settings = Settings { activation, patterns: 4, output_bias: true, gap: 1e-4, ..exact() };
    let model = along(&data, &settings, &mean_path(3)).solution.model;
    assert!(model.parts.len() == 3 && model.parts.iter().all(|part| part.neurons > 0));
    (data, model)
}

// ---- predictions and claims ----------------------------------------------------------------------------------------

/// The outputs are the mean of those of the parts, and every claim about every part is proved again from the data.
fn assert_mean(data: &Dataset, settings: &Settings, place: &str) {
    let found = along(data, settings, &mean_path(3));
    let (model, solution) = (&found.solution.model, &found.solution);
    assert_eq!(model.parts.len(), 3, "{place}");
    let prediction = model.predict(data).unwrap();
    let parts: Vec<HostMatrix> =
        (0..3).map(|k| Model { network: model.part(k).0, ..model.clone() }.predict(data).unwrap()).collect();
    for (at, f) in prediction.values().iter().enumerate() {
        let terms = parts.iter().map(|part| part.values()[at]);
        let scale = 1.0 + terms.clone().map(f64::abs).sum::<f64>();
        assert!((f - terms.sum::<f64>() / 3.0).abs() <= 1e-12 * scale, "{place}: {f}");
    }
    let verified = verify(model, data).unwrap();
    assert!(verified.holds(), "{place}: {verified:?} {:?}", model.claim);
    let sum = |value: fn(&Objective) -> f64| model.parts.iter().map(|part| value(&part.objective)).sum::<f64>();
    assert!(near(solution.objective.network, sum(|objective| objective.network), 1e-12), "{place}");
    assert!(near(solution.objective.dual_bound, sum(|objective| objective.dual_bound), 1e-12), "{place}");
    assert!(model.parts.iter().all(|part| part.objective.relative_gap <= settings.gap), "{place}");
    assert!(solution.objective.relative_gap <= settings.gap, "{place}");
    assert!(near(verified.loss, solution.train.loss, 1e-9), "{place}");
    assert_eq!(solution.model.network.n_neurons(), model.parts.iter().map(|part| part.neurons).sum::<usize>());
    // Each part is what a run on its samples claims.
    for part in &model.parts {
        let own = verify(&Model { parts: vec![part.clone()], ..model.clone() }, data);
        assert!(!own.unwrap().holds(), "{place}: a part alone is not the model");
    }
    let again = parse(&bytes(model)).unwrap();
    assert!(again == *model, "{place}: the file");
    assert!(verify(&again, data).unwrap().holds(), "{place}: the file");
}

#[test]
fn the_mean_predicts_the_mean_and_proves_its_claims() {
    for activation in [Activation::Gated, Activation::Relu] {
        for precision in [Precision::F32, Precision::F64] {
            for output_bias in [false, true] {
                let settings =
                    Settings { activation, precision, output_bias, patterns: 6, gap: 1e-3, ..Settings::default() };
                let place = |name: &str| format!("{name}, {activation:?} {precision:?}, bias {output_bias}");
                assert_mean(&planted(40, 3, 1), &settings, &place("two classes"));
                assert_mean(&three_classes(45), &settings, &place("three classes"));
                assert_mean(&smooth(40, 3, 1), &settings, &place("numbers"));
                assert_mean(&weighted(smooth(40, 3, 1)), &settings, &place("weighted numbers"));
                let class_weights = ClassWeights::Balanced;
                let heavy = Settings { loss: Loss::Logistic, class_weights, ..settings.clone() };
                assert_mean(&weighted(planted(40, 3, 1)), &heavy, &place("weighted classes"));
                let sampled = Settings { certify: Certify::Sampled, ..settings.clone() };
                assert_mean(&three_classes(45), &sampled, &place("the sampled certificate"));
            }
        }
    }
}

/// The planes of mixed gates pass through samples where features are whole numbers: rounding decides the side of a
/// sample. Claims must hold all the same.
#[test]
fn gates_through_samples_do_not_break_claims() {
    let mut random = Random(23);
    let x: Vec<f64> = random.vector(120 * 3).iter().map(|x| (3.0 * x).round()).collect();
    let y: Vec<f64> = x.chunks(3).map(|row| (row[0] - row[1]).abs() + 0.3 * row[2]).collect();
    let data = table(3, x, y);
    for normalisation in [Normalisation::None, Normalisation::default_for(FeatureKind::Table)] {
        for (precision, seed) in [(Precision::F32, 1), (Precision::F64, 2)] {
            let settings = Settings {
                activation: Activation::Gated,
                gates: cvx_admm::Gates::Kind(GateKind::Mixed),
                patterns: 60,
                task: TaskChoice::Regression,
                normalisation: Some(normalisation),
                output_bias: true,
                precision,
                seed,
                ..Settings::default()
            };
            for validation in [Validation::Folds(5), Validation::Share(0.2)] {
                let path_settings = PathSettings { validation, ..mean_path(5) };
                let model = along(&data, &settings, &path_settings).solution.model;
                let verified = verify(&model, &data).unwrap();
                assert!(
                    verified.holds(),
                    "{normalisation:?} {precision:?} {validation:?}: {verified:?} {:?}",
                    model.claim
                );
            }
        }
    }
}

/// A sample of zeros lies on every plane without a bias, also one that the only part has held out.
#[test]
fn a_held_out_sample_on_every_plane() {
    let mut x = Random(3).vector(30 * 2);
    x[58..].fill(0.0);
    x[..2].fill(0.0);
    let y: Vec<f64> = x.chunks(2).map(|row| row[0].max(0.0) + 0.2).collect();
    let data = table(2, x, y);
    for seed in 0..12 {
        let settings =
            Settings { activation: Activation::Gated, patterns: 5, task: TaskChoice::Regression, seed, ..exact() };
        let path_settings = PathSettings { validation: Validation::Share(0.3), ..mean_path(2) };
        let model = along(&data, &settings, &path_settings).solution.model;
        assert!(model.parts.len() == 1 && !model.parts[0].held_out.is_empty());
        assert!(verify(&model, &data).unwrap().holds(), "seed {seed}");
    }
}

#[test]
fn an_ensemble_has_the_folds_of_several_splits_or_several_runs() {
    let data = planted(40, 3, 2);
    let settings = Settings { patterns: 5, gap: 1e-3, activation: Activation::Gated, seed: 4, ..Settings::default() };
    let twice = |returned| PathSettings { ensemble: 2, returned, ..mean_path(3) };
    let mean = along(&data, &settings, &twice(Returned::Mean)).solution.model;
    assert_eq!(mean.parts.len(), 6);
    for half in [&mean.parts[..3], &mean.parts[3..]] {
        let mut rows: Vec<usize> = half.iter().flat_map(|part| part.held_out.clone()).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..40).collect::<Vec<_>>());
    }
    assert_ne!(mean.parts[0].held_out, mean.parts[3].held_out);
    let gates = |k: usize| mean.parts[k].witness.as_ref().unwrap().gates.clone();
    assert!((1..6).all(|k| gates(0) != gates(k)), "each fold draws gates of its own");
    assert!(verify(&mean, &data).unwrap().holds());

    let found = along(&data, &settings, &twice(Returned::Retrained));
    let (model, fraction) = (&found.solution.model, found.points[found.chosen].fraction);
    assert_eq!((found.folds, model.parts.len()), (3, 2));
    assert!(model.parts.iter().all(|part| part.held_out.is_empty()));
    let run = |seed| {
        let beta = cvx_admm::Beta::Fraction(fraction);
        train(&data, None, &Settings { beta, seed, ..settings.clone() }).unwrap().model
    };
    let (first, second) = (run(4), run(5));
    let [f, a, b] = [model, &first, &second].map(|model| model.predict(&data).unwrap());
    for (f, (a, b)) in f.values().iter().zip(a.values().iter().zip(b.values())) {
        assert!((f - 0.5 * (a + b)).abs() < 1e-12 * (1.0 + a.abs() + b.abs()));
    }
    assert_eq!((&model.parts[0], &model.parts[1]), (&first.parts[0], &second.parts[0]));
    assert!(verify(model, &data).unwrap().holds());
}

/// Test samples are only evaluated, by the mean.
#[test]
fn test_samples_are_scored_by_the_mean() {
    let (data, test) = (planted(40, 3, 1), planted(30, 3, 9));
    let settings = Settings { patterns: 5, ..Settings::default() };
    let run = |test: Option<&Dataset>| {
        path(&data, test, &settings, &mean_path(3), &StopToken::new(), &mut ()).unwrap().solution
    };
    let (with, without) = (run(Some(&test)), run(None));
    assert!(with.model == without.model && without.test.is_none());
    let prediction = with.model.predict(&test).unwrap();
    let y = with.model.task.encode(test.labels().unwrap()).unwrap();
    let right = (0..30).filter(|&a| (prediction[(a, 0)] >= 0.0) == (y[(a, 0)] > 0.0)).count();
    assert_eq!(with.test.unwrap().accuracy, Some(right as f64 / 30.0));
    assert_eq!(with.test_confusion.is_some(), with.train_confusion.is_some());
}

// ---- corruptions ---------------------------------------------------------------------------------------------------

#[test]
fn m5_every_single_corruption_of_a_part_is_caught() {
    for activation in [Activation::Gated, Activation::Relu] {
        let (data, model) = small(activation);
        assert!(verify(&model, &data).unwrap().holds());
        let caught = |what: String, change: &dyn Fn(&mut Model)| {
            let mut model = model.clone();
            change(&mut model);
            let found = verify(&model, &data).unwrap();
            assert!(!found.holds(), "{activation:?}, {what}: {found:?}");
        };
        let (first, second) = (model.network.w1.values().len(), model.network.w2.values().len());
        for k in 0..first + second {
            let weight = |model: &Model| match k < first {
                true => model.network.w1.values()[k],
                false => model.network.w2.values()[k - first],
            };
            if weight(&model).abs() < 1e-3 {
                continue;
            }
            caught(format!("weight {k}"), &|model| {
                let value = 1.01 * weight(model);
                let network = &mut model.network;
                if k < first {
                    network.w1.values_mut()[k] = value;
                } else {
                    network.w2.values_mut()[k - first] = value;
                }
            });
        }
        caught("the output bias of the model".into(), &|model| model.network.output_bias[0] += 1e-3);
        for k in 0..3 {
            caught(format!("the output bias of part {k}"), &|model| model.parts[k].output_bias[0] += 1e-3);
            caught(format!("beta of part {k}"), &|model| model.parts[k].beta *= 1.001);
            caught(format!("a beta of part {k} that is no number"), &|model| model.parts[k].beta = f64::NAN);
            caught(format!("a row of part {k}"), &|model| {
                let held_out = &mut model.parts[k].held_out;
                let other = (0..24).find(|row| !held_out.contains(row)).unwrap();
                held_out[0] = other;
                held_out.sort_unstable();
            });
            for a in 0..16 {
                caught(format!("entry {a} of xi of part {k}"), &|model| {
                    let xi = &mut model.parts[k].witness.as_mut().unwrap().xi;
                    let largest = xi.values().iter().fold(0.0, |largest: f64, xi| largest.max(xi.abs()));
                    xi.values_mut()[a] += 0.5 * largest;
                });
            }
            caught(format!("a bound of part {k}"), &|model| model.parts[k].objective.dual_bound *= 1.001);
            caught(format!("a bound of part {k} that is no number"), &|model| {
                model.parts[k].objective.dual_bound = f64::NAN;
            });
            caught(format!("an objective of part {k}"), &|model| model.parts[k].objective.network *= 0.999);
            caught(format!("the gap of part {k}"), &|model| model.parts[k].objective.relative_gap = -1e-6);
            caught(format!("no witness of part {k}"), &|model| model.parts[k].witness = None);
            caught(format!("the neurons of part {k}"), &|model| {
                model.parts[k].neurons -= 1;
                model.parts[(k + 1) % 3].neurons += 1;
            });
            let next = (k + 1) % 3;
            caught(format!("the objectives of parts {k} and {next}"), &|model| {
                let moved = model.parts[k].objective;
                model.parts[k].objective = std::mem::replace(&mut model.parts[next].objective, moved);
            });
            caught(format!("the witnesses of parts {k} and {next}"), &|model| {
                let moved = model.parts[k].witness.take();
                model.parts[k].witness = std::mem::replace(&mut model.parts[next].witness, moved);
            });
            caught(format!("the samples of parts {k} and {next}"), &|model| {
                let moved = model.parts[k].held_out.clone();
                model.parts[k].held_out = std::mem::replace(&mut model.parts[next].held_out, moved);
            });
        }
        caught("the model's beta".into(), &|model| model.claim.beta *= 1.001);
        caught("a lower sum".into(), &|model| model.claim.objective.network *= 0.999);
        caught("a higher bound".into(), &|model| model.claim.objective.dual_bound *= 1.001);
        caught("a smaller gap".into(), &|model| model.claim.objective.relative_gap = -1e-6);
        caught("another loss".into(), &|model| model.claim.train_loss *= 0.999);
        caught("no parts".into(), &|model| model.parts.clear());
    }
}

/// What one part gains another loses: the sums remain, and the parts are caught.
#[test]
fn m5_a_part_cannot_hide_behind_the_sum() {
    for activation in [Activation::Gated, Activation::Relu] {
        let (data, model) = small(activation);
        type Field = fn(&mut Objective) -> &mut f64;
        let fields: [Field; 2] = [|objective| &mut objective.network, |objective| &mut objective.dual_bound];
        for field in fields {
            let mut moved = model.clone();
            let share = 0.01 * *field(&mut moved.parts[0].objective);
            *field(&mut moved.parts[0].objective) -= share;
            *field(&mut moved.parts[1].objective) += share;
            let found = verify(&moved, &data).unwrap();
            assert!(!found.holds(), "{activation:?}: {found:?}");
        }
        // A part with a bad gap, in a sum of good ones.
        let mut loose = model.clone();
        let xi = &mut loose.parts[2].witness.as_mut().unwrap().xi;
        xi.values_mut().iter_mut().for_each(|xi| *xi = 0.0);
        loose.parts[2].objective.dual_bound = 0.0;
        loose.claim.objective.dual_bound = loose.parts.iter().map(|part| part.objective.dual_bound).sum();
        loose.claim.objective.relative_gap = 1.0;
        let found = verify(&loose, &data).unwrap();
        assert!(!found.gap_agrees, "{activation:?}: part 2 still claims its old gap");
        loose.parts[2].objective.relative_gap = 1.0;
        assert!(verify(&loose, &data).unwrap().holds(), "what is claimed honestly holds");
    }
}

#[test]
fn m5_other_numbers_of_samples_are_refused_without_a_panic() {
    let (data, model) = small(Activation::Gated);
    for n_samples in [1, 23, 25, 1000] {
        let mut other = model.clone();
        other.claim.n_samples = n_samples;
        other.parts.iter_mut().for_each(|part| (part.witness, part.held_out) = (None, Vec::new()));
        assert!(verify(&other, &data).is_err(), "{n_samples}");
    }
}

// ---- files ---------------------------------------------------------------------------------------------------------

fn assert_refused(bytes: &[u8], what: &str) {
    let begin = Instant::now();
    assert!(parse(bytes).is_err(), "{what} was accepted");
    assert!(begin.elapsed().as_secs_f64() < 0.5, "{what} took {:?}", begin.elapsed());
}

#[test]
fn f5_parts_that_do_not_make_up_the_model_are_refused() {
    let (_, model) = small(Activation::Gated);
    let refused = |what: &str, change: &dyn Fn(&mut Model)| {
        let mut model = model.clone();
        change(&mut model);
        assert_refused(&bytes(&model), what);
    };
    refused("a neuron of no part", &|model| model.parts[1].neurons -= 1);
    refused("a neuron too many", &|model| model.parts[1].neurons += 1);
    refused("as many neurons as there are numbers", &|model| model.parts[0].neurons = usize::MAX);
    refused("counts that wrap around", &|model| {
        model.parts[0].neurons = usize::MAX;
        model.parts[1].neurons += 1 + model.parts[0].neurons.wrapping_sub(usize::MAX);
    });
    refused("no parts", &|model| model.parts.clear());
    refused("a part without its network", &|model| drop(model.parts.pop()));
    refused("rows that do not ascend", &|model| model.parts[2].held_out.reverse());
    refused("a row that comes twice", &|model| model.parts[2].held_out[1] = model.parts[2].held_out[0]);
    refused("a row beyond the samples", &|model| *model.parts[0].held_out.last_mut().unwrap() = 24);
    refused("a row far beyond the samples", &|model| *model.parts[0].held_out.last_mut().unwrap() = usize::MAX);
    refused("a row less", &|model| model.parts[0].held_out.truncate(1));
    refused("all rows", &|model| model.parts[0].held_out = (0..24).collect());
    // Without a witness, only the rows themselves can be checked.
    refused("all rows, without a witness", &|model| {
        (model.parts[0].held_out, model.parts[0].witness) = ((0..24).collect(), None);
    });
    refused("more rows than samples", &|model| {
        (model.parts[0].held_out, model.parts[0].witness) = ((0..25).collect(), None);
    });
    refused("calibration of other outputs", &|model| {
        model.calibration = cvx_model::Calibration::identity_for(Loss::Logistic, 2);
    });
    refused("intervals of other outputs", &|model| {
        let two = HostMatrix::zeros(3, 2);
        model.intervals = Some(cvx_model::Intervals::new(&two, &two).unwrap());
    });
}

#[test]
fn f5_sections_of_parts_that_lie_are_refused() {
    let (_, model) = small(Activation::Relu);
    let frame = Frame::of(&bytes(&model));
    let refused = |what: &str, change: &dyn Fn(&mut Frame)| {
        let mut frame = frame.clone();
        change(&mut frame);
        assert_refused(&frame.sealed(), what);
    };
    for name in frame.sections.iter().map(|(name, _)| name.clone()).filter(|name| name.ends_with(['0', '1', '2'])) {
        refused("half a word", &|frame| {
            frame.section(&name).pop();
        });
        refused("huge rows", &|frame| frame.section(&name)[..8].copy_from_slice(&u64::MAX.to_le_bytes()));
        refused("no rows", &|frame| frame.section(&name).clear());
        refused("rows of a part that does not exist", &|frame| {
            let rows = frame.section(&name).clone();
            frame.sections.push(("held-out3".into(), rows));
        });
    }
    for name in ["proof1.gates", "proof1.xi", "proof1.eta", "proof1.bits", "output-bias"] {
        let at = frame.sections.iter().position(|(other, _)| other == name).unwrap();
        refused(&format!("{name} is missing"), &|frame| drop(frame.sections.remove(at)));
        refused(&format!("{name} by another name"), &|frame| frame.sections[at].0 = name.replace(['1', '-'], "7"));
    }
    // Absurd numbers of parts, wherever they are in the header.
    let header = frame.sections.iter().find(|(name, _)| name == "header").unwrap().1.clone();
    for at in 0..header.len() - 8 {
        for count in [0, 1, 2, 4, 801, 1 << 20, 1 << 40, u64::MAX] {
            let mut lying = frame.clone();
            lying.section("header")[at..at + 8].copy_from_slice(&u64::to_le_bytes(count));
            let begin = Instant::now();
            if let Ok(read) = parse(&lying.sealed()) {
                assert_eq!(read.parts.len(), 3, "{count} at byte {at}");
            }
            assert!(begin.elapsed().as_secs_f64() < 0.5, "{count} at byte {at} of the header");
        }
    }
}

/// Residuals of a file: a rank of theirs must not run over, nor a width be no number.
#[test]
fn f5_an_outlook_that_lies_never_panics() {
    let data = smooth(24, 3, 5);
    let settings = Settings { activation: Activation::Gated, patterns: 4, ..exact() };
    let model = along(&data, &settings, &mean_path(3)).solution.model;
    let mut frame = Frame::of(&bytes(&model));
    let outlook = frame.section("outlook").clone();
    for at in 0..outlook.len().saturating_sub(8) {
        for bits in [0, 1, 1 << 62, u64::MAX, f64::NAN.to_bits(), (-1.0f64).to_bits()] {
            let mut lying = frame.clone();
            lying.section("outlook")[at..at + 8].copy_from_slice(&bits.to_le_bytes());
            let Ok(read) = parse(&lying.sealed()) else { continue };
            let Some(intervals) = read.intervals else { continue };
            for coverage in [0.01, 0.5, 0.99] {
                let width = intervals.half_width(coverage, 0).unwrap();
                assert!(width.value >= 0.0 && width.value.is_finite(), "{bits:x} at {at}");
            }
        }
    }
}

/// As many parts as can be read can be written, and one more is an error.
#[test]
fn f2_many_parts_are_saved_and_too_many_are_an_error() {
    let (data, model) = small(Activation::Relu);
    let copies = |count: usize| {
        let mut many = model.clone();
        (many.network.w1, many.network.w2) = (HostMatrix::zeros(model.network.w1.rows(), 0), HostMatrix::zeros(0, 1));
        let part = cvx_admm::Part { neurons: 0, ..model.parts[0].clone() };
        many.network.output_bias = part.output_bias.clone();
        many.parts = vec![part; count];
        many
    };
    for count in [11, 101, 800] {
        let many = copies(count);
        let read = parse(&bytes(&many)).unwrap();
        assert!(read.parts == many.parts, "{count} parts");
        assert!((read.network.output_bias[0] - many.network.output_bias[0]).abs() < 1e-12);
    }
    assert!(matches!(copies(801).to_bytes(), Err(cvx_admm::FileError::Unstorable { .. })));
    assert!(matches!(copies(801).save(Path::new("never")), Err(cvx_admm::FileError::Unstorable { .. })));
    assert!(verify(&model, &data).unwrap().holds());
}
