//! The samples on which a network is examined, and the networks that predict them.

use cvx_admm::{ArtifactError, HeldOutPredictor, Model};
use cvx_linalg::HostMatrix;
use cvx_model::{DataSplit, Dataset, ModelError, Task, sample_errors, sample_log_losses};
use rand::SeedableRng;
use rand::seq::index;
use rand_pcg::Pcg64;
use serde::Serialize;

/// Most samples.
const MOST_SAMPLES: usize = 2000;

/// Multiplications that copying, scaling and checking one feature of a sample is worth.
const OVERHEAD: f64 = 20.0;

/// Which samples are predicted, and by which networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Test samples.
    Test,
    /// Training samples, each by the networks of the folds that held it out.
    HeldOut,
    /// Training samples by the network that was trained on them.
    Training,
}

/// Samples with their targets, and the networks that predict them.
pub struct Examined<'a> {
    /// The model.
    pub model: &'a Model,
    /// What is predicted how.
    pub basis: Basis,
    /// The samples, without labels.
    pub data: Dataset,
    /// Their targets (n x C).
    y: HostMatrix,
    /// Their rows among the training samples that were held out.
    rows: Vec<usize>,
    held_out: Option<HeldOutPredictor<'a>>,
}

impl<'a> Examined<'a> {
    /// At most 2,000 test samples if there are any, otherwise training samples; the seed draws them.
    pub fn new(model: &'a Model, split: &DataSplit, seed: u64) -> Result<Self, ArtifactError> {
        let targets = |data: &Dataset| data.labels().and_then(|labels| model.task.encode(labels).ok());
        let held_out = model.held_out_rows();
        let (basis, data, candidates) = match split.test.as_ref().filter(|test| targets(test).is_some()) {
            Some(test) => (Basis::Test, test, (0..test.n_samples()).collect()),
            None if !held_out.is_empty() => (Basis::HeldOut, &split.train, held_out),
            None => (Basis::Training, &split.train, (0..split.train.n_samples()).collect::<Vec<_>>()),
        };
        let n = candidates.len();
        let drawn = index::sample(&mut Pcg64::seed_from_u64(seed), n, n.min(MOST_SAMPLES));
        Self::of(model, basis, data, drawn.into_iter().map(|at| candidates[at]).collect())
    }

    fn of(model: &'a Model, basis: Basis, data: &Dataset, rows: Vec<usize>) -> Result<Self, ArtifactError> {
        let held_out = (basis == Basis::HeldOut).then(|| HeldOutPredictor::new(model, &rows)).transpose()?;
        let data = data.select(&rows)?;
        let y = model.task.encode(data.labels().ok_or(ModelError::NoLabels)?)?;
        Ok(Examined { model, basis, data, y, rows, held_out })
    }

    /// The first samples of these, which are drawn at random.
    pub fn limited(&self, most: usize) -> Result<Self, ArtifactError> {
        let n = self.n_samples().min(most);
        let rows = self.rows[..n].to_vec();
        let held_out = self.held_out.as_ref().map(|_| HeldOutPredictor::new(self.model, &rows)).transpose()?;
        let y = HostMatrix::from_fn(n, self.y.cols(), |a, c| self.y[(a, c)]);
        Ok(Examined { data: self.data.clone().limit(n)?, y, rows, held_out, ..*self })
    }

    /// Number of samples n.
    pub fn n_samples(&self) -> usize {
        self.data.n_samples()
    }

    /// Multiplications for the prediction of one sample.
    pub fn work_of_a_sample(&self) -> f64 {
        let network = &self.model.network;
        let neurons = self.held_out.as_ref().map_or(network.n_neurons() as f64, HeldOutPredictor::mean_neurons);
        let products = if network.gates.is_some() { 2.0 } else { 1.0 };
        neurons * (products * network.w1.rows() as f64 + network.w2.cols() as f64) + OVERHEAD * network.w1.rows() as f64
    }

    /// The outputs (n x C) for these samples, whose features may have been changed.
    pub fn predict(&self, data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        self.held_out.as_ref().map_or_else(|| self.model.predict(data), |predictor| predictor.predict(data))
    }

    /// What is shown of the outputs: probabilities where they are known, of two classes that of the second.
    pub fn shown(&self, data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        let outputs = self.predict(data)?;
        Ok(match (&self.model.task, self.model.probabilities(&outputs)?) {
            (Task::Binary { .. }, Some(p)) => HostMatrix::from_fn(p.rows(), 1, |a, _| p[(a, 1)]),
            (_, Some(p)) => p,
            (_, None) => outputs,
        })
    }

    /// The names of the columns of [`shown`](Self::shown).
    pub fn outputs(&self) -> Vec<String> {
        self.model.outputs()
    }

    /// What [`shown`](Self::shown) is.
    pub fn output_kind(&self) -> &'static str {
        match (self.model.task.classes(), &self.model.calibration) {
            ([], _) => "prediction",
            (_, Some(_)) => "probability",
            (_, None) => "score",
        }
    }

    /// The name of [`error`](Self::error).
    pub fn error_name(&self) -> &'static str {
        match (self.model.task.classes(), &self.model.calibration) {
            ([], _) => "RMSE",
            (_, Some(_)) => "log loss",
            (_, None) => "share of errors",
        }
    }

    /// How wrong these outputs are, without weights.
    pub fn error(&self, outputs: &HostMatrix) -> f64 {
        let (model, n) = (self.model, self.n_samples() as f64);
        if model.task.classes().is_empty() {
            let columns = outputs.cols();
            let rmse = |c: usize| {
                let squares = outputs.col(c).iter().zip(self.y.col(c)).map(|(f, y)| (f - y) * (f - y));
                (squares.sum::<f64>() / n).sqrt()
            };
            return (0..columns).map(rmse).sum::<f64>() / columns as f64;
        }
        let losses = match model.probabilities(outputs) {
            Ok(Some(probabilities)) => sample_log_losses(&probabilities, &self.classes()).ok(),
            _ => Some(sample_errors(&model.task, model.claim.loss, outputs, &self.y)),
        };
        losses.map_or(f64::NAN, |losses| losses.iter().sum::<f64>() / n)
    }

    fn classes(&self) -> Vec<usize> {
        let row = |a: usize| (0..self.y.cols()).map(|c| self.y[(a, c)]).collect::<Vec<_>>();
        (0..self.y.rows()).filter_map(|a| self.model.task.class_of(&row(a))).collect()
    }
}
