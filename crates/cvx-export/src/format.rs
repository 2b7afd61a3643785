//! The formats of an export.

/// A format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A graph with one input `x` (N x d, any N) and the output `prediction` (N x C). For classes it also has the
    /// output `class` (N), the index of the predicted class. IR version 8, operator set 17.
    Onnx,
    /// The tensors `offset`, `scale`, `w1`, `b1`, `w2` and, for gated neurons, `gates`, `gate_bias`.
    Safetensors,
    /// The same tensors as a NumPy archive.
    Npz,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 3] = [Format::Onnx, Format::Safetensors, Format::Npz];

    /// `onnx`, `safetensors` or `npz`; also the usual extension of the file.
    pub fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Safetensors => "safetensors",
            Format::Npz => "npz",
        }
    }
}
