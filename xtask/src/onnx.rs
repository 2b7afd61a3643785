//! Exported graphs against the program, computed by onnxruntime.

use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

/// What `scripts/check_onnx.py` imports.
const PACKAGES: [&str; 3] = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy"];

/// Runs the script with the program `cvx`, in an environment of its own below `target`; says so where that cannot be had.
pub fn check(root: &Path, cvx: &Path) -> Result<()> {
    let environment = root.join("target/venv-onnx");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let works = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    if !python.exists() && !works(Command::new("python3").args(["-m", "venv"]).arg(&environment)) {
        println!("Exported graphs are not run: that takes python3 with its module venv.");
        return Ok(());
    }
    if !works(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES)) {
        println!("Exported graphs are not run: pip cannot install {}.", PACKAGES.join(", "));
        return Ok(());
    }
    let status = Command::new(&python).arg(root.join("scripts/check_onnx.py")).arg(cvx).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
