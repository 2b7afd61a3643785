//! The residual of the u-update, in f64.

use super::Certificate;
use crate::operators::SystemOperator;
use cvx_linalg::{Backend, Centring, ConeRhs, LinalgError, MaskedSystem, SystemRhs, Transpose};

impl<B: Backend> Certificate<'_, B> {
    /// ||b - A u|| / ||b|| of the u-update (4a) with the right-hand side `rhs`, all in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn system_residual(
        &mut self,
        system: &SystemOperator<'_, B>,
        u: &B::Matrix,
        rhs: &SystemRhs<'_, B>,
    ) -> Result<f64, LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        let (work, layout) = (&mut *self.work, self.program.layout());
        let (n, wide) = (program.n_samples(), work.wide.clone());
        let mut y = wide.upload_rows(program.y_host())?;
        if program.splits_loss() {
            backend.widen(system.target(), &mut y)?;
        }
        let mut centring = Centring::new(&wide, n, layout.targets, program.loss().has_output_bias())?;
        centring.apply(&wide, &mut y)?;
        let mut b = wide.zeros(program.n_features(), layout.columns())?;
        backend.widen(rhs.blocks, &mut b)?;
        backend.widen(u, &mut work.blocks)?;
        if let Some(patches) = program.patches() {
            patches.pull_wide(backend, 1.0 / system.penalty(), &y, &mut b)?;
            let size = wide.norm(&b)?;
            patches.predict_wide(backend, &work.blocks, &mut work.prediction)?;
            centring.apply(&wide, &mut work.prediction)?;
            wide.axpby(-1.0, &work.blocks, 1.0, &mut b)?;
            patches.pull_wide(backend, -1.0 / system.penalty(), &work.prediction, &mut b)?;
            let residual = wide.norm(&b)?;
            return Ok(if size > 0.0 { residual / size } else { residual });
        }
        let mut g = wide.sample_rows(n, 1)?;
        backend.widen(system.row_scale(), &mut g)?;
        let width = 3 * layout.columns() + layout.pairs();

        // b, and F u.
        program.sum_tiles(width, &mut b, |tile, b| {
            let zeros = |columns| wide.zeros(tile.samples.len(), columns);
            let (mut rows, mut masked, mut part) =
                (zeros(layout.columns())?, zeros(layout.pairs())?, zeros(layout.targets)?);
            wide.gemm(1.0, tile.xt, Transpose::Yes, &work.blocks, Transpose::No, 0.0, &mut rows)?;
            wide.masked_row_sum(layout, Some(tile.mask), &rows, &mut part)?;
            wide.write_rows(&part, &mut work.prediction, tile.samples.start)?;
            wide.fill(0.0, &mut rows)?;
            if program.n_cones() > 0 {
                let ConeRhs { s, nu } = rhs.expect_rows("system_residual")?;
                let (mut stored, mut scale) = (backend.zeros(tile.samples.len(), layout.columns())?, zeros(1)?);
                wide.read_rows(&g, tile.samples.start, &mut scale)?;
                let mut slack = [zeros(layout.columns())?, zeros(layout.columns())?];
                for (part, slack) in [Some(s), nu].into_iter().zip(&mut slack) {
                    let Some(part) = part else { continue };
                    backend.read_rows(part, tile.samples.start, &mut stored)?;
                    backend.widen(&stored, slack)?;
                }
                wide.sign_flip(tile.mask, &scale, &slack[0], Some(&slack[1]), &mut rows)?;
            }
            wide.read_rows(&y, tile.samples.start, &mut part)?;
            wide.masked_broadcast(tile.mask, 1.0 / system.penalty(), &part, &mut masked)?;
            wide.add_pairs(layout, 1.0, &masked, &mut rows)?;
            wide.gemm(1.0, tile.xt, Transpose::No, &rows, Transpose::No, 1.0, b)
        })?;
        let size = wide.norm(&b)?;

        // b - A u.
        centring.apply(&wide, &mut work.prediction)?;
        wide.axpby(-1.0, &work.blocks, 1.0, &mut b)?;
        program.sum_tiles(width, &mut b, |tile, b| {
            let zeros = |columns| wide.zeros(tile.samples.len(), columns);
            let (mut rows, mut masked, mut part) =
                (zeros(layout.columns())?, zeros(layout.pairs())?, zeros(layout.targets)?);
            if program.n_cones() > 0 {
                let (mut flipped, mut scale) = (zeros(layout.columns())?, zeros(1)?);
                wide.read_rows(&g, tile.samples.start, &mut scale)?;
                wide.gemm(1.0, tile.xt, Transpose::Yes, &work.blocks, Transpose::No, 0.0, &mut rows)?;
                wide.sign_flip(tile.mask, &scale, &rows, None, &mut flipped)?;
                wide.sign_flip(tile.mask, &scale, &flipped, None, &mut rows)?;
            }
            wide.read_rows(&work.prediction, tile.samples.start, &mut part)?;
            wide.masked_broadcast(tile.mask, 1.0 / system.penalty(), &part, &mut masked)?;
            wide.add_pairs(layout, 1.0, &masked, &mut rows)?;
            wide.gemm(-1.0, tile.xt, Transpose::No, &rows, Transpose::No, 1.0, b)
        })?;
        let residual = wide.norm(&b)?;
        Ok(if size > 0.0 { residual / size } else { residual })
    }
}
