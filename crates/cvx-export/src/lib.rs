//! Exports trained networks to other programs: ONNX graphs, safetensors files and NumPy archives.
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
//! * [`Format`]: the formats. An ONNX graph predicts from features that are not scaled, because the scaling is part of
//!   the graph. The other two formats hold the tensors of such a graph, and their reader does the arithmetic.
//! * Every export holds the same [metadata](METADATA_KEY) as one JSON text: classes, features, normalisation and
//!   certificate.
//!
//! [`import`] reads networks of two layers that other programs have written as ONNX.
//!
//! The offset of a feature is subtracted before the multiplication by the weights. If it were folded into the bias,
//! each neuron would compute a difference of two large numbers: for a feature with mean m and standard deviation s that
//! costs log10(m / s) digits. The subtraction costs none.

mod error;
mod float;
mod format;
mod layers;
mod metadata;
mod npz;
mod onnx;
mod patches;
mod proto;
mod safe;
mod tensor;

use cvx_artifact::{Model, write_whole};
use layers::Layers;
use std::path::Path;

pub use error::ExportError;
pub use float::Float;
pub use format::Format;
pub use metadata::{METADATA_KEY, metadata, metadata_value};
pub use onnx::import::{ImportError, Imported, import};

/// The example of README.md, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The content of an export file. The same model always gives the same bytes.
///
/// # Errors
/// Every [`ExportError`] except [`ExportError::Io`].
pub fn export(model: &Model, format: Format, float: Float) -> Result<Vec<u8>, ExportError> {
    let layers = Layers::of(model, float)?;
    let metadata = metadata(model);
    match format {
        Format::Onnx => onnx::bytes(model, &layers, metadata),
        Format::Safetensors => safe::bytes(&layers, metadata),
        Format::Npz => npz::bytes(&layers, &metadata),
    }
}

/// Writes an export to `path` atomically.
///
/// # Errors
/// [`ExportError`]. An existing file is then unchanged.
pub fn save(model: &Model, format: Format, float: Float, path: &Path) -> Result<(), ExportError> {
    let bytes = export(model, format, float)?;
    write_whole(path, &bytes).map_err(|source| ExportError::Io { path: path.into(), source })
}
