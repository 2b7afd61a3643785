//! The two layers of a network on a device, and the gradient of a batch's squared loss by back-propagation.

use cvx_linalg::training::AdamBackend;
use cvx_linalg::{Backend, LinalgError, Shape, Transpose};

/// Something for each weight of both layers: the weights themselves, a gradient, a moment.
pub struct Layers<B: Backend> {
    /// First layer (d x m).
    pub w1: B::Matrix,
    /// Second layer (m x C).
    pub w2: B::Matrix,
}

/// A batch of samples, with scratch for one pass forward and one back.
pub struct Batch<B: Backend> {
    /// Samples (d x b).
    xt: B::Matrix,
    /// Targets (C x b).
    yt: B::Matrix,
    /// (X W1)_+ (b x m).
    hidden: B::Matrix,
    /// (f - y)' / b (C x b).
    residual: B::Matrix,
    /// The loss's derivative by X W1 (b x m).
    back: B::Matrix,
}

impl<B: Backend> Layers<B> {
    /// Zeros in the shape of `weights`.
    pub fn zeros_like(backend: &B, weights: &Layers<B>) -> Result<Self, LinalgError> {
        let zeros = |matrix: &B::Matrix| backend.zeros(matrix.rows(), matrix.cols());
        Ok(Layers { w1: zeros(&weights.w1)?, w2: zeros(&weights.w2)? })
    }
}

impl<B: AdamBackend> Batch<B> {
    /// Room for `size` samples of a network like `weights`.
    pub fn new(backend: &B, weights: &Layers<B>, size: usize) -> Result<Self, LinalgError> {
        let (d, m, targets) = (weights.w1.rows(), weights.w1.cols(), weights.w2.cols());
        Ok(Batch {
            xt: backend.zeros(d, size)?,
            yt: backend.zeros(targets, size)?,
            hidden: backend.zeros(size, m)?,
            residual: backend.zeros(targets, size)?,
            back: backend.zeros(size, m)?,
        })
    }

    /// Fills the batch with the samples of these `indices`, of all samples `xt` (d x n) and targets `yt` (C x n).
    pub fn load(&mut self, backend: &B, xt: &B::Matrix, yt: &B::Matrix, indices: &[usize]) -> Result<(), LinalgError> {
        backend.gather_columns(xt, indices, &mut self.xt)?;
        backend.gather_columns(yt, indices, &mut self.yt)
    }

    /// `gradient` of 1/(2b) ||f - y||^2 over the batch, at `weights`.
    pub fn gradient(&mut self, backend: &B, weights: &Layers<B>, gradient: &mut Layers<B>) -> Result<(), LinalgError> {
        let (no, yes, scale) = (Transpose::No, Transpose::Yes, 1.0 / self.yt.cols() as f64);
        backend.gemm(1.0, &self.xt, yes, &weights.w1, no, 0.0, &mut self.hidden)?;
        // A hidden value is positive where, and only where, the product was: it serves as the gate.
        backend.positive_part(1.0, &mut self.hidden)?;
        backend.copy(&self.yt, &mut self.residual)?;
        backend.gemm(scale, &weights.w2, yes, &self.hidden, yes, -scale, &mut self.residual)?;

        backend.gemm(1.0, &self.hidden, yes, &self.residual, yes, 0.0, &mut gradient.w2)?;
        backend.gemm(1.0, &self.residual, yes, &weights.w2, yes, 0.0, &mut self.back)?;
        backend.gate(&self.hidden, &mut self.back)?;
        backend.gemm(1.0, &self.xt, no, &self.back, no, 0.0, &mut gradient.w1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::{Cpu, HostMatrix};
    use cvx_model::{Network, squared_loss};

    fn entry(seed: usize) -> impl Fn(usize, usize) -> f64 {
        move |i, j| ((i * 7919 + j * 104_729 + seed * 31) % 1013) as f64 / 506.5 - 1.0
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let cpu = Cpu::<f64>::new();
        let (d, n, m, targets) = (5, 12, 4, 2);
        let (xt, yt) = (HostMatrix::from_fn(d, n, entry(1)), HostMatrix::from_fn(targets, n, entry(2)));
        let network =
            Network::new(HostMatrix::from_fn(d, m, entry(3)), HostMatrix::from_fn(m, targets, entry(4)), None);
        let indices = [3, 11, 0, 7, 2];
        let batch_xt = HostMatrix::from_fn(d, indices.len(), |i, j| xt[(i, indices[j])]);
        let batch_y = HostMatrix::from_fn(indices.len(), targets, |a, c| yt[(c, indices[a])]);
        let loss = |network: &Network| {
            let prediction = network.predict(&cpu, &cpu.upload(&batch_xt).unwrap()).unwrap();
            squared_loss(&prediction, &batch_y) / indices.len() as f64
        };

        let weights = Layers::<Cpu<f64>> { w1: cpu.upload(&network.w1).unwrap(), w2: cpu.upload(&network.w2).unwrap() };
        let mut gradient = Layers::zeros_like(&cpu, &weights).unwrap();
        let mut batch = Batch::new(&cpu, &weights, indices.len()).unwrap();
        batch.load(&cpu, &cpu.upload(&xt).unwrap(), &cpu.upload(&yt).unwrap(), &indices).unwrap();
        batch.gradient(&cpu, &weights, &mut gradient).unwrap();

        const STEP: f64 = 1e-6;
        let (first, second) = (cpu.download(&gradient.w1).unwrap(), cpu.download(&gradient.w2).unwrap());
        for at in 0..d * m + m * targets {
            let moved = |step: f64| {
                let mut network = network.clone();
                match at.checked_sub(d * m) {
                    None => network.w1.values_mut()[at] += step,
                    Some(at) => network.w2.values_mut()[at] += step,
                }
                loss(&network)
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let found = at.checked_sub(d * m).map_or_else(|| first.values()[at], |at| second.values()[at]);
            assert!((found - expected).abs() < 1e-8, "weight {at}: {found} instead of {expected}");
        }
    }
}
