//! M = I + X' diag(g^2) X, the part of A that every block has in common.

use cvx_linalg::{Backend, ConeRows, Half, HostMatrix, LinalgError, MaskedBlocks, Shape};

/// The Cholesky factor of M, in f64: with raw pixels M has eigenvalues of 1e7, and in f32 its identity would drown
/// (docs/math.md, section 3).
pub(crate) struct GramFactor<B: Backend> {
    pub wide: B::Wide,
    /// L with M = L L' (d x d).
    pub l: <B::Wide as Backend>::Matrix,
}

impl<B: Backend> GramFactor<B> {
    pub fn new(blocks: &MaskedBlocks<'_, B>, cones: ConeRows<'_, B>) -> Result<Self, LinalgError> {
        let wide = blocks.backend.wide();
        let d = blocks.n_rows;
        let mut l = wide.zeros(d, d)?;
        wide.weighted_gram(blocks.masked()?.xt_wide, cones.scale_squared, 1.0, &mut l)?;
        wide.cholesky(&mut l)?;
        Ok(GramFactor { wide, l })
    }

    /// V = L^-1 X' (d x n), in f64.
    pub fn half_samples(&self, blocks: &MaskedBlocks<'_, B>) -> Result<<B::Wide as Backend>::Matrix, LinalgError> {
        let mut v = self.wide.zeros(blocks.n_rows, blocks.n_samples())?;
        self.wide.copy(blocks.masked()?.xt_wide, &mut v)?;
        self.wide.solve(&self.l, Half::Lower, &mut v)?;
        Ok(v)
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
