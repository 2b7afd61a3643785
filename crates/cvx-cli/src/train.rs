//! `cvx train`.

use crate::Exit;
use crate::args::{
    ActivationArg, CertifyArg, FitArgs, LogArg, LossArg, NormalizeArg, PatternsArg, PrecisionArg, TaskArg, TrainArgs,
};
use crate::json::{Report, to_json};
use crate::log::event;
use crate::output::{Named, complain, note, print, quoted, write_whole};
use crate::progress::watcher;
use crate::{output, page, source, table};
use anyhow::{Context, Result, bail};
use cvx_admm::{
    Beta, Certify, Checkpoint, CheckpointPlan, Gates, Precision, Settings, Solution, Status, StopToken, Suggestion,
    resume, suggest_patterns, train_with,
};
use cvx_data::read_matrix;
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, DataSplit, GateKind, Loss, Normalisation, TaskChoice};
use std::path::{Path, PathBuf};

/// Trains, reports, saves.
pub fn run(args: &TrainArgs) -> Result<Exit> {
    let base = if args.poster_exact { Settings::poster_exact() } else { Settings::default() };
    let beta = match (args.beta, args.beta_fraction) {
        (Some(beta), _) => Beta::Value(beta),
        (None, Some(fraction)) => Beta::Fraction(fraction),
        (None, None) => base.beta,
    };
    let plan = |path: &PathBuf| CheckpointPlan { path: path.clone(), every: args.checkpoint_every };
    let checkpoint = args.checkpoint.as_ref().map(plan);
    let mut settings = settings(&args.fit, Settings { beta, refine: args.refine, checkpoint, ..base })?;
    settings.validate()?;
    // To go on with the file that the run is resumed from is what it is for.
    let resumed_from = args.resume.as_deref().filter(|_| args.resume != args.checkpoint);
    let more = args.checkpoint.as_deref().map(|path| ("--checkpoint", path));
    check_outputs(&args.fit, resumed_from.map(|path| ("--resume", path)).as_slice(), more.as_slice())?;
    let written = args.checkpoint.clone();
    let resumed = args.resume.as_deref().map(Checkpoint::load).transpose().context("--resume")?;
    let args = &args.fit;
    let split = source::load_to_train(args)?;
    choose_patterns(args, &split, &mut settings)?;
    let stop = StopToken::new();
    stop_on_interrupt(&stop)?;

    let mut progress = watcher(args, &settings);
    let (train, test) = (&split.train, split.test.as_ref());
    let solution = match &resumed {
        Some(checkpoint) => resume(train, test, &settings, checkpoint, &stop, &mut *progress),
        None => train_with(train, test, &settings, None, &stop, &mut *progress),
    };
    drop(progress);
    let solution = solution.map_err(|error| source::blame(error, &args.source))?;

    // First what cannot be had again, then what is nice to see; none of them is lost with another.
    let saved = args.model.as_deref().map(|path| Ok(solution.model.save(path)?));
    let report = || to_json(&Report::new(&solution, settings.precision, settings.seed));
    let reported = args.json.as_deref().map(|path| write_whole(path, &report()?));
    let subject = page::Subject {
        solution: Some(&solution),
        path: None,
        settings: &settings,
        split: &split,
        source: &args.source,
    };
    let shown = args.report.as_deref().map(|folder| page::write(folder, &subject));
    if !args.quiet {
        print(table::closing(&solution, &settings));
        say_saved(args, &saved);
        page::say_written(args, &shown);
        if let Some(path) = written.filter(|path| can_resume(&solution) && path.is_file()) {
            let path = quoted(&path.to_string_lossy());
            print(format!("To go on, give the same command with --resume {path}"));
        }
    }
    Ok(exit(&solution, [saved, reported, shown]))
}

/// Whether a limit or the user ended the run.
fn can_resume(solution: &Solution) -> bool {
    matches!(solution.status, Status::IterationLimit | Status::TimeLimit | Status::Interrupted)
}

/// Whether everything that is to be written can be, `more` beside the files of every run, without a loss of what is read.
pub fn check_outputs(args: &FitArgs, read: &[Named], more: &[Named]) -> Result<()> {
    let inputs = [
        ("--data", Some(Path::new(&args.source.data))),
        ("--test", args.test.as_deref().map(Path::new)),
        ("--gates", args.gates.as_deref()),
        ("--config", args.config.as_deref()),
    ];
    let outputs = [("--model", args.model.as_deref()), ("--json", args.json.as_deref())];
    let inputs: Vec<Named> =
        inputs.into_iter().filter_map(|(option, path)| Some((option, path?))).chain(read.iter().copied()).collect();
    let outputs: Vec<Named> =
        outputs.into_iter().filter_map(|(option, path)| Some((option, path?))).chain(more.iter().copied()).collect();
    output::check_outputs(&inputs, &outputs)?;
    args.report.as_deref().map_or(Ok(()), page::check)
}

/// Where the model is, if it is anywhere.
pub fn say_saved(args: &FitArgs, saved: &Option<Result<()>>) {
    if let (Some(path), Some(Ok(()))) = (&args.model, saved) {
        let (model, data) = (quoted(&path.to_string_lossy()), source::arguments(&args.source));
        print(format!("The model is in {}; check it with: cvx verify {model} {data}", path.display()));
    }
}

/// Complains of what could not be written, and says how the program ends.
pub fn exit<const N: usize>(solution: &Solution, written: [Option<Result<()>>; N]) -> Exit {
    let failures: Vec<anyhow::Error> = written.into_iter().flatten().filter_map(Result::err).collect();
    failures.iter().for_each(complain);
    let failed = !failures.is_empty() || matches!(solution.status, Status::NumericalError | Status::DeviceError);
    if failed { Exit::Failed } else { Exit::Done }
}

/// The first interrupt ends the run with its best network, the second ends the program.
pub fn stop_on_interrupt(stop: &StopToken) -> Result<()> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.is_raised() {
            std::process::exit(130);
        }
        stop.raise();
    })
    .context("the interrupt handler cannot be set")
}

/// `--patterns auto`, once the samples are known; says what was chosen and why.
pub fn choose_patterns(args: &FitArgs, split: &DataSplit, settings: &mut Settings) -> Result<()> {
    if args.patterns == Some(PatternsArg::Auto) {
        let Suggestion { patterns, reason } = suggest_patterns(&split.train, split.test.as_ref(), settings)
            .map_err(|error| source::blame(error, &args.source))?;
        settings.patterns = patterns;
        if !args.quiet {
            match args.log {
                LogArg::Text => note(format_args!("{patterns} patterns: {reason}")),
                LogArg::Json => event("patterns", serde_json::json!({ "patterns": patterns, "reason": reason })),
            }
        }
    }
    Ok(())
}

/// The settings that the arguments ask for, and for the rest those of `base`.
pub fn settings(args: &FitArgs, base: Settings) -> Result<Settings> {
    Ok(Settings {
        patterns: match args.patterns {
            Some(PatternsArg::Count(patterns)) => patterns,
            Some(PatternsArg::Auto) | None => base.patterns,
        },
        activation: match args.activation {
            ActivationArg::Relu => Activation::Relu,
            ActivationArg::Gated => Activation::Gated,
        },
        gates: args.gates.as_deref().map_or(Ok(Gates::Auto), |given| gates(given, args.patterns))?,
        solver: args.solver,
        rank: args.rank,
        device: args.device,
        precision: match args.precision {
            PrecisionArg::F32 => Precision::F32,
            PrecisionArg::F64 => Precision::F64,
        },
        threads: args.threads,
        seed: args.seed,
        max_iterations: args.max_iterations,
        gap: args.gap.unwrap_or(base.gap),
        certify: match args.certify {
            CertifyArg::Network => Certify::Network,
            CertifyArg::Sampled => Certify::Sampled,
        },
        time_limit: args.time_limit,
        rho: args.rho.or(base.rho),
        sigma: args.sigma,
        prune: !args.no_prune,
        bias: !args.no_bias,
        normalisation: args.normalize.map(|choice| match choice {
            NormalizeArg::None => Normalisation::None,
            NormalizeArg::Global => Normalisation::Global,
            NormalizeArg::Column => Normalisation::Column,
        }),
        task: match args.task {
            TaskArg::Auto => TaskChoice::Auto,
            TaskArg::Binary => TaskChoice::Binary,
            TaskArg::Multiclass => TaskChoice::Multiclass,
            TaskArg::Regression => TaskChoice::Regression,
        },
        loss: loss(args)?,
        class_weights: args.class_weight.clone().unwrap_or_default(),
        memory_budget: args.memory_budget.map(budget_bytes).transpose()?,
        ..base
    })
}

fn loss(args: &FitArgs) -> Result<Loss> {
    Ok(match (args.loss, args.huber_delta) {
        (LossArg::Huber, delta) => Loss::Huber { delta: delta.unwrap_or(1.0) },
        (_, Some(_)) => bail!("--huber-delta is for --loss huber alone: give both or neither"),
        (LossArg::Squared, None) => Loss::Squared,
        (LossArg::Logistic, None) => Loss::Logistic,
        (LossArg::SquaredHinge, None) => Loss::SquaredHinge,
    })
}

fn budget_bytes(gigabytes: f64) -> Result<u64> {
    if gigabytes > 0.0 && gigabytes.is_finite() {
        return Ok((gigabytes * 1e9) as u64);
    }
    bail!("--memory-budget is {gigabytes}, but it must be a positive number of gigabytes")
}

/// A kind by its name, or what a file holds, which says by itself how many `patterns` there are.
fn gates(text: &Path, patterns: Option<PatternsArg>) -> Result<Gates> {
    if let Some(kind) = GateKind::ALL.into_iter().find(|kind| text.as_os_str() == kind.name()) {
        return Ok(Gates::Kind(kind));
    }
    if patterns.is_some() {
        bail!(
            "--patterns is for gates that are drawn, and a file has all of its gates: leave --patterns or --gates out"
        );
    }
    let names = GateKind::ALL.map(GateKind::name).join(", ");
    if !text.exists() {
        bail!("--gates is '{}', which is none of {names}, and there is no such file: check the name", text.display());
    }
    let read = read_matrix(text, Some("gates")).with_context(|| format!("--gates (a file, or one of {names})"));
    let (rows, cols, values) = read?;
    Ok(Gates::Given(HostMatrix::from_fn(rows, cols, |i, j| values[i * cols + j])))
}
