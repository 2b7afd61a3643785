//! The command line: its commands, and the options of each by heading.

mod advanced;
mod data;
mod export;
mod fetch;
mod info;
mod model;
mod output;
mod path;
mod predict;
mod stopping;
mod train;
mod values;
mod verify;

pub use advanced::AdvancedArgs;
pub use data::{DataArgs, SourceArgs};
pub use export::ExportArgs;
pub use fetch::FetchArgs;
pub use info::InfoArgs;
pub use model::{ModelArgs, Patterns};
pub use output::{LogFormat, OutputArgs};
pub use path::PathArgs;
pub use predict::PredictArgs;
pub use stopping::StoppingArgs;
pub use train::{FitArgs, TrainArgs};
pub use verify::VerifyArgs;

use clap::{Arg, Parser, Subcommand};
use std::path::PathBuf;

/// What `--data` accepts; the help of the program, of `train` and of `path` ends with it.
macro_rules! sources {
    () => {
        "\
Data sources:
  planted, planted:NxD            built in: two classes drawn from a random network
  cifar10, mnist, fashion-mnist   once fetched: cvx data fetch NAME
  FOLDER                          CIFAR-10 batches, IDX files, or a folder of images per class
  FILE.npz                        keys x_train, y_train and, optionally, x_test, y_test
  FILE.csv, FILE.tsv              a table with a label column
  FILE.svm                        LIBSVM lines; every file may also be compressed (.gz)"
    };
}
use sources;

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
    Train(Box<TrainArgs>),
    /// Train along a path of betas, choose one on held-out samples, and train on all samples there.
    Path(Box<PathArgs>),
    /// Predict with a trained model.
    #[command(mut_arg("data", required_source))]
    Predict(PredictArgs),
    /// Recompute a model's objective and certificate from its training data.
    #[command(mut_arg("data", required_source))]
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

/// A model was trained on some source: there is no sensible default.
fn required_source(source: Arg) -> Arg {
    source.required(true).default_value(None)
}
