//! The network as a NumPy archive.

use crate::error::ExportError;
use crate::float::Float;
use crate::format::Format;
use crate::layers::Layers;
use crate::metadata::METADATA_KEY;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The items of an array begin at a multiple of this number of bytes.
const ALIGNMENT: usize = 64;

/// Number of bytes before the header: magic bytes, version 1.0 and the length of the header.
const PREAMBLE: usize = 10;

/// The content of the archive.
pub(crate) fn bytes(layers: &Layers, metadata: &str) -> Result<Vec<u8>, ExportError> {
    let descr = match layers.float {
        Float::F32 => "<f4",
        Float::F64 => "<f8",
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Weights hardly compress. The fixed date makes the same model give the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(true);
    let mut write = |name: &str, array: Vec<u8>| {
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(&array)?;
        zip::result::ZipResult::Ok(())
    };
    let mut written = Ok(());
    for tensor in &layers.tensors {
        written = written.and_then(|()| write(tensor.name, array(descr, &tensor.shape, &tensor.bytes())));
    }
    // A text without axes, in UCS-4.
    let characters: Vec<u8> = metadata.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let text = array(&format!("<U{}", characters.len() / 4), &[], &characters);
    let finished = written.and_then(|()| write(METADATA_KEY, text)).and_then(|()| zip.finish());
    finished
        .map(Cursor::into_inner)
        .map_err(|error| ExportError::Format { format: Format::Npz.name(), detail: error.to_string() })
}

/// An array in NumPy's format 1.0.
fn array(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let axes: String = shape.iter().map(|length| format!("{length},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    while !(PREAMBLE + header.len() + 1).is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}
