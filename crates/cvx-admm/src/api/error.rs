//! Errors that prevent training from starting.

use cvx_artifact::FileError;
use cvx_linalg::LinalgError;
use cvx_model::{ModelError, ProgramError};
use cvx_solvers::SolverKind;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::path::PathBuf;
use thiserror::Error;

/// A setting of a run by its name in [`Settings`](crate::Settings), with its value as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSetting {
    /// The field's name; `beta` or `beta_fraction` by the variant of [`Beta`](crate::Beta).
    pub name: String,
    /// The value as text.
    pub value: String,
}

impl Display for NamedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}

/// Invalid input or a missing resource, reported before any work.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TrainError {
    /// The data or the problem is invalid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// A setting is outside its range.
    #[error("{name} is {value}, but it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// The allowed range.
        range: &'static str,
    },
    /// The device is not compiled into this build.
    #[error("the device '{device}' is not compiled in: build with the feature cuda, or use the processor")]
    NotCompiledIn {
        /// The requested device.
        device: String,
    },
    /// The solver needs more memory than the budget.
    #[error(
        "{solver} needs about {} and the budget is {}: {}", gigabytes(*needed), gigabytes(*budget),
        fits.map_or("use fewer samples or patterns, or a larger budget".to_string(),
                    |kind| format!("the solver {kind} would fit"))
    )]
    Memory {
        /// The requested solver.
        solver: SolverKind,
        /// Bytes that the solver needs.
        needed: u64,
        /// Bytes that the solver may use.
        budget: u64,
        /// A solver that would fit, if there is one.
        fits: Option<SolverKind>,
    },
    /// The solver needs all samples in one process.
    #[error("{solver} needs all samples in one process, and they are spread over ranks: use {instead}, or one process")]
    SolverOverRanks {
        /// The requested solver.
        solver: SolverKind,
        /// One that works over ranks.
        instead: SolverKind,
    },
    /// A choice that needs all samples in one process.
    #[error(
        "{what} needs all samples in one process, and they are spread over ranks: leave it out, or use one process"
    )]
    NotOverRanks {
        /// What was chosen.
        what: &'static str,
    },
    /// Ranks that were not started alike.
    #[error(
        "rank {rank} was started with {given}, and rank 0 with {first}: give all ranks the same arguments and data"
    )]
    RanksDiffer {
        /// The first rank that differs.
        rank: usize,
        /// The first setting that differs, with its value on that rank.
        given: NamedSetting,
        /// Its value on the first rank.
        first: NamedSetting,
    },
    /// The test samples do not fit the training samples.
    #[error("the test samples: {0}")]
    Test(ModelError),
    /// The checkpoint belongs to another run.
    #[error("{}: the checkpoint is of a run with {saved}, and this one has {given}", path.display())]
    OtherRun {
        /// The file of the checkpoint.
        path: PathBuf,
        /// The first setting that differs, with its value in the checkpoint.
        saved: NamedSetting,
        /// Its value in this run.
        given: NamedSetting,
    },
    /// The checkpoint belongs to a run on other samples or labels.
    #[error(
        "{}: the checkpoint is of a run on samples and labels of checksum {saved:08x}, and these have {given:08x}",
        path.display()
    )]
    OtherSamples {
        /// The file of the checkpoint.
        path: PathBuf,
        /// Checksum of its samples and labels.
        saved: u32,
        /// Checksum of the given samples and labels.
        given: u32,
    },
    /// The checkpoint cannot be written or used.
    #[error("{detail}")]
    Checkpoint {
        /// The file and its defect.
        detail: String,
    },
    /// The warm start belongs to another problem.
    #[error("the warm start does not fit: {detail}")]
    WarmStart {
        /// What differs.
        detail: String,
    },
}

impl From<FileError> for TrainError {
    fn from(error: FileError) -> Self {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        TrainError::Checkpoint { detail: format!("{error}{cause}") }
    }
}

impl From<ProgramError> for TrainError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Model(error) => error.into(),
            ProgramError::Linalg(error) => error.into(),
        }
    }
}

/// A setting outside its range.
pub(crate) fn out_of_range(name: &'static str, value: impl ToString, range: &'static str) -> TrainError {
    TrainError::Setting { name, value: value.to_string(), range }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB ({bytes} bytes)", bytes as f64 / 1e9)
}
