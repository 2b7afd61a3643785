//! The network as a safetensors file.

use crate::error::ExportError;
use crate::float::Float;
use crate::format::Format;
use crate::layers::Layers;
use crate::metadata::METADATA_KEY;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;

/// The content of the file.
pub(crate) fn bytes(layers: &Layers, metadata: String) -> Result<Vec<u8>, ExportError> {
    let refused = |error: safetensors::SafeTensorError| ExportError::Format {
        format: Format::Safetensors.name(),
        detail: error.to_string(),
    };
    let dtype = match layers.float {
        Float::F32 => Dtype::F32,
        Float::F64 => Dtype::F64,
    };
    let contents: Vec<Vec<u8>> = layers.tensors.iter().map(|tensor| tensor.bytes()).collect();
    let views = layers
        .tensors
        .iter()
        .zip(&contents)
        .map(|(tensor, bytes)| Ok((tensor.name, TensorView::new(dtype, tensor.shape.clone(), bytes)?)));
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(refused)?;
    // One entry: the order of several entries would differ from run to run.
    serialize(views, Some(HashMap::from([(METADATA_KEY.to_string(), metadata)]))).map_err(refused)
}
