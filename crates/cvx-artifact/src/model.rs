//! The trained network, with the data that its use and its verification need.

use crate::certify::Certify;
use crate::error::ArtifactError;
use crate::objective::Objective;
use crate::part::Part;
use crate::status::Status;
use cvx_linalg::{Cpu, HostMatrix, SampleSource, SampleSums, Samples};
use cvx_model::{
    BlockCones, Calibration, Dataset, FeatureKind, Intervals, Loss, Network, Normalisation, OutputRange, Task,
    Transform,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The claims of a model, which [`verify`](crate::verify) checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The certificate: the one of the only part, or the sums over the parts.
    pub objective: Objective,
    /// The certificate whose gap is claimed.
    pub certify: Certify,
    /// Weight of the group norm, in the first part.
    pub beta: f64,
    /// The loss that was minimised over the training samples.
    pub loss: Loss,
    /// Whether a number that is not penalised is added to each output.
    pub output_bias: bool,
    /// A weight for each training sample; `None` where all are 1.
    pub weights: Option<Vec<f64>>,
    /// The weighted loss of the network on all training samples.
    pub train_loss: f64,
    /// Accuracy on the training samples; `None` for a regression.
    pub train_accuracy: Option<f64>,
    /// Number of training samples.
    pub n_samples: usize,
    /// CRC-32 of the transformed training samples and targets.
    pub fingerprint: u32,
    /// Status of the run.
    pub status: Status,
}

/// The origin of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this crate.
    pub version: String,
    /// Solver of the u-update.
    pub solver: String,
    /// Device.
    pub device: String,
    /// Storage precision.
    pub precision: String,
    /// Seed of the gates.
    pub seed: u64,
    /// ADMM iterations.
    pub iterations: u64,
}

/// A trained network, ready to predict.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The network, on transformed features: the mean of the networks of the parts.
    pub network: Network,
    /// From features to transformed features.
    pub transform: Transform,
    /// How the transform was fitted.
    pub normalisation: Normalisation,
    /// Classification with its classes, or regression.
    pub task: Task,
    /// Table or images.
    pub kind: FeatureKind,
    /// The claims of the model.
    pub claim: Claim,
    /// The origin of the model.
    pub provenance: Provenance,
    /// The cones of its neurons, if its predictions are constrained.
    pub cones: Option<Arc<BlockCones>>,
    /// The interval that predictions are clipped to; claims are about the network before that.
    pub output_range: Option<OutputRange>,
    /// The programmes that the network was trained by, at least one.
    pub parts: Vec<Part>,
    /// From outputs to probabilities of the classes; `None` where nothing tells how outputs relate to them.
    pub calibration: Option<Calibration>,
    /// Prediction intervals of a regression; `None` without held-out samples.
    pub intervals: Option<Intervals>,
}

impl Model {
    /// Predictions (n x C) in f64, for samples with the features of the training data. They are computed on the threads
    /// of the calling pool ([`ThreadPool::run`](cvx_linalg::ThreadPool::run)), or of the global one.
    ///
    /// # Errors
    /// [`ArtifactError::Model`] if the features do not fit.
    pub fn predict(&self, data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        let samples = self.transform.samples(data)?;
        let mut prediction = match &self.cones {
            // In one order for every sample, so that rounding cannot break a constraint.
            Some(_) => self.network.predict_in_order(&*samples),
            None => self.network.predict_samples(&Samples::new(&Cpu::<f64>::new(), samples)?)?,
        };
        self.output_range.iter().for_each(|range| range.clip(&mut prediction));
        Ok(prediction)
    }

    /// The probability of each class (n x classes) for predictions (n x C); `None` where the model does not know them.
    ///
    /// # Errors
    /// [`ArtifactError::Model`] for predictions of another model.
    pub fn probabilities(&self, prediction: &HostMatrix) -> Result<Option<HostMatrix>, ArtifactError> {
        Ok(self.calibration.as_ref().map(|calibration| calibration.probabilities(prediction)).transpose()?)
    }

    /// The network of part `k` by itself, and the rows of its samples among the training samples.
    pub fn part(&self, k: usize) -> (Network, Vec<usize>) {
        let (part, count) = (&self.parts[k], self.parts.len() as f64);
        let first: usize = self.parts[..k].iter().map(|part| part.neurons).sum();
        let columns = |matrix: &HostMatrix| {
            HostMatrix::from_fn(matrix.rows(), part.neurons, |row, neuron| matrix[(row, first + neuron)])
        };
        let network = Network {
            w1: columns(&self.network.w1),
            w2: HostMatrix::from_fn(part.neurons, self.network.w2.cols(), |neuron, c| {
                self.network.w2[(first + neuron, c)] * count
            }),
            gates: self.network.gates.as_ref().map(columns),
            patches: self.network.patches.clone(),
            output_bias: part.output_bias.clone(),
        };
        let mut held_out = part.held_out.iter().peekable();
        let rows = (0..self.claim.n_samples).filter(|row| held_out.next_if(|next| *next == row).is_none()).collect();
        (network, rows)
    }

    /// What each output is (C): the class of a score, of two classes the second; or the target.
    pub fn outputs(&self) -> Vec<String> {
        match &self.task {
            Task::Binary { classes, .. } => vec![classes[1].clone()],
            Task::Multiclass { classes, .. } => classes.clone(),
            Task::Regression { columns: 1 } => {
                vec![self.transform.label_name.clone().unwrap_or("target".to_string())]
            }
            Task::Regression { columns } => (0..*columns).map(|target| format!("target {target}")).collect(),
        }
    }

    /// The names of the predicted classes; `None` for a regression.
    pub fn classes(&self, prediction: &HostMatrix) -> Option<Vec<&str>> {
        (0..prediction.rows())
            .map(|row| {
                let values: Vec<f64> = (0..prediction.cols()).map(|c| prediction[(row, c)]).collect();
                self.task.class_of(&values).map(|class| self.task.classes()[class].as_str())
            })
            .collect()
    }
}

/// CRC-32 of the transformed samples (d x n) and their targets (n x C).
pub fn fingerprint(xt: &dyn SampleSource, y: &HostMatrix) -> u32 {
    fingerprint_over(SampleSums::all_here(), xt, y)
}

/// [`fingerprint`] of all samples, of which these are here.
pub fn fingerprint_over(samples: &SampleSums, xt: &dyn SampleSource, y: &HostMatrix) -> u32 {
    let (mut columns, mut sample) = (Checksum::default(), vec![0.0; xt.n_features()]);
    for a in 0..xt.n_samples() {
        xt.write(a, &mut sample);
        columns.add(&sample);
    }
    let targets = (0..y.cols()).map(|c| Checksum::of(y.col(c)));
    Checksum::over(samples, &std::iter::once(columns).chain(targets).collect::<Vec<_>>())
}

/// The checksum of a value of each sample, of those here.
pub fn checksum_over(samples: &SampleSums, values: &[f64]) -> u32 {
    Checksum::over(samples, &[Checksum::of(values)])
}

/// CRC-32 of values in their order.
#[derive(Default)]
struct Checksum {
    hasher: crc32fast::Hasher,
    bytes: Vec<u8>,
    count: usize,
}

impl Checksum {
    fn of(values: &[f64]) -> Self {
        let mut sum = Checksum::default();
        values.chunks(4096).for_each(|values| sum.add(values));
        sum
    }

    fn add(&mut self, values: &[f64]) {
        self.bytes.clear();
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.to_le_bytes()));
        self.hasher.update(&self.bytes);
        self.count += values.len();
    }

    /// That of these parts, one after the other, each of which has values of all samples, in their order: of those
    /// here.
    fn over(samples: &SampleSums, parts: &[Checksum]) -> u32 {
        let sum = |part: &Checksum| f64::from(part.hasher.clone().finalize());
        let here = parts.iter().flat_map(|part| [sum(part), (part.count * size_of::<f64>()) as f64]);
        let ranks = samples.gather(here.collect());
        let mut whole = crc32fast::Hasher::new();
        for part in 0..parts.len() {
            for rank in &ranks {
                let (sum, bytes) = (rank[2 * part] as u32, rank[2 * part + 1] as u64);
                whole.combine(&crc32fast::Hasher::new_with_initial_len(sum, bytes));
            }
        }
        whole.finalize()
    }
}
