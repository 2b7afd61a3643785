//! What a command leaves behind: files, checked before the work, and text on stdout.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

/// Fails unless the file that `option` names could be written.
pub fn check_writable(option: &str, path: &Path) -> Result<()> {
    cvx_admm::check_writable(path).with_context(|| format!("{option} {}", path.display()))
}

/// Writes the whole file or nothing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    cvx_admm::write_whole(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Prints to stdout; a reader that has seen enough (`| head`) is no error.
pub fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
