//! Paths over folds: the samples that they hold out, the choice, an early end, and what held-out samples say.

mod common;

use common::{Random, near, planted, smooth, table};
use cvx_admm::{
    Beta, Choice, ClassWeights, HeldOutPredictions, Iteration, Model, Observer, PathSettings, PathSolution,
};
use cvx_admm::{Returned, Scores, Settings, Status, StopToken, Summary, Validation, path, train, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Calibration, Dataset, Intervals, Labels, Loss, TaskChoice, split};
use std::ops::ControlFlow;

fn along(data: &Dataset, settings: &Settings, path_settings: &PathSettings) -> PathSolution {
    let path_settings = PathSettings { gap: settings.gap, ..path_settings.clone() };
    path(data, None, settings, &path_settings, &StopToken::new(), &mut ()).unwrap()
}

fn in_folds(betas: usize, folds: usize, returned: Returned) -> PathSettings {
    let validation = Validation::Folds(folds);
    PathSettings { betas, ratio: 0.03, gap: 1e-3, validation, returned, ..PathSettings::default() }
}

fn with(activation: Activation, gap: f64) -> Settings {
    Settings { activation, patterns: 8, gap, ..common::exact() }
}

fn values(data: &Dataset) -> &[f64] {
    let Some(Labels::Numbers { values, .. }) = data.labels() else { panic!("numbers") };
    values
}

/// A run of its own on the samples of fold `k`, which draws the gates of that fold.
fn alone(data: &Dataset, settings: &Settings, held_out: &[usize], k: u64, fraction: f64) -> cvx_admm::Solution {
    let beta = Beta::Fraction(fraction);
    train(&data.without(held_out).unwrap(), None, &Settings { beta, seed: settings.seed + k, ..settings.clone() })
        .unwrap()
}

// ---- the points ----------------------------------------------------------------------------------------------------

#[test]
fn folds_hold_every_sample_out_once_and_pool_the_losses() {
    let mut random = Random(3);
    let weights: Vec<f64> = random.vector(50).iter().map(|w| 1.5 + w).collect();
    let plain = smooth(50, 3, 6);
    let settings = with(Activation::Gated, 1e-7);
    for data in [plain.clone(), plain.with_weights(weights).unwrap()] {
        let found = along(&data, &settings, &in_folds(3, 3, Returned::Retrained));
        let parts = split::folds(data.labels().unwrap(), false, 3, settings.seed);
        for point in &found.points {
            let mut losses = vec![f64::NAN; 50];
            for (k, part) in parts.iter().enumerate() {
                let own = alone(&data, &settings, part, k as u64, point.fraction);
                let prediction = own.model.predict(&data.select(part).unwrap()).unwrap();
                for (at, &row) in part.iter().enumerate() {
                    assert!(losses[row].is_nan());
                    losses[row] = 0.5 * (prediction[(at, 0)] - values(&data)[row]).powi(2);
                }
            }
            let mean = losses.iter().sum::<f64>() / 50.0;
            let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 49.0;
            assert!(near(point.error, mean, 1e-2), "{} and {mean}", point.error);
            assert!(near(point.standard_error, (variance / 50.0).sqrt(), 1e-2));
            assert!(near(point.validation.loss, 50.0 * point.error, 1e-12));
            let weight = |row: usize| data.weights().map_or(1.0, |weights| weights[row]);
            let total: f64 = (0..50).map(weight).sum();
            let weighted = (0..50).map(|row| weight(row) * losses[row]).sum::<f64>() / total;
            assert!(near(point.mean_loss, weighted, 1e-2), "{} and {weighted}", point.mean_loss);
        }
        let least = found.points.iter().map(|point| point.mean_loss).fold(f64::INFINITY, f64::min);
        assert_eq!(found.points[found.chosen].mean_loss, least);
        // The beta of a point is that of the first fold.
        assert!(found.points.iter().all(|point| near(point.beta, point.fraction * found.gated_beta_max, 1e-12)));
        assert_eq!((found.folds, found.solution.model.parts.len()), (3, 1));
    }
}

#[test]
fn folds_of_classes_have_an_accuracy_of_all_samples() {
    let data = planted(70, 4, 8);
    let settings = Settings { patterns: 8, ..Settings::default() };
    let found = along(&data, &settings, &in_folds(4, 4, Returned::Retrained));
    for point in &found.points {
        let wrong = 70.0 * point.error;
        assert!((wrong - wrong.round()).abs() < 1e-9, "{wrong} of 70 samples");
        assert_eq!(point.validation.accuracy, Some(1.0 - point.error));
    }
}

#[test]
fn an_automatic_choice_is_five_folds_of_few_samples_and_a_share_of_many() {
    let settings = PathSettings { betas: 1, ratio: 0.5, gap: 0.5, ..PathSettings::default() };
    let cheap = Settings { patterns: 1, gap: 0.5, task: TaskChoice::Regression, ..with(Activation::Gated, 0.5) };
    for (n, folds) in [(3, 3), (5, 5), (5000, 5), (5001, 1)] {
        let found = along(&smooth(n, 2, 1), &cheap, &settings);
        assert_eq!(found.folds, folds, "{n} samples");
        assert_eq!(found.held_out.rows.len(), if folds == 1 { 1000 } else { n });
    }
}

// ---- the early end -------------------------------------------------------------------------------------------------

/// Labels that have nothing to do with the features: smaller betas only fit the noise.
fn noise() -> Dataset {
    let mut random = Random(31);
    table(4, random.vector(60 * 4), random.vector(60))
}

#[test]
fn patience_ends_a_path_whose_held_out_loss_rises() {
    let settings = Settings { task: TaskChoice::Regression, patterns: 20, ..with(Activation::Gated, 1e-3) };
    let long = PathSettings { ratio: 1e-4, ..in_folds(20, 3, Returned::Mean) };
    let all = along(&noise(), &settings, &long);
    assert_eq!((all.points.len(), all.cut_short), (20, None));
    let mut ends = Vec::new();
    for patience in 1..4 {
        let found = along(&noise(), &settings, &PathSettings { patience: Some(patience), ..long.clone() });
        let (done, chosen) = (found.points.len(), found.chosen);
        assert!(done < 20 && chosen + patience < done, "{patience}: {done} points, chosen {chosen}");
        assert_eq!(found.cut_short, None, "an early end is not an accident");
        // The points are those of the long path, and the choice is the best of them.
        for (a, b) in found.points.iter().zip(&all.points) {
            assert_eq!((a.objective, a.mean_loss), (b.objective, b.mean_loss));
        }
        assert!(found.points.iter().all(|point| point.mean_loss >= found.points[chosen].mean_loss));
        let last = &found.points[done - patience..];
        assert!(last.iter().all(|point| point.mean_loss > found.points[chosen].mean_loss));
        assert!(verify(&found.solution.model, &noise()).unwrap().holds());
        ends.push(done);
    }
    assert!(ends.is_sorted(), "{ends:?}");
    // A loss that falls all the way ends nothing.
    let falling =
        along(&smooth(80, 2, 1), &settings, &PathSettings { patience: Some(1), ..in_folds(6, 3, Returned::Mean) });
    assert_eq!((falling.points.len(), falling.chosen), (6, 5));
}

#[test]
fn a_budget_ends_the_betas_and_a_certified_network_is_returned() {
    let data = planted(90, 4, 1);
    for returned in [Returned::Mean, Returned::Retrained] {
        let settings = with(Activation::Gated, 1e-4);
        let tiny = PathSettings { budget: Some(1e-9), ..in_folds(20, 3, returned) };
        let found = along(&data, &settings, &tiny);
        assert_eq!((found.points.len(), found.cut_short), (1, None));
        assert_eq!((found.solution.status, found.chosen), (Status::Optimal, 0));
        assert!(found.solution.objective.relative_gap <= 1e-4);
        assert!(verify(&found.solution.model, &data).unwrap().holds());
        let ample = PathSettings { budget: Some(1e6), ..in_folds(5, 3, returned) };
        assert_eq!(along(&data, &settings, &ample).points.len(), 5);
    }
}

/// The folds have gone to smaller betas, and come back.
#[test]
fn an_earlier_beta_has_its_own_optimum() {
    let data = noise();
    for activation in [Activation::Gated, Activation::Relu] {
        let certify = cvx_admm::Certify::Sampled;
        let settings = Settings { certify, task: TaskChoice::Regression, ..with(activation, 1e-6) };
        let path_settings = PathSettings { gap: 1e-2, ..in_folds(6, 3, Returned::Mean) };
        let found = path(&data, None, &settings, &path_settings, &StopToken::new(), &mut ()).unwrap();
        assert!(found.chosen + 1 < found.points.len(), "noise has its best loss early: {}", found.chosen);
        let fraction = found.points[found.chosen].fraction;
        for (k, held_out) in split::folds(data.labels().unwrap(), false, 3, settings.seed).iter().enumerate() {
            let part = &found.solution.model.parts[k];
            let cold = alone(&data, &settings, held_out, k as u64, fraction);
            assert_eq!(&part.held_out, held_out);
            assert!(near(part.beta, cold.beta, 1e-12) && part.objective.relative_gap <= 1e-6);
            let (own, cold) = (part.objective, cold.objective);
            assert!(near(own.dual_bound, cold.dual_bound, 2e-6), "{activation:?}: {own:?}, cold {cold:?}");
            let upper = |objective: cvx_admm::Objective| objective.sampled_primal.unwrap_or(objective.network);
            assert!(near(upper(own), upper(cold), 2e-6), "{activation:?}: {own:?}, cold {cold:?}");
        }
    }
}

// ---- interrupts ----------------------------------------------------------------------------------------------------

/// Breaks once, at the given iteration since the start.
struct Once {
    at: usize,
    seen: usize,
    points: usize,
    begun: usize,
}

impl Observer for Once {
    fn begin(&mut self, _: &Summary) {
        self.begun += 1;
    }
    fn iteration(&mut self, _: &Iteration) -> ControlFlow<()> {
        self.seen += 1;
        if self.seen == self.at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn point(&mut self, _: f64, _: f64, _: &Scores) {
        self.points += 1;
    }
}

/// An interrupt at every iteration of a path: nothing more is done, and what is returned proves its claims.
#[test]
fn e7_an_interrupt_anywhere_gives_a_model_whose_claims_hold() {
    let data = planted(40, 3, 1);
    for (activation, returned, ensemble) in [
        (Activation::Gated, Returned::Mean, 1),
        (Activation::Gated, Returned::Retrained, 2),
        (Activation::Relu, Returned::Mean, 1),
    ] {
        let settings = Settings { patterns: 5, output_bias: true, ..with(activation, 1e-3) };
        // The runs at the chosen beta have a smaller gap than the path, so that they take iterations.
        let path_settings = PathSettings { gap: 0.1, ensemble, ..in_folds(3, 2, returned) };
        let run = |at| {
            let mut observer = Once { at, seen: 0, points: 0, begun: 0 };
            let found = path(&data, None, &settings, &path_settings, &StopToken::new(), &mut observer).unwrap();
            (found, observer)
        };
        let (whole, observed) = run(usize::MAX);
        assert!(whole.solution.status == Status::Optimal && observed.points == 3);
        let step = observed.seen.div_ceil(60);
        let (mut in_path, mut in_closing) = (0, 0);
        for at in (1..=observed.seen).step_by(step) {
            let (found, observer) = run(at);
            let place = format!("{activation:?} {returned:?}, iteration {at} of {}", observed.seen);
            let last = found.solution.status;
            // At the last iteration of a run, its gap comes first.
            if observer.seen > at {
                assert!(last == Status::Optimal || found.cut_short.is_none(), "{place}: {last:?}");
            } else {
                assert!(last == Status::Interrupted || at == observed.seen, "{place}: {last:?}");
            }
            assert_eq!(found.points.len(), observer.points, "{place}");
            let verified = verify(&found.solution.model, &data).unwrap();
            assert!(verified.holds(), "{place}: {verified:?} {:?}", found.solution.objective);
            let parts = found.solution.model.parts.len();
            if found.cut_short.is_some() {
                assert_eq!((parts, found.cut_short, observer.begun), (2, Some(Status::Interrupted), 1), "{place}");
                in_path += 1;
            } else {
                in_closing += usize::from(last == Status::Interrupted);
            }
        }
        assert!(in_path > 3 && in_closing > 0, "{activation:?} {returned:?}: {in_path} and {in_closing}");
    }
}

#[test]
fn e7_a_token_that_is_raised_before_the_first_beta() {
    let data = planted(40, 3, 1);
    let stop = StopToken::new();
    stop.raise();
    for validation in [Validation::Share(0.2), Validation::Folds(3)] {
        for output_bias in [false, true] {
            let settings = Settings { output_bias, ..with(Activation::Gated, 1e-3) };
            let path_settings = PathSettings { validation, ..in_folds(3, 3, Returned::Mean) };
            let found = path(&data, None, &settings, &path_settings, &stop, &mut ()).unwrap();
            assert_eq!((found.points.len(), found.cut_short), (0, Some(Status::Interrupted)));
            assert_eq!(found.solution.status, Status::Interrupted);
            assert_eq!(found.held_out.rows.len(), 0);
            assert!(verify(&found.solution.model, &data).unwrap().holds(), "{validation:?}");
            assert!(found.solution.model.predict(&data).unwrap().values().iter().all(|value| value.is_finite()));
        }
    }
}

// ---- what held-out samples say -------------------------------------------------------------------------------------

/// A label affects neither the network nor the prediction of the fold that holds its sample out.
#[test]
fn a_label_changes_nothing_in_the_fold_that_holds_it_out() {
    let data = smooth(40, 3, 2);
    let folds = split::folds(data.labels().unwrap(), false, 4, 0);
    for (activation, normalisation) in [(Activation::Gated, None), (Activation::Relu, None)] {
        // The scales of the features are those of all samples; labels do not count there.
        let settings = Settings { normalisation, bias: true, output_bias: true, ..with(activation, 1e-3) };
        let settings = Settings { task: TaskChoice::Regression, ..settings };
        // At one beta, there is no choice that labels could change.
        let run = |data: &Dataset| along(data, &settings, &in_folds(1, 4, Returned::Mean));
        let before = run(&data);
        for (k, fold) in folds.iter().enumerate() {
            let mut y = values(&data).to_vec();
            y[fold[2]] += 3.0;
            let after = run(&table(3, data.values().to_vec(), y));
            let changed: Vec<bool> =
                (0..4).map(|k| after.solution.model.part(k) != before.solution.model.part(k)).collect();
            assert_eq!(changed, (0..4).map(|other| other != k).collect::<Vec<_>>(), "{activation:?}");
            assert!(after.solution.model.parts[k] == before.solution.model.parts[k]);
            let place = before.held_out.rows.iter().position(|&row| row == fold[2]).unwrap();
            assert_eq!(after.held_out.predictions.outputs[(place, 0)], before.held_out.predictions.outputs[(place, 0)]);
            assert!(after.solution.model.intervals != before.solution.model.intervals);
        }
    }
}

/// The predictions of each part on the samples that it held out.
fn by_parts(model: &Model, data: &Dataset) -> Vec<(usize, Vec<f64>)> {
    let mut found = Vec::new();
    for k in 0..model.parts.len() {
        let own = Model { network: model.part(k).0, ..model.clone() };
        let prediction = own.predict(data).unwrap();
        for &row in &model.parts[k].held_out {
            found.push((row, (0..prediction.cols()).map(|c| prediction[(row, c)]).collect()));
        }
    }
    found.sort_by_key(|(row, _)| *row);
    found
}

fn assert_held_out(held_out: &HeldOutPredictions, expected: &[(usize, Vec<f64>)]) {
    assert_eq!(held_out.rows, expected.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    for (a, (_, outputs)) in expected.iter().enumerate() {
        for (c, output) in outputs.iter().enumerate() {
            assert!((held_out.predictions.outputs[(a, c)] - output).abs() < 1e-3, "{output}");
        }
    }
}

#[test]
fn calibration_and_intervals_are_those_of_held_out_predictions() {
    let mut random = Random(17);
    let own: Vec<f64> = random.vector(60).iter().map(|w| 2.0 + w).collect();
    let classes = planted(60, 4, 3);
    let heavy = classes.clone().with_weights(own.clone()).unwrap();
    let named = ClassWeights::Named(vec![("1".to_string(), 9.0)]);
    let mut calibrations = Vec::new();
    for (data, class_weights, loss) in [
        (&classes, ClassWeights::None, Loss::Squared),
        (&classes, named.clone(), Loss::Squared),
        (&classes, ClassWeights::Balanced, Loss::Logistic),
        (&heavy, ClassWeights::None, Loss::Squared),
        (&heavy, named, Loss::Squared),
    ] {
        let settings = Settings { class_weights, loss, ..with(Activation::Gated, 1e-7) };
        let found = along(data, &settings, &in_folds(3, 3, Returned::Mean));
        assert_held_out(&found.held_out, &by_parts(&found.solution.model, data));
        let y: Vec<f64> = values(data).iter().map(|y| 2.0 * y - 1.0).collect();
        assert_eq!(found.held_out.predictions.targets.values(), y, "all samples are held out once, in order");
        let of_class: Vec<usize> = values(data).iter().map(|&y| y as usize).collect();
        // Weights of samples and of their classes count, as they do in training.
        let total = |class: usize| -> f64 { of_class.iter().filter(|&&other| other == class).count() as f64 };
        let of = |class: usize| match &settings.class_weights {
            ClassWeights::None => 1.0,
            ClassWeights::Named(_) => [1.0, 9.0][class],
            ClassWeights::Balanced => 1.0 / total(class),
        };
        let weight = |a: usize| data.weights().map_or(1.0, |own| own[a]) * of(of_class[a]);
        let weights: Vec<f64> = (0..of_class.len()).map(weight).collect();
        let scale =
            |weights| Calibration::fit(&found.held_out.predictions.outputs, &of_class, weights).unwrap().scale();
        let calibrated = found.solution.model.calibration.as_ref().unwrap().scale();
        assert!((calibrated / scale(Some(&weights)) - 1.0).abs() < 1e-9);
        assert!(found.solution.model.intervals.is_none());
        let unweighted = data.weights().is_none() && settings.class_weights == ClassWeights::None;
        assert_eq!((calibrated / scale(None) - 1.0).abs() < 1e-9, unweighted);
        calibrations.push(found.solution.model.calibration);
    }
    assert_ne!(calibrations[0], calibrations[1], "class weights change the networks");
    // A network that is trained again takes the calibration of the folds.
    let settings = with(Activation::Gated, 1e-7);
    let again = along(&classes, &settings, &in_folds(3, 3, Returned::Retrained));
    assert_eq!(again.solution.model.calibration, calibrations[0]);
    assert_eq!(again.solution.model.parts.len(), 1);
    // Numbers have intervals.
    let numbers = smooth(50, 3, 1);
    for returned in [Returned::Mean, Returned::Retrained] {
        let found = along(&numbers, &settings, &in_folds(3, 3, returned));
        let expected =
            Intervals::new(&found.held_out.predictions.outputs, &found.held_out.predictions.targets).unwrap();
        assert_eq!(found.solution.model.intervals, Some(expected));
        assert_eq!(found.held_out.predictions.targets, HostMatrix::from_vec(50, 1, values(&numbers).to_vec()));
        assert!(found.solution.model.calibration.is_none());
    }
}

/// A sample that several repetitions hold out has the mean of their predictions, once.
#[test]
fn repetitions_hold_out_every_sample_and_their_predictions_are_averaged() {
    let data = smooth(30, 3, 5);
    let settings = with(Activation::Gated, 1e-7);
    let path_settings = PathSettings { ensemble: 2, ..in_folds(2, 3, Returned::Mean) };
    let found = along(&data, &settings, &path_settings);
    assert_eq!((found.folds, found.held_out.rows.len()), (6, 30));
    let twice = by_parts(&found.solution.model, &data);
    let mean = |row: usize| {
        let both: Vec<f64> = twice.iter().filter(|(other, _)| *other == row).map(|(_, outputs)| outputs[0]).collect();
        assert_eq!(both.len(), 2);
        vec![0.5 * (both[0] + both[1])]
    };
    assert_held_out(&found.held_out, &(0..30).map(|row| (row, mean(row))).collect::<Vec<_>>());
}

#[test]
fn e2_any_number_of_threads_gives_the_same_folds() {
    for (data, choice) in [(planted(200, 6, 2), Choice::Best), (smooth(200, 6, 2), Choice::Sparsest)] {
        for returned in [Returned::Mean, Returned::Retrained] {
            let run = |threads: usize| {
                let settings = Settings { activation: Activation::Gated, threads, patterns: 12, ..Settings::default() };
                let path_settings = PathSettings { choice, ensemble: 2, ..in_folds(4, 3, returned) };
                let mut found = along(&data, &settings, &path_settings);
                found.points.iter_mut().for_each(|point| point.seconds = 0.0);
                (found.points, found.chosen, found.held_out, found.solution.model)
            };
            let one = run(1);
            for threads in [2, 7] {
                assert!(run(threads) == one, "{threads} threads, {returned:?}");
            }
        }
    }
}
