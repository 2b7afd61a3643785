//! `cvx train`.

use crate::Exit;
use crate::args::{CertifyArg, LossArg, NormalizeArg, PrecisionArg, TaskArg, TrainArgs};
use crate::json::Report;
use crate::output::{check_writable, complain, print, write_whole};
use crate::progress::Progress;
use crate::{source, table};
use anyhow::{Context, Result, bail};
use cvx_admm::{Beta, Certify, Precision, Settings, Status, StopToken, train_with};
use cvx_data::read_matrix;
use cvx_linalg::HostMatrix;
use cvx_model::{Loss, Normalisation, TaskChoice};
use std::path::Path;

/// Trains, reports, saves.
pub fn run(args: &TrainArgs) -> Result<Exit> {
    let settings = settings(args)?;
    settings.validate()?;
    for (option, path) in [("--model", &args.model), ("--json", &args.json)] {
        if let Some(path) = path {
            check_writable(option, path)?;
        }
    }
    let split = source::load(&args.source, args.test.as_deref(), true, None)?;
    let stop = StopToken::new();
    stop_on_interrupt(&stop)?;

    let mut progress = Progress::new(args.quiet, settings.gap, settings.max_iterations, settings.time_limit);
    let solution = train_with(&split.train, split.test.as_ref(), &settings, None, &stop, &mut progress)?;
    progress.finish();

    // First what cannot be had again, then what is nice to see; none of them is lost with another.
    let saved = args.model.as_deref().map(|path| Ok(solution.model.save(path)?));
    let report = || Report::new(&solution, settings.precision, settings.seed).to_json();
    let reported = args.json.as_deref().map(|path| write_whole(path, &report()?));
    if !args.quiet {
        print(table::closing(&solution, &settings));
        if let (Some(path), Some(Ok(()))) = (&args.model, &saved) {
            print(format!("The model is in {}; `cvx verify` checks it against the data.", path.display()));
        }
    }
    let failures: Vec<anyhow::Error> = [saved, reported].into_iter().flatten().filter_map(Result::err).collect();
    failures.iter().for_each(complain);
    let failed = !failures.is_empty() || matches!(solution.status, Status::NumericalError | Status::DeviceError);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The first interrupt ends the run with its best network, the second ends the program.
fn stop_on_interrupt(stop: &StopToken) -> Result<()> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.is_raised() {
            std::process::exit(130);
        }
        stop.raise();
    })
    .context("the interrupt handler cannot be set")
}

fn settings(args: &TrainArgs) -> Result<Settings> {
    let base = if args.poster_exact { Settings::poster_exact() } else { Settings::default() };
    Ok(Settings {
        patterns: args.patterns,
        gates: args.gates.as_deref().map(read_gates).transpose()?,
        beta: match (args.beta, args.beta_fraction) {
            (Some(beta), _) => Beta::Value(beta),
            (None, Some(fraction)) => Beta::Fraction(fraction),
            (None, None) => base.beta,
        },
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
        gap: args.gap,
        certify: match args.certify {
            CertifyArg::Network => Certify::Network,
            CertifyArg::Sampled => Certify::Sampled,
        },
        time_limit: args.time_limit,
        rho: args.rho.or(base.rho),
        sigma: args.sigma,
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

fn loss(args: &TrainArgs) -> Result<Loss> {
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

fn read_gates(path: &Path) -> Result<HostMatrix> {
    let (rows, cols, values) = read_matrix(path, Some("gates")).context("--gates")?;
    Ok(HostMatrix::from_fn(rows, cols, |i, j| values[i * cols + j]))
}
