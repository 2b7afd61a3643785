//! The number type of an export.

use cvx_linalg::named;

/// The type in which an export stores its numbers, and in which an ONNX graph computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    /// Half the size of f64, for runtimes without f64. Features and sums have about seven digits.
    F32,
    /// The arithmetic of [`Model::predict`](cvx_artifact::Model::predict), except for the order of sums. Features are
    /// f64.
    F64,
}

named!(Float, "precision": F32 = "f32", F64 = "f64");

impl Float {
    /// The nearest number of this type.
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Float::F32 => f64::from(value as f32),
            Float::F64 => value,
        }
    }

    /// Size of a number in bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// The numbers as little-endian bytes.
    pub(crate) fn bytes(self, values: &[f64]) -> Vec<u8> {
        match self {
            Float::F32 => values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
            Float::F64 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}
