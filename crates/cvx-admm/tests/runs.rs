//! The course and the end of runs: every status, limits of time and memory.

mod common;

use common::{Random, assert_same, assert_sane, exact, near, planted, sharp, smooth, table};
use cvx_admm::{Beta, Certify, Iteration, Observer, Precision, Settings, Solution, Solver, SolverChoice, SolverKind};
use cvx_admm::{Status, StopToken, Summary, TrainError, train, train_with, verify};
use cvx_linalg::Cpu;
use cvx_model::{Dataset, FeatureKind, Labels, RowScale, Task, TaskChoice};
use std::ops::ControlFlow;

fn watched(data: &Dataset, settings: &Settings, observer: &mut dyn Observer) -> Solution {
    train_with(data, None, settings, None, &StopToken::new(), observer).unwrap()
}

/// The network predicts finite numbers, and its certificate is valid.
fn assert_usable(solution: &Solution, data: &Dataset, place: &str) {
    assert_sane(solution, place);
    let prediction = solution.model.predict(data).unwrap();
    assert!(prediction.values().iter().all(|value| value.is_finite()), "{place}");
    let found = verify(&solution.model, data).unwrap();
    assert!(found.holds(), "{place}: {found:?}, claimed {:?}", solution.objective);
    assert_eq!(solution.model.claim.status, solution.status);
}

// ---- Precisions --------------------------------------------------------------------------------------------------

/// The certified optimum in both precisions, by one solver.
fn assert_precisions_agree(kind: SolverKind, gap: f64) {
    for (data, task) in [(planted(80, 5, 4), TaskChoice::Auto), (smooth(60, 4, 4), TaskChoice::Regression)] {
        let run = |precision| {
            let (solver, certify) = (SolverChoice::Kind(kind), Certify::Sampled);
            let settings = Settings { patterns: 10, precision, task, solver, certify, gap, ..Settings::default() };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.status, Status::Optimal, "{kind} {precision:?}: {:?}", solution.objective);
            assert_usable(&solution, &data, &format!("{kind} {precision:?}"));
            solution.objective
        };
        let (narrow, wide) = (run(Precision::F32), run(Precision::F64));
        assert!(near(narrow.dual_bound, wide.dual_bound, 5.0 * gap), "{kind}: {narrow:?} and {wide:?}");
        let sampled = [narrow, wide].map(|objective| objective.sampled_primal.unwrap());
        assert!(near(sampled[0], sampled[1], 5.0 * gap), "{kind}: {narrow:?} and {wide:?}");
        // The bound of each run is at most the objective of the other.
        assert!(narrow.dual_bound <= sampled[1] && wide.dual_bound <= sampled[0]);
    }
}

#[test]
fn f32_and_f64_agree_to_four_digits_by_cholesky() {
    assert_precisions_agree(SolverKind::Cholesky, 2e-5);
}

#[test]
fn f32_and_f64_agree_to_three_digits_by_cg() {
    assert_precisions_agree(SolverKind::Cg, 2e-4);
}

// ---- Statuses ----------------------------------------------------------------------------------------------------

#[test]
fn status_optimal_means_the_gap_was_reached() {
    for certify in [Certify::Network, Certify::Sampled] {
        for gap in [0.5, 1e-2, 1e-4] {
            let data = planted(60, 5, 1);
            let settings = Settings { patterns: 10, gap, certify, precision: Precision::F64, ..Settings::default() };
            let solution = train(&data, None, &settings).unwrap();
            assert_eq!(solution.status, Status::Optimal);
            let objective = solution.objective;
            let upper = if certify == Certify::Network { objective.network } else { objective.sampled_primal.unwrap() };
            let recomputed = (upper - objective.dual_bound).max(0.0) / upper;
            assert!(objective.relative_gap <= gap && near(objective.relative_gap, recomputed, 1e-12), "{objective:?}");
            assert_usable(&solution, &data, "optimal");
        }
    }
}

#[test]
fn status_iteration_limit() {
    let data = planted(60, 5, 1);
    for max_iterations in [1, 3, 7] {
        let settings = Settings { patterns: 10, max_iterations, gap: 1e-12, ..Settings::default() };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!((solution.status, solution.info.history.len()), (Status::IterationLimit, max_iterations));
        let last = solution.info.history.last().unwrap();
        // The closing evaluation may only improve on the last one of the loop.
        assert!(last.network.is_some() && last.relative_gap.unwrap() >= solution.objective.relative_gap);
        assert_usable(&solution, &data, "iteration limit");
    }
}

/// f32 cannot reach 1e-13: the run reports the stall before the iteration limit, and keeps the network.
#[test]
fn e10_status_insufficient_progress() {
    let data = smooth(5, 2, 3);
    let settings = Settings {
        patterns: 3,
        precision: Precision::F32,
        max_iterations: 300_000,
        evaluate_every: 100,
        ..sharp(1e-13)
    };
    let solution = train(&data, None, &settings).unwrap();
    assert_eq!(solution.status, Status::InsufficientProgress, "{:?}", solution.objective);
    assert!(solution.info.history.len() < 300_000);
    assert_usable(&solution, &data, "stall");
    assert!(solution.objective.relative_gap < 1e-3, "{:?}", solution.objective);
}

#[test]
fn e10_status_insufficient_progress_of_a_silly_penalty() {
    let data = planted(20, 3, 3);
    let settings = Settings {
        patterns: 4,
        rho: Some(1e12),
        adapt_rho: false,
        anderson_depth: 0,
        max_iterations: 300_000,
        evaluate_every: 100,
        gap: 1e-9,
        ..exact()
    };
    let solution = train(&data, None, &settings).unwrap();
    assert_eq!(solution.status, Status::InsufficientProgress, "{:?}", solution.objective);
    assert_usable(&solution, &data, "silly rho");
}

/// A time limit of zero still gives a model, at worst the zero network.
#[test]
fn e6_status_time_limit() {
    let data = planted(60, 5, 1);
    for kind in SolverKind::ALL {
        let settings =
            Settings { patterns: 10, time_limit: Some(0.0), solver: SolverChoice::Kind(kind), ..Settings::default() };
        let solution = train(&data, None, &settings).unwrap();
        assert_eq!((solution.status, solution.info.history.len()), (Status::TimeLimit, 0), "{kind}");
        assert_usable(&solution, &data, kind.name());
        assert_eq!(solution.objective.network, 30.0, "the zero network");
    }
}

/// A limit in the middle of the run: the best network up to then is kept.
#[test]
fn e6_a_time_limit_during_the_iterations() {
    let data = smooth(60, 5, 1);
    let zero = train(&data, None, &Settings { beta: Beta::Fraction(2.0), ..sharp(0.1) }).unwrap().objective.network;
    let settings = Settings { patterns: 10, time_limit: Some(0.3), max_iterations: 100_000_000, ..sharp(1e-300) };
    let begin = std::time::Instant::now();
    let solution = train(&data, None, &settings).unwrap();
    if solution.status == Status::TimeLimit {
        assert!(begin.elapsed().as_secs_f64() < 30.0);
        assert!(!solution.info.history.is_empty() && solution.objective.network < zero);
    } else {
        assert!(matches!(solution.status, Status::Optimal | Status::InsufficientProgress), "{}", solution.status);
    }
    assert_usable(&solution, &data, "0.3 seconds");
}

#[test]
fn e6_an_ample_time_limit_changes_no_bit() {
    let data = planted(60, 5, 1);
    let run = |time_limit| {
        train(&data, None, &Settings { time_limit, patterns: 12, max_iterations: 25, gap: 1e-9, ..Settings::default() })
            .unwrap()
    };
    assert_same(&run(None), &run(Some(3600.0)), "the clock does not affect the iterates");
}

#[test]
fn e7_an_observer_stops_a_run() {
    let data = planted(60, 5, 1);
    let settings = Settings { patterns: 10, gap: 1e-12, ..Settings::default() };
    let mut seen = Vec::new();
    let mut observer = |record: &Iteration| {
        seen.push(*record);
        if record.iteration == 40 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = watched(&data, &settings, &mut observer);
    assert_eq!((solution.status, seen.len()), (Status::Interrupted, 40));
    assert_eq!(seen, solution.info.history, "an observer sees what is recorded");
    let best = seen.iter().filter_map(|record| record.network).fold(f64::INFINITY, f64::min);
    assert_eq!(solution.objective.network, best, "the best network, not the last");
    assert_usable(&solution, &data, "interrupted");
}

#[test]
fn e7_a_token_raised_before_the_run_interrupts() {
    let data = planted(60, 5, 1);
    let settings = Settings { patterns: 10, gap: 1e-12, ..Settings::default() };
    let stop = StopToken::new();
    stop.raise();
    let before = train_with(&data, None, &settings, None, &stop, &mut ()).unwrap();
    assert_eq!((before.status, before.info.history.len()), (Status::Interrupted, 0));
    assert_usable(&before, &data, "raised before");
}

#[test]
fn e7_a_token_raised_during_the_iterations_interrupts() {
    let data = planted(60, 5, 1);
    let settings = Settings { patterns: 10, gap: 1e-12, ..Settings::default() };
    let stop = StopToken::new();
    let handle = stop.clone();
    let mut observer = move |record: &Iteration| {
        if record.iteration == 3 {
            handle.raise();
        }
        ControlFlow::Continue(())
    };
    let during = train_with(&data, None, &settings, None, &stop, &mut observer).unwrap();
    assert_eq!((during.status, during.info.history.len()), (Status::Interrupted, 3));
    assert!(during.objective.network < 30.0);
    assert_usable(&during, &data, "raised during");
}

#[test]
fn e7_a_callback_that_panics_interrupts_with_the_best_network() {
    let data = planted(60, 5, 1);
    let settings = Settings { patterns: 10, gap: 1e-12, ..Settings::default() };
    let mut calls = 0;
    let mut observer = |record: &Iteration| {
        calls += 1;
        assert!(record.iteration < 4, "this panic is part of the test");
        ControlFlow::Continue(())
    };
    let solution = watched(&data, &settings, &mut observer);
    assert_eq!((solution.status, solution.info.history.len(), calls), (Status::Interrupted, 4, 4));
    assert_usable(&solution, &data, "panicked");
}

/// Entries whose squares overflow f32 have no factor in f32: a status, and the last finite network.
#[test]
fn e9_status_numerical_error() {
    let x = Random(1).vector(20).iter().map(|x| 1e38 * x).collect();
    let data = table(2, x, (0..10).map(|a| f64::from(a % 2)).collect());
    let settings = Settings { patterns: 3, precision: Precision::F32, max_iterations: 50, ..exact() };
    let solution = train(&data, None, &settings).unwrap();
    assert_eq!(solution.status, Status::NumericalError, "{:?}", solution.objective);
    assert!(solution.objective.network <= 5.0 && solution.objective.relative_gap.is_finite());
    let prediction = solution.model.predict(&data).unwrap();
    assert!(prediction.values().iter().all(|value| value.is_finite()));
    let network = &solution.model.network;
    assert!(network.w1.values().iter().chain(network.w2.values()).all(|value| value.is_finite()));
}

// ---- E8: memory --------------------------------------------------------------------------------------------------

#[test]
fn e8_a_run_beyond_the_memory_budget_is_refused_with_its_bytes() {
    let data = planted(400, 5, 1);
    let with = |memory_budget, solver| {
        let settings = Settings { patterns: 10, memory_budget: Some(memory_budget), solver, ..Settings::default() };
        train(&data, None, &settings)
    };
    let kind = SolverChoice::Kind;
    match with(1, SolverChoice::Auto) {
        Err(error @ TrainError::Memory { needed, budget: 1, fits: None, .. }) => {
            assert!(error.to_string().contains(&format!("({needed} bytes)")), "{error}");
        }
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
    // The reported requirement is sufficient, and one byte less is not.
    let fitting = with(1 << 40, kind(SolverKind::Cholesky)).unwrap().summary.memory_bytes;
    assert_eq!(with(fitting, kind(SolverKind::Cholesky)).unwrap().summary.solver, SolverKind::Cholesky);
    match with(fitting - 1, kind(SolverKind::Cholesky)) {
        Err(TrainError::Memory { solver, needed, budget, fits }) => {
            assert_eq!((solver, needed, budget), (SolverKind::Cholesky, fitting, fitting - 1));
            assert_eq!(fits, Some(SolverKind::GramPcg));
        }
        other => panic!("{:?}", other.map(|solution| solution.status)),
    }
    // The number of patterns is checked before they are drawn.
    for patterns in [1_000_000_000_000, usize::MAX] {
        let error = train(&data, None, &Settings { patterns, ..Settings::default() }).unwrap_err();
        assert!(matches!(error, TrainError::Memory { fits: None, .. }), "{error}");
    }
    // Auto takes a solver that fits, and reports it.
    let smaller = with(fitting - 1, SolverChoice::Auto).unwrap();
    assert_eq!(smaller.summary.solver, SolverKind::GramPcg);
    assert_eq!(smaller.model.provenance.solver, "gram-pcg");
    assert!(smaller.summary.memory_bytes < fitting);
}

// ---- Tasks and settings ------------------------------------------------------------------------------------------

#[test]
fn several_classes_train_and_certify() {
    let x = Random(5).vector(160);
    let code = |a: usize| (0..3).fold(0, |best, k| if x[4 * a + k] > x[4 * a + best] { k } else { best });
    let labels = Labels::Names {
        index: (0..40).map(|a| code(a) as u32).collect(),
        names: vec!["red".into(), "green".into(), "blue".into()],
    };
    let data = Dataset::new(4, x.clone(), Some(labels), FeatureKind::Table).unwrap();
    for precision in [Precision::F32, Precision::F64] {
        for certify in [Certify::Network, Certify::Sampled] {
            let settings = Settings { patterns: 8, precision, certify, gap: 1e-3, ..Settings::default() };
            let solution = train(&data, None, &settings).unwrap();
            let place = format!("{precision:?} {certify:?}: {:?}", solution.objective);
            assert_eq!(solution.status, Status::Optimal, "{place}");
            assert_usable(&solution, &data, &place);
            assert_eq!(solution.summary.shape.n_targets, 3);
            assert_eq!(solution.model.task.classes(), ["blue", "green", "red"]);
            assert!(solution.train.accuracy.unwrap() > 0.9, "{place}: {:?}", solution.train);
            let found = verify(&solution.model, &data).unwrap();
            assert_eq!(found.accuracy, solution.train.accuracy);
            assert!(near(found.loss, solution.train.loss, 1e-9));
        }
    }
}

#[test]
fn vector_regression_trains_and_certifies() {
    let x = Random(6).vector(150);
    let y = x.chunks(3).flat_map(|row| [row[0].max(0.0), row[1] - row[2], 0.3]).collect();
    let labels = Labels::Numbers { columns: 3, values: y };
    let data = Dataset::new(3, x, Some(labels), FeatureKind::Table).unwrap();
    for certify in [Certify::Network, Certify::Sampled] {
        let solution = train(&data, None, &Settings { patterns: 15, certify, ..Settings::default() }).unwrap();
        let place = format!("{certify:?}: {:?}", solution.objective);
        assert_eq!(solution.status, Status::Optimal, "{place}");
        assert_usable(&solution, &data, &place);
        assert!(matches!(solution.model.task, Task::Regression { columns: 3 }));
        assert_eq!((solution.train.accuracy, solution.convex_accuracy), (None, None));
        assert_eq!(solution.model.predict(&data).unwrap().cols(), 3);
        let zero = train(&data, None, &Settings { beta: Beta::Fraction(2.0), ..Settings::default() }).unwrap();
        assert!(solution.train.loss < 0.05 * zero.train.loss, "{place}");
    }
}

/// Every over-relaxation and dual step with alpha gamma < 2 leads to the same optimum, and so do unscaled rows.
#[test]
fn relaxations_and_dual_steps_reach_the_same_optimum() {
    let data = planted(40, 4, 3);
    let run = |over_relaxation, dual_step, row_scale: Option<RowScale>| {
        let settings = Settings { patterns: 6, over_relaxation, dual_step, ..sharp(1e-5) };
        let solver = Solver::new(Cpu::<f64>::new(), &data, None, &settings).unwrap();
        let mut solver = if let Some(scale) = row_scale { solver.with_row_scale(scale) } else { solver };
        common::optimum(&solver.solve(&mut ()).unwrap())
    };
    let expected = run(1.6, 1.0, None);
    for (alpha, gamma, row_scale) in [
        (1.0, 1.0, None),
        (1.8, 1.0, None),
        (1.0, 1.618, None),
        (1.6, 1.24, None),
        (1.0, 0.5, None),
        (1.0, 1.0, Some(RowScale::Unscaled)),
        (1.6, 1.0, Some(RowScale::Unscaled)),
    ] {
        let found = run(alpha, gamma, row_scale);
        assert!(near(found, expected, 2e-5), "alpha {alpha}, gamma {gamma}, {row_scale:?}: {found}, {expected}");
    }
}

#[test]
fn an_observer_is_told_what_was_chosen() {
    struct Watch(Option<Summary>, usize);
    impl Observer for Watch {
        fn begin(&mut self, summary: &Summary) {
            assert!(self.0.is_none() && self.1 == 0, "once, before the iterations");
            self.0 = Some(summary.clone());
        }
        fn iteration(&mut self, _: &Iteration) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut watch = Watch(None, 0);
    let settings =
        Settings { patterns: 10, beta: Beta::Value(0.25), max_iterations: 30, gap: 1e-12, ..Settings::default() };
    let solution = watched(&planted(60, 5, 1), &settings, &mut watch);
    let summary = watch.0.unwrap();
    assert_eq!(summary, solution.summary);
    assert_eq!((summary.solver, summary.beta), (SolverKind::Cholesky, 0.25));
    assert!(summary.device_name.starts_with(summary.device), "{}", summary.device_name);
    assert_eq!((summary.shape.n_samples, summary.shape.n_features), (60, 6), "the bias is a feature");
    assert_eq!((watch.1, solution.info.history.len()), (30, 30));
}

/// The phases are measured, their sum is at most the total, and the records are in the order of time.
#[test]
fn seconds_add_up() {
    let solution =
        train(&planted(200, 10, 1), None, &Settings { max_iterations: 40, gap: 1e-12, ..Settings::default() }).unwrap();
    let seconds = solution.info.seconds;
    let phases = [seconds.setup, seconds.u, seconds.v, seconds.s, seconds.dual, seconds.certificate];
    assert!(phases.iter().all(|&phase| phase > 0.0), "{seconds:?}");
    assert!(phases.iter().sum::<f64>() <= seconds.total * (1.0 + 1e-6), "{seconds:?}");
    let history = &solution.info.history;
    assert!(
        history.windows(2).all(|pair| pair[0].seconds <= pair[1].seconds && pair[0].iteration + 1 == pair[1].iteration)
    );
    assert!(history.last().unwrap().seconds <= seconds.total);
}

/// The bound only rises and the reported gap only falls; the true residual of (4a) is computed once.
#[test]
fn the_certificate_is_monotone() {
    for certify in [Certify::Network, Certify::Sampled] {
        let settings = Settings { certify, max_iterations: 200, gap: 1e-9, patterns: 10, ..exact() };
        let solution = train(&planted(60, 5, 1), None, &settings).unwrap();
        let judged: Vec<&Iteration> = solution.info.history.iter().filter(|record| record.network.is_some()).collect();
        assert!(judged.len() > 20);
        for pair in judged.windows(2) {
            assert!(pair[1].dual_bound >= pair[0].dual_bound, "{certify:?}");
            assert!(pair[1].relative_gap <= pair[0].relative_gap, "{certify:?}");
        }
        assert!(solution.info.linear_residual.unwrap() < 1e-12);
    }
}
