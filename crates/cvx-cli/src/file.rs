//! Files that a command writes: checked before the work, written whole.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A file with the option that names it.
pub type Named<'a> = (&'static str, &'a Path);

/// Checks that every file of `written` can be written, and that none of them is a file of `read` or another one of
/// `written`.
pub fn check(read: &[Named], written: &[Named]) -> Result<()> {
    for (k, &(option, path)) in written.iter().enumerate() {
        check_writable(option, path)?;
        let Some(target) = target(path) else { continue };
        let mut others = read.iter().chain(&written[..k]);
        if let Some((other, _)) = others.find(|(_, other)| self::target(other).as_ref() == Some(&target)) {
            bail!("{option} {} is the file of {other}, which would be lost: name another", path.display());
        }
    }
    Ok(())
}

/// The regular file that a path leads to, links followed, whether or not it exists; `None` for devices and pipes.
fn target(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return path.canonicalize().ok().filter(|path| path.is_file());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

/// Checks that the file that `option` names can be written.
pub fn check_writable(option: &str, path: &Path) -> Result<()> {
    cvx_admm::check_writable(path).with_context(|| format!("{option} {}", path.display()))
}

/// Writes the whole file or nothing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    cvx_admm::write_whole(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
