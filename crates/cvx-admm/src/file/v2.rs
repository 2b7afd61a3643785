//! Format 2 of the model file, which is read and no longer written.
//!
//! ```text
//! 8 bytes   magic
//! u32       version
//! u32       length of the header
//! header    bincode: everything but the tensors, and the table of the tensors
//! tensors   raw, little-endian, column-major, f32 where that loses nothing, else f64
//! patterns  u64 words, column by column
//! u32       CRC-32 of all bytes before it
//! ```
//!
//! A struct of the header that changes leaves its old shape here.

use super::Proof;
use crate::model::{Claim, Model, Provenance};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, FeatureKind, Network, Normalisation, Task, Transform};
use serde::Deserialize;

pub(super) const VERSION: u32 = 2;

/// Largest header, and the limit inside bincode.
const LARGEST_HEADER: usize = 64 << 20;

/// Magic and version.
const START: usize = 12;

#[derive(Deserialize)]
struct Header {
    transform: Transform,
    normalisation: Normalisation,
    task: Task,
    kind: FeatureKind,
    activation: Activation,
    claim: Claim,
    provenance: Provenance,
    tensors: Vec<Tensor>,
}

#[derive(Clone, Copy, Deserialize)]
struct Tensor {
    rows: u64,
    cols: u64,
    half: bool,
}

impl Tensor {
    fn bytes(self) -> Option<usize> {
        let entries = usize::try_from(self.rows).ok()?.checked_mul(usize::try_from(self.cols).ok()?)?;
        entries.checked_mul(if self.half { 4 } else { 8 })
    }
}

/// A model whose parts are not compared with one another yet, without its witness.
pub(super) fn read(bytes: &[u8]) -> Result<(Model, Option<Proof>), String> {
    const CUT: &str = "the file is cut off";
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(CUT)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err("the checksum does not match".into());
    }
    let (length, rest) = body.get(START..).and_then(|rest| rest.split_first_chunk()).ok_or(CUT)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, mut payload) = rest.split_at_checked(length).ok_or("the header is longer than the file")?;
    let config = bincode::config::standard().with_fixed_int_encoding().with_limit::<LARGEST_HEADER>();
    let (header, used): (Header, usize) = bincode::serde::decode_from_slice(header, config)
        .map_err(|error| format!("the header cannot be read ({error})"))?;
    if used != length {
        return Err("the header has trailing bytes".into());
    }
    let mut matrices = Vec::new();
    for tensor in &header.tensors {
        let matrix;
        (matrix, payload) = read_tensor(*tensor, payload)?;
        matrices.push(matrix);
    }
    const COUNT: &str =
        "the number of tensors is not that of a network, with its gates and its proof where it has them";
    let mut matrices = matrices.into_iter();
    let [w1, w2] = [matrices.next(), matrices.next()];
    let gates = match header.activation {
        Activation::Relu => None,
        Activation::Gated => Some(matrices.next().ok_or(COUNT)?),
    };
    let network = Network { w1: w1.ok_or(COUNT)?, w2: w2.ok_or(COUNT)?, gates };
    let proof: Vec<HostMatrix> = matrices.collect();
    let proof = match <[HostMatrix; 3]>::try_from(proof) {
        Ok([gates, xi, multipliers]) => {
            let (words, rest) = payload.as_chunks();
            if !rest.is_empty() {
                return Err("the patterns are not whole words".into());
            }
            let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
            Some(Proof { gates, xi, multipliers, words })
        }
        Err(rest) if !rest.is_empty() => return Err(COUNT.into()),
        Err(_) if !payload.is_empty() => return Err("bytes are left after the last tensor".into()),
        Err(_) => None,
    };
    let model = Model {
        network,
        transform: header.transform,
        normalisation: header.normalisation,
        task: header.task,
        kind: header.kind,
        claim: header.claim,
        provenance: header.provenance,
        witness: None,
    };
    Ok((model, proof))
}

fn read_tensor(tensor: Tensor, payload: &[u8]) -> Result<(HostMatrix, &[u8]), &'static str> {
    let length = tensor.bytes().ok_or("a tensor's size overflows")?;
    let (data, rest) = payload.split_at_checked(length).ok_or("a tensor is longer than the file")?;
    let values: Vec<f64> = if tensor.half {
        data.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
    } else {
        data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err("a weight is not a finite number");
    }
    Ok((HostMatrix::from_vec(tensor.rows as usize, tensor.cols as usize, values), rest))
}
