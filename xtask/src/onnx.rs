//! Exported graphs: onnxruntime has to compute what the program predicts.

use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `scripts/check_onnx.py` imports.
const PACKAGES: [&str; 3] = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy"];

/// Runs the script with the program `cvx`; says so where its environment cannot be had.
pub fn check(root: &Path, cvx: &Path) -> Result<()> {
    let Some(python) = install(root) else {
        println!("SKIPPED, exported graphs are not run: pip cannot install {}", PACKAGES.join(", "));
        return Ok(());
    };
    let status = Command::new(python).arg(root.join("scripts/check_onnx.py")).arg(cvx).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Makes an environment with the packages below `target`, and returns its interpreter.
pub fn install(root: &Path) -> Option<PathBuf> {
    let environment = root.join("target/venv-onnx");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let works = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    let made = python.exists() || works(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let installed = made && works(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
    installed.then_some(python)
}
