//! What a command leaves behind: files, checked before the work, and text.

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

/// An argument as a shell takes it.
pub fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_string();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

/// Prints to stdout; a reader that has seen enough (`| head`) is no error.
pub fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints to stderr; nobody there to read it is no error either.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says on stderr what went wrong, in one sentence with its causes; a backtrace would bury the remedy.
pub fn complain(error: &anyhow::Error) {
    note(format_args!("error: {error:#}"));
}
