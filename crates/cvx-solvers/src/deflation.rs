//! A sketched matrix turned into a preconditioner.

use cvx_linalg::{Backend, HostMatrix, LinalgError, NystromSketch, Transpose};

/// Test vectors that a sketch of order d is applied to at once.
pub(crate) const BATCH: usize = 32;

/// The approximate inverse of K + shift I, up to a factor, that a sketch of K gives. The directions of the sketch are
/// scaled down to the smallest of them, the others stay (Frangella, Tropp & Udell 2021, equation 1.3):
///
/// ```text
/// P^-1 = I + U diag((lambda_r + shift) / (lambda_j + shift) - 1) U'
/// ```
///
/// The sketch does not depend on the shift: a new shift costs r numbers.
pub struct Deflation<B: Backend> {
    sketch: NystromSketch<B>,
    /// The diagonal matrix between U and U' (r x r).
    core: B::Matrix,
    /// U'x and core U'x (r x k).
    inner: B::Matrix,
    weighted: B::Matrix,
}

impl<B: Backend> Deflation<B> {
    /// The approximate inverse for vectors that come as matrices of `columns` columns.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(backend: &B, sketch: NystromSketch<B>, shift: f64, columns: usize) -> Result<Self, LinalgError> {
        let rank = sketch.rank();
        let (inner, weighted) = (backend.zeros(rank, columns)?, backend.zeros(rank, columns)?);
        let mut deflation = Deflation { sketch, core: backend.zeros(rank, rank)?, inner, weighted };
        deflation.set_shift(backend, shift)?;
        Ok(deflation)
    }

    /// Another shift for the same sketch.
    ///
    /// # Errors
    /// Those of the device.
    pub fn set_shift(&mut self, backend: &B, shift: f64) -> Result<(), LinalgError> {
        let values = self.sketch.eigenvalues();
        let least = values.last().copied().unwrap_or(0.0) + shift;
        let factor = |i: usize, j: usize| if i == j { least / (values[i] + shift) - 1.0 } else { 0.0 };
        self.core = backend.upload(&HostMatrix::from_fn(values.len(), values.len(), factor))?;
        Ok(())
    }

    /// `out` = P^-1 `x` (N x k).
    ///
    /// # Errors
    /// Those of the device; [`LinalgError::Shape`] unless `x` has as many columns as were given to
    /// [`new`](Deflation::new).
    pub fn apply(&mut self, backend: &B, x: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        let (no, yes) = (Transpose::No, Transpose::Yes);
        backend.copy(x, out)?;
        if self.sketch.rank() == 0 {
            return Ok(());
        }
        backend.gemm(1.0, self.sketch.basis(), yes, x, no, 0.0, &mut self.inner)?;
        backend.gemm(1.0, &self.core, no, &self.inner, no, 0.0, &mut self.weighted)?;
        backend.gemm(1.0, self.sketch.basis(), no, &self.weighted, no, 1.0, out)
    }

    /// The sketch of K.
    pub fn sketch(&self) -> &NystromSketch<B> {
        &self.sketch
    }
}
