//! Why a file of this project could not be written or read.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file could not be written or read; `what` is the kind of file, such as `model`.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system.
    #[error("{}: cannot be {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No such file.
    #[error("{}: this {what} does not exist: check the name", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Another kind of file.
    #[error("{}: not a cvx {what}: the file does not begin with the magic bytes of one", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A newer format, or one too old.
    #[error("{}: a {what} of format {found}, but this program reads up to format {newest}: {}", path.display(),
        if found > newest { "use a newer program" } else { "this one is too old: make it again, or use an older program" })]
    Version {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// The format found.
        found: u32,
        /// The newest format that is read.
        newest: u32,
    },
    /// More than the format holds.
    #[error("this {what} cannot be stored: {detail}")]
    Unstorable {
        /// What was to be written.
        what: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// Damaged, cut off, or made by something else.
    #[error("{}: damaged {what}: {detail}: copy or make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What does not fit.
        detail: String,
    },
}

impl FileError {
    /// What the operating system said when a file was to be `action`.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        FileError::Io { path: path.into(), action, source }
    }
}
