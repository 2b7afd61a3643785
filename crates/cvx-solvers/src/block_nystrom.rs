//! A Nystrom sketch of the part that all blocks of A have in common.

use crate::deflation::{BATCH, Deflation};
use crate::kind::{SolverKind, SolverSettings};
use crate::preconditioner::Preconditioner;
use cvx_linalg::{Backend, LinalgError, MaskedSystem, NystromSketch, Shape, SolverFlops, Transpose};

/// Gt'Gt repeats X' diag(g^2) X in every block: one sketch of that d x d matrix serves all 2PC of them, and contains no
/// rho. The shift is 1, that of A. With the full rank this is the preconditioner M of [`GramPcg`](crate::GramPcg).
pub(crate) struct BlockNystrom<B: Backend> {
    settings: SolverSettings,
    deflation: Option<Deflation<B>>,
}

impl<B: Backend> BlockNystrom<B> {
    pub fn new(settings: SolverSettings) -> Self {
        BlockNystrom { settings, deflation: None }
    }
}

impl<B: Backend> Preconditioner<B> for BlockNystrom<B> {
    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let (d, columns) = system.input_shape();
        let blocks = system.blocks();
        let (backend, n) = (blocks.backend, blocks.n_samples());
        let row_scale = blocks.expect_cones("nystrom-pcg")?.scale;
        // The signs are applied twice and cancel, so any pattern will do.
        let mask = backend.upload_mask(&blocks.masked()?.bits.columns(0, 1))?;
        let rank = self.settings.sketch_rank(SolverKind::NystromPcg, 1.0);
        let sketch = NystromSketch::new(backend, d, rank, BATCH, self.settings.seed, &mut |out, test| {
            let xt = blocks.masked()?.samples.stored()?;
            let (mut rows, mut flipped) = (backend.zeros(n, test.cols())?, backend.zeros(n, test.cols())?);
            backend.gemm(1.0, xt, Transpose::Yes, test, Transpose::No, 0.0, &mut rows)?;
            backend.sign_flip(&mask, row_scale, &rows, None, &mut flipped)?;
            backend.sign_flip(&mask, row_scale, &flipped, None, &mut rows)?;
            backend.gemm(1.0, xt, Transpose::No, &rows, Transpose::No, 0.0, out)
        })?;
        self.deflation = Some(Deflation::new(backend, sketch, 1.0, columns)?);
        Ok(())
    }

    fn update_penalty(&mut self, _: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        Ok(())
    }

    fn apply(&mut self, backend: &B, r: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        match &mut self.deflation {
            Some(deflation) => deflation.apply(backend, r, out),
            None => backend.copy(r, out),
        }
    }

    fn flops(&self, rows: usize, cols: usize) -> SolverFlops {
        let rank = self.deflation.as_ref().map_or(0, |deflation| deflation.sketch().rank()) as f64;
        SolverFlops { update: 0.0, solve: 4.0 * rank * rows as f64 * cols as f64 }
    }
}
