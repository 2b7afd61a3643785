//! The model file: format 3 in the frame of `container.rs`.
//!
//! | section | what | shape |
//! |---|---|---|
//! | `header` | bincode: task, kind of the features, claim without its weights, provenance | |
//! | `transform` | matrix: offset and scale of each feature | inputs x 2 |
//! | `names` | texts: the features, where they have names | inputs |
//! | `w1`, `w2` | matrices: the layers | d x m, m x C |
//! | `gates` | matrix: of gated neurons | d x m |
//! | `weights` | matrix: of the samples, where they are not all 1 | n x 1 |
//! | `proof.gates` | matrix, as are the next two | d x P |
//! | `proof.xi` | | n x C |
//! | `proof.eta` | the multipliers | n x 2PC, n x 0 if gated |
//! | `proof.patterns` | words: for each pattern, 64 samples to a word, the lowest bit first | ceil(n / 64) x P |
//!
//! bincode has no schema of its own, so it is kept inside a versioned file and away from the numbers.

mod v2;

use crate::container::{Kind, Parsed, Sections};
use crate::file_error::FileError;
use crate::model::{Claim, Model, Provenance, Witness};
use cvx_linalg::{BitMask, HostMatrix};
use cvx_model::{Activation, FeatureKind, Network, Normalisation, Task, Transform, WeightedLoss};
use serde::{Deserialize, Serialize};
use std::path::Path;

const MODEL: Kind = Kind { noun: "model", magic: *b"\x89CVX\r\n\x1a\n", version: 3 };

/// Largest header: the names of some ten thousand classes.
const HEADER: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    normalisation: Normalisation,
    bias: bool,
    task: Task,
    kind: FeatureKind,
    claim: Claim,
    provenance: Provenance,
}

impl Model {
    /// Writes the model to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`FileError::Io`], or [`FileError::Unstorable`] for class names of a megabyte; a previous file is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        self.sections()?.save(path)
    }

    /// The bytes of the file that [`save`](Model::save) writes.
    ///
    /// # Errors
    /// [`FileError::Unstorable`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        Ok(self.sections()?.seal())
    }

    /// Reads a model and checks everything that can be checked without the data.
    ///
    /// # Errors
    /// [`FileError`]; see [`from_bytes`](Model::from_bytes).
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(&MODEL.read(path)?, path)
    }

    fn sections(&self) -> Result<Sections, FileError> {
        let Model { network, transform, claim, .. } = self;
        let header = Header {
            normalisation: self.normalisation,
            bias: transform.bias,
            task: self.task.clone(),
            kind: self.kind,
            claim: Claim { weights: None, ..claim.clone() },
            provenance: self.provenance.clone(),
        };
        let mut sections = Sections::new(&MODEL);
        sections.bincode::<HEADER>("header", &header)?;
        if transform.offset.len() != transform.scale.len() {
            let detail = "its transform has not as many offsets as scales".into();
            return Err(FileError::Unstorable { what: MODEL.noun, detail });
        }
        let columns = [transform.offset.as_slice(), &transform.scale].concat();
        sections.matrix("transform", &HostMatrix::from_vec(transform.offset.len(), 2, columns));
        if let Some(names) = &transform.feature_names {
            sections.texts("names", names);
        }
        sections.matrix("w1", &network.w1).matrix("w2", &network.w2);
        if let Some(gates) = &network.gates {
            sections.matrix("gates", gates);
        }
        if let Some(weights) = &claim.weights {
            sections.matrix("weights", &HostMatrix::from_vec(weights.len(), 1, weights.clone()));
        }
        if let Some(Witness { gates, patterns, xi, multipliers }) = &self.witness {
            sections.matrix("proof.gates", gates).matrix("proof.xi", xi).matrix("proof.eta", multipliers);
            sections.words("proof.patterns", patterns.words());
        }
        Ok(sections)
    }

    /// Parses the bytes of a model file, of format 3 or 2; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`]. No length is believed before it was compared with the bytes that are there: what is refused was
    /// refused at once, and for a file of format 3 within memory of twice its size and a few megabytes.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let damaged = |detail: &str| MODEL.damaged(path, detail);
        let model = match MODEL.version_of(bytes, path)? {
            v2::VERSION => v2::read(bytes).map_err(|detail| damaged(&detail))?,
            _ => read(Parsed::open(bytes, &MODEL, path)?)?,
        };
        model.check().map_err(damaged)?;
        Ok(model)
    }

    /// Whether the parts fit together.
    fn check(&self) -> Result<(), &'static str> {
        let Model { network, transform, task, claim, .. } = self;
        let (d, m, c) = (transform.n_outputs(), network.n_neurons(), task.n_targets());
        if transform.offset.len() != transform.scale.len()
            || transform.offset.iter().chain(&transform.scale).any(|value| !value.is_finite())
            || transform.scale.contains(&0.0)
        {
            return Err("the normalisation is not usable");
        }
        if transform.n_inputs() == 0 || claim.n_samples == 0 {
            return Err("it was made of no features or no samples");
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
        if self.witness.as_ref().is_some_and(|witness| !self.is_proof(witness)) {
            return Err("the proof does not fit the model");
        }
        let usable = |weight: &f64| *weight > 0.0 && weight.is_finite();
        let fits = |weights: &Vec<f64>| weights.len() == claim.n_samples && weights.iter().all(usable);
        if WeightedLoss::new(claim.loss, None).is_err()
            || !claim.weights.as_ref().is_none_or(fits)
            || claim.loss.needs_classes() && task.classes().is_empty()
        {
            return Err("the loss or its weights do not fit the model");
        }
        match task {
            Task::Binary { majority, .. } | Task::Multiclass { majority, .. } if *majority >= task.classes().len() => {
                Err("the majority class is none of the classes")
            }
            _ => Ok(()),
        }
    }

    /// Whether gates, xi and multipliers fit the model and one another. Without a pattern the programme would be empty,
    /// and its bound 1/2 ||y||^2 would say nothing of a network.
    fn is_proof(&self, Witness { gates, patterns, xi, multipliers }: &Witness) -> bool {
        let (n, d, c) = (self.claim.n_samples, self.transform.n_outputs(), self.task.n_targets());
        let cones = match self.network.activation() {
            Activation::Relu => 2,
            Activation::Gated => 0,
        };
        let columns = gates.cols().checked_mul(c).and_then(|pc| pc.checked_mul(cones));
        gates.rows() == d
            && gates.cols() > 0
            && (patterns.rows(), patterns.cols()) == (n, gates.cols())
            && (xi.rows(), xi.cols()) == (n, c)
            && (multipliers.rows(), Some(multipliers.cols())) == (n, columns)
    }
}

/// A model whose parts are not compared with one another yet.
fn read(mut file: Parsed) -> Result<Model, FileError> {
    let header: Header = file.bincode::<_, HEADER>("header")?;
    let scaling = file.finite_matrix("transform")?;
    if scaling.cols() != 2 {
        return Err(file.damaged("the transform is not an offset and a scale for each feature"));
    }
    let names = file.has("names").then(|| file.texts("names", scaling.rows())).transpose()?;
    let network = Network {
        w1: file.finite_matrix("w1")?,
        w2: file.finite_matrix("w2")?,
        gates: file.has("gates").then(|| file.finite_matrix("gates")).transpose()?,
    };
    let weights = file.has("weights").then(|| file.finite_matrix("weights")).transpose()?;
    if weights.as_ref().is_some_and(|weights| weights.cols() != 1) {
        return Err(file.damaged("the weights are not one for each sample"));
    }
    let witness = file.has("proof.gates").then(|| read_witness(&mut file)).transpose()?;
    file.finish()?;
    Ok(Model {
        network,
        transform: Transform {
            offset: scaling.col(0).to_vec(),
            scale: scaling.col(1).to_vec(),
            bias: header.bias,
            feature_names: names,
        },
        normalisation: header.normalisation,
        task: header.task,
        kind: header.kind,
        claim: Claim { weights: weights.map(HostMatrix::into_values), ..header.claim },
        provenance: header.provenance,
        witness,
    })
}

fn read_witness(file: &mut Parsed) -> Result<Witness, FileError> {
    let gates = file.finite_matrix("proof.gates")?;
    let xi = file.finite_matrix("proof.xi")?;
    let multipliers = file.finite_matrix("proof.eta")?;
    let patterns = patterns(&xi, &gates, file.words("proof.patterns")?).map_err(|detail| file.damaged(detail))?;
    Ok(Witness { gates, patterns, xi, multipliers })
}

/// The patterns of a proof, one for each gate on the samples of `xi`.
fn patterns(xi: &HostMatrix, gates: &HostMatrix, words: Vec<u64>) -> Result<BitMask, &'static str> {
    BitMask::from_columns(xi.rows(), gates.cols(), words).ok_or("the patterns do not fit the proof")
}
