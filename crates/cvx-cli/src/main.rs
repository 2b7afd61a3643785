//! `cvx`: trains two-layer ReLU networks by convex ADMM, and says how good they are.

mod args;
mod by_class;
mod config;
mod data;
mod describe;
mod export;
mod info;
mod json;
mod log;
mod manual;
mod nearest;
mod output;
mod page;
mod path;
mod predict;
mod progress;
mod source;
mod table;
mod train;
mod verify;

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// How a command ended; the exit code of the program.
enum Exit {
    /// Done.
    Done,
    /// The work failed.
    Failed,
}

fn main() -> ExitCode {
    match config::arguments().and_then(|arguments| run(args::Cli::parse_from(arguments).command)) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(2)
        }
    }
}

fn run(command: args::Command) -> Result<Exit> {
    match command {
        args::Command::Train(args) => train::run(&args),
        args::Command::Path(args) => path::run(&args),
        args::Command::Predict(args) => predict::run(&args),
        args::Command::Verify(args) => verify::run(&args),
        args::Command::Info(args) => info::run(&args),
        args::Command::Export(args) => export::run(&args),
        args::Command::Data(args::DataCommand::Fetch(args)) => data::fetch(&args),
        args::Command::Completions { shell } => manual::completions(shell),
        args::Command::Man { folder } => manual::pages(&folder),
    }
}
