//! Tools of cargo, each in a folder of its own below `target`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs this version of a tool where it is not yet, and returns its program. A tool runs for seconds or waits for
/// others: to optimise it would take longer.
pub fn install(root: &Path, name: &str, version: &str) -> Option<PathBuf> {
    let folder = root.join("target").join(name);
    let program = folder.join("bin").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["install", name, "--version", version, "--locked", "--debug", "--quiet", "--root"]);
        command.arg(folder).current_dir(root).status().ok()?;
    }
    program.exists().then_some(program)
}
