//! The regularisation path: its points compared with separate runs, the held-out samples, the choice, and the ends.

mod common;

use common::{Random, exact, near, planted, smooth, table};
use cvx_admm::{Beta, Certify, Choice, Gates, Iteration, Observer, PathPoint, PathSettings, PathSolution};
use cvx_admm::{Returned, Scores, Settings, Status, StopToken, Summary, TrainError, Validation, path, train, verify};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss, ModelError, TaskChoice, split};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A path to the gap of the settings.
fn along(data: &Dataset, settings: &Settings, path_settings: &PathSettings) -> PathSolution {
    let path_settings = PathSettings { gap: settings.gap, ..path_settings.clone() };
    path(data, None, settings, &path_settings, &StopToken::new(), &mut ()).unwrap()
}

/// A path of few betas, at which small problems can be certified.
fn short(betas: usize) -> PathSettings {
    PathSettings { betas, ratio: 0.03, gap: 1e-3, validation: Validation::Share(0.2), ..PathSettings::default() }
}

fn with(activation: Activation, gap: f64) -> Settings {
    Settings { activation, patterns: 8, gap, ..exact() }
}

/// The rows that a share of 0.2 holds out, and the remaining samples.
fn parts(data: &Dataset, classes: bool, seed: u64) -> (Vec<usize>, Dataset, Dataset) {
    let held_out = split::share(data.labels().unwrap(), classes, 0.2, seed);
    let kept: Vec<usize> = (0..data.n_samples()).filter(|row| !held_out.contains(row)).collect();
    let (kept, out) = (data.select(&kept).unwrap(), data.select(&held_out).unwrap());
    (held_out, kept, out)
}

fn three_classes(n: usize, d: usize) -> Dataset {
    let mut random = Random(7);
    let x = random.vector(n * d);
    let y = (0..n).map(|a| f64::from(u8::from(x[a * d] > 0.2)) + f64::from(u8::from(x[a * d + 1] > 0.0))).collect();
    table(d, x, y)
}

/// Two target numbers.
fn pairs(n: usize, d: usize) -> Dataset {
    let mut random = Random(9);
    let x = random.vector(n * d);
    let values = x.chunks(d).flat_map(|row| [row[0].max(0.0) + 0.1 * row[1], (2.0 * row[1]).sin()]).collect();
    Dataset::new(d, x, Some(Labels::Numbers { columns: 2, values }), FeatureKind::Table).unwrap()
}

/// All results of a path except its clocks.
fn timeless(found: &PathSolution) -> (Vec<PathPoint>, f64, usize) {
    let mut points = found.points.clone();
    points.iter_mut().for_each(|point| point.seconds = 0.0);
    (points, found.gated_beta_max, found.chosen)
}

// ---- every point agrees with a separate run ------------------------------------------------------------------------

/// The bound of each point is at most the optimum of its programme, and its objective is above the optimum by at most
/// its gap.
fn assert_agrees(data: &Dataset, settings: &Settings, classes: bool, place: &str) {
    let found = along(data, settings, &short(5));
    let (_, kept, _) = parts(data, classes, settings.seed);
    let largest = train(&kept, None, &Settings { beta: Beta::Fraction(1.0), ..settings.clone() }).unwrap().beta;
    assert!(near(found.gated_beta_max, largest, 1e-9), "{place}");
    assert_eq!(found.points.len(), 5, "{place}");
    for (k, point) in found.points.iter().enumerate() {
        let place = format!("{place}, beta {k}: {point:?}");
        assert!(near(point.fraction, 0.03f64.powf((k + 1) as f64 / 5.0), 1e-12), "{place}");
        assert!(near(point.beta, point.fraction * found.gated_beta_max, 1e-12), "{place}");
        assert_eq!(point.status, Status::Optimal, "{place}");
        let (objective, gap) = (point.objective, settings.gap);
        assert!(objective.relative_gap <= gap, "{place}");
        let tight =
            Settings { beta: Beta::Value(point.beta), gap: 1e-6, certify: Certify::Sampled, ..settings.clone() };
        let tight = train(&kept, None, &tight).unwrap();
        assert_eq!(tight.status, Status::Optimal, "{place}: {:?}", tight.objective);
        let optimum = tight.objective.sampled_primal.unwrap_or(tight.objective.network);
        assert!(objective.dual_bound <= optimum * (1.0 + 1e-9), "{place}: the optimum is {optimum}");
        assert!(objective.network * (1.0 - gap) <= optimum * (1.0 + 1e-6), "{place}: the optimum is {optimum}");
        let feasible = match (settings.activation, settings.certify) {
            (Activation::Gated, _) => Some(objective.network),
            (_, Certify::Sampled) => objective.sampled_primal,
            // A network that has left its cones may be better than the optimum.
            _ => None,
        };
        if let Some(value) = feasible {
            assert!(value >= tight.objective.dual_bound * (1.0 - 1e-9), "{place}: {:?}", tight.objective);
        }
    }
    let solution = found.solution;
    let own = train(data, None, &Settings { beta: Beta::Fraction(1.0), ..settings.clone() }).unwrap().beta;
    assert!(near(solution.beta, found.points[found.chosen].fraction * own, 1e-9), "{place}");
    assert_eq!(solution.status, Status::Optimal, "{place}");
    assert_eq!(solution.summary.shape.n_samples, data.n_samples(), "{place}");
    assert!(verify(&solution.model, data).unwrap().holds(), "{place}");
}

#[test]
fn every_point_is_what_a_run_of_its_own_gives() {
    for loss in [Loss::Squared, Loss::Logistic] {
        for (data, name) in [(planted(60, 4, 1), "two classes"), (three_classes(60, 4), "three classes")] {
            for (activation, certify) in [
                (Activation::Relu, Certify::Network),
                (Activation::Relu, Certify::Sampled),
                (Activation::Gated, Certify::Network),
                (Activation::Gated, Certify::Sampled),
            ] {
                let settings = Settings { loss, certify, ..with(activation, 1e-3) };
                assert_agrees(&data, &settings, true, &format!("{name}, {loss:?}, {activation:?}, {certify:?}"));
            }
        }
    }
    for activation in [Activation::Relu, Activation::Gated] {
        assert_agrees(&pairs(60, 3), &with(activation, 1e-3), false, &format!("two numbers, {activation:?}"));
    }
}

/// Twenty betas in sequence, each warm-started from the previous one, compared with cold starts.
#[test]
fn m11_twenty_warm_betas_have_the_optima_of_twenty_cold_ones() {
    let data = smooth(60, 4, 7);
    for (activation, certify) in [(Activation::Relu, Certify::Sampled), (Activation::Gated, Certify::Network)] {
        let settings = Settings { certify, task: TaskChoice::Regression, ..with(activation, 1e-6) };
        let found = along(&data, &settings, &short(20));
        let (_, kept, _) = parts(&data, false, settings.seed);
        let mut iterations = [0, 0];
        for point in &found.points {
            let cold = train(&kept, None, &Settings { beta: Beta::Value(point.beta), ..settings.clone() }).unwrap();
            assert_eq!((point.status, cold.status), (Status::Optimal, Status::Optimal), "{point:?}");
            let [warm_bound, cold_bound] = [point.objective, cold.objective].map(|objective| objective.dual_bound);
            assert!(near(warm_bound, cold_bound, 1e-6), "{activation:?}: {point:?}, cold {cold_bound}");
            iterations[0] += point.iterations;
            iterations[1] += cold.info.history.len();
        }
        assert!(iterations[0] < iterations[1], "{activation:?}: {iterations:?}");
    }
}

/// As a network, an early iterate is better than the sampled optimum: a path must not lose what a run from zeros finds.
#[test]
fn a_relu_path_finds_networks_as_good_as_runs_of_their_own() {
    let (data, settings) = (planted(300, 10, 2), Settings { patterns: 25, ..with(Activation::Relu, 1e-2) });
    let found = along(&data, &settings, &PathSettings { ratio: 1e-3, ..short(8) });
    let (_, kept, _) = parts(&data, true, settings.seed);
    let (mut iterations, mut objectives) = ([0, 0], [0.0, 0.0]);
    for point in &found.points {
        let own = train(&kept, None, &Settings { beta: Beta::Value(point.beta), ..settings.clone() }).unwrap();
        for (k, (count, value)) in
            [(point.iterations, point.objective.network), (own.info.history.len(), own.objective.network)]
                .into_iter()
                .enumerate()
        {
            iterations[k] += count;
            objectives[k] += value;
        }
    }
    assert!(objectives[0] <= 1.05 * objectives[1], "{objectives:?}");
    assert!(iterations[0] < iterations[1], "{iterations:?}");
}

/// Warm starts reduce the iterations of a path of gated neurons.
#[test]
fn a_gated_path_takes_fewer_iterations_than_runs_of_their_own() {
    let (data, settings) = (planted(300, 10, 2), Settings { patterns: 25, ..with(Activation::Gated, 1e-3) });
    let found = along(&data, &settings, &PathSettings { ratio: 1e-3, ..short(12) });
    let (_, kept, _) = parts(&data, true, settings.seed);
    let own = |point: &PathPoint| {
        train(&kept, None, &Settings { beta: Beta::Value(point.beta), ..settings.clone() }).unwrap().info.history.len()
    };
    let own: usize = found.points.iter().map(own).sum();
    let together: usize = found.points.iter().map(|point| point.iterations).sum();
    assert!(together < own, "{together} along the path, {own} without it");
}

// ---- held-out samples ----------------------------------------------------------------------------------------------

/// Held-out samples do not affect the networks of the path. Only the scales of the features are those of all samples.
#[test]
fn held_out_samples_are_not_trained_on() {
    let data = planted(80, 4, 3);
    let (held_out, ..) = parts(&data, true, 5);
    let spoilt: Vec<f64> = (0..80)
        .flat_map(|row| {
            let factor = if held_out.contains(&row) { -300.0 } else { 1.0 };
            data.row(row).iter().map(move |x| factor * x).collect::<Vec<_>>()
        })
        .collect();
    let spoilt = Dataset::new(4, spoilt, data.labels().cloned(), data.kind()).unwrap();
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = Settings { patterns: 10, seed: 5, ..with(activation, 1e-3) };
        let [a, b] = [&data, &spoilt].map(|data| along(data, &settings, &short(4)));
        assert_eq!(a.gated_beta_max, b.gated_beta_max);
        for (a, b) in a.points.iter().zip(&b.points) {
            assert_eq!(
                (a.objective, a.iterations, a.train, a.neurons),
                (b.objective, b.iterations, b.train, b.neurons)
            );
        }
        assert!(a.points.iter().zip(&b.points).any(|(a, b)| a.validation.loss != b.validation.loss));
    }
}

/// The errors of a point are those of its network on the held-out samples.
#[test]
fn errors_are_those_of_the_held_out_samples() {
    let data = smooth(60, 3, 4);
    for loss in [Loss::Squared, Loss::Huber { delta: 0.1 }] {
        let settings = Settings { loss, ..with(Activation::Gated, 1e-7) };
        let found = along(&data, &settings, &short(4));
        let (held_out, kept, out) = parts(&data, false, settings.seed);
        assert_eq!(held_out.len(), 12);
        let Some(Labels::Numbers { values, .. }) = out.labels() else { panic!("numbers") };
        for point in &found.points {
            let own = train(&kept, None, &Settings { beta: Beta::Value(point.beta), ..settings.clone() }).unwrap();
            let prediction = own.model.predict(&out).unwrap();
            let errors: Vec<f64> = (0..12).map(|row| loss.sample(&[prediction[(row, 0)]], &[values[row]])).collect();
            let mean = errors.iter().sum::<f64>() / 12.0;
            let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / 11.0;
            assert!(near(point.error, mean, 1e-2), "{} and {mean}", point.error);
            assert!(near(point.validation.loss, 12.0 * point.error, 1e-12));
            assert!(near(point.standard_error, (variance / 12.0).sqrt(), 1e-2));
            assert_eq!((point.validation.accuracy, point.train.accuracy), (None, None));
        }
        // A regression chooses by the mean loss.
        let least = found.points.iter().map(|point| point.mean_loss).fold(f64::INFINITY, f64::min);
        assert_eq!(found.points[found.chosen].error, least);
        assert!(
            found
                .points
                .iter()
                .all(|point| (point.error, point.standard_error) == (point.mean_loss, point.mean_loss_error))
        );
    }
}

/// 60 different whole numbers are a regression, and so are the 48 of them in training.
#[test]
fn the_task_is_that_of_all_samples() {
    let mut random = Random(3);
    let x = random.vector(60 * 2);
    let data = table(2, x, (0..60).map(f64::from).collect());
    for validation in [Validation::Share(0.2), Validation::Folds(3)] {
        let found = along(&data, &with(Activation::Gated, 1e-2), &PathSettings { validation, ..short(3) });
        assert!(found.points.iter().all(|point| point.validation.accuracy.is_none()));
        assert_eq!(found.solution.summary.task, "regression");
    }
}

#[test]
fn the_sparsest_choice_is_within_a_standard_error_of_the_best() {
    let data = planted(150, 6, 4);
    let settings = Settings { patterns: 15, ..with(Activation::Gated, 1e-3) };
    let run = |choice| along(&data, &settings, &PathSettings { choice, ..short(10) });
    let (best, sparsest) = (run(Choice::Best), run(Choice::Sparsest));
    assert_eq!(timeless(&best).0, timeless(&sparsest).0);
    assert!(sparsest.chosen <= best.chosen);
    let point = |found: &PathSolution| found.points[found.chosen].clone();
    let enough = point(&best).mean_loss + point(&best).mean_loss_error;
    assert!(best.points.iter().all(|p| p.mean_loss >= point(&best).mean_loss));
    assert!(point(&sparsest).mean_loss <= enough);
    assert!(sparsest.points[..sparsest.chosen].iter().all(|p| p.mean_loss > enough));
}

// ---- the same bits -------------------------------------------------------------------------------------------------

#[test]
fn e2_any_number_of_threads_gives_the_same_path() {
    let data = planted(500, 20, 2);
    for activation in [Activation::Relu, Activation::Gated] {
        let run = |threads: usize| {
            let settings = Settings { activation, patterns: 12, gap: 1e-2, threads, ..Settings::default() };
            let found = along(&data, &settings, &short(5));
            (timeless(&found), found.held_out, found.solution.model)
        };
        let one = run(1);
        for threads in [1, 2, 7] {
            assert!(run(threads) == one, "{threads} threads, {activation:?}");
        }
    }
}

// ---- how a path ends -----------------------------------------------------------------------------------------------

/// Calls a function after a given number of points, and counts the points.
struct After<F: FnMut() -> ControlFlow<()> + Send> {
    points: usize,
    done: usize,
    begun: usize,
    act: F,
}

impl<F: FnMut() -> ControlFlow<()> + Send> After<F> {
    fn new(points: usize, act: F) -> Self {
        After { points, done: 0, begun: 0, act }
    }
}

impl<F: FnMut() -> ControlFlow<()> + Send> Observer for After<F> {
    fn begin(&mut self, _: &Summary) {
        self.begun += 1;
    }
    fn iteration(&mut self, _: &Iteration) -> ControlFlow<()> {
        if self.done < self.points { ControlFlow::Continue(()) } else { (self.act)() }
    }
    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        assert!(fraction > 0.0 && relative_gap <= 1e-3 && validation.loss > 0.0);
        self.done += 1;
    }
}

fn ended(validation: Validation, settings: &Settings, stop: &StopToken, observer: &mut dyn Observer) -> PathSolution {
    let path_settings = PathSettings { validation, ..short(6) };
    path(&planted(90, 4, 1), None, settings, &path_settings, stop, observer).unwrap()
}

fn assert_cut_short(found: &PathSolution, points: usize, status: Status) {
    assert_eq!(found.cut_short, Some(status));
    assert_eq!(found.points.len(), points);
    assert!(found.points.iter().all(|point| point.status == Status::Optimal));
    // The only part is the fold as it was.
    assert_eq!((found.solution.status, found.solution.model.parts.len()), (status, 1));
    assert!(verify(&found.solution.model, &planted(90, 4, 1)).unwrap().holds());
}

#[test]
fn e7_an_interrupt_leaves_the_finished_points() {
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = with(activation, 1e-3);
        let mut observer = After::new(3, || ControlFlow::Break(()));
        assert_cut_short(
            &ended(Validation::Share(0.2), &settings, &StopToken::new(), &mut observer),
            3,
            Status::Interrupted,
        );
        // From another thread, as for Ctrl-C.
        let stop = StopToken::new();
        let raised = stop.clone();
        let mut observer = After::new(2, move || {
            raised.raise();
            ControlFlow::Continue(())
        });
        assert_cut_short(&ended(Validation::Share(0.2), &settings, &stop, &mut observer), 2, Status::Interrupted);
    }
    let stop = StopToken::new();
    stop.raise();
    assert_cut_short(
        &ended(Validation::Share(0.2), &with(Activation::Gated, 1e-3), &stop, &mut ()),
        0,
        Status::Interrupted,
    );
}

#[test]
fn e6_a_time_limit_leaves_the_finished_points() {
    let settings = Settings { time_limit: Some(3.0), ..with(Activation::Gated, 1e-3) };
    let start = Instant::now();
    let mut observer = After::new(4, move || {
        std::thread::sleep(Duration::from_secs(3).saturating_sub(start.elapsed()) + Duration::from_millis(100));
        ControlFlow::Continue(())
    });
    assert_cut_short(&ended(Validation::Share(0.2), &settings, &StopToken::new(), &mut observer), 4, Status::TimeLimit);
    let none = Settings { time_limit: Some(0.0), ..settings };
    assert_cut_short(&ended(Validation::Share(0.2), &none, &StopToken::new(), &mut ()), 0, Status::TimeLimit);
}

/// One `begin` callback for the path, and one for each run on all samples. One `point` for each beta.
#[test]
fn set_ups_are_counted() {
    for validation in [Validation::Share(0.2), Validation::Folds(3)] {
        let mut observer = After::new(usize::MAX, || ControlFlow::Continue(()));
        ended(validation, &with(Activation::Gated, 1e-3), &StopToken::new(), &mut observer);
        assert_eq!((observer.begun, observer.done), (2, 6));
    }
}

#[test]
fn an_iteration_limit_is_said_and_the_path_goes_on() {
    let settings = Settings { max_iterations: 2, ..with(Activation::Gated, 1e-9) };
    let found = along(&planted(60, 4, 1), &settings, &short(4));
    assert!(found.points.iter().all(|point| point.status == Status::IterationLimit && point.iterations == 2));
    assert_eq!(found.solution.status, Status::IterationLimit);
}

#[test]
fn data_of_extreme_size_end_every_point_with_a_status() {
    let mut random = Random(5);
    let x: Vec<f64> = random.vector(80).iter().map(|x| x * 1e25).collect();
    let data = table(2, x, (0..40).map(|row| f64::from(row % 2)).collect());
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = Settings { precision: cvx_admm::Precision::F32, ..with(activation, 1e-3) };
        let found = along(&data, &settings, &short(4));
        assert_eq!(found.points.len(), 4);
        assert!(found.points.iter().all(|point| point.objective.network.is_finite() && point.error.is_finite()));
    }
}

#[test]
fn data_that_say_nothing_give_zero_networks() {
    let mut random = Random(5);
    let nothing_to_learn = table(2, random.vector(80), vec![0.0; 40]);
    let nothing_to_see = table(2, vec![0.0; 80], random.vector(40));
    for data in [nothing_to_learn, nothing_to_see] {
        for activation in [Activation::Relu, Activation::Gated] {
            let settings = Settings { task: TaskChoice::Regression, ..with(activation, 1e-3) };
            let found = along(&data, &settings, &short(3));
            assert!(found.points.iter().all(|point| point.neurons == 0.0 && point.status == Status::Optimal));
            assert_eq!(found.solution.model.network.n_neurons(), 0);
        }
    }
}

#[test]
fn one_beta_is_a_path_too() {
    let found = along(&planted(60, 4, 1), &with(Activation::Relu, 1e-2), &short(1));
    assert_eq!((found.points.len(), found.points[0].fraction, found.chosen), (1, 0.03, 0));
}

// ---- errors --------------------------------------------------------------------------------------------------------

/// Fails if any work starts.
struct Nothing;

impl Observer for Nothing {
    fn begin(&mut self, _: &Summary) {
        panic!("work has started");
    }
}

fn refused(data: &Dataset, test: Option<&Dataset>, settings: &Settings, path_settings: &PathSettings) -> TrainError {
    path(data, test, settings, path_settings, &StopToken::new(), &mut Nothing).unwrap_err()
}

#[test]
fn r2_bad_settings_are_refused_by_the_names_that_users_type() {
    let (data, fine) = (planted(30, 3, 1), short(3));
    let share = |share| PathSettings { validation: Validation::Share(share), ..fine.clone() };
    let folds = |folds| PathSettings { validation: Validation::Folds(folds), ..fine.clone() };
    let ratio = |ratio| PathSettings { ratio, ..fine.clone() };
    for (path_settings, name) in [
        (PathSettings { gap: 0.0, ..fine.clone() }, "path_gap"),
        (PathSettings { betas: 0, ..fine.clone() }, "betas"),
        (PathSettings { betas: 10_001, ..fine.clone() }, "betas"),
        (ratio(0.0), "beta_ratio"),
        (ratio(1.0), "beta_ratio"),
        (ratio(-0.5), "beta_ratio"),
        (ratio(f64::NAN), "beta_ratio"),
        (ratio(f64::INFINITY), "beta_ratio"),
        (share(0.0), "validation"),
        (share(1.0), "validation"),
        (share(-0.1), "validation"),
        (share(f64::NAN), "validation"),
        (folds(0), "folds"),
        (folds(1), "folds"),
        (folds(31), "folds"),
        (PathSettings { returned: Returned::Mean, ensemble: 34, ..folds(30) }, "folds"),
        (PathSettings { patience: Some(0), ..fine.clone() }, "patience"),
        (PathSettings { ensemble: 0, ..fine.clone() }, "ensemble"),
        (PathSettings { ensemble: 101, ..fine.clone() }, "ensemble"),
        (PathSettings { budget: Some(0.0), ..fine.clone() }, "budget"),
        (PathSettings { budget: Some(f64::NAN), ..fine.clone() }, "budget"),
        (PathSettings { budget: Some(5e9), ..fine.clone() }, "budget"),
    ] {
        let error = refused(&data, None, &Settings::default(), &path_settings);
        let TrainError::Setting { name: found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, name);
        assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
    }
    // The settings of the runs are validated as well.
    let error = refused(&data, None, &Settings { gap: 0.0, ..Settings::default() }, &fine);
    assert!(matches!(error, TrainError::Setting { name: "gap", .. }), "{error}");
}

#[test]
fn r3_samples_that_cannot_be_parted() {
    let mut random = Random(1);
    let x = random.vector(2 * 21);
    let y: Vec<f64> = (0..21).map(|row| f64::from(row / 10)).collect();
    let data = table(2, x.clone(), y);
    // A share keeps the class of a single sample in training. Folds hold it out once.
    for validation in [Validation::Share(0.2), Validation::Folds(3), Validation::Auto] {
        let path_settings = PathSettings { validation, ..short(3) };
        let found = along(&data, &with(Activation::Gated, 1e-2), &path_settings);
        assert_eq!(found.solution.summary.shape.n_targets, 3);
        assert!(verify(&found.solution.model, &data).unwrap().holds(), "{validation:?}");
        // In a regression it is a number like the others.
        let settings = Settings { task: TaskChoice::Regression, ..with(Activation::Gated, 1e-2) };
        assert_eq!(along(&data, &settings, &path_settings).solution.summary.shape.n_targets, 1);
    }

    let alone = table(2, x[..4].to_vec(), vec![0.0, 1.0]);
    let error = refused(&alone, None, &Settings::default(), &short(3));
    assert!(matches!(error, TrainError::Setting { name: "validation", .. }), "{error}");
    let bare = Dataset::new(2, x, None, FeatureKind::Table).unwrap();
    assert_eq!(refused(&bare, None, &Settings::default(), &short(3)), ModelError::NoLabels.into());
}

/// Errors that only the last run would meet are reported before the first.
#[test]
fn r3_test_samples_that_do_not_fit_are_refused_before_the_path() {
    let data = planted(30, 3, 1);
    let error = refused(&data, Some(&planted(30, 4, 1)), &Settings::default(), &short(3));
    assert!(matches!(error, TrainError::Test(ModelError::Shape { .. })), "{error}");
    let stranger = table(3, vec![0.5; 3], vec![7.0]);
    let error = refused(&data, Some(&stranger), &Settings::default(), &short(3));
    assert!(matches!(error, TrainError::Test(ModelError::UnknownClass { .. })), "{error}");
    let gates = Settings { gates: Gates::Given(HostMatrix::zeros(9, 2)), ..Settings::default() };
    assert!(matches!(refused(&data, None, &gates, &short(3)), TrainError::Model(_)));
}
