//! Errors and statuses of the library in the terms of the command line: settings by their options, remedies by the
//! options that apply them.

use crate::args::Cli;
use crate::number::bytes;
use clap::CommandFactory;
use cvx_admm::{ArtifactError, NamedSetting, Status, TrainError};
use cvx_data::{DataError, Remedy};
use cvx_linalg::LinalgError;
use cvx_model::{Choice, ModelError};
use cvx_prove::ProveError;
use std::error::Error;

/// Settings of the library whose options have other names.
const RENAMED: [(&str, &str); 7] = [
    ("class_weights", "class-weight"),
    ("weights", "class-weight"),
    ("normalisation", "normalize"),
    ("feature_precision", "features"),
    ("ratio", "beta-ratio"),
    ("choice", "choose"),
    ("returned", "final"),
];

/// The value of a setting that is left to the library.
const AUTOMATIC: &str = "automatic";

/// The value of a setting that is not there; also a kind of normalisation.
const NONE: &str = "none";

/// An error with its causes.
pub fn error(error: &anyhow::Error) -> String {
    error.chain().map(cause).collect::<Vec<_>>().join(": ")
}

/// One error of a chain, without its causes.
fn cause(error: &(dyn Error + 'static)) -> String {
    let train = error.downcast_ref().map(train);
    let artifact = || error.downcast_ref().map(artifact);
    let model = || error.downcast_ref().map(model);
    let linalg = || error.downcast_ref().map(linalg);
    let data = || error.downcast_ref().map(data);
    let prove = || error.downcast_ref().map(prove);
    train
        .or_else(prove)
        .or_else(artifact)
        .or_else(model)
        .or_else(linalg)
        .or_else(data)
        .unwrap_or_else(|| error.to_string())
}

fn train(error: &TrainError) -> String {
    match error {
        TrainError::Model(error) => model(error),
        TrainError::Test(error) => format!("the test samples: {}", model(error)),
        TrainError::Linalg(error) => linalg(error),
        TrainError::Setting { name, value, range } => format!("{} is {value}, but it must be {range}", option(name)),
        TrainError::NotCompiledIn { device } => format!(
            "the device '{device}' is not compiled into this program: build it with --features cuda, \
             or use --device cpu"
        ),
        TrainError::Memory { solver, needed, budget, fits } => {
            let remedy = match fits {
                Some(kind) => format!("--solver {kind} would fit"),
                None => "use fewer samples or patterns, or raise --memory-budget".to_string(),
            };
            format!("{solver} needs about {} and the budget is {}: {remedy}", with_bytes(*needed), with_bytes(*budget))
        }
        TrainError::SolverOverRanks { solver, instead } => format!(
            "--solver {solver} needs all samples in one process, and they are spread over ranks: \
             use --solver {instead}, or one process"
        ),
        TrainError::RanksDiffer { rank, given, first } => format!(
            "rank {rank} was started with {}, and rank 0 with {}: give all ranks the same arguments and data",
            setting(given),
            setting(first)
        ),
        TrainError::OtherRun { path, saved, given } => format!(
            "{}: the checkpoint is of a run with {}, and this one has {}: \
             give the arguments of that run, or begin a new one without --resume",
            path.display(),
            setting(saved),
            setting(given)
        ),
        TrainError::OtherSamples { .. } => format!(
            "{error}: check --data, --classes, --limit and --label-column, and that the file is as it was, \
             or begin a new run without --resume"
        ),
        error => error.to_string(),
    }
}

fn artifact(error: &ArtifactError) -> String {
    match error {
        ArtifactError::Model(error) => model(error),
        ArtifactError::Linalg(error) => linalg(error),
        ArtifactError::OtherData { .. } => format!("{error}: give the same source and the same --classes and --limit"),
    }
}

fn prove(error: &ProveError) -> String {
    match error {
        ProveError::Model(error) => model(error),
        ProveError::Artifact(error) => artifact(error),
        ProveError::Range { name: "eps", value, range } => format!("EPS is {value}, but it must be {range}"),
        error => error.to_string(),
    }
}

/// An error of data, task or gates.
pub fn model(error: &ModelError) -> String {
    match error {
        ModelError::NotImages { gates } => format!(
            "the gates '{gates}' are patches of images, and the samples are a table: choose others with --gates"
        ),
        ModelError::OutOfRange { name, value, range } => {
            format!("{} is {value}, but it must be {range}", option(name))
        }
        ModelError::NotBinary { found } => format!(
            "the task is binary, but the labels hold {found} classes: choose two with --classes, \
             or train with --task multiclass"
        ),
        ModelError::NeedsClasses { what } => format!(
            "{} needs classes, but the task is a regression: choose another, \
             or train with --task binary or multiclass",
            option(what)
        ),
        ModelError::ColumnChoice { column, choices } => format!(
            "the column '{}' is given to {} and to {}: choose one",
            column.escape_debug(),
            chosen_by(choices[0]),
            chosen_by(choices[1])
        ),
        ModelError::BadValue { expected: "a number", .. } => format!("{error} (--categorical)"),
        ModelError::BadValue { expected: "a date", .. } => format!("{error} (--dates)"),
        ModelError::ConstraintConflict { constraints: ["increasing" | "decreasing", _], .. } => {
            format!("{error} (--monotone)")
        }
        ModelError::ConstraintConflict { .. } => format!("{error} (--convex or --concave)"),
        ModelError::Unconstrainable { .. } => {
            format!("{error} (--monotone, --convex, --concave, --interact, --nonnegative or --output-range)")
        }
        ModelError::TooFewGates { .. } => format!("{error} (--patterns)"),
        ModelError::GateOutsideCones { .. } => format!("{error}: change --gates, or leave it out"),
        ModelError::NothingLeft { .. } => {
            format!("{error} (--numeric or --categorical keeps a column that looks like an identifier)")
        }
        error => error.to_string(),
    }
}

/// The option that chooses what a column is.
fn chosen_by(choice: Choice) -> &'static str {
    match choice {
        Choice::Categorical => "--categorical",
        Choice::Numeric => "--numeric",
        Choice::Dates => "--dates",
        Choice::Drop => "--drop",
        Choice::Id => "--id",
    }
}

/// An error of the device.
pub fn linalg(error: &LinalgError) -> String {
    match error {
        LinalgError::NoDriver => {
            "no NVIDIA driver was found (libcuda cannot be loaded): install it, or use --device cpu".to_string()
        }
        LinalgError::NoSuchDevice { ordinal, count } => format!(
            "there is no device cuda:{ordinal}: the driver sees {count} (ordinals count from 0): \
             use one of these, or --device cpu"
        ),
        LinalgError::DeviceMemory { needed, free } => format!(
            "the GPU is out of memory: {needed} bytes were needed and {free} were free; \
             use fewer samples or patterns, another solver, or --device cpu"
        ),
        error => error.to_string(),
    }
}

/// An error of a data source.
pub fn data(error: &DataError) -> String {
    match error {
        DataError::BadText { remedy: Remedy::Encode, .. } => {
            format!("{error} (--label-column names the column of the labels, --categorical those of categories)")
        }
        error => error.to_string(),
    }
}

/// What to do about a run that ended with `status`; `None` if there is nothing to do.
pub fn advice(status: Status) -> Option<&'static str> {
    match status {
        Status::Optimal => None,
        Status::IterationLimit => Some(
            "raise --max-iterations, take a larger --beta (cvx train chooses one if none is given), or accept a larger --gap",
        ),
        Status::TimeLimit => Some("raise --time-limit, or accept a larger --gap"),
        Status::Interrupted => Some("the best network so far was kept"),
        Status::InsufficientProgress => {
            Some("the gap has stalled: try --precision f64, a larger --beta, or accept the network with the gap it has")
        }
        Status::DeviceError => Some("try --device cpu, or fewer samples or patterns; the best network so far was kept"),
        Status::NumericalError => Some("try --precision f64, or check the data for extreme values"),
    }
}

/// A setting with its value, as options.
fn setting(NamedSetting { name, value }: &NamedSetting) -> String {
    match (name.as_str(), value.as_str()) {
        ("bias", "true") => "--bias".to_string(),
        ("bias", _) => "--no-bias".to_string(),
        ("normalisation", value) => format!("--normalize {value}"),
        (name, AUTOMATIC | NONE) => format!("no {}", option(name)),
        (name, value) => format!("{} {value}", option(name)),
    }
}

/// The option of a setting; the name itself if there is none.
fn option(name: &str) -> String {
    let renamed = RENAMED.iter().find(|(setting, _)| *setting == name).map(|(_, option)| option.to_string());
    let long = renamed.unwrap_or_else(|| name.replace('_', "-"));
    let program = Cli::command();
    let mut options = program.get_subcommands().flat_map(|command| command.get_arguments());
    if options.any(|option| option.get_long() == Some(&long)) { format!("--{long}") } else { name.to_string() }
}

fn with_bytes(count: u64) -> String {
    format!("{} ({count} bytes)", bytes(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings that the library checks, except those that the command line cannot change.
    const SETTINGS: [&str; 28] = [
        "active",
        "beta",
        "beta_fraction",
        "beta_ratio",
        "betas",
        "budget",
        "checkpoint_every",
        "class_weights",
        "directions",
        "ensemble",
        "folds",
        "gap",
        "huber_delta",
        "max_iterations",
        "normalisation",
        "patch",
        "path_gap",
        "patterns",
        "refine",
        "regions",
        "solver",
        "stride",
        "threads",
        "rho",
        "sigma",
        "time_limit",
        "validation",
        "whitening",
    ];

    #[test]
    fn every_setting_has_its_option() {
        for name in SETTINGS {
            assert!(option(name).starts_with("--"), "{name} has no option");
        }
        assert_eq!(option("the logistic loss"), "the logistic loss");
    }

    #[test]
    fn settings_of_checkpoints_are_written_as_options() {
        let phrased = |name: &str, value: &str| setting(&NamedSetting { name: name.into(), value: value.into() });
        assert_eq!(phrased("beta_fraction", "0.1"), "--beta-fraction 0.1");
        assert_eq!(phrased("rank", AUTOMATIC), "no --rank");
        assert_eq!((phrased("bias", "true"), phrased("bias", "false")), ("--bias".into(), "--no-bias".into()));
        assert_eq!(phrased("normalisation", "none"), "--normalize none");
        assert_eq!(phrased("weights", "none"), "no --class-weight");
        assert_eq!(phrased("flips", "no"), "--flips no");
        assert_eq!(phrased("feature_precision", "half"), "--features half");
        assert_eq!(phrased("patch_gates", "random"), "--patch-gates random");
    }

    #[test]
    fn causes_follow_their_context_in_the_terms_of_the_command_line() {
        let cause = TrainError::Setting { name: "max_iterations", value: "0".to_string(), range: "1 or more" };
        let error = anyhow::Error::from(cause).context("--config run.toml");
        assert_eq!(super::error(&error), "--config run.toml: --max-iterations is 0, but it must be 1 or more");
    }
}
