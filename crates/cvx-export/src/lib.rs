//! Trained networks for programs that know nothing of this one.
//!
//! ```
//! use cvx_admm::{Settings, train};
//! use cvx_data::{Request, open};
//! use cvx_export::{Float, Format, export};
//!
//! let data = open("planted:60x3", &Request::default())?;
//! let model = train(&data.train, None, &Settings { patterns: 10, ..Settings::default() })?.model;
//! let onnx = export(&model, Format::Onnx, Float::F64)?;
//! assert!(onnx.windows(4).any(|word| word == b"Gemm"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`Format`]: what can be written. An ONNX graph predicts by itself, from features as they come; the other two hold the
//!   tensors of such a graph, and the reader does the arithmetic.
//! * Every export carries the same [metadata](METADATA_KEY) as one text of JSON: classes, features, normalisation and certificate.
//!
//! Offsets are subtracted before anything is multiplied. Folded into the weights they would leave a difference of two large
//! numbers in every neuron: for a feature with mean m and spread s that costs log10(m / s) digits, and the subtraction costs none.

mod float;
mod layers;
mod metadata;
mod npz;
mod onnx;
mod proto;
mod safe;

use cvx_artifact::{Model, write_whole};
use layers::Layers;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

pub use float::Float;
pub use metadata::{METADATA_KEY, metadata};

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a network can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A graph with one input `x` (N x d, any N) and the output `prediction` (N x C); for classes also `class` (N), the index
    /// of the predicted class. IR version 8, operator set 17.
    Onnx,
    /// The tensors `offset`, `scale`, `w1`, `b1`, `w2` and, for gated neurons, `gates`, `gate_bias`.
    Safetensors,
    /// The same as a NumPy archive.
    Npz,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Onnx, Format::Safetensors, Format::Npz];

    /// `onnx`, `safetensors` or `npz`; also the usual ending of the file.
    pub fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Safetensors => "safetensors",
            Format::Npz => "npz",
        }
    }
}

/// Why a network could not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A number that f32 cannot hold.
    #[error("{tensor} holds {value:e}, which is out of the range of f32: export with f64")]
    Range {
        /// The tensor.
        tensor: &'static str,
        /// The number.
        value: f64,
    },
    /// More than a file of that format can hold.
    #[error("the network takes {bytes} bytes, and an ONNX file holds less than {limit}: export f32, or safetensors")]
    TooLarge {
        /// Bytes of the tensors.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The format's own library refused.
    #[error("the network cannot be written as {format}: {detail}")]
    Format {
        /// The format.
        format: &'static str,
        /// What it said.
        detail: String,
    },
    /// The operating system.
    #[error("{}: cannot be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The bytes of an export; the same for the same model every time.
///
/// # Errors
/// [`ExportError`], but not [`ExportError::Io`].
pub fn export(model: &Model, format: Format, float: Float) -> Result<Vec<u8>, ExportError> {
    let layers = Layers::of(model, float)?;
    let metadata = metadata(model);
    match format {
        Format::Onnx => onnx::bytes(model, &layers, metadata),
        Format::Safetensors => safe::bytes(&layers, metadata),
        Format::Npz => npz::bytes(&layers, &metadata),
    }
}

/// Writes an export to `path`, whole or not at all.
///
/// # Errors
/// [`ExportError`]; a previous file is then as it was.
pub fn save(model: &Model, format: Format, float: Float, path: &Path) -> Result<(), ExportError> {
    let bytes = export(model, format, float)?;
    write_whole(path, &bytes).map_err(|source| ExportError::Io { path: path.into(), source })
}
