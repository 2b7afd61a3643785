//! Errors in writing or reading a file of this project.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Errors in writing or reading a file; `what` is the kind of file, such as `model`.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system reported an error.
    #[error("{}: cannot be {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The attempted action.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file does not exist.
    #[error("{}: this {what} does not exist: check the name", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        what: &'static str,
    },
    /// The file is of another kind.
    #[error("{}: not a cvx {what}: the file does not begin with the magic bytes of one", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        what: &'static str,
    },
    /// The format is too new or too old.
    #[error("{}: a {what} of format {found}, but this program reads up to format {newest}: {}", path.display(),
        if found > newest { "use a newer program" } else { "this one is too old: make it again, or use an older program" })]
    Version {
        /// The file.
        path: PathBuf,
        /// The kind of file.
        what: &'static str,
        /// The format found.
        found: u32,
        /// The newest format that is read.
        newest: u32,
    },
    /// The content exceeds a limit of the format.
    #[error("this {what} cannot be stored: {detail}")]
    Unstorable {
        /// The kind of file.
        what: &'static str,
        /// The limit that is exceeded.
        detail: String,
    },
    /// The file is damaged, truncated, or was made by something else.
    #[error("{}: damaged {what}: {detail}: copy or make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The kind of file.
        what: &'static str,
        /// The defect.
        detail: String,
    },
}

impl FileError {
    /// The error that the operating system reported for `action`.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        FileError::Io { path: path.into(), action, source }
    }
}
