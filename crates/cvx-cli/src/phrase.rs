//! Errors and statuses of the library in the terms of the command line: settings by their options, remedies by the
//! options that apply them.

use cvx_admm::{Status, TrainError};
use cvx_data::DataError;
use cvx_linalg::LinalgError;
use cvx_model::ModelError;

/// Settings of the library whose options have other names.
const RENAMED: [(&str, &str); 4] = [
    ("class_weights", "--class-weight"),
    ("normalisation", "--normalize"),
    ("ratio", "--beta-ratio"),
    ("choice", "--choose"),
];

/// An error with its causes.
pub fn error(error: &anyhow::Error) -> String {
    error.chain().map(cause).collect::<Vec<_>>().join(": ")
}

/// One error of a chain, without its causes.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref() {
        train(error)
    } else if let Some(error) = error.downcast_ref() {
        model(error)
    } else if let Some(error) = error.downcast_ref() {
        linalg(error)
    } else if let Some(error) = error.downcast_ref() {
        data(error)
    } else {
        error.to_string()
    }
}

fn train(error: &TrainError) -> String {
    match error {
        TrainError::Model(error) => model(error),
        TrainError::Test(error) => format!("the test samples: {}", model(error)),
        TrainError::Linalg(error) => linalg(error),
        TrainError::Setting { name, value, range } => out_of_range(name, value, range),
        TrainError::SingleSample { class } => format!(
            "the class '{}' has a single sample, and a network that is trained on the other folds does not know it: \
             leave it out with --classes, or hold out a share with --validation",
            class.escape_debug()
        ),
        TrainError::NotCompiledIn { device } => format!(
            "the device '{device}' is not compiled into this program: build it with --features cuda, \
             or use --device cpu"
        ),
        TrainError::Memory { solver, needed, budget, fits } => {
            let remedy = match fits {
                Some(kind) => format!("--solver {kind} would fit"),
                None => "use fewer samples or patterns, or raise --memory-budget".to_string(),
            };
            format!("{solver} needs about {} and the budget is {}: {remedy}", gigabytes(*needed), gigabytes(*budget))
        }
        TrainError::OtherData { expected, found } => format!(
            "the {found} samples are not the {expected} that the model was trained on: \
             give the same source and the same --classes and --limit"
        ),
        error => error.to_string(),
    }
}

/// An error of data, task or gates.
pub fn model(error: &ModelError) -> String {
    match error {
        ModelError::OutOfRange { name, value, range } if name.contains('-') || name.contains('_') => {
            out_of_range(name, value, range)
        }
        ModelError::NotImages { gates } => format!(
            "the gates '{gates}' are patches of images, and the samples are a table: choose others with --gates"
        ),
        ModelError::NotBinary { found } => format!(
            "the task is binary, but the labels hold {found} classes: choose two with --classes, \
             or train with --task multiclass"
        ),
        ModelError::NeedsClasses { what } => format!(
            "{what} needs classes, but the task is a regression: choose another, \
             or train with --task binary or multiclass"
        ),
        error => error.to_string(),
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
    error.to_string()
}

/// What to do about a run that ended with `status`; `None` if there is nothing to do.
pub fn advice(status: Status) -> Option<&'static str> {
    match status {
        Status::Optimal => None,
        Status::IterationLimit => {
            Some("raise --max-iterations, take a larger beta (cvx path finds one), or accept a larger --gap")
        }
        Status::TimeLimit => Some("raise --time-limit, or accept a larger --gap"),
        Status::Interrupted => Some("the best network so far was kept"),
        Status::InsufficientProgress => {
            Some("the gap has stalled: try --precision f64, a larger --beta, or accept the network with the gap it has")
        }
        Status::DeviceError => Some("try --device cpu, or fewer samples or patterns; the best network so far was kept"),
        Status::NumericalError => Some("try --precision f64, or check the data for extreme values"),
    }
}

fn out_of_range(name: &str, value: impl std::fmt::Display, range: &str) -> String {
    format!("{} is {value}, but it must be {range}", option(name))
}

/// The option of a setting.
fn option(name: &str) -> String {
    let renamed = RENAMED.iter().find(|(setting, _)| *setting == name);
    renamed.map_or_else(|| format!("--{}", name.replace('_', "-")), |(_, option)| option.to_string())
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB ({bytes} bytes)", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    /// The settings that the library checks, but for those that the command line cannot change.
    const SETTINGS: [&str; 17] = [
        "beta",
        "beta_fraction",
        "beta_ratio",
        "betas",
        "checkpoint_every",
        "class_weights",
        "folds",
        "gap",
        "huber_delta",
        "max_iterations",
        "normalisation",
        "path_gap",
        "patterns",
        "refine",
        "solver",
        "threads",
        "time_limit",
    ];

    #[test]
    fn every_setting_has_its_option() {
        let program = Cli::command();
        let commands = ["train", "path"].map(|name| program.find_subcommand(name).unwrap());
        for name in SETTINGS {
            let option = option(name);
            let is_it = |argument: &clap::Arg| argument.get_long() == option.strip_prefix("--");
            assert!(commands.iter().any(|command| command.get_arguments().any(is_it)), "{name}: {option}");
        }
    }

    #[test]
    fn causes_follow_their_context_in_the_terms_of_the_command_line() {
        let cause = TrainError::Setting { name: "max_iterations", value: "0".to_string(), range: "1 or more" };
        let error = anyhow::Error::from(cause).context("--config run.toml");
        assert_eq!(super::error(&error), "--config run.toml: --max-iterations is 0, but it must be 1 or more");
    }
}
