//! How a command ended.

use crate::terminal::stream::complain;
use anyhow::Result;
use cvx_admm::{Solution, Status};
use std::process::ExitCode;

/// How a command ended; the exit code of the program.
pub enum Exit {
    /// The work is done.
    Done,
    /// The work failed.
    Failed,
}

impl Exit {
    /// Prints the errors among `written`; the command failed if there are any.
    pub fn of(written: impl IntoIterator<Item = Option<Result<()>>>) -> Self {
        let failures: Vec<anyhow::Error> = written.into_iter().flatten().filter_map(Result::err).collect();
        failures.iter().for_each(complain);
        if failures.is_empty() { Exit::Done } else { Exit::Failed }
    }

    /// [`Exit::of`] after a run, which failed as well if it ended with an error.
    pub fn of_run(solution: &Solution, written: impl IntoIterator<Item = Option<Result<()>>>) -> Self {
        let failed = matches!(solution.status, Status::NumericalError | Status::DeviceError);
        match Exit::of(written) {
            Exit::Done if !failed => Exit::Done,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Failed => ExitCode::FAILURE,
        }
    }
}
