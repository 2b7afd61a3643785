//! Atomic writes: a file gets its name only after it is complete on the disk.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes `bytes` to a temporary file beside `path`, which is then renamed to `path`. A reader sees either the old file
/// or the new one. If `path` is a symbolic link, its target is replaced. A device or a pipe is written to directly.
///
/// # Errors
/// Fails if the folder is missing, full or read-only; an earlier file of that name is then unchanged.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if special(path).is_some() {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let path = &destination(path)?;
    let mut file = temporary(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The rename is durable after the folder is synchronised too. Folders can be opened only on Unix.
    if cfg!(unix) {
        File::open(folder_of(path))?.sync_all()?;
    }
    Ok(())
}

/// Whether [`write_whole`] could write to `path`, tested with an empty temporary file.
///
/// # Errors
/// The error that the write would return.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder: name a file in it"));
    }
    match special(path) {
        // The reader of a pipe would see an end of file after the trial, and without a reader the trial would block.
        Some(metadata) if is_pipe(&metadata) => return Ok(()),
        Some(_) => return OpenOptions::new().write(true).open(path).map(drop),
        None => {}
    }
    if !folder_of(path).is_dir() {
        let text = format!("the folder {} does not exist: make it first", folder_of(path).display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    temporary(&destination(path)?).map(drop)
}

/// Removes the temporary files of `path` that killed processes have left.
///
/// # Errors
/// Fails if the folder cannot be read, or a file cannot be removed.
pub fn remove_leftovers(path: &Path) -> io::Result<()> {
    let path = destination(path)?;
    let Some(prefix) = prefix(&path) else { return Ok(()) };
    for entry in fs::read_dir(folder_of(&path))? {
        let entry = entry?;
        let is_leftover = |name: &str| name.starts_with(&prefix) && name.ends_with(SUFFIX);
        if entry.file_name().to_str().is_some_and(is_leftover) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The metadata of a device, a pipe or a socket; `None` for a file and for a path that does not exist.
fn special(path: &Path) -> Option<Metadata> {
    fs::metadata(path).ok().filter(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// The target of a link; any other path unchanged.
fn destination(path: &Path) -> io::Result<PathBuf> {
    if !path.is_symlink() {
        return Ok(path.to_owned());
    }
    path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "this link leads nowhere: remove it first"),
        _ => error,
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The end of the name of a temporary file.
const SUFFIX: &str = ".partial";

/// The start of that name; `None` for names that are not UTF-8 or too long to extend.
fn prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    (name.len() < 200).then(|| format!(".{name}."))
}

/// An empty file beside `path`.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let prefix = prefix(path).unwrap_or_default();
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    #[cfg(unix)]
    {
        // The default permissions of a new file; temporary files are private otherwise.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let folder = folder_of(path);
    // The error contains the name of the temporary file, which is of no use to the user.
    let unmade = |error: io::Error| {
        io::Error::new(error.kind(), format!("no file can be made in {}: {}", folder.display(), error.kind()))
    };
    builder.tempfile_in(folder).map_err(unmade)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::process::Command;

    /// Writes through a link: without the tested code, the link would be replaced instead of the device.
    #[test]
    fn a_device_is_written_to_and_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let null = folder.path().join("null");
        symlink("/dev/null", &null).unwrap();
        check_writable(&null).unwrap();
        write_whole(&null, b"gone").unwrap();
        assert!(null.is_symlink() && fs::metadata(&null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_pipe_gets_the_bytes_and_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        check_writable(&pipe).unwrap();
        // Open on both sides, so that neither side waits for the other.
        let mut reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        write_whole(&pipe, b"all of it").unwrap();
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        let mut found = [0; 9];
        reader.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"all of it");
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".run.ckpt.x1.partial", ".run.ckpt.partial", "run.ckpt", ".other.x.partial", "run.ckpt.partial"];
        names.iter().for_each(|name| fs::write(folder.path().join(name), name).unwrap());
        remove_leftovers(&folder.path().join("run.ckpt")).unwrap();
        let left = |name: &&str| folder.path().join(name).exists();
        assert_eq!(names.iter().copied().filter(left).collect::<Vec<_>>(), names[2..]);
        let temporary = temporary(&folder.path().join("run.ckpt")).unwrap().into_temp_path().keep().unwrap();
        remove_leftovers(&folder.path().join("run.ckpt")).unwrap();
        assert!(!temporary.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn f2_a_folder_that_takes_no_files_is_named_without_the_temporary_name() {
        let path = Path::new("/proc/model.cvx");
        for error in [check_writable(path).unwrap_err(), write_whole(path, b"x").unwrap_err()] {
            let message = error.to_string();
            assert!(message.starts_with("no file can be made in /proc: ") && !message.contains(SUFFIX), "{message}");
        }
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        check_writable(&link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");

        fs::remove_file(&file).unwrap();
        for error in [check_writable(&link).unwrap_err(), write_whole(&link, b"new").unwrap_err()] {
            assert!(error.to_string().contains("leads nowhere"), "{error}");
        }
        assert!(link.is_symlink());
    }
}
