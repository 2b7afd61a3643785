//! F1 to F3: a run that is resumed from its checkpoint equals the uninterrupted run, and only a checkpoint of the same
//! run is accepted.

mod common;

use common::{exact, planted, smooth, timeless};
use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, ClassWeights, FileError, Gates, Info, Iteration, Observer, PathSettings,
    Precision, Settings, Solution, SolverChoice, SolverKind, Status, StopToken, TrainError, path, resume, train,
    train_with, verify,
};
use cvx_linalg::Signs;
use cvx_model::{Activation, Dataset, GateKind, Loss};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A run with a fixed number of iterations for every gap, and a penalty that must change.
fn long(settings: Settings) -> Settings {
    Settings { gap: 1e-300, max_iterations: 70, patterns: 8, beta: Beta::Fraction(1e-2), rho: Some(1e4), ..settings }
}

fn with_checkpoint(settings: &Settings, path: PathBuf, every: f64) -> Settings {
    Settings { checkpoint: Some(CheckpointPlan { path, every }), ..settings.clone() }
}

/// Compares all results of two runs except the clock.
fn assert_same(resumed: &Solution, whole: &Solution, place: &str) {
    assert_eq!(timeless(resumed), timeless(whole), "{place}: the history");
    assert_eq!(resumed.warm_start, whole.warm_start, "{place}: the iterates");
    assert_eq!(resumed.model, whole.model, "{place}: the model");
    assert_eq!(resumed.objective, whole.objective, "{place}");
    assert_eq!((resumed.status, resumed.rho, resumed.sigma), (whole.status, whole.rho, whole.sigma), "{place}");
    let counts = |info: &Info| (info.penalty_changes, info.unconverged_solves, info.linear_residual);
    assert_eq!(counts(&resumed.info), counts(&whole.info), "{place}");
    let rounds = |info: &Info| info.rounds.iter().map(|round| (round.patterns, round.network)).collect::<Vec<_>>();
    assert_eq!(rounds(&resumed.info), rounds(&whole.info), "{place}");
}

/// Runs until iteration `at` of the record, and resumes from the checkpoint.
fn interrupted_at(at: usize, data: &Dataset, settings: &Settings) -> Solution {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let first = with_checkpoint(settings, file.clone(), 1e9);
    let mut stop =
        |record: &Iteration| if record.iteration == at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let part = train_with(data, None, &first, None, &StopToken::new(), &mut stop).unwrap();
    assert_eq!((part.status, part.info.history.len()), (Status::Interrupted, at));
    let checkpoint = Checkpoint::load(&file).unwrap();
    assert_eq!(checkpoint.iterations(), at);
    let resumed = resume(data, None, settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
    assert!(resumed.info.seconds.total >= part.info.history[at - 1].seconds, "the clock continues");
    resumed
}

#[test]
fn f3_every_solver_goes_on_bit_for_bit() {
    let data = planted(90, 5, 3);
    for kind in SolverKind::ALL {
        for precision in common::PRECISIONS {
            let settings = long(Settings { solver: SolverChoice::Kind(kind), precision, ..Settings::default() });
            let whole = train(&data, None, &settings).unwrap();
            assert_eq!(whole.status, Status::IterationLimit, "{kind}");
            assert!(whole.info.penalty_changes > 0, "{kind}: the penalty has not changed");
            for at in [1, 20, 43] {
                assert_same(&interrupted_at(at, &data, &settings), &whole, &format!("{kind} {precision:?} at {at}"));
            }
        }
    }
}

#[test]
fn f3_every_model_goes_on_bit_for_bit() {
    let (classes, numbers) = (planted(90, 5, 4), smooth(70, 4, 2));
    let weights = ClassWeights::Balanced;
    for (data, settings) in [
        (&classes, long(Settings { activation: Activation::Gated, ..Settings::default() })),
        (&classes, long(Settings { loss: Loss::Logistic, class_weights: weights, ..Settings::default() })),
        (&numbers, long(Settings { loss: Loss::Huber { delta: 0.2 }, activation: Activation::Gated, ..exact() })),
        (&numbers, long(Settings { anderson_depth: 0, over_relaxation: 1.0, ..exact() })),
        (&numbers, long(Settings { output_bias: true, ..Settings::default() })),
        (&classes, long(Settings { output_bias: true, loss: Loss::SquaredHinge, ..Settings::default() })),
        (&classes, long(Settings { output_bias: true, activation: Activation::Gated, ..exact() })),
        (&numbers, long(Settings { certify: Certify::Sampled, over_relaxation: 1.5, dual_step: 1.3, ..exact() })),
    ] {
        let whole = train(data, None, &settings).unwrap();
        // kappa starts at 1/4, 1 or less.
        let kappa = whole.warm_start.as_ref().and_then(|start| start.split.as_ref()).map_or(1.0, |split| split.kappa);
        assert!(kappa == 1.0 || ![0.25, 1.0].contains(&kappa), "{:?}: kappa has not changed", settings.loss);
        for at in [2, 31] {
            assert_same(&interrupted_at(at, data, &settings), &whole, &format!("{:?} at {at}", settings.loss));
        }
    }
}

/// At every third iteration of the record, and at the last of every round. Later rounds have soft cones and a block of
/// one sign for each pattern.
#[test]
fn f3_a_refined_run_goes_on_from_any_iteration() {
    let (classes, numbers) = (planted(60, 4, 6), smooth(50, 3, 2));
    let base = |precision| Settings { patterns: 5, refine: 1, precision, ..Settings::default() };
    let value = |beta, settings| Settings { beta: Beta::Value(beta), ..settings };
    for (data, settings) in [
        (&classes, value(0.3, Settings { refine: 2, ..base(Precision::F32) })),
        (&classes, value(0.3, base(Precision::F64))),
        (&classes, value(0.1, Settings { loss: Loss::Logistic, output_bias: true, ..base(Precision::F64) })),
        (&numbers, value(0.05, Settings { solver: SolverChoice::Kind(SolverKind::GramPcg), ..base(Precision::F64) })),
    ] {
        let whole = train(data, None, &settings).unwrap();
        assert_eq!(whole.status, Status::Optimal);
        assert!(whole.info.rounds.len() > 1, "{:?}", whole.info.rounds);
        let signs = whole.model.parts[0].witness.as_ref().unwrap().signs;
        assert!(matches!(signs, Signs::Each { .. }), "{signs:?}");
        let ends: Vec<usize> = whole.info.rounds.iter().map(|round| round.iterations).collect();
        for at in (1..whole.info.history.len()).step_by(3).chain(ends.iter().map(|end| end - 1)) {
            // A round whose last iteration is `at` ends by itself.
            if !ends.contains(&at) {
                let place = format!("{:?} {:?} at {at}", settings.loss, settings.precision);
                assert_same(&interrupted_at(at, data, &settings), &whole, &place);
            }
        }
    }
}

/// A resumed round predicts the test samples with its own blocks, and needs no more memory than it did.
#[test]
fn f3_a_later_round_goes_on_with_test_samples_and_in_its_memory() {
    let (data, test) = (planted(60, 40, 6), planted(20, 40, 7));
    let solver = SolverChoice::Kind(SolverKind::Cholesky);
    let base = Settings { patterns: 40, refine: 1, beta: Beta::Value(0.3), solver, ..Settings::default() };
    let first = train(&data, Some(&test), &Settings { refine: 0, ..base.clone() }).unwrap().summary.memory_bytes;
    // The least budget that leaves room for the second round.
    let with_budget = |step: u64| {
        let settings = Settings { memory_budget: Some(first + step * first / 20), ..base.clone() };
        // Soft cones take more than the first programme without rounds: the first step is too small.
        let whole = train(&data, Some(&test), &settings).ok()?;
        (whole.info.rounds.len() > 1).then_some((settings, whole))
    };
    let (settings, whole) = (0..40).find_map(with_budget).unwrap();
    let at = whole.info.rounds[0].iterations + 2;
    assert!(at < whole.info.history.len(), "{:?}", whole.info.rounds);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let mut stop =
        |record: &Iteration| if record.iteration == at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let saving = Settings { memory_budget: None, ..with_checkpoint(&settings, file.clone(), 1e9) };
    train_with(&data, Some(&test), &saving, None, &StopToken::new(), &mut stop).unwrap();
    let checkpoint = Checkpoint::load(&file).unwrap();
    let resumed = resume(&data, Some(&test), &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
    assert_same(&resumed, &whole, "in a later round");
    assert_eq!(resumed.test, whole.test);
}

/// The stop request arrives inside a u-update, or wherever the token is next checked.
#[test]
fn f3_a_run_that_is_stopped_in_the_middle_of_a_step_goes_on_bit_for_bit() {
    let data = planted(400, 30, 5);
    let folder = TempDir::new().unwrap();
    for kind in [SolverKind::Cholesky, SolverKind::Cg, SolverKind::GramPcg, SolverKind::NystromRbcd] {
        let solver = SolverChoice::Kind(kind);
        let settings = Settings {
            max_iterations: 40,
            ..long(Settings { solver, threads: 1, certify: Certify::Sampled, ..Settings::default() })
        };
        let whole = train(&data, None, &settings).unwrap();
        let iteration = whole.info.seconds.total / 40.0;
        for trial in 0..6 {
            let file = folder.path().join(format!("{kind}{trial}.ckpt"));
            let stop = StopToken::new();
            let handle = stop.clone();
            let mut observer = |record: &Iteration| {
                if record.iteration == 5 + 3 * trial {
                    let (handle, delay) = (handle.clone(), iteration * trial as f64 / 5.0);
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs_f64(delay));
                        handle.raise();
                    });
                }
                ControlFlow::Continue(())
            };
            let first = with_checkpoint(&settings, file.clone(), 1e9);
            let part = train_with(&data, None, &first, None, &stop, &mut observer).unwrap();
            let checkpoint = Checkpoint::load(&file).unwrap();
            assert_eq!(checkpoint.iterations(), part.info.history.len(), "no finished iteration is lost");
            let resumed = resume(&data, None, &settings, &checkpoint, &StopToken::new(), &mut ()).unwrap();
            assert_same(&resumed, &whole, &format!("{kind}, stopped after {}", checkpoint.iterations()));
        }
    }
}

#[test]
fn f3_writing_checkpoints_changes_nothing_and_other_threads_neither() {
    let data = planted(90, 5, 3);
    let settings = long(Settings::default());
    let whole = train(&data, None, &settings).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let written = train(&data, None, &with_checkpoint(&settings, file.clone(), 0.0)).unwrap();
    assert_same(&written, &whole, "with checkpoints");
    assert!(written.summary.memory_bytes > whole.summary.memory_bytes, "a checkpoint takes memory too");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one file is left");
    let more = Settings { max_iterations: 100, threads: 3, ..settings };
    let checkpoint = Checkpoint::load(&file).unwrap();
    let resumed = resume(&data, None, &more, &checkpoint, &StopToken::new(), &mut ()).unwrap();
    assert_same(&resumed, &train(&data, None, &more).unwrap(), "further than the run before");
    assert!(verify(&resumed.model, &data).unwrap().holds());
}

#[test]
fn f3_another_run_is_refused_by_what_differs() {
    let data = planted(60, 4, 1);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let settings = Settings { max_iterations: 5, ..long(Settings::default()) };
    train(&data, None, &with_checkpoint(&settings, file.clone(), 0.0)).unwrap();
    let checkpoint = Checkpoint::load(&file).unwrap();
    let refused = |data: &Dataset, settings: &Settings| match resume(
        data,
        None,
        settings,
        &checkpoint,
        &StopToken::new(),
        &mut (),
    ) {
        Err(error) => error,
        Ok(solution) => panic!("{:?}", solution.status),
    };
    for (other, name, values) in [
        (Settings { seed: 7, ..settings.clone() }, "seed", ["0", "7"]),
        (Settings { patterns: 9, ..settings.clone() }, "patterns", ["8", "9"]),
        (Settings { precision: Precision::F64, ..settings.clone() }, "precision", ["f32", "f64"]),
        (Settings { activation: Activation::Gated, ..settings.clone() }, "activation", ["relu", "gated"]),
        (Settings { beta: Beta::Value(1.0), ..settings.clone() }, "beta_fraction", ["0.01", "1"]),
        (Settings { loss: Loss::Logistic, ..settings.clone() }, "loss", ["squared", "logistic"]),
        (Settings { refine: 1, ..settings.clone() }, "refine", ["0", "1"]),
        (Settings { loss: Loss::Huber { delta: 1.5 }, ..settings.clone() }, "loss", ["squared", "huber, delta 1.5"]),
        (Settings { rho: Some(2.0), ..settings.clone() }, "rho", ["10000", "2"]),
        (Settings { bias: !settings.bias, ..settings.clone() }, "bias", ["true", "false"]),
        (Settings { gates: Gates::Kind(GateKind::Whitened), ..settings.clone() }, "gates", ["automatic", "whitened"]),
    ] {
        match refused(&data, &other) {
            error @ TrainError::OtherRun { .. } => {
                let text = error.to_string();
                assert!(text.contains("run.ckpt") && text.contains(&format!("{name} = {}", values[0])), "{text}");
                let TrainError::OtherRun { saved, given, .. } = error else { unreachable!() };
                assert_eq!([saved.name.as_str(), &saved.value, &given.value], [name, values[0], values[1]]);
            }
            other => panic!("{other}"),
        }
    }
    let weighted = Settings { class_weights: ClassWeights::Balanced, ..settings.clone() };
    let error = refused(&data, &weighted);
    assert!(matches!(&error, TrainError::OtherRun { saved, .. } if saved.value == "none"), "{error}");
    let error = refused(&planted(60, 4, 2), &settings);
    assert!(matches!(error, TrainError::OtherSamples { saved, given, .. } if saved != given), "{error}");
    let limits = Settings { max_iterations: 6, gap: 0.5, time_limit: Some(60.0), threads: 1, ..settings };
    resume(&data, None, &limits, &checkpoint, &StopToken::new(), &mut ()).unwrap();
}

#[test]
fn r2_a_checkpoint_interval_that_is_no_time_is_refused() {
    for every in [-1.0, f64::NAN, f64::INFINITY] {
        let settings = with_checkpoint(&Settings::default(), "run.ckpt".into(), every);
        let error = train(&planted(20, 3, 1), None, &settings).unwrap_err();
        assert!(matches!(error, TrainError::Setting { name: "checkpoint_every", .. }), "{error}");
    }
    let settings = with_checkpoint(&Settings::default(), "run.ckpt".into(), 1.0);
    let error = path(&planted(20, 3, 1), None, &settings, &PathSettings::default(), &StopToken::new(), &mut ());
    assert!(matches!(error, Err(TrainError::Setting { name: "checkpoint", .. })));
}

/// Records the results of the checkpoint callbacks. Moves a folder away before one iteration and back after another.
struct Mover {
    folder: PathBuf,
    away: PathBuf,
    written: Vec<bool>,
}

impl Observer for Mover {
    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        match record.iteration {
            4 => fs::rename(&self.folder, &self.away).unwrap(),
            8 => fs::rename(&self.away, &self.folder).unwrap(),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        self.written.push(written.is_ok());
    }
}

#[test]
fn f2_a_checkpoint_that_cannot_be_written_leaves_the_old_one_and_the_run() {
    let data = planted(60, 4, 1);
    let home = TempDir::new().unwrap();
    let (folder, away) = (home.path().join("here"), home.path().join("away"));
    fs::create_dir(&folder).unwrap();
    let settings = Settings { max_iterations: 6, ..long(Settings::default()) };
    let first = with_checkpoint(&settings, folder.join("run.ckpt"), 0.0);
    let mut mover = Mover { folder: folder.clone(), away: away.clone(), written: Vec::new() };
    let solution = train_with(&data, None, &first, None, &StopToken::new(), &mut mover).unwrap();
    assert_eq!((solution.status, mover.written), (Status::IterationLimit, vec![true, true, true, false, false, false]));
    assert!(solution.info.checkpoint_failure.unwrap().contains("cannot be written"));
    assert_eq!(Checkpoint::load(&away.join("run.ckpt")).unwrap().iterations(), 3, "the last that could be written");

    // Later checkpoints are written again after the folder is restored.
    fs::rename(&away, &folder).unwrap();
    let more = Settings { max_iterations: 12, ..first };
    let checkpoint = Checkpoint::load(&folder.join("run.ckpt")).unwrap();
    let mut mover = Mover { folder: folder.clone(), away, written: Vec::new() };
    let solution = resume(&data, None, &more, &checkpoint, &StopToken::new(), &mut mover).unwrap();
    assert_eq!(mover.written.iter().filter(|written| !**written).count(), 4);
    assert_eq!(solution.info.checkpoint_failure, None);
    assert_eq!(Checkpoint::load(&folder.join("run.ckpt")).unwrap().iterations(), 12);
}

#[cfg(target_os = "linux")]
#[test]
fn f2_a_full_disk_does_not_end_the_run() {
    let data = planted(60, 4, 1);
    let settings = Settings { max_iterations: 6, ..long(Settings::default()) };
    let full = with_checkpoint(&settings, "/dev/full".into(), 0.0);
    let solution = train(&data, None, &full).unwrap();
    assert_eq!(solution.status, Status::IterationLimit);
    assert!(solution.info.checkpoint_failure.as_ref().unwrap().contains("/dev/full"));
    assert_eq!(solution.model, train(&data, None, &settings).unwrap().model);
}

#[test]
fn f2_a_folder_that_is_not_there_is_refused_before_the_run() {
    let settings = with_checkpoint(&Settings::default(), "nowhere/at/all/run.ckpt".into(), 1.0);
    let error = train(&planted(20, 3, 1), None, &settings).unwrap_err();
    assert!(error.to_string().contains("nowhere") && error.to_string().contains("does not exist"), "{error}");
}

/// A small checkpoint that contains every kind of section.
fn bytes() -> (Dataset, Settings, Vec<u8>) {
    let data = planted(12, 2, 1);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.ckpt");
    let solver = SolverChoice::Kind(SolverKind::Rbcd);
    let loss = Loss::Logistic;
    let settings = Settings { max_iterations: 4, patterns: 2, anderson_depth: 2, solver, loss, ..Settings::default() };
    train(&data, None, &with_checkpoint(&settings, file.clone(), 0.0)).unwrap();
    (data, settings, fs::read(&file).unwrap())
}

#[test]
fn f4_a_checkpoint_cut_off_at_any_byte_or_with_any_bit_flipped_is_refused() {
    let (_, _, bytes) = bytes();
    let refused = |bytes: Vec<u8>, place: usize| {
        let error = Checkpoint::from_bytes(bytes, Path::new("run.ckpt"));
        assert!(error.is_err(), "byte {place}");
    };
    assert!(Checkpoint::from_bytes(bytes.clone(), Path::new("run.ckpt")).is_ok());
    for at in 0..bytes.len() {
        refused(bytes[..at].to_vec(), at);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        refused(flipped, at);
    }
    refused([bytes.as_slice(), b"more"].concat(), bytes.len());
}

#[test]
fn f5_a_model_is_no_checkpoint_and_a_checkpoint_is_no_model() {
    let (data, settings, bytes) = bytes();
    let error = cvx_admm::Model::from_bytes(&bytes, Path::new("run.ckpt")).unwrap_err();
    assert!(matches!(error, FileError::Magic { what: "model", .. }), "{error}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("m.cvx");
    train(&data, None, &settings).unwrap().model.save(&file).unwrap();
    let error = Checkpoint::load(&file).unwrap_err();
    assert!(matches!(error, FileError::Magic { what: "checkpoint", .. }), "{error}");
    let error = Checkpoint::load(&folder.path().join("none.ckpt")).unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
}
