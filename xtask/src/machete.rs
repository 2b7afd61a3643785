//! No dependency that nothing uses: cargo-machete, in a folder of its own below `target`.

use crate::tool;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "0.9.2";

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
    tool::install(root, "cargo-machete", VERSION)
}
