//! `cargo xtask mpi`: the program on the ranks of an MPI job, under Open MPI.

use anyhow::{Result, ensure};
use std::env;
use std::path::Path;
use std::process::Command;

/// Builds the program with MPI and runs its tests, or says why not. The workspace is selected as in every step of the
/// dev profile, so that only the two crates with the feature are built anew.
pub fn check(root: &Path) -> Result<()> {
    let version = Command::new("mpirun").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let Some(name) = version.lines().next().filter(|line| line.contains("Open MPI")) else {
        println!("Skipped: these tests need Open MPI (Debian: apt-get install openmpi-bin libopenmpi-dev).");
        return Ok(());
    };
    println!("{name}");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--workspace", "--locked", "--features", "cvx-mpi/mpi,cvx-cli/mpi"])
        .args(["--test", "ends", "--test", "mpi", "--", "--test-threads", "1"])
        // Debian has pkg-config files of MPICH too.
        .env("MPI_PKG_CONFIG", "ompi")
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
