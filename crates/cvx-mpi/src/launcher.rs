//! What the launcher says about the ranks that it started.

use std::env;
use std::fmt;

/// Variables in which launchers tell a process the number of ranks, and the launcher.
const SIZES: [(&str, &str); 4] = [
    ("OMPI_COMM_WORLD_SIZE", "Open MPI"),
    ("PMI_SIZE", "MPICH or Intel MPI"),
    ("MV2_COMM_WORLD_SIZE", "MVAPICH"),
    ("SLURM_STEP_NUM_TASKS", "Slurm"),
];

/// Why ranks could not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The MPI library failed.
    Library {
        /// What it said.
        detail: String,
    },
    /// The launcher belongs to another MPI: each process would train alone.
    ForeignLauncher {
        /// The launcher.
        launcher: &'static str,
        /// Number of ranks that it started.
        started: usize,
        /// Number of ranks that this program's MPI sees.
        seen: usize,
        /// This program's MPI.
        library: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Library { detail } => write!(f, "MPI cannot be started: {detail}"),
            StartError::ForeignLauncher { launcher, started, seen, library } => write!(
                f,
                "the launcher of {launcher} started {started} ranks, and this program sees {seen}: it was built with \
                 another MPI ({library}); use the launcher of that, or build with this one"
            ),
        }
    }
}

impl std::error::Error for StartError {}

/// Whether a launcher of MPI started this process.
pub fn is_launched() -> bool {
    SIZES.iter().any(|(name, _)| number(name).is_some())
}

/// The launcher that says another number of ranks than `seen`, with that number.
pub fn contradiction(seen: usize) -> Option<(&'static str, usize)> {
    let told = SIZES.into_iter().filter_map(|(name, launcher)| Some((launcher, number(name)?)));
    // One that agrees is the one: a job of Slurm may start the launcher of an MPI.
    let told: Vec<_> = told.collect();
    if told.iter().any(|(_, size)| *size == seen) { None } else { told.into_iter().find(|(_, size)| *size > 1) }
}

fn number(name: &str) -> Option<usize> {
    env::var(name).ok()?.parse().ok()
}
