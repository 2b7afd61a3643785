//! What a command leaves behind: files, checked before the work, and text.

use anyhow::{Context, Result, bail};
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file with the option that names it.
pub type Named<'a> = (&'static str, &'a Path);

/// Fails unless every file of `written` could be, and none of them is a file of `read` or another one of `written`.
pub fn check_outputs(read: &[Named], written: &[Named]) -> Result<()> {
    for (k, &(option, path)) in written.iter().enumerate() {
        check_writable(option, path)?;
        let Some(place) = place(path) else { continue };
        let mut others = read.iter().chain(&written[..k]);
        if let Some((other, _)) = others.find(|(_, other)| self::place(other).as_ref() == Some(&place)) {
            bail!("{option} {} is the file of {other}, which would be lost: name another", path.display());
        }
    }
    Ok(())
}

/// The file that a path leads to, links followed, whether or not it is there yet; none where it is no file but `/dev/null`, say.
fn place(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return path.canonicalize().ok().filter(|path| path.is_file());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

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
