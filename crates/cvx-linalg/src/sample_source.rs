//! Where samples come from.

use crate::host::HostMatrix;

/// Samples as columns (d x n) of `f64`, made when they are read: a matrix, or numbers of another type that are scaled
/// on the way.
pub trait SampleSource: Send + Sync {
    /// Number of features d, the bias included.
    fn n_features(&self) -> usize;
    /// Number of samples n.
    fn n_samples(&self) -> usize;
    /// Bytes that the samples take in memory.
    fn held_bytes(&self) -> usize;
    /// Fills `out` (d numbers) with one sample.
    ///
    /// # Panics
    /// For a sample beyond the last, or another length.
    fn write(&self, sample: usize, out: &mut [f64]);
}

impl SampleSource for HostMatrix {
    fn n_features(&self) -> usize {
        self.rows()
    }
    fn n_samples(&self) -> usize {
        self.cols()
    }
    fn held_bytes(&self) -> usize {
        size_of_val(self.values())
    }
    fn write(&self, sample: usize, out: &mut [f64]) {
        out.copy_from_slice(self.col(sample));
    }
}

impl dyn SampleSource + '_ {
    /// One sample (d).
    pub fn sample(&self, sample: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.n_features()];
        self.write(sample, &mut out);
        out
    }

    /// All samples (d x n).
    pub fn to_matrix(&self) -> HostMatrix {
        self.gather(0..self.n_samples())
    }

    /// These samples (d x their number).
    pub fn gather(&self, samples: impl ExactSizeIterator<Item = usize>) -> HostMatrix {
        let mut out = HostMatrix::zeros(self.n_features(), samples.len());
        samples.enumerate().for_each(|(j, sample)| self.write(sample, out.col_mut(j)));
        out
    }
}
