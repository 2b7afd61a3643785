//! What conjugate gradients are preconditioned with.

use cvx_linalg::{Backend, LinalgError, MaskedSystem, SolverFlops};

/// A symmetric positive definite approximation of A^-1.
pub trait Preconditioner<B: Backend> {
    /// Does the work that depends on the samples, and that for the system's present penalty.
    ///
    /// # Errors
    /// Those of the device.
    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError>;
    /// Renews what depends on the penalty.
    ///
    /// # Errors
    /// Those of the device.
    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError>;
    /// `out` = the approximation of A^-1 `r`; an unprepared one is the identity.
    ///
    /// # Errors
    /// Those of the device.
    fn apply(&mut self, backend: &B, r: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError>;
    /// Operations of a penalty change and of one application to a `rows x cols` matrix.
    fn flops(&self, rows: usize, cols: usize) -> SolverFlops;
}

/// No preconditioner.
pub(crate) struct Identity;

impl<B: Backend> Preconditioner<B> for Identity {
    fn prepare(&mut self, _: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        Ok(())
    }
    fn update_penalty(&mut self, _: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        Ok(())
    }
    fn apply(&mut self, backend: &B, r: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        backend.copy(r, out)
    }
    fn flops(&self, _: usize, _: usize) -> SolverFlops {
        SolverFlops::default()
    }
}
