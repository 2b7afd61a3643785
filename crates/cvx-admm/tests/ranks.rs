//! Training with samples spread over ranks, as threads of this process: the same network for every number of ranks.

use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, ClassWeights, Device, Gates, HeldOutPredictions, Iteration, Observer,
    PathSettings, PathSolution, Plan, Precision, Returned, Scores, Settings, Solution, SolverChoice, SolverKind,
    Status, StopToken, TrainError, Validation, Wishes, automatic, choose, path, resume, train_with,
};
use cvx_linalg::{Communicator, LinalgError, Ranks, SampleSums, Shards, Signs, Threads};
use cvx_model::{Activation, Constraints, Dataset, FeatureKind, GateKind, Labels, Loss, Trend};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;

const SAMPLES: usize = 1200;
const FEATURES: usize = 5;

/// Numbers without a pattern, the same everywhere.
fn noise(k: usize) -> f64 {
    let mixed = (k as u64).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 29)) % 20_011) as f64 / 10_005.5 - 1.0
}

fn data(classes: usize) -> Dataset {
    let values: Vec<f64> = (0..SAMPLES * FEATURES).map(noise).collect();
    let label = |row: usize| {
        let x = &values[row * FEATURES..(row + 1) * FEATURES];
        let score = x[0] * x[1] + 0.7 * x[2].abs() - 0.2 * x[3] + 0.1 * noise(row + 77_777);
        if classes == 0 { score } else { (((score + 1.5) * classes as f64 / 3.0) as usize).min(classes - 1) as f64 }
    };
    let labels = Labels::numbers((0..SAMPLES).map(label).collect());
    Dataset::new(FEATURES, values.clone(), Some(labels), FeatureKind::Table).unwrap()
}

fn settings() -> Settings {
    Settings {
        patterns: 12,
        beta: Beta::Fraction(0.05),
        solver: SolverChoice::Kind(SolverKind::GramPcg),
        device: Device::Cpu,
        precision: Precision::F64,
        threads: 1,
        max_iterations: 12,
        gap: 1e-9,
        ..Settings::default()
    }
}

/// What each of `size` ranks of a run returns.
fn on_ranks<R: Send>(data: &Dataset, size: usize, shards: usize, work: impl Fn(Dataset, usize) -> R + Sync) -> Vec<R> {
    let world = Threads::connected(size);
    thread::scope(|scope| {
        let ranks: Vec<_> = world
            .into_iter()
            .map(|threads| {
                let work = &work;
                scope.spawn(move || {
                    let rank = threads.rank();
                    let shards = Shards::cut(data.n_samples(), shards);
                    let ranks = Arc::new(Ranks::new(Arc::new(threads), shards).unwrap());
                    let own: Vec<usize> = ranks.own().collect();
                    let part = data.select(&own).unwrap().over(&SampleSums::of_rank(ranks)).unwrap();
                    work(part, rank)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn trained(data: &Dataset, settings: &Settings) -> Result<Solution, TrainError> {
    train_with(data, None, settings, None, &StopToken::new(), &mut ())
}

/// The bits of everything that a run returns.
fn bits(solution: &Solution) -> Vec<u64> {
    let model = &solution.model;
    let witness = model.parts[0].witness.as_ref().unwrap();
    let numbers = [solution.objective.network, solution.objective.dual_bound, solution.train.loss, solution.rho];
    let all = [model.network.w1.values(), model.network.w2.values(), &model.network.output_bias, &numbers];
    let proof = [witness.xi.values(), witness.multipliers.values()];
    let history = solution.info.history.iter().flat_map(|record| {
        [record.primal_residual, record.dual_residual, record.network.unwrap_or(0.0), record.dual_bound.unwrap_or(0.0)]
    });
    let by_target =
        solution.info.history_by_target.iter().flat_map(|record| {
            [&record.network, &record.dual_bound, &record.relative_gap].into_iter().flatten().copied()
        });
    let numbers = all.into_iter().chain(proof).flatten().copied().chain(history).chain(by_target).map(f64::to_bits);
    numbers.chain(witness.patterns.words().iter().copied()).collect()
}

/// Trains on 1, 2 and 3 ranks and returns the solution of the first rank.
fn same_on_all(data: &Dataset, settings: &Settings, shards: usize) -> Solution {
    same_on_up_to(3, data, settings, shards)
}

/// Trains on 1 to `most` ranks and returns the solution of the first rank.
fn same_on_up_to(most: usize, data: &Dataset, settings: &Settings, shards: usize) -> Solution {
    let mut expected: Option<(Vec<u64>, Solution)> = None;
    for size in 1..=most {
        let solution = on_ranks(data, size, shards, |part, _| trained(&part, settings).unwrap()).swap_remove(0);
        let found = bits(&solution);
        let (bits, _) = expected.get_or_insert_with(|| (found.clone(), solution.clone()));
        assert!(
            *bits == found,
            "{size} ranks: {:?} and {:?}",
            expected.map(|(_, one)| one.objective),
            solution.objective
        );
    }
    expected.unwrap().1
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

#[test]
fn one_shard_gives_the_bits_of_the_plain_program() {
    let data = data(0);
    for activation in [Activation::Relu, Activation::Gated] {
        let solver = if activation == Activation::Relu { SolverKind::GramPcg } else { SolverKind::Cg };
        let settings = Settings { activation, solver: SolverChoice::Kind(solver), ..settings() };
        let plain = trained(&data, &settings).unwrap();
        let one = on_ranks(&data, 1, 1, |part, _| trained(&part, &settings).unwrap()).swap_remove(0);
        assert!(bits(&plain) == bits(&one));
        assert_eq!(plain.model.claim, one.model.claim);
    }
}

#[test]
fn the_number_of_ranks_does_not_show() {
    let data = data(0);
    let plain = trained(&data, &settings()).unwrap();
    let spread = same_on_all(&data, &settings(), 7);
    assert!(
        close(plain.objective.network, spread.objective.network, 1e-7),
        "{:?} {:?}",
        plain.objective,
        spread.objective
    );
    assert!(close(plain.objective.dual_bound, spread.objective.dual_bound, 1e-7));
    assert_eq!(spread.model.claim.n_samples, SAMPLES);
    assert_eq!(spread.train_predictions.outputs.rows(), SAMPLES);
}

/// Every loss, with what goes with it, and every other place where values of samples are summed.
#[test]
fn so_it_is_for_every_loss_weight_and_gate() {
    let base = || Settings { max_iterations: 6, patterns: 6, ..settings() };
    let gated = || Settings { activation: Activation::Gated, solver: SolverChoice::Kind(SolverKind::Cg), ..base() };
    let weighted = |data: Dataset| data.with_weights((0..SAMPLES).map(|row| 1.0 + (row % 3) as f64).collect()).unwrap();
    let (numbers, two, three) = (data(0), data(2), data(3));
    let cases = [
        ("huber", numbers.clone(), Settings { loss: Loss::Huber { delta: 0.3 }, output_bias: true, ..base() }),
        ("weights", weighted(numbers.clone()), Settings { output_bias: true, ..base() }),
        ("sampled", numbers.clone(), Settings { certify: Certify::Sampled, output_bias: true, ..base() }),
        ("logistic", two.clone(), Settings { loss: Loss::Logistic, output_bias: true, ..base() }),
        ("hinge", two.clone(), Settings { loss: Loss::SquaredHinge, class_weights: ClassWeights::Balanced, ..base() }),
        ("multinomial", three.clone(), Settings { loss: Loss::Multinomial, output_bias: true, ..gated() }),
        ("three classes", weighted(three), Settings { precision: Precision::F32, ..base() }),
        ("gated kernel", numbers.clone(), Settings { activation: Activation::Gated, output_bias: true, ..base() }),
        ("mixed gates", two.clone(), Settings { gates: Gates::Kind(GateKind::Mixed), ..gated() }),
        ("pairs", two.clone(), Settings { gates: Gates::Kind(GateKind::Pairs), precision: Precision::F32, ..gated() }),
        ("whitened", two, Settings { gates: Gates::Kind(GateKind::Whitened), solver: SolverChoice::Auto, ..base() }),
        ("refined", numbers, Settings { refine: 1, ..base() }),
    ];
    for (name, data, settings) in cases {
        let plain = trained(&data, &settings).unwrap();
        let spread = same_on_all(&data, &settings, 4);
        let (a, b) = (plain.objective.network, spread.objective.network);
        // Of a sample on the boundary of a neuron, rounding decides the pattern in the next round.
        let loose = settings.precision == Precision::F32 || settings.refine > 0;
        assert!(close(a, b, if loose { 2e-3 } else { 1e-6 }), "{name}: {a} {b}");
        assert_eq!(plain.train.accuracy.is_some(), spread.train.accuracy.is_some(), "{name}");
        assert_eq!(plain.model.task, spread.model.task, "{name}");
        assert_eq!(plain.summary.merged_patterns, spread.summary.merged_patterns, "{name}");
    }
}

/// Rounds with soft cones, whose later ones have a block of one sign for each pattern. A checkpoint of one of these is
/// continued by another number of ranks.
#[test]
fn so_it_is_for_rounds_of_soft_cones() {
    let base = || Settings { max_iterations: 12, patterns: 6, refine: 2, ..settings() };
    let weighted = |data: Dataset| data.with_weights((0..SAMPLES).map(|row| 1.0 + (row % 3) as f64).collect()).unwrap();
    let (huber, hinge) = (Loss::Huber { delta: 0.3 }, Loss::SquaredHinge);
    let folder = TempDir::new().unwrap();
    for (name, data, settings) in [
        ("squared", data(0), base()),
        ("huber", weighted(data(0)), Settings { loss: huber, precision: Precision::F32, ..base() }),
        ("logistic", data(2), Settings { loss: Loss::Logistic, output_bias: true, ..base() }),
        ("hinge", data(3), Settings { loss: hinge, output_bias: true, threads: 2, ..base() }),
    ] {
        let whole = same_on_up_to(4, &data, &settings, 4);
        let signs = whole.model.parts[0].witness.as_ref().unwrap().signs;
        assert!(matches!(signs, Signs::Each { .. }), "{name}: {signs:?}, {:?}", whole.info.rounds);
        let at = whole.info.rounds[0].iterations + 1;
        assert!(at < whole.info.rounds[1].iterations, "{name}: {:?}", whole.info.rounds);
        let file = folder.path().join(name);
        let first =
            Settings { checkpoint: Some(CheckpointPlan { path: file.clone(), every: 1e9 }), ..settings.clone() };
        on_ranks(&data, 3, 4, |part, _| {
            let mut stop = |record: &Iteration| match record.iteration == at {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            train_with(&part, None, &first, None, &StopToken::new(), &mut stop).unwrap();
        });
        for size in [1, 4] {
            let ended = on_ranks(&data, size, 4, |part, _| {
                let checkpoint = Checkpoint::load(&file).unwrap();
                assert_eq!(checkpoint.iterations(), at);
                resume(&part, None, &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap()
            });
            assert!(bits(&ended[0]) == bits(&whole), "{name}, {size} ranks");
        }
    }
}

/// Held-out samples are whole on every rank; constraints are of columns, which all ranks have.
#[test]
fn held_out_samples_constraints_and_threads_change_nothing() {
    let data = data(0);
    let held_out = data.select(&(0..SAMPLES).step_by(3).collect::<Vec<_>>()).unwrap();
    let constraints = Constraints { trends: vec![("1".into(), Trend::Increasing)], ..Constraints::default() };
    for (precision, threads) in [(Precision::F64, 2), (Precision::F32, 1)] {
        let settings = Settings { constraints: constraints.clone(), precision, threads, ..settings() };
        same_on_all(&data, &settings, 4);
        let plain = train_with(&data, Some(&held_out), &settings, None, &StopToken::new(), &mut ()).unwrap();
        let spread = on_ranks(&data, 3, 4, |part, _| {
            train_with(&part, Some(&held_out), &settings, None, &StopToken::new(), &mut ()).unwrap()
        });
        let test_loss = |solution: &Solution| solution.test.as_ref().unwrap().loss;
        assert!(spread.iter().all(|solution| test_loss(solution).to_bits() == test_loss(&spread[0]).to_bits()));
        assert!(close(test_loss(&plain), test_loss(&spread[0]), if threads == 1 { 2e-3 } else { 1e-6 }));
    }
}

#[test]
fn what_needs_all_samples_in_one_place_is_refused_before_work() {
    let data = data(0);
    let refused =
        |settings: &Settings| on_ranks(&data, 2, 2, |part, _| trained(&part, settings).unwrap_err()).swap_remove(0);
    let cholesky = Settings { solver: SolverChoice::Kind(SolverKind::Cholesky), ..settings() };
    let expected = TrainError::SolverOverRanks { solver: SolverKind::Cholesky, instead: SolverKind::GramPcg };
    assert_eq!(refused(&cholesky), expected);
    assert!(expected.to_string().contains("use gram-pcg"));
    let global = Settings { certify: Certify::Global, ..settings() };
    assert!(matches!(refused(&global), TrainError::NotOverRanks { .. }));
    let world = Threads::connected(3).swap_remove(0);
    let error = Ranks::new(Arc::new(world), Shards::of(1500)).err().unwrap();
    assert!(error.to_string().contains("start at most 2 ranks"), "{error}");
}

/// A run that an observer ends on one rank, or whose observer panics there, ends on all of them at one iteration.
#[test]
fn all_ranks_stop_at_the_same_iteration() {
    let data = data(0);
    let with = |observer: &(dyn Fn(&Iteration, usize) -> ControlFlow<()> + Sync), settings: &Settings, stop: bool| {
        on_ranks(&data, 3, 6, |part, rank| {
            let mut own = |iteration: &Iteration| observer(iteration, rank);
            let token = StopToken::new();
            if stop && rank == 2 {
                token.raise();
            }
            let solution = train_with(&part, None, settings, None, &token, &mut own).unwrap();
            (solution.status, solution.info.history.len(), solution.objective.network.to_bits())
        })
    };
    let last_breaks = |iteration: &Iteration, rank: usize| match (iteration.iteration, rank) {
        (3, 2) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let last_panics = |iteration: &Iteration, rank: usize| {
        assert!((iteration.iteration, rank) != (3, 2), "expected by the test");
        ControlFlow::Continue(())
    };
    let goes_on = |_: &Iteration, _: usize| ControlFlow::Continue(());
    let limited = Settings {
        time_limit: Some(0.05),
        max_iterations: 1_000_000,
        gap: 1e-15,
        // A network may be better than the bound of these patterns; the sampled optimum is not.
        certify: Certify::Sampled,
        precision: Precision::F32,
        ..settings()
    };
    let cases = [
        (with(&last_breaks, &settings(), false), Status::Interrupted, Some(3)),
        (with(&last_panics, &settings(), false), Status::Interrupted, Some(3)),
        (with(&goes_on, &settings(), true), Status::Interrupted, Some(0)),
        (with(&goes_on, &limited, false), Status::TimeLimit, None),
    ];
    for (ends, status, iterations) in cases {
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
        assert_eq!(ends[0].0, status);
        assert!(iterations.is_none_or(|iterations| iterations == ends[0].1), "{ends:?}");
    }
}

/// A rank that fails, or panics, is an error of all others: none waits for it.
#[test]
fn a_rank_that_ends_alone_ends_the_others() {
    let data = data(0);
    let ends = on_ranks(&data, 3, 3, |part, rank| {
        let settings = if rank == 1 { Settings { patterns: 0, ..settings() } } else { settings() };
        let ended = trained(&part, &settings);
        drop(part);
        ended.unwrap_err()
    });
    assert!(matches!(ends[1], TrainError::Setting { name: "patterns", .. }), "{}", ends[1]);
    assert!([0, 2].iter().all(|&rank| matches!(ends[rank], TrainError::Linalg(LinalgError::Ranks(_)))), "{ends:?}");
    let ends = on_ranks(&data, 2, 2, |part, rank| {
        let run = AssertUnwindSafe(|| {
            assert!(rank == 0, "expected by the test");
            trained(&part, &settings())
        });
        let ended = catch_unwind(run);
        drop(part);
        ended.is_ok_and(|ended| matches!(ended, Err(TrainError::Linalg(LinalgError::Ranks(_)))))
    });
    assert_eq!(ends, [true, false]);
    // Ranks of which one has weights are not at the same sum.
    let ends = on_ranks(&data, 2, 2, |part, rank| {
        let part = if rank == 0 { part } else { part.with_weights(vec![2.0; SAMPLES / 2]).unwrap() };
        let ended = trained(&part, &settings());
        drop(part);
        ended.unwrap_err()
    });
    assert!(ends.iter().any(|end| end.to_string().contains("is not at the same sum")), "{ends:?}");
}

/// A checkpoint of three ranks is continued by two, or by one, to the same bits.
#[test]
fn a_checkpoint_is_continued_by_another_number_of_ranks() {
    let folder = TempDir::new().unwrap();
    for (name, loss) in [("squared", Loss::Squared), ("huber", Loss::Huber { delta: 0.3 })] {
        let data = data(0);
        let file = folder.path().join(name);
        let settings = Settings { loss, ..settings() };
        let plan = CheckpointPlan { path: file.clone(), every: 1e9 };
        let first = Settings { checkpoint: Some(plan), max_iterations: 10, ..settings.clone() };
        on_ranks(&data, 3, 6, |part, _| trained(&part, &first).unwrap());
        let whole = same_on_all(&data, &settings, 6);
        for size in [1, 2] {
            let ended = on_ranks(&data, size, 6, |part, _| {
                let checkpoint = Checkpoint::load(&file).unwrap();
                resume(&part, None, &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap()
            });
            assert!(bits(&ended[0]) == bits(&whole), "{name}, {size} ranks");
        }
    }
}

// ---- paths ---------------------------------------------------------------------------------------------------------

/// A short path that holds out what `validation` says.
fn path_of(validation: Validation, returned: Returned) -> PathSettings {
    PathSettings { betas: 3, ratio: 0.1, gap: 1e-3, validation, returned, ..PathSettings::default() }
}

fn along(data: &Dataset, settings: &Settings, path_settings: &PathSettings) -> Result<PathSolution, TrainError> {
    path(data, None, settings, path_settings, &StopToken::new(), &mut ())
}

/// What all ranks know of a path: every number of its table, the choice, and the held-out predictions.
fn table(found: &PathSolution) -> Vec<u64> {
    let numbers = found.points.iter().flat_map(|point| {
        let losses = [point.mean_loss, point.mean_loss_error, point.error, point.standard_error];
        let scores = [point.train, point.validation].map(|scores| [scores.loss, scores.accuracy.unwrap_or(-1.0)]);
        let objective = [point.objective.network, point.objective.dual_bound, point.objective.relative_gap];
        let counts = [point.neurons, point.iterations as f64, point.fraction, point.beta];
        [&losses[..], &scores.concat(), &objective, &counts].concat()
    });
    let HeldOutPredictions { rows, predictions } = &found.held_out;
    let held_out = [predictions.outputs.values(), predictions.targets.values()].concat();
    let counts = [found.chosen, found.folds].into_iter().chain(rows.iter().copied()).map(|count| count as u64);
    numbers.chain(held_out).chain([found.gated_beta_max]).map(f64::to_bits).chain(counts).collect()
}

/// The bytes of the model, and the held-out scores in the record of the run.
fn product(found: &PathSolution) -> (Vec<u8>, Vec<u64>) {
    let scores = found.solution.info.history.iter().filter_map(|record| record.test);
    (found.solution.model.to_bytes().unwrap(), scores.map(|scores| scores.loss.to_bits()).collect())
}

/// Shards of 171 samples, unevenly many on two ranks and on three.
#[test]
fn a_path_is_the_same_for_every_number_of_ranks() {
    let weighted = |data: Dataset| data.with_weights((0..SAMPLES).map(|row| 1.0 + (row % 3) as f64).collect()).unwrap();
    let base = || Settings { gap: 1e-3, max_iterations: 60, patterns: 8, output_bias: true, ..settings() };
    let gated = || Settings { activation: Activation::Gated, ..base() };
    let (share, folds) = (Validation::Share(0.2), Validation::Folds(3));
    let cases = [
        ("a share", data(0), gated(), path_of(share, Returned::Retrained)),
        ("a share, cones", data(2), base(), path_of(share, Returned::Mean)),
        ("three seeds", data(0), gated(), PathSettings { ensemble: 3, ..path_of(share, Returned::Retrained) }),
        ("folds", weighted(data(3)), gated(), path_of(folds, Returned::Mean)),
        (
            "folds of log-odds",
            data(2),
            Settings { loss: Loss::Logistic, ..gated() },
            path_of(folds, Returned::Retrained),
        ),
    ];
    for (name, data, settings, path_settings) in cases {
        let plain = along(&data, &settings, &path_settings).unwrap();
        let one = on_ranks(&data, 1, 1, |part, _| along(&part, &settings, &path_settings).unwrap()).swap_remove(0);
        assert!(table(&plain) == table(&one), "{name}");
        assert!(product(&plain) == product(&one), "{name}");
        let mut expected = None;
        for size in 1..=3 {
            let found = on_ranks(&data, size, 7, |part, _| along(&part, &settings, &path_settings).unwrap());
            assert!(found.iter().all(|rank| table(rank) == table(&found[0])), "{name}, {size} ranks");
            let first = (table(&found[0]), product(&found[0]));
            let expected = expected.get_or_insert_with(|| first.clone());
            assert!(*expected == first, "{name}, {size} ranks");
            let [a, b] = [&plain, &found[0]].map(|found| found.points.iter().map(|point| point.mean_loss));
            assert!(a.zip(b).all(|(a, b)| close(a, b, 1e-5)), "{name}: {:?} {:?}", plain.points, found[0].points);
            assert_eq!((plain.chosen, &plain.held_out.rows), (found[0].chosen, &found[0].held_out.rows), "{name}");
            let record = found[0].solution.ranks.unwrap();
            assert_eq!((record.ranks, record.shards), (size, 7));
        }
    }
}

/// Most shards hold nothing out, and ranks have nothing to predict; a shard that would keep nothing is refused.
#[test]
fn few_samples_are_held_out_of_some_shards_alone() {
    let data = data(0).select(&(0..60).collect::<Vec<_>>()).unwrap();
    let settings = Settings { activation: Activation::Gated, patterns: 4, ..settings() };
    let path_settings = path_of(Validation::Share(0.05), Returned::Mean);
    let found =
        [1, 3].map(|size| on_ranks(&data, size, 12, |part, _| along(&part, &settings, &path_settings).unwrap()));
    assert_eq!(found[0][0].held_out.rows.len(), 3);
    assert!(found[1].iter().all(|rank| table(rank) == table(&found[0][0])));
    assert!(product(&found[0][0]) == product(&found[1][0]));
    let all_but_few = path_of(Validation::Share(0.95), Returned::Mean);
    for ended in on_ranks(&data, 3, 12, |part, _| along(&part, &settings, &all_but_few).unwrap_err()) {
        assert!(matches!(&ended, TrainError::Setting { name: "validation", value, .. } if value == "57 of 60 samples"));
    }
}

/// What `cvx train` chooses by itself is a function of all samples.
#[test]
fn a_plan_of_ranks_is_that_of_one_process() {
    let data = data(2);
    let (settings, path_settings) = (settings(), PathSettings { betas: 3, ..PathSettings::default() });
    let plan = |data: &Dataset| automatic(data, &settings, &path_settings, &Wishes::default()).unwrap();
    let planned = plan(&data);
    assert!(on_ranks(&data, 3, 4, |part, _| plan(&part)).iter().all(|plan| *plan == planned));
    let small = Plan {
        settings: Settings { patterns: 8, max_iterations: 40, ..planned.settings },
        path: PathSettings { betas: 3, ..planned.path },
        ..planned
    };
    let chosen = |data: &Dataset| choose(data, None, &small, &StopToken::new(), &mut ()).unwrap();
    let found = [1, 3].map(|size| on_ranks(&data, size, 4, |part, _| chosen(&part)).swap_remove(0));
    assert!(table(&found[0]) == table(&found[1]) && product(&found[0]) == product(&found[1]));
    let plain = chosen(&data);
    let [a, b] = [&plain, &found[0]].map(|found| found.points[found.chosen].mean_loss);
    assert!(close(a, b, 1e-5), "{a} {b}");
}

/// A path that one rank ends in the middle ends on all of them at one place, with the networks that there are.
#[test]
fn all_ranks_end_a_path_at_the_same_place() {
    struct Watch<'a> {
        rank: usize,
        points: usize,
        ends_at: Option<usize>,
        token: &'a StopToken,
    }
    impl Observer for Watch<'_> {
        fn iteration(&mut self, _: &Iteration) -> ControlFlow<()> {
            if self.rank == 1 && Some(self.points) == self.ends_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
        fn point(&mut self, _: f64, _: f64, _: &Scores) {
            self.points += 1;
            if self.rank == 2 && self.ends_at.is_none() && self.points == 2 {
                self.token.raise();
            }
        }
    }
    let data = data(0);
    let base = Settings { activation: Activation::Gated, patterns: 8, gap: 1e-3, ..settings() };
    let endless = PathSettings { gap: 1e-300, betas: 10_000, ..path_of(Validation::Folds(2), Returned::Retrained) };
    let hours = Settings { max_iterations: 1_000_000, certify: Certify::Sampled, ..base.clone() };
    let path_settings = path_of(Validation::Folds(3), Returned::Retrained);
    let cases = [
        ("an observer", base.clone(), path_settings.clone(), Some(1), Status::Interrupted, Some(1)),
        ("a token", base.clone(), path_settings.clone(), None, Status::Interrupted, Some(2)),
        ("a limit", Settings { time_limit: Some(0.3), ..hours }, endless, Some(99_999), Status::TimeLimit, None),
    ];
    for (name, settings, path_settings, ends_at, status, points) in cases {
        let found = on_ranks(&data, 3, 6, |part, rank| {
            let token = StopToken::new();
            let mut watch = Watch { rank, points: 0, ends_at, token: &token };
            path(&part, None, &settings, &path_settings, &token, &mut watch).unwrap()
        });
        assert!(found.iter().all(|rank| table(rank) == table(&found[0])), "{name}");
        assert_eq!(found[0].cut_short, Some(status), "{name}");
        assert!(points.is_none_or(|points| points == found[0].points.len()), "{name}: {:?}", found[0].points);
        let networks = found.iter().map(|rank| rank.solution.model.network.w1.values().to_vec());
        assert!(networks.clone().all(|network| Some(network) == networks.clone().next()), "{name}");
    }
    // A budget that is over after the first beta, by the clock of the first rank.
    let short = PathSettings { budget: Some(1e-9), ..path_settings.clone() };
    let found = on_ranks(&data, 3, 6, |part, rank| {
        let budget = if rank == 0 { short.budget } else { Some(1e9) };
        along(&part, &base, &PathSettings { budget, ..short.clone() }).unwrap()
    });
    assert!(found.iter().all(|rank| rank.points.len() == 1 && rank.cut_short.is_none()));
}

// ---- ranks that were not started alike -----------------------------------------------------------------------------

#[test]
fn ranks_that_were_not_started_alike_are_refused_before_work() {
    let data = data(0);
    let test = data.select(&[0, 1, 2]).unwrap();
    let refused = |change: &(dyn Fn(&mut Settings, &mut PathSettings) + Sync), along_path: bool| {
        let ends = on_ranks(&data, 3, 3, |part, rank| {
            let (mut settings, mut path_settings) = (settings(), path_of(Validation::Share(0.2), Returned::Mean));
            if rank == 2 {
                change(&mut settings, &mut path_settings);
            }
            if along_path {
                along(&part, &settings, &path_settings).unwrap_err()
            } else {
                trained(&part, &settings).unwrap_err()
            }
        });
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
        let TrainError::RanksDiffer { rank: 2, given, first } = ends[0].clone() else { panic!("{ends:?}") };
        [first, given].map(|setting| setting.to_string())
    };
    let named = |name: &str, first: &str, given: &str| [first, given].map(|value| format!("{name} = {value}"));
    assert_eq!(refused(&|settings, _| settings.seed = 7, false), named("seed", "0", "7"));
    assert_eq!(refused(&|settings, _| settings.seed = 7, true), named("seed", "0", "7"));
    assert_eq!(refused(&|settings, _| settings.patterns = 13, false), named("patterns", "12", "13"));
    assert_eq!(refused(&|settings, _| settings.gap = 0.5, false), named("gap", "0.000000001", "0.5"));
    assert_eq!(refused(&|settings, _| settings.refine = 2, false), named("refine", "0", "2"));
    let cholesky = |settings: &mut Settings, _: &mut PathSettings| {
        settings.solver = SolverChoice::Kind(SolverKind::Cholesky);
    };
    assert_eq!(refused(&cholesky, false), named("solver", "gram-pcg", "cholesky"));
    assert_eq!(refused(&|_, path| path.betas = 9, true), named("betas", "3", "9"));
    assert_eq!(
        refused(&|_, path| path.validation = Validation::Folds(2), true),
        ["validation = 0.2", "folds = 2"].map(String::from)
    );
    let with_test = on_ranks(&data, 2, 2, |part, rank| {
        let test = Some(&test).filter(|_| rank == 0);
        train_with(&part, test, &settings(), None, &StopToken::new(), &mut ()).unwrap_err()
    });
    let said = "rank 1 was started with the number of test samples = 0, and rank 0 with the number of test samples = 3";
    assert!(with_test[0].to_string().starts_with(said), "{}", with_test[0]);
    // What the result does not depend on may differ.
    let ended = on_ranks(&data, 2, 2, |part, rank| {
        let (threads, time_limit) = (1 + rank, Some(1e6).filter(|_| rank == 1));
        bits(&trained(&part, &Settings { threads, time_limit, max_iterations: 2, ..settings() }).unwrap()).len()
    });
    assert!(ended[0] > 0);
}
