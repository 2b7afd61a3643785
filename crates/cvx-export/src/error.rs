//! Errors of an export.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a network could not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A number is out of the range of f32, or a scale rounds to 0 in f32.
    #[error("{tensor} holds {value:e}, which is out of the range of f32: export with f64")]
    Range {
        /// The tensor.
        tensor: &'static str,
        /// The number.
        value: f64,
    },
    /// The network is larger than a file of the format can be.
    #[error("the network takes {bytes} bytes, and an ONNX file holds less than {limit}: export f32, or safetensors")]
    TooLarge {
        /// Size of the tensors in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The library of the format returned an error.
    #[error("the network cannot be written as {format}: {detail}")]
    Format {
        /// The format.
        format: &'static str,
        /// The error of the library.
        detail: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}
