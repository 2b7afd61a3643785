//! `cargo xtask tables`: the Python package beside other methods on public tables, in an environment of its own.

use crate::python;
use anyhow::{Context, Result};
use std::env;
use std::path::Path;
use std::process::ExitCode;

/// The folder that the module `tables` is in.
const MODULES: &str = "benches";

/// What it needs.
const REQUIREMENTS: &str = "benches/tables/requirements.txt";

/// Environment and wheel.
const FOLDER: &str = "target/tables";

/// With these nothing is measured, and the package is not needed.
const WITHOUT_PACKAGE: [&str; 3] = ["--draw", "--help", "-h"];

/// Builds the package for release, installs it beside the other methods, and runs the benchmark in the current folder.
pub fn run(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let environment = python::environment(root, FOLDER, REQUIREMENTS)?;
    if !arguments.iter().any(|argument| WITHOUT_PACKAGE.contains(&argument.as_str())) {
        python::install_package(root, &environment, FOLDER)?;
    }
    let mut command = environment.command(root);
    command.current_dir(env::current_dir()?).env("PYTHONPATH", root.join(MODULES));
    let status = command.args(["-m", "tables"]).args(arguments).status().context("Python cannot be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
