//! The model file: magic, version, header, tensors, checksum.
//!
//! ```text
//! 8 bytes   magic, with the line endings and the end-of-file byte that transfers like to mangle
//! u32       version
//! u32       length of the header
//! header    bincode: everything but the tensors, and the table of the tensors
//! tensors   raw, little-endian, column-major, f32 where that loses nothing, else f64
//! patterns  u64 words, column by column
//! u32       CRC-32 of all bytes before it
//! ```
//!
//! bincode has no schema of its own, so it is kept inside a versioned header and away from the numbers.

use crate::model::{Claim, Model, Provenance, Witness};
use crate::whole_file::write_whole;
use cvx_linalg::{BitMask, HostMatrix};
use cvx_model::{Activation, FeatureKind, Network, Normalisation, Task, Transform, WeightedLoss};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

const MAGIC: [u8; 8] = *b"\x89CVX\r\n\x1a\n";
const VERSION: u32 = 2;

/// Largest header that is read, and the limit inside bincode.
const LARGEST_HEADER: usize = 64 << 20;

/// Why a model file could not be written or read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system.
    #[error("{}: cannot be {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Not a model file.
    #[error("{}: not a cvx model: the file does not begin with the model's magic bytes", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// A newer or an older format.
    #[error("{}: a model of format {found}, but this program reads format {VERSION}: {}", path.display(),
        if *found > VERSION { "use a newer program" } else { "train it again, or use an older program" })]
    Version {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// Damaged, cut off, or made by something else.
    #[error("{}: damaged model: {detail}: copy or train it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
}

#[derive(Serialize, Deserialize)]
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

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Tensor {
    rows: u64,
    cols: u64,
    half: bool,
}

impl Tensor {
    /// f32 where every value survives it.
    fn of(matrix: &HostMatrix) -> Self {
        Tensor {
            rows: matrix.rows() as u64,
            cols: matrix.cols() as u64,
            half: matrix.values().iter().all(|&value| f64::from(value as f32) == value),
        }
    }

    fn bytes(self) -> Option<usize> {
        let entries = usize::try_from(self.rows).ok()?.checked_mul(usize::try_from(self.cols).ok()?)?;
        entries.checked_mul(if self.half { 4 } else { 8 })
    }
}

fn bincode_config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LARGEST_HEADER>()
}

impl Model {
    /// Writes the model to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`FileError::Io`]; a previous file is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let io = |source| FileError::Io { path: path.into(), action: "written", source };
        let bytes = self.to_bytes().map_err(|detail| io(io::Error::other(detail)))?;
        write_whole(path, &bytes).map_err(io)
    }

    /// Reads a model and checks everything that can be checked without the data.
    ///
    /// # Errors
    /// [`FileError`]; no allocation exceeds the size of the file.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes =
            std::fs::read(path).map_err(|source| FileError::Io { path: path.into(), action: "read", source })?;
        Self::from_bytes(&bytes, path)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut tensors = vec![&self.network.w1, &self.network.w2];
        tensors.extend(&self.network.gates);
        if let Some(witness) = &self.witness {
            tensors.extend([&witness.gates, &witness.xi, &witness.multipliers]);
        }
        let header = Header {
            transform: self.transform.clone(),
            normalisation: self.normalisation,
            task: self.task.clone(),
            kind: self.kind,
            activation: self.network.activation(),
            claim: self.claim.clone(),
            provenance: self.provenance.clone(),
            tensors: tensors.iter().map(|tensor| Tensor::of(tensor)).collect(),
        };
        let encoded = bincode::serde::encode_to_vec(&header, bincode_config()).map_err(|error| error.to_string())?;
        let length = u32::try_from(encoded.len()).map_err(|error| error.to_string())?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&encoded);
        for (matrix, tensor) in tensors.iter().zip(&header.tensors) {
            for &value in matrix.values() {
                if tensor.half {
                    bytes.extend_from_slice(&(value as f32).to_le_bytes());
                } else {
                    bytes.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
        for word in self.witness.iter().flat_map(|witness| witness.patterns.words()) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// Parses the bytes of a model file; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let damaged = |detail: &str| FileError::Damaged { path: path.into(), detail: detail.into() };
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(FileError::Magic { path: path.into() });
        };
        let (version, rest) = take_u32(rest).ok_or_else(|| damaged("the file is cut off"))?;
        if version != VERSION {
            return Err(FileError::Version { path: path.into(), found: version });
        }
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("the file is cut off"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(damaged("the checksum does not match"));
        }
        let rest = rest.get(..rest.len().saturating_sub(4)).unwrap_or_default();
        let (length, rest) = take_u32(rest).ok_or_else(|| damaged("the file is cut off"))?;
        let (header, mut payload) =
            rest.split_at_checked(length as usize).ok_or_else(|| damaged("the header is longer than the file"))?;
        let (header, used): (Header, usize) = bincode::serde::decode_from_slice(header, bincode_config())
            .map_err(|error| damaged(&format!("the header cannot be read ({error})")))?;
        if used != length as usize {
            return Err(damaged("the header has trailing bytes"));
        }
        let mut matrices = Vec::new();
        for tensor in &header.tensors {
            let matrix;
            (matrix, payload) = read_tensor(*tensor, payload).map_err(damaged)?;
            matrices.push(matrix);
        }
        let count = || {
            damaged("the number of tensors is not that of a network, with its gates and its proof where it has them")
        };
        let mut matrices = matrices.into_iter();
        let [w1, w2] = [matrices.next(), matrices.next()];
        let gates = match header.activation {
            Activation::Relu => None,
            Activation::Gated => Some(matrices.next().ok_or_else(count)?),
        };
        let network = Network { w1: w1.ok_or_else(count)?, w2: w2.ok_or_else(count)?, gates };
        let proof: Vec<HostMatrix> = matrices.collect();
        let witness = match <[HostMatrix; 3]>::try_from(proof) {
            Ok([gates, xi, multipliers]) => {
                check_proof(&header, [&gates, &xi, &multipliers]).map_err(damaged)?;
                let patterns = read_patterns(xi.rows(), gates.cols(), payload).map_err(damaged)?;
                payload = &[];
                Some(Witness { gates, patterns, xi, multipliers })
            }
            Err(rest) if rest.is_empty() => None,
            Err(_) => return Err(count()),
        };
        if !payload.is_empty() {
            return Err(damaged("bytes are left after the last tensor"));
        }
        let model = Model {
            network,
            transform: header.transform,
            normalisation: header.normalisation,
            task: header.task,
            kind: header.kind,
            claim: header.claim,
            provenance: header.provenance,
            witness,
        };
        model.check().map_err(damaged)?;
        Ok(model)
    }

    /// Whether the parts fit together.
    fn check(&self) -> Result<(), &'static str> {
        let Model { network, transform, task, .. } = self;
        let (d, m, c) = (transform.n_outputs(), network.n_neurons(), task.n_targets());
        if transform.offset.len() != transform.scale.len()
            || transform.offset.iter().chain(&transform.scale).any(|value| !value.is_finite())
            || transform.scale.contains(&0.0)
        {
            return Err("the normalisation is not usable");
        }
        if transform.feature_names.as_ref().is_some_and(|names| names.len() != transform.n_inputs()) {
            return Err("the features have another number of names");
        }
        if c == 0 || (network.w1.rows(), network.w2.rows(), network.w2.cols()) != (d, m, c) {
            return Err("the layers do not fit together");
        }
        if network.gates.as_ref().is_some_and(|gates| (gates.rows(), gates.cols()) != (d, m)) {
            return Err("the gates do not fit the neurons");
        }
        let (loss, weights) = (self.claim.loss, self.claim.weights.clone());
        let counted = weights.as_ref().is_none_or(|weights| weights.len() == self.claim.n_samples);
        if WeightedLoss::new(loss, weights).is_err() || !counted || loss.needs_classes() && task.classes().is_empty() {
            return Err("the loss or its weights do not fit the model");
        }
        match task {
            Task::Binary { majority, .. } | Task::Multiclass { majority, .. } if *majority >= task.classes().len() => {
                Err("the majority class is none of the classes")
            }
            _ => Ok(()),
        }
    }
}

/// Whether gates, xi and multipliers fit the model and one another. Without a pattern the programme would be empty, and
/// its bound 1/2 ||y||^2 would say nothing of a network.
fn check_proof(header: &Header, [gates, xi, multipliers]: [&HostMatrix; 3]) -> Result<(), &'static str> {
    let (n, d, c) = (header.claim.n_samples, header.transform.n_outputs(), header.task.n_targets());
    let cones = match header.activation {
        Activation::Relu => 2,
        Activation::Gated => 0,
    };
    let columns = gates.cols().checked_mul(c).and_then(|pc| pc.checked_mul(cones));
    let fits = gates.rows() == d
        && gates.cols() > 0
        && (xi.rows(), xi.cols()) == (n, c)
        && c > 0
        && (multipliers.rows(), Some(multipliers.cols())) == (n, columns);
    if fits { Ok(()) } else { Err("the proof does not fit the model") }
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*head), rest))
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

/// The patterns take all that is left.
fn read_patterns(rows: usize, cols: usize, payload: &[u8]) -> Result<BitMask, &'static str> {
    let (words, rest) = payload.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let mask = rest.is_empty().then(|| BitMask::from_columns(rows, cols, &words));
    mask.flatten().ok_or("the patterns do not fit the proof")
}
