//! The formats of an export.

use cvx_linalg::named;

/// A format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A graph with one input `x` (N x d, any N) and the output `prediction` (N x C). For classes it also has the
    /// output `class` (N), the index of the predicted class. IR version 8, operator set 17.
    Onnx,
    /// The tensors `offset`, `scale`, `w1`, `b1`, `w2`, `b2` and, for gated neurons, `gates`, `gate_bias`. Of neurons
    /// on patches `offset`, `scale`, `values`, `value_bias`, `gates`, `gate_bias`, `w2`, `b2`.
    Safetensors,
    /// The same tensors as a NumPy archive.
    Npz,
}

// The names are the usual extensions of the files, too.
named!(Format, "format": Onnx = "onnx", Safetensors = "safetensors", Npz = "npz");
