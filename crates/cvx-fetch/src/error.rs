//! Errors of fetching a data set.

use crate::environment::CACHE_VARIABLE;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a data set could not be fetched, with the file or address.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason, from the HTTP client.
        reason: String,
    },
    /// The server answers with a status other than success.
    #[error("{url}: the server answers {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection ended before the file was complete.
    #[error("{url}: cut off after {received} of {expected} bytes: fetch again to resume")]
    CutOff {
        /// The address.
        url: String,
        /// Number of bytes on the disk.
        received: u64,
        /// Length of the file in bytes.
        expected: u64,
    },
    /// The server offers a file of another length.
    #[error("{url}: the server offers {found} bytes, but the file has {expected}")]
    WrongSize {
        /// The address.
        url: String,
        /// Length of the file in bytes.
        expected: u64,
        /// Number of bytes offered, or received so far.
        found: u64,
    },
    /// The checksum is not the published one.
    #[error("{url}: the MD5 checksum is {found}, but {expected} is published: this is another file, or a damaged one")]
    Checksum {
        /// The address.
        url: String,
        /// The published checksum.
        expected: &'static str,
        /// The checksum of the file received.
        found: String,
    },
    /// The archive cannot be unpacked, or lacks a member.
    #[error("{}: cannot be unpacked: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is no home folder for the cache.
    #[error("there is no home folder for the cache: name a folder, or set {CACHE_VARIABLE}")]
    NoCache,
}

impl FetchError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        FetchError::Io { path: path.into(), source }
    }

    /// Whether another try may succeed.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            FetchError::Unreachable { .. } | FetchError::CutOff { .. } => true,
            FetchError::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
