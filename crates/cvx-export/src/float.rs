//! The numbers of an export.

/// How the numbers of an export are stored, and what an ONNX graph computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    /// Half the size, for runtimes without f64; seven digits in features and sums.
    F32,
    /// What [`Model::predict`](cvx_artifact::Model::predict) computes, but for the order of sums; features go in as f64.
    F64,
}

impl Float {
    /// The nearest number that can be stored.
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Float::F32 => f64::from(value as f32),
            Float::F64 => value,
        }
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// The numbers one after the other, little-endian.
    pub(crate) fn bytes(self, values: &[f64]) -> Vec<u8> {
        match self {
            Float::F32 => values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
            Float::F64 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}
