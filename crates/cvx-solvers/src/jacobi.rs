//! The diagonal of A.

use crate::preconditioner::Preconditioner;
use cvx_linalg::{Backend, HostMatrix, LinalgError, MaskedSystem, Shape, SolverFlops, Transpose};

/// diag(A)^-1: feature k of a block of pattern i weighs 1 + sum_a x_ak^2 (g_a^2 + d_ai / rho).
pub(crate) struct Jacobi<B: Backend> {
    parts: Option<Parts<B>>,
}

struct Parts<B: Backend> {
    /// sum_a x_ak^2 g_a^2 (d x 1) and sum_a x_ak^2 d_ai (d x P).
    cone: HostMatrix,
    fit: HostMatrix,
    /// diag(A)^-1 (d x 2PC).
    inverse: B::Matrix,
}

impl<B: Backend> Jacobi<B> {
    pub fn new() -> Self {
        Jacobi { parts: None }
    }
}

impl<B: Backend> Preconditioner<B> for Jacobi<B> {
    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let (d, columns) = system.input_shape();
        let blocks = system.blocks();
        let (backend, n, p) = (blocks.backend, blocks.n_samples(), blocks.layout.patterns);
        let squares = |x: &B::Matrix| -> Result<B::Matrix, LinalgError> {
            let mut out = backend.zeros(x.rows(), x.cols())?;
            backend.hadamard(x, x, &mut out)?;
            Ok(out)
        };
        let weigh = |x: &B::Matrix, weights: &B::Matrix| -> Result<HostMatrix, LinalgError> {
            let mut out = backend.zeros(d, weights.cols())?;
            backend.gemm(1.0, x, Transpose::No, weights, Transpose::No, 0.0, &mut out)?;
            backend.download(&out)
        };
        let x_squared = squares(blocks.masked()?.samples.stored()?)?;
        let mut patterns = backend.zeros(n, p)?;
        let ones = backend.upload(&HostMatrix::from_fn(n, 1, |_, _| 1.0))?;
        backend.masked_broadcast(blocks.masked()?.mask, 1.0, &ones, &mut patterns)?;
        self.parts = Some(Parts {
            cone: match blocks.cones {
                Some(cones) => weigh(&x_squared, &squares(cones.scale)?)?,
                None => HostMatrix::zeros(d, 1),
            },
            fit: weigh(&x_squared, &patterns)?,
            inverse: backend.zeros(d, columns)?,
        });
        self.update_penalty(system)
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let (d, columns) = system.input_shape();
        if let Some(Parts { cone, fit, inverse }) = &mut self.parts {
            let rho = system.penalty();
            let diagonal = |k: usize, j: usize| 1.0 + cone[(k, 0)] + fit[(k, j % fit.cols())] / rho;
            *inverse = system.blocks().backend.upload(&HostMatrix::from_fn(d, columns, |k, j| 1.0 / diagonal(k, j)))?;
        }
        Ok(())
    }

    fn apply(&mut self, backend: &B, r: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        match &self.parts {
            Some(parts) => backend.hadamard(&parts.inverse, r, out),
            None => backend.copy(r, out),
        }
    }

    fn flops(&self, rows: usize, cols: usize) -> SolverFlops {
        let entries = rows as f64 * cols as f64;
        SolverFlops { update: 2.0 * entries, solve: entries }
    }
}
