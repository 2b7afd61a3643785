//! M = I + X' diag(g^2) X, the part of A that every block has in common.

use cvx_linalg::{Backend, ConeRows, Half, HostMatrix, LinalgError, MaskedBlocks, Scratch, Shape};

/// The Cholesky factor of M, in f64: with raw pixels M has eigenvalues of 1e7, and in f32 its identity would drown
/// (docs/math.md, section 3).
pub(crate) struct GramFactor<B: Backend> {
    pub wide: B::Wide,
    /// L with M = L L' (d x d).
    pub l: <B::Wide as Backend>::Matrix,
}

impl<B: Backend> GramFactor<B> {
    pub fn new(blocks: &MaskedBlocks<'_, B>, cones: ConeRows<'_, B>) -> Result<Self, LinalgError> {
        let (wide, samples, d) = (blocks.backend.wide(), blocks.masked()?.samples, blocks.n_rows);
        let (mut l, mut part) = (wide.zeros(d, d)?, None);
        let first = wide.samples().first();
        samples.sum_tiles(0, &mut l, |tile, xt, l| {
            if samples.are_all(&tile) {
                return wide.weighted_gram(xt, cones.scale_squared, 1.0, l);
            }
            // M is I and the sum over the tiles.
            let shift = if first + tile.start == 0 { 1.0 } else { 0.0 };
            let mut weights = wide.zeros(tile.len(), 1)?;
            wide.read_rows(cones.scale_squared, tile.start, &mut weights)?;
            let part = match &mut part {
                Some(part) => part,
                None => part.insert(wide.zeros(d, d)?),
            };
            wide.weighted_gram(xt, &weights, shift, part)?;
            wide.axpby(1.0, part, 1.0, l)
        })?;
        wide.cholesky(&mut l)?;
        Ok(GramFactor { wide, l })
    }

    /// `v` = V = L^-1 X' (d x n), and `w` = M^-1 X', where asked for: made in f64, rounded once.
    pub fn solve_samples(
        &self,
        blocks: &MaskedBlocks<'_, B>,
        v: &mut B::Matrix,
        mut w: Option<&mut B::Matrix>,
    ) -> Result<(), LinalgError> {
        let (backend, wide, d) = (blocks.backend, &self.wide, blocks.n_rows);
        let mut scratch = (Scratch::new(wide, 1), Scratch::new(backend, 1));
        blocks.masked()?.samples.for_each_tile(2 * d, |tile, xt| {
            let (mut solved, mut rounded) = (scratch.0.take(d, tile.len())?, scratch.1.take(d, tile.len())?);
            wide.copy(xt, &mut solved)?;
            wide.solve(&self.l, Half::Lower, &mut solved)?;
            backend.narrow(&solved, &mut rounded)?;
            backend.write_part(&rounded, v, tile.start * d)?;
            if let Some(w) = w.as_deref_mut() {
                wide.solve(&self.l, Half::Upper, &mut solved)?;
                backend.narrow(&solved, &mut rounded)?;
                backend.write_part(&rounded, w, tile.start * d)?;
            }
            scratch.0.give(solved);
            scratch.1.give(rounded);
            Ok(())
        })
    }

    /// M^-1 for [`Half::Both`], L^-1 for [`Half::Lower`] (d x d), rounded once to storage precision: a product with it
    /// is faster than a triangular solve.
    pub fn inverse(&self, backend: &B, half: Half) -> Result<B::Matrix, LinalgError> {
        let d = self.l.rows();
        let identity = HostMatrix::from_fn(d, d, |i, j| f64::from(u8::from(i == j)));
        let mut inverse = self.wide.upload(&identity)?;
        self.wide.solve(&self.l, half, &mut inverse)?;
        let mut rounded = backend.zeros(d, d)?;
        backend.narrow(&inverse, &mut rounded)?;
        Ok(rounded)
    }
}
