//! Predictions on training samples by the parts of a model that were not trained on them.

use crate::error::ArtifactError;
use crate::model::Model;
use cvx_linalg::{Backend, Cpu, HostMatrix};
use cvx_model::{Dataset, ModelError, Network};

impl Model {
    /// The training samples that at least one part held out, in ascending order.
    pub fn held_out_rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.parts.iter().flat_map(|part| &part.held_out).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

/// Predicts training samples without bias from having seen them: each is predicted by the mean of the networks of the
/// parts that held it out.
pub struct HeldOutPredictor<'a> {
    model: &'a Model,
    n: usize,
    /// The network of each part with the samples that it held out, among those that are predicted.
    parts: Vec<(Network, Vec<usize>)>,
    /// For each sample the number of parts that held it out.
    counts: Vec<f64>,
}

impl<'a> HeldOutPredictor<'a> {
    /// A predictor of these training samples (n rows).
    ///
    /// # Errors
    /// [`ModelError::Shape`] for a row that no part held out.
    pub fn new(model: &'a Model, rows: &[usize]) -> Result<Self, ArtifactError> {
        let mut counts = vec![0.0; rows.len()];
        let mut parts = Vec::new();
        for (k, part) in model.parts.iter().enumerate() {
            let own = (0..rows.len()).filter(|&a| part.held_out.binary_search(&rows[a]).is_ok());
            let own: Vec<usize> = own.collect();
            own.iter().for_each(|&a| counts[a] += 1.0);
            if !own.is_empty() {
                parts.push((model.part(k).0, own));
            }
        }
        match counts.iter().position(|&count| count == 0.0) {
            Some(a) => Err(ModelError::Shape {
                what: "the rows",
                expected: "training samples that a part held out".to_string(),
                found: format!("row {}", rows[a]),
            }
            .into()),
            None => Ok(HeldOutPredictor { model, n: rows.len(), parts, counts }),
        }
    }

    /// Predictions (n x C) for the samples of the rows, in their order, whose features may have been changed.
    ///
    /// # Errors
    /// [`ArtifactError::Model`] for another number of samples, and for features that do not fit.
    pub fn predict(&self, data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        if data.n_samples() != self.n {
            let (expected, found) = (self.n.to_string(), data.n_samples().to_string());
            return Err(ModelError::Shape { what: "the samples", expected, found }.into());
        }
        let xt = self.model.transform.apply(data)?;
        let cpu = Cpu::<f64>::new();
        let mut sums = HostMatrix::zeros(self.n, self.model.network.w2.cols());
        for (network, own) in &self.parts {
            let columns = HostMatrix::from_fn(xt.rows(), own.len(), |row, a| xt[(row, own[a])]);
            let outputs = network.predict(&cpu, &cpu.upload(&columns)?)?;
            for c in 0..outputs.cols() {
                own.iter().zip(outputs.col(c)).for_each(|(&a, f)| sums[(a, c)] += f / self.counts[a]);
            }
        }
        self.model.output_range.iter().for_each(|range| range.clip(&mut sums));
        Ok(sums)
    }

    /// Number of neurons that a sample passes through, on average over the samples.
    pub fn mean_neurons(&self) -> f64 {
        let passed = |(network, own): &(Network, Vec<usize>)| (network.n_neurons() * own.len()) as f64;
        self.parts.iter().map(passed).sum::<f64>() / self.n.max(1) as f64
    }
}
