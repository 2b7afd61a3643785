//! The model file: format 6, in the frame of `container.rs`.
//!
//! | section | what | shape |
//! |---|---|---|
//! | `header` | bincode: task, kind of the features, claim without its weights, provenance, a record of each part | |
//! | `offset`, `scale` | matrices: the offset that is subtracted from each feature, then its divisor | inputs x 1 |
//! | `names` | texts: the names of the features, if they have names | inputs |
//! | `recipe` | bincode: how the features are made of the columns of a table, if they are | |
//! | `label` | text: the name of the labels, if they have a name | 1 |
//! | `w1`, `w2` | matrices: the layers | d x m, m x C |
//! | `gates` | matrix: the gates of gated neurons | d x m, on patches (s s channels + 1) x m |
//! | `patches` | words: channels, rows and columns of an image, side and stride of patches, regions, whether mirror images are alike, and 16 if features have 16 bits; if gates are on patches | 7 or 8 |
//! | `patches.values` | matrix: the values of a patch | (s s channels + 1) x values |
//! | `patches.contrast` | matrix: eps of the contrast | 1 x 1 |
//! | `constraints` | bincode: the signs of the weights by feature, and the groups of features, if there are any | |
//! | `output-range` | matrix: the interval that predictions are clipped to, if there is one | 2 x 1 |
//! | `output-bias` | matrix: the output bias of each of the K parts | C x K |
//! | `outlook` | bincode: calibration and prediction intervals, if there are any | |
//! | `weights` | matrix: the weights of the samples, unless all are 1 | n x 1 |
//! | `proof0.gates` | matrix, as are the next two; the number is that of the part, and n without what it held out | d x P |
//! | `proof0.xi` | | n x C |
//! | `proof0.eta` | the multipliers | n x 2PC, n x PC with signs, n x 0 if gated |
//! | `proof0.bits` | words: for each pattern, 64 samples to a word, the lowest bit first; none on patches | ceil(n / 64) x P |
//! | `proof0.groups` | words: the group of features that each pattern serves, if there are groups | P |
//! | `proof0.positive` | words: the number of patterns with a positive block, if each has a block of one sign | 1 |
//! | `global0.xi` | matrix: the dual point of a bound over all patterns, in the place of `proof0` | n x C |
//! | `global0.maxima` | matrix: the claimed maximum of each target | C x 1 |
//! | `held-out0` | words: the training samples that the part did not contain, if there are any | |
//!
//! bincode has no schema, so only the small header and the recipe of a versioned file use it.

use crate::container::{Kind, Parsed, Sections};
use crate::file_error::FileError;
use crate::model::{Claim, Model, Provenance};
use crate::objective::Objective;
use crate::part::{GlobalWitness, MOST_PARTS, Part, Witness};
use cvx_linalg::{BitMask, FeaturePrecision, HostMatrix, Signs};
use cvx_model::{
    Activation, BlockCones, Calibration, FeatureKind, Intervals, MOST_ROWS, Network, Normalisation, OutputRange,
    Patches, Task, Transform, WeightedLoss,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const MODEL: Kind = Kind { noun: "model", magic: *b"\x89CVX\r\n\x1a\n", version: 6 };

/// Maximum size of the header: the names of about ten thousand classes.
const HEADER: usize = 1 << 20;

/// Maximum size of the recipe: about a hundred thousand columns.
const RECIPE: usize = 1 << 23;

/// The last of the words of patches with features of half precision.
const HALF_BITS: u64 = 16;

#[derive(Serialize, Deserialize)]
struct Header {
    normalisation: Normalisation,
    bias: bool,
    task: Task,
    kind: FeatureKind,
    claim: Claim,
    provenance: Provenance,
    parts: Vec<PartRecord>,
}

/// The scalars of a part.
#[derive(Serialize, Deserialize)]
struct PartRecord {
    beta: f64,
    objective: Objective,
    neurons: usize,
}

/// What held-out samples say about predictions.
#[derive(Serialize, Deserialize)]
struct Outlook {
    calibration: Option<Calibration>,
    intervals: Option<Intervals>,
}

/// Maximum size of the constraints: those of about a million features in as many groups.
const CONSTRAINTS: usize = 1 << 24;

/// Maximum size of the outlook: the intervals of about two thousand targets.
const OUTLOOK: usize = 1 << 24;

impl Model {
    /// Writes the model to `path` atomically.
    ///
    /// # Errors
    /// [`FileError::Io`], or [`FileError::Unstorable`] for class names of a megabyte, a recipe of eight, or more than
    /// [`MOST_PARTS`] parts; a previous file is then unchanged.
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

    /// Reads a model and validates it as far as this is possible without the data.
    ///
    /// # Errors
    /// [`FileError`]; see [`from_bytes`](Model::from_bytes).
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::from_bytes(&MODEL.read(path)?, path)
    }

    fn sections(&self) -> Result<Sections, FileError> {
        let Model { network, transform, claim, .. } = self;
        if self.parts.len() > MOST_PARTS {
            let detail = format!("it has {} parts, but at most {MOST_PARTS} are read", self.parts.len());
            return Err(FileError::Unstorable { what: MODEL.noun, detail });
        }
        let header = Header {
            normalisation: self.normalisation,
            bias: transform.bias,
            task: self.task.clone(),
            kind: self.kind,
            claim: Claim { weights: None, ..claim.clone() },
            provenance: self.provenance.clone(),
            parts: (self.parts.iter())
                .map(|part| PartRecord { beta: part.beta, objective: part.objective, neurons: part.neurons })
                .collect(),
        };
        let mut sections = Sections::new(&MODEL);
        sections.bincode::<HEADER>("header", &header)?;
        sections.matrix("offset", &column(&transform.offset)).matrix("scale", &column(&transform.scale));
        if let Some(names) = &transform.feature_names {
            sections.texts("names", names);
        }
        if let Some(recipe) = &transform.recipe {
            sections.bincode::<RECIPE>("recipe", recipe)?;
        }
        if let Some(name) = &transform.label_name {
            sections.texts("label", std::slice::from_ref(name));
        }
        sections.matrix("w1", &network.w1).matrix("w2", &network.w2);
        if let Some(gates) = &network.gates {
            sections.matrix("gates", gates);
        }
        if let Some(patches) = &network.patches {
            let Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values } =
                &**patches;
            let numbers = [*channels, *height, *width, *side, *stride, *regions, usize::from(*mirrored)];
            let mut words = numbers.map(|number| number as u64).to_vec();
            words.extend((*precision == FeaturePrecision::Half).then_some(HALF_BITS));
            sections.words("patches", &words);
            sections.matrix("patches.values", values).matrix("patches.contrast", &column(&[*contrast]));
        }
        if let Some(cones) = &self.cones {
            sections.bincode::<CONSTRAINTS>("constraints", &**cones)?;
        }
        if let Some(range) = self.output_range {
            sections.matrix("output-range", &column(&[range.low(), range.high()]));
        }
        // A missing bias is no number, which no reader accepts.
        let bias = |c: usize, part: usize| self.parts[part].output_bias.get(c).copied().unwrap_or(f64::NAN);
        sections.matrix("output-bias", &HostMatrix::from_fn(self.task.n_targets(), self.parts.len(), bias));
        if self.calibration.is_some() || self.intervals.is_some() {
            let outlook = Outlook { calibration: self.calibration.clone(), intervals: self.intervals.clone() };
            sections.bincode::<OUTLOOK>("outlook", &outlook)?;
        }
        if let Some(weights) = &claim.weights {
            sections.matrix("weights", &column(weights));
        }
        for (k, part) in self.parts.iter().enumerate() {
            if let Some(Witness { gates, patterns, groups, xi, multipliers, .. }) = &part.witness {
                sections.matrix(&format!("proof{k}.gates"), gates).matrix(&format!("proof{k}.xi"), xi);
                sections.matrix(&format!("proof{k}.eta"), multipliers);
                sections.words(&format!("proof{k}.bits"), patterns.words());
                if groups.iter().any(|&group| group > 0) {
                    sections.words(&format!("proof{k}.groups"), &groups.iter().map(|&g| g as u64).collect::<Vec<_>>());
                }
            }
            if let Some(Witness { signs: Signs::Each { positive }, .. }) = &part.witness
                && self.network.activation() == Activation::Relu
            {
                sections.words(&format!("proof{k}.positive"), &[*positive as u64]);
            }
            if let Some(GlobalWitness { xi, maxima }) = &part.global {
                sections.matrix(&format!("global{k}.xi"), xi);
                sections.matrix(&format!("global{k}.maxima"), &column(maxima));
            }
            if !part.held_out.is_empty() {
                let rows: Vec<u64> = part.held_out.iter().map(|&row| row as u64).collect();
                sections.words(&format!("held-out{k}"), &rows);
            }
        }
        Ok(sections)
    }

    /// Parses the bytes of a model file; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`]. Every length is compared with the available bytes before it is used. To refuse a file takes at
    /// most twice its size in memory and a few megabytes, and for a recipe or constraints ten times their section.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let damaged = |detail: &str| MODEL.damaged(path, detail);
        let (mut model, proofs) = read(Parsed::open(bytes, &MODEL, path)?)?;
        model.check().map_err(damaged)?;
        for (k, proof) in proofs.into_iter().enumerate() {
            model.parts[k].witness = proof.map(|proof| proof.of(&model, k)).transpose().map_err(damaged)?;
        }
        Ok(model)
    }

    /// Whether the parts are consistent.
    fn check(&self) -> Result<(), &'static str> {
        let Model { network, transform, task, claim, .. } = self;
        let (m, c) = (network.n_neurons(), task.n_targets());
        if transform.offset.len() != transform.scale.len()
            || transform.offset.iter().chain(&transform.scale).any(|value| !value.is_finite())
            || transform.scale.contains(&0.0)
        {
            return Err("the normalisation is not usable");
        }
        if transform.n_inputs() == 0 || claim.n_samples == 0 {
            return Err("it has no features or no training samples");
        }
        if transform.feature_names.as_ref().is_some_and(|names| names.len() != transform.n_inputs()) {
            return Err("the features have another number of names");
        }
        transform.recipe.as_ref().map_or(Ok(()), |recipe| recipe.validate(transform.n_inputs()))?;
        // Before any size of them is used.
        if !self.patches_fit() {
            return Err("the patches do not fit the images");
        }
        let d = network.patches.as_ref().map_or(transform.n_outputs(), |patches| patches.block_rows());
        if c == 0 || (network.w1.rows(), network.w2.rows(), network.w2.cols()) != (d, m, c) {
            return Err("the layers do not fit together");
        }
        if network.gates.as_ref().is_some_and(|gates| (gates.rows(), gates.cols()) != (self.gate_rows(), m)) {
            return Err("the gates do not fit the neurons");
        }
        if self.cones.as_ref().is_some_and(|cones| network.patches.is_some() || !cones.is_usable(transform.n_inputs()))
            || self.output_range.is_some_and(|range| !range.is_usable() || !task.classes().is_empty())
        {
            return Err("the constraints do not fit the features or the task");
        }
        self.check_parts()?;
        let usable = |weight: &f64| *weight > 0.0 && weight.is_finite();
        let fits = |weights: &Vec<f64>| weights.len() == claim.n_samples && weights.iter().all(usable);
        if WeightedLoss::new(claim.loss, None).is_err()
            || !claim.weights.as_ref().is_none_or(fits)
            || claim.loss.check_task(task).is_err()
        {
            return Err("the loss or its weights do not fit the model");
        }
        match task {
            Task::Binary { majority, .. } | Task::Multiclass { majority, .. } if *majority >= task.classes().len() => {
                Err("the majority class is not one of the classes")
            }
            _ => Ok(()),
        }
    }
}

impl Model {
    /// Whether the patches, if there are any, are those of images with the pixels of a sample.
    fn patches_fit(&self) -> bool {
        let Model { network, transform, kind, .. } = self;
        network.patches.as_ref().is_none_or(|patches| {
            let fits = patches.check(*kind).is_ok() && network.gates.is_some() && !transform.bias;
            fits && patches.n_pixels() == transform.n_inputs()
        })
    }

    /// Rows of a gate: those of a transformed sample, or of a patch.
    fn gate_rows(&self) -> usize {
        self.network.patches.as_ref().map_or(self.transform.n_outputs(), |patches| patches.gate_rows())
    }

    /// Whether the parts make up the network.
    fn check_parts(&self) -> Result<(), &'static str> {
        let neurons = self.parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.neurons));
        if self.parts.is_empty() || neurons != Some(self.network.n_neurons()) {
            return Err("the parts do not make up the network");
        }
        // With a negative beta, every objective is a claim about another problem.
        let usable = |beta: f64| beta >= 0.0 && beta.is_finite();
        let of_part = |part: &Part| usable(part.beta) && (part.global.is_none() || part.beta > 0.0);
        if !self.parts.iter().all(of_part) || !usable(self.claim.beta) {
            return Err("a beta is not usable");
        }
        let calibrated = self
            .calibration
            .as_ref()
            .is_none_or(|calibration| calibration.is_usable(self.task.n_targets()) && !self.task.classes().is_empty());
        let fits = |intervals: &Intervals| {
            intervals.is_usable()
                && intervals.targets() == self.task.n_targets()
                && intervals.samples() <= self.claim.n_samples
        };
        if !calibrated || !self.intervals.as_ref().is_none_or(fits) {
            return Err("calibration or intervals do not fit the outputs");
        }
        let ascends = |rows: &[usize]| rows.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = |part: &Part| {
            let last = part.held_out.last().is_none_or(|&row| row < self.claim.n_samples);
            last && ascends(&part.held_out) && part.held_out.len() < self.claim.n_samples
        };
        if !self.parts.iter().all(fits) {
            return Err("the samples of a part are not training samples");
        }
        let c = self.task.n_targets();
        let proves = |part: &Part| {
            let Some(GlobalWitness { xi, maxima }) = &part.global else { return true };
            let n = self.claim.n_samples - part.held_out.len();
            (xi.rows(), xi.cols(), maxima.len()) == (n, c, c) && maxima.iter().all(|maximum| *maximum >= 0.0)
        };
        let searchable = self.network.activation() == Activation::Relu && self.transform.n_outputs() <= MOST_ROWS;
        if !self.parts.iter().all(|part| part.global.is_none() || searchable && proves(part)) {
            return Err("the proof over all patterns does not fit the model");
        }
        Ok(())
    }
}

/// A witness before validation.
struct Proof {
    gates: HostMatrix,
    xi: HostMatrix,
    multipliers: HostMatrix,
    /// The words of the patterns.
    words: Vec<u64>,
    /// The group of each pattern, if there are groups.
    groups: Option<Vec<u64>>,
    /// Of patterns with a block of one sign each, how many have the sign +.
    positive: Option<Vec<u64>>,
}

impl Proof {
    /// The witness, if it fits part `k` of the model. At least one pattern is required: without patterns the programme
    /// would be empty, and its bound 1/2 ||y||^2 would not bound the network.
    fn of(self, model: &Model, k: usize) -> Result<Witness, &'static str> {
        let Proof { gates, xi, multipliers, words, groups, positive } = self;
        let n = model.claim.n_samples - model.parts[k].held_out.len();
        let (d, c) = (model.gate_rows(), model.task.n_targets());
        let signs = match (model.network.activation(), positive.as_deref()) {
            (Activation::Relu, None) => Some(Signs::Both),
            (Activation::Relu, Some(&[positive])) => {
                let positive = usize::try_from(positive).ok().filter(|positive| *positive <= gates.cols());
                positive.map(|positive| Signs::Each { positive })
            }
            (Activation::Gated, None) => Some(Signs::Each { positive: gates.cols() }),
            _ => None,
        };
        let signs = signs.ok_or("the signs of the proof do not fit the model")?;
        let cones = if model.network.activation() == Activation::Relu { signs.count() } else { 0 };
        let columns = gates.cols().checked_mul(c).and_then(|pc| pc.checked_mul(cones));
        let count = model.cones.as_ref().map_or(1, |cones| cones.n_groups());
        let known = |group: &u64| usize::try_from(*group).is_ok_and(|group| group < count);
        let fits = gates.rows() == d
            && groups.as_ref().is_none_or(|groups| groups.len() == gates.cols() && groups.iter().all(known))
            && gates.cols() > 0
            && (xi.rows(), xi.cols()) == (n, c)
            && (multipliers.rows(), Some(multipliers.cols())) == (n, columns);
        // The mask of the patterns takes more memory than their bytes, so it is built last, after all other checks.
        // Gates of patches have a bit for every patch, which is not stored.
        let rows = if model.network.patches.is_some() { 0 } else { n };
        let patterns = fits.then(|| BitMask::from_columns(rows, gates.cols(), words)).flatten();
        let patterns = patterns.ok_or("the proof does not fit the model")?;
        // One for each pattern, none of which is in the file where all are 0.
        let groups = groups
            .map_or_else(|| vec![0; gates.cols()], |groups| groups.into_iter().map(|group| group as usize).collect());
        Ok(Witness { gates, patterns, groups, signs, xi, multipliers })
    }
}

/// A model without its witnesses, before its parts are checked for consistency.
fn read(mut file: Parsed) -> Result<(Model, Vec<Option<Proof>>), FileError> {
    let header: Header = file.bincode::<_, HEADER>("header")?;
    let (offset, scale) = (read_column(&mut file, "offset")?, read_column(&mut file, "scale")?);
    let names = file.has("names").then(|| file.texts("names", offset.len())).transpose()?;
    let biases = file.finite_matrix("output-bias")?;
    let (targets, count) = (header.task.n_targets(), header.parts.len());
    if count == 0 || count > MOST_PARTS || (biases.rows(), biases.cols()) != (targets, count) {
        return Err(file.damaged("it has no output bias for each part"));
    }
    let mean = |c: usize| (0..count).map(|k| biases[(c, k)]).sum::<f64>() / count as f64;
    let recipe = file.has("recipe").then(|| file.bincode::<_, RECIPE>("recipe")).transpose()?;
    let label_name = file.has("label").then(|| file.texts("label", 1)).transpose()?.and_then(|mut name| name.pop());
    let network = Network {
        output_bias: (0..targets).map(mean).collect(),
        w1: file.finite_matrix("w1")?,
        w2: file.finite_matrix("w2")?,
        gates: file.has("gates").then(|| file.finite_matrix("gates")).transpose()?,
        patches: file.has("patches").then(|| read_patches(&mut file)).transpose()?.map(Arc::new),
    };
    let cones = file.has("constraints").then(|| file.bincode::<BlockCones, CONSTRAINTS>("constraints")).transpose()?;
    let output_range = file.has("output-range").then(|| read_range(&mut file)).transpose()?;
    let outlook = match file.has("outlook") {
        true => file.bincode::<Outlook, OUTLOOK>("outlook")?,
        false => Outlook { calibration: None, intervals: None },
    };
    let weights = file.has("weights").then(|| read_column(&mut file, "weights")).transpose()?;
    let mut proofs = Vec::new();
    let mut parts = Vec::new();
    for (k, PartRecord { beta, objective, neurons }) in header.parts.into_iter().enumerate() {
        proofs.push(file.has(&format!("proof{k}.gates")).then(|| read_proof(&mut file, k)).transpose()?);
        let name = format!("held-out{k}");
        let rows = if file.has(&name) { file.words(&name)? } else { Vec::new() };
        let held_out = rows.into_iter().map(|row| usize::try_from(row).unwrap_or(usize::MAX)).collect();
        let global = file.has(&format!("global{k}.xi")).then(|| read_global(&mut file, k)).transpose()?;
        let output_bias = biases.col(k).to_vec();
        parts.push(Part { held_out, beta, objective, neurons, output_bias, witness: None, global });
    }
    file.finish()?;
    let model = Model {
        network,
        transform: Transform { offset, scale, bias: header.bias, feature_names: names, recipe, label_name },
        normalisation: header.normalisation,
        task: header.task,
        kind: header.kind,
        claim: Claim { weights, ..header.claim },
        provenance: header.provenance,
        cones: cones.map(Arc::new),
        output_range,
        parts,
        calibration: outlook.calibration,
        intervals: outlook.intervals,
    };
    Ok((model, proofs))
}

fn read_global(file: &mut Parsed, k: usize) -> Result<GlobalWitness, FileError> {
    let maxima = read_column(file, &format!("global{k}.maxima"))?;
    Ok(GlobalWitness { xi: file.finite_matrix(&format!("global{k}.xi"))?, maxima })
}

fn column(values: &[f64]) -> HostMatrix {
    HostMatrix::from_vec(values.len(), 1, values.to_vec())
}

fn read_column(file: &mut Parsed, name: &str) -> Result<Vec<f64>, FileError> {
    let matrix = file.finite_matrix(name)?;
    if matrix.cols() != 1 {
        return Err(file.damaged(format!("the section {name} is not one column")));
    }
    Ok(matrix.into_values())
}

fn read_range(file: &mut Parsed) -> Result<OutputRange, FileError> {
    match read_column(file, "output-range")?[..] {
        [low, high] => OutputRange::new(low, high).map_err(|error| file.damaged(error.to_string())),
        _ => Err(file.damaged("the output range has no two ends")),
    }
}

fn read_patches(file: &mut Parsed) -> Result<Patches, FileError> {
    let numbers = file.words("patches")?;
    let values = file.finite_matrix("patches.values")?;
    let contrast = read_column(file, "patches.contrast")?;
    let numbers: Option<Vec<usize>> = numbers.iter().map(|&number| usize::try_from(number).ok()).collect();
    // Single precision is not written.
    let (numbers, precision) = match numbers.as_deref() {
        Some(&[ref numbers @ .., bits]) if numbers.len() == 7 && bits as u64 == HALF_BITS => {
            (Some(numbers), FeaturePrecision::Half)
        }
        numbers => (numbers, FeaturePrecision::Single),
    };
    match (numbers, &contrast[..]) {
        (Some(&[channels, height, width, side, stride, regions, mirrored @ (0 | 1)]), &[contrast]) => {
            let mirrored = mirrored == 1;
            Ok(Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values })
        }
        _ => Err(file.damaged("the sizes of its patches are not usable")),
    }
}

fn optional_words(file: &mut Parsed, name: &str) -> Result<Option<Vec<u64>>, FileError> {
    file.has(name).then(|| file.words(name)).transpose()
}

fn read_proof(file: &mut Parsed, k: usize) -> Result<Proof, FileError> {
    Ok(Proof {
        gates: file.finite_matrix(&format!("proof{k}.gates"))?,
        xi: file.finite_matrix(&format!("proof{k}.xi"))?,
        multipliers: file.finite_matrix(&format!("proof{k}.eta"))?,
        words: file.words(&format!("proof{k}.bits"))?,
        groups: optional_words(file, &format!("proof{k}.groups"))?,
        positive: optional_words(file, &format!("proof{k}.positive"))?,
    })
}
