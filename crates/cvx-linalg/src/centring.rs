//! The projection off the vector of ones, which eliminates an output bias (docs/math.md, section 11).

use crate::backend::{Backend, Shape, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::operator::MaskedBlocks;

/// Subtracts from each column its mean, if the system has an output bias; otherwise it does nothing.
pub struct Centring<B: Backend> {
    parts: Option<Parts<B>>,
}

struct Parts<B: Backend> {
    /// n x 1.
    ones: B::Matrix,
    /// The means of the columns (1 x C).
    means: B::Matrix,
}

impl<B: Backend> Centring<B> {
    /// The projection for n x C matrices, or the identity.
    ///
    /// # Errors
    /// Fails if the device has no memory for n + C numbers.
    pub fn new(backend: &B, rows: usize, columns: usize, output_bias: bool) -> Result<Self, LinalgError> {
        let parts = || {
            Ok::<_, LinalgError>(Parts {
                ones: backend.upload_rows(&HostMatrix::from_fn(rows, 1, |_, _| 1.0))?,
                means: backend.zeros(1, columns)?,
            })
        };
        Ok(Centring { parts: output_bias.then(parts).transpose()? })
    }

    /// The projection for the predictions of a system.
    ///
    /// # Errors
    /// Those of [`new`](Centring::new).
    pub fn of(blocks: &MaskedBlocks<'_, B>) -> Result<Self, LinalgError> {
        Self::new(blocks.backend, blocks.n_samples(), blocks.layout.targets, blocks.output_bias)
    }

    /// The vector of ones (n x 1); `None` without an output bias.
    pub fn ones(&self) -> Option<&B::Matrix> {
        self.parts.as_ref().map(|parts| &parts.ones)
    }

    /// Projects the columns of `matrix` (n x C).
    ///
    /// # Errors
    /// Those of the device.
    pub fn apply(&mut self, backend: &B, matrix: &mut B::Matrix) -> Result<(), LinalgError> {
        self.subtract(backend, None, matrix)
    }

    /// Subtracts multiples of a vector (n x 1, with the sum of its entries; `None`: the vector of ones) from the
    /// columns of `matrix` (n x C), so that each column sums to zero.
    ///
    /// # Errors
    /// Those of the device.
    pub fn subtract(
        &mut self,
        backend: &B,
        along: Option<(&B::Matrix, f64)>,
        matrix: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let Some(Parts { ones, means }) = &mut self.parts else { return Ok(()) };
        let (along, sum) = along.unwrap_or_else(|| (&*ones, backend.samples().total(ones.rows()) as f64));
        backend.gemm(1.0 / sum, ones, Transpose::Yes, matrix, Transpose::No, 0.0, means)?;
        backend.gemm(-1.0, along, Transpose::No, means, Transpose::No, 1.0, matrix)
    }
}
