//! No dependency that nothing uses: cargo-machete, in a folder of its own below `target`.

use anyhow::{Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "0.9.2";
const FOLDER: &str = "target/cargo-machete";

/// Runs cargo-machete; says so where it cannot be installed.
pub fn check(root: &Path) -> Result<()> {
    let Some(program) = install(root) else {
        println!("SKIPPED, unused dependencies are not looked for: cargo cannot install cargo-machete {VERSION}");
        return Ok(());
    };
    let status = Command::new(program).arg(root).current_dir(root).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Installs cargo-machete where it is not yet, and returns the program.
pub fn install(root: &Path) -> Option<PathBuf> {
    let folder = root.join(FOLDER);
    let program = folder.join("bin").join(format!("cargo-machete{}", env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // It runs for a few seconds: to optimise it would take longer.
        command.args(["install", "cargo-machete", "--version", VERSION, "--locked", "--debug", "--quiet", "--root"]);
        command.arg(folder).current_dir(root).status().ok()?;
    }
    program.exists().then_some(program)
}
