//! Files that appear under their name when all of them is on the disk.

use std::io::{self, Write};
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

/// Writes `bytes` to a temporary file beside `path`, which takes its name at the end: whoever looks sees the old file
/// or the new one, whatever happens in between.
///
/// # Errors
/// When the folder is missing, full or read-only; an earlier file of that name is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name is safe once the folder is on the disk too; elsewhere folders cannot be opened.
    if cfg!(unix) {
        std::fs::File::open(folder_of(path))?.sync_all()?;
    }
    Ok(())
}

/// Whether [`write_whole`] could write to `path`, tried with an empty file that goes away again.
///
/// # Errors
/// What it would meet.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder: name a file in it"));
    }
    if !folder_of(path).is_dir() {
        let text = format!("the folder {} does not exist: make it first", folder_of(path).display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    temporary(folder_of(path)).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        // What any new file gets; temporary ones are private otherwise.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
