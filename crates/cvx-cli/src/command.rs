//! The commands.

mod data;
mod export;
mod info;
mod manual;
mod path;
mod predict;
mod prove;
mod train;
mod verify;

use crate::args::{Command, DataCommand};
use crate::exit::Exit;
use crate::ranks::is_launched;
use anyhow::{Result, bail};

/// Runs a command.
///
/// # Errors
/// For bad input, before any work.
pub fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Train(args) => train::run(*args),
        Command::Path(args) => path::run(*args),
        _ if is_launched() => {
            bail!("only cvx train and cvx path run over ranks: start this command without the launcher of MPI")
        }
        Command::Predict(args) => predict::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Data(DataCommand::Fetch(args)) => data::fetch(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
    }
}
