//! M = I + X' diag(g^2) X, the part of A that every block has in common.

use cvx_linalg::{Backend, ConeRows, Half, HostMatrix, LinalgError, MaskedBlocks, Shape};

/// The Cholesky factor of M. M and its factor are made in f64: with raw pixels M has eigenvalues of 1e7, and in f32 its
/// identity would drown. Rounding the factor costs no more than a product with X does in storage precision
/// (docs/math.md, section 3).
pub(crate) struct GramFactor<B: Backend> {
    /// L with M = L L', rounded once (d x d).
    l: B::Matrix,
}

impl<B: Backend> GramFactor<B> {
    pub fn new(blocks: &MaskedBlocks<'_, B>, cones: ConeRows<'_, B>) -> Result<Self, LinalgError> {
        let (backend, wide, d) = (blocks.backend, blocks.backend.wide(), blocks.n_rows);
        let samples = blocks.masked()?.samples;
        let (mut wide_l, mut part) = (wide.zeros(d, d)?, None);
        let first = wide.samples().first();
        samples.sum_tiles(0, &mut wide_l, |tile, xt, l| {
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
        wide.cholesky(&mut wide_l)?;
        let mut l = backend.zeros(d, d)?;
        backend.narrow(&wide_l, &mut l)?;
        Ok(GramFactor { l })
    }

    /// V = L^-1 X' (d x n).
    pub fn whitened_samples(&self, blocks: &MaskedBlocks<'_, B>) -> Result<B::Matrix, LinalgError> {
        let mut v = blocks.masked()?.samples.columns()?;
        blocks.backend.solve(&self.l, Half::Lower, &mut v)?;
        Ok(v)
    }

    /// Replaces V by W = L^-T V = M^-1 X'.
    pub fn finish(&self, backend: &B, v: &mut B::Matrix) -> Result<(), LinalgError> {
        backend.solve(&self.l, Half::Upper, v)
    }

    /// M^-1 for [`Half::Both`], L^-1 for [`Half::Lower`] (d x d): a product with it is faster than a triangular solve.
    pub fn inverse(&self, backend: &B, half: Half) -> Result<B::Matrix, LinalgError> {
        let d = self.l.rows();
        let mut inverse = backend.upload(&HostMatrix::from_fn(d, d, |i, j| f64::from(u8::from(i == j))))?;
        backend.solve(&self.l, half, &mut inverse)?;
        Ok(inverse)
    }
}
