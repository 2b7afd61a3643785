//! The command line: its commands, and the options of each by heading.

mod advanced;
mod choice;
mod columns;
mod constraints;
mod data;
mod export;
mod fetch;
mod fit;
mod info;
mod model;
mod output;
mod patches;
mod path;
mod patterns;
mod predict;
mod prove;
mod sources;
mod stopping;
mod train;
mod values;
mod verify;

pub use choice::ChoiceArgs;
pub use data::SourceArgs;
pub use export::ExportArgs;
pub use fetch::FetchArgs;
pub use fit::FitArgs;
pub use info::InfoArgs;
pub use model::ModelArgs;
pub use output::{LogFormat, OutputArgs};
pub use path::PathArgs;
pub use patterns::Patterns;
pub use predict::{COVERAGE, PredictArgs};
pub use prove::{BoxArg, ProveArgs};
pub use train::TrainArgs;
pub use verify::VerifyArgs;

use clap::{Arg, Parser, Subcommand};
use sources::sources;
use std::path::PathBuf;

/// Train two-layer ReLU networks by convex optimisation: no learning rate, and a certificate with every model.
#[derive(Parser)]
#[command(name = "cvx", version, max_term_width = 100, after_help = sources!())]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Train a network and report how good it is.
    #[command(mut_args(signed))]
    Train(Box<TrainArgs>),
    /// Train along a path of betas, and choose one by held-out samples.
    #[command(mut_args(signed))]
    Path(Box<PathArgs>),
    /// Predict with a trained model.
    #[command(mut_arg("data", required_source), mut_args(signed))]
    Predict(PredictArgs),
    /// Prove what a model does near samples and on boxes, or find inputs that refute it.
    #[command(mut_arg("data", optional_source), mut_args(signed))]
    Prove(Box<ProveArgs>),
    /// Recompute a model's objective and certificate from its training data, or check a file of proofs.
    #[command(mut_arg("data", optional_source), mut_args(signed))]
    Verify(VerifyArgs),
    /// Describe a model or a data source.
    Info(InfoArgs),
    /// Write a model for other programs: ONNX, safetensors, NumPy.
    Export(ExportArgs),
    /// Fetch public data sets.
    #[command(subcommand)]
    Data(DataCommand),
    /// Print the completions of this program for a shell.
    #[command(after_help = "Example:\n  cvx completions bash > ~/.local/share/bash-completion/completions/cvx")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of this program into a folder.
    #[command(after_help = "Example:\n  cvx man ~/.local/share/man/man1")]
    Man {
        /// The folder; it is made if it does not exist.
        folder: PathBuf,
    },
}

/// `cvx data`.
#[derive(Subcommand)]
pub enum DataCommand {
    /// Download a data set, check it and unpack it; an interrupted download is continued.
    Fetch(FetchArgs),
}

/// A value that begins with a minus is not another option: its range is checked, with a message.
fn signed(option: Arg) -> Arg {
    let takes_values = option.get_action().takes_values();
    option.allow_negative_numbers(takes_values)
}

/// Some questions need no samples; those that do say so.
fn optional_source(source: Arg) -> Arg {
    source.default_value("").hide_default_value(true)
}

/// A model was trained on some source: there is no sensible default.
fn required_source(source: Arg) -> Arg {
    source.required(true).default_value(None)
}
