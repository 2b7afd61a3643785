//! `cargo xtask condition-sweep` and others: the benchmarks of cvx-bench by their names.

use anyhow::{Context, Result};
use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs a benchmark of cvx-bench, built for release with these features, in the current folder.
pub fn run(root: &Path, name: &str, arguments: &[String], features: &[&str]) -> Result<ExitCode> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(["run", "--release", "--locked", "--quiet", "--package", "cvx-bench", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .args(["--features", &features.join(",")])
        .args(["--", name])
        .args(arguments)
        .status()
        .context("cargo cannot be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
