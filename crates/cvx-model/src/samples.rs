//! Samples that are made of the rows of a data set when they are read.

use crate::values::Values;
use cvx_linalg::{SampleSource, SampleSums};
use std::ops::Range;
use std::sync::Arc;

/// The rows of a data set as samples: (x - offset) / scale, computed when they are read.
pub(crate) struct ScaledRows {
    pub values: Arc<Values>,
    /// Subtracted from each feature.
    pub offset: Vec<f64>,
    /// Divides each feature.
    pub scale: Vec<f64>,
    /// Whether a 1 is appended.
    pub bias: bool,
}

impl SampleSource for ScaledRows {
    fn n_features(&self) -> usize {
        self.offset.len() + usize::from(self.bias)
    }
    fn n_samples(&self) -> usize {
        self.values.len() / self.offset.len().max(1)
    }
    fn held_bytes(&self) -> usize {
        self.values.len() * self.values.number_bytes()
    }
    fn write(&self, sample: usize, out: &mut [f64]) {
        let (features, bias) = out.split_at_mut(self.offset.len());
        self.values.read(sample * features.len(), features);
        for (x, (offset, scale)) in features.iter_mut().zip(self.offset.iter().zip(&self.scale)) {
            *x = (*x - offset) / scale;
        }
        bias.fill(1.0);
    }
}

/// Some of the samples of another source.
pub struct SelectedSamples {
    source: Arc<dyn SampleSource>,
    samples: Vec<usize>,
}

impl SelectedSamples {
    /// These samples of `source`, in this order.
    ///
    /// # Panics
    /// For a sample beyond the last.
    pub fn new(source: Arc<dyn SampleSource>, samples: Vec<usize>) -> Self {
        assert!(samples.iter().all(|&sample| sample < source.n_samples()), "a sample beyond the last");
        SelectedSamples { source, samples }
    }

    /// The samples of `source` in each shard here that has some: all of them, if all samples are here.
    pub fn of_shards(source: &Arc<dyn SampleSource>, samples: &SampleSums) -> Vec<Arc<dyn SampleSource>> {
        let n = source.n_samples();
        let part = |rows: Range<usize>| -> Option<Arc<dyn SampleSource>> {
            match rows.len() {
                0 => None,
                count if count == n => Some(source.clone()),
                _ => Some(Arc::new(SelectedSamples::new(source.clone(), rows.collect()))),
            }
        };
        samples.of_shards(n, part).into_iter().flatten().collect()
    }
}

impl SampleSource for SelectedSamples {
    fn n_features(&self) -> usize {
        self.source.n_features()
    }
    fn n_samples(&self) -> usize {
        self.samples.len()
    }
    /// Their share of the source, which others use too.
    fn held_bytes(&self) -> usize {
        self.source.held_bytes() / self.source.n_samples().max(1) * self.samples.len() + size_of_val(&self.samples[..])
    }
    fn write(&self, sample: usize, out: &mut [f64]) {
        self.source.write(self.samples[sample], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::HostMatrix;

    #[test]
    fn selected_samples_are_scaled_on_the_way() {
        let rows = ScaledRows {
            values: Arc::new(vec![1.0, 10.0, 2.0, 20.0, 3.0, 30.0].into()),
            offset: vec![1.0, 10.0],
            scale: vec![2.0, 5.0],
            bias: true,
        };
        let chosen = SelectedSamples::new(Arc::new(rows), vec![2, 0]);
        let all = (&chosen as &dyn SampleSource).to_matrix();
        assert_eq!(all, HostMatrix::from_vec(3, 2, vec![1.0, 4.0, 1.0, 0.0, 0.0, 1.0]));
    }
}
