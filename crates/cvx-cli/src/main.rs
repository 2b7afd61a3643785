//! `cvx`: trains two-layer ReLU networks by convex ADMM, and says how good they are.

mod args;
mod by_class;
mod data;
mod describe;
mod export;
mod info;
mod json;
mod output;
mod page;
mod path;
mod predict;
mod progress;
mod source;
mod table;
mod train;
mod verify;

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
    let result = match args::Cli::parse().command {
        args::Command::Train(args) => train::run(&args),
        args::Command::Path(args) => path::run(&args),
        args::Command::Predict(args) => predict::run(&args),
        args::Command::Verify(args) => verify::run(&args),
        args::Command::Info(args) => info::run(&args),
        args::Command::Export(args) => export::run(&args),
        args::Command::Data(args::DataCommand::Fetch(args)) => data::fetch(&args),
    };
    match result {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(2)
        }
    }
}
