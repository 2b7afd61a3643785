//! Files that a command writes: checked before the work, written whole.

use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The name of standard output, as `-` is that of standard input.
pub const STDOUT: &str = "-";

/// The options of outputs that are text.
const TEXTS: [&str; 2] = ["--json", "--out"];

/// Whether a path stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// A file with the option that names it.
pub type Named<'a> = (&'static str, &'a Path);

/// Checks that every file of `written` can be written, and that none of them is a file of `read` or another one of
/// `written`.
pub fn check(read: &[Named], written: &[Named]) -> Result<()> {
    for (k, &(option, path)) in written.iter().enumerate() {
        check_writable(option, path)?;
        let mut others = written[..k].iter();
        if let Some((other, _)) = others.find(|(_, other)| is_stdout(path) && is_stdout(other)) {
            bail!("{option} and {other} would both go to standard output: name a file for one of them");
        }
        let Some(target) = target(path) else { continue };
        let mut others = read.iter().chain(&written[..k]);
        if let Some((other, _)) = others.find(|(_, other)| self::target(other).as_ref() == Some(&target)) {
            bail!("{option} {} is the file of {other}, which would be lost: name another", path.display());
        }
    }
    Ok(())
}

/// The regular file that a path leads to, links followed, whether or not it exists; `None` for devices, pipes and
/// standard input or output.
fn target(path: &Path) -> Option<PathBuf> {
    if is_stdout(path) {
        return None;
    }
    if path.exists() {
        return path.canonicalize().ok().filter(|path| path.is_file());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

/// Checks that the file that `option` names can be written. Only text goes to standard output.
pub fn check_writable(option: &str, path: &Path) -> Result<()> {
    if is_stdout(path) {
        ensure!(TEXTS.contains(&option), "{option} -: this output is not text: name a file");
        return Ok(());
    }
    cvx_admm::check_writable(path).with_context(|| format!("{option} {}", path.display()))
}

/// Writes the whole file or nothing, or all to standard output, where a reader that has gone away is no error.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_stdout(path) {
        let _ = std::io::stdout().write_all(bytes);
        return Ok(());
    }
    cvx_admm::write_whole(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
