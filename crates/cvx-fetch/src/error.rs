//! Why a data set could not be fetched.

use crate::CACHE_VARIABLE;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What went wrong, and with which file or address.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No answer.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// An answer that is no file.
    #[error("{url}: the server answers {status}")]
    Status {
        /// The address.
        url: String,
        /// Of HTTP.
        status: u16,
    },
    /// The connection ended before the file did.
    #[error("{url}: cut off after {received} of {expected} bytes: run this again to go on from there")]
    CutOff {
        /// The address.
        url: String,
        /// Bytes on the disk.
        received: u64,
        /// Bytes of the file.
        expected: u64,
    },
    /// Another file, by its length.
    #[error("{url}: the server offers {found} bytes, but the file has {expected}")]
    WrongSize {
        /// The address.
        url: String,
        /// Bytes of the file.
        expected: u64,
        /// Bytes offered, or received so far.
        found: u64,
    },
    /// Another file, by its checksum.
    #[error("{url}: the MD5 checksum is {found}, but {expected} is published: this is another file, or a damaged one")]
    Checksum {
        /// The address.
        url: String,
        /// The published checksum.
        expected: &'static str,
        /// That of what was received.
        found: String,
    },
    /// An archive that does not unpack to what it should.
    #[error("{}: cannot be unpacked: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nowhere to keep it.
    #[error("there is no home folder to keep a cache in: name a folder, or set {CACHE_VARIABLE}")]
    NoCache,
}

impl FetchError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        FetchError::Io { path: path.into(), source }
    }

    /// Whether another try may do better.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            FetchError::Unreachable { .. } | FetchError::CutOff { .. } => true,
            FetchError::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
