//! The coordinates z = L'u with M = L L', in which the cone part of A is the identity (docs/math.md, section 4).

use crate::gram::GramFactor;
use cvx_linalg::{
    Backend, Centring, ConeRhs, Half, LinalgError, MaskedBlocks, MaskedSystem, Shape, SystemRhs, SystemSolution,
    Transpose,
};

/// The operation named in errors.
const USER: &str = "a solver by the factor of M";

/// What every solver in these coordinates needs: V = L^-1 X', the change to them (4.1), (4.2) and back (4.4).
pub(crate) struct GramCoordinates<B: Backend> {
    /// L^-1 (d x d).
    l_inverse: B::Matrix,
    /// V = L^-1 X' (d x n).
    pub v: B::Matrix,
    /// zhat, then z (d x 2PC).
    z: B::Matrix,
    /// The contribution of r to every block: V (d_i o r), times a factor (d x PC), and V' of that (n x PC).
    pub image: B::Matrix,
    pub x_image: B::Matrix,
    /// The projection of predictions, where there is an output bias.
    pub centring: Centring<B>,
    /// Blocks per pattern and target.
    pub signs: f64,
}

impl<B: Backend> GramCoordinates<B> {
    /// M and its factor are made in f64, a tile of samples at a time; V is solved for in storage precision.
    pub fn new(system: &dyn MaskedSystem<B>) -> Result<Self, LinalgError> {
        let blocks = system.blocks();
        let (backend, layout) = (blocks.backend, blocks.layout);
        let (d, n, columns) = (blocks.n_rows, blocks.n_samples(), layout.columns());
        let gram = GramFactor::new(&blocks, blocks.expect_cones(USER)?)?;
        let (l_inverse, v) = (gram.inverse(backend, Half::Lower)?, gram.whitened_samples(&blocks)?);
        drop(gram);
        Ok(GramCoordinates {
            l_inverse,
            v,
            z: backend.zeros(d, columns)?,
            image: backend.zeros(d, layout.pairs())?,
            x_image: backend.sample_rows(n, layout.pairs())?,
            centring: Centring::of(&blocks)?,
            signs: layout.signs.count() as f64,
        })
    }

    /// 2/rho, or 1/rho where a pattern has one block: the factor of the kernel in (4.3).
    pub fn weight(&self, rho: f64) -> f64 {
        self.signs / rho
    }

    /// Its inverse: I + (2/rho) K is, up to a factor, K + shift I, which a sketch of a kernel K is inverted with.
    pub fn shift(&self, rho: f64) -> f64 {
        rho / self.signs
    }

    /// zhat (4.1) and `b` = qhat - y (4.2); `xu` receives V'zhat.
    pub fn enter(
        &mut self,
        blocks: &MaskedBlocks<'_, B>,
        rhs: &SystemRhs<'_, B>,
        xu: &mut B::Matrix,
        b: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let (backend, no, yes) = (blocks.backend, Transpose::No, Transpose::Yes);
        let (scale, ConeRhs { s, nu }) = (blocks.expect_cones(USER)?.scale, rhs.expect_rows(USER)?);
        // `xu` holds g o e o (s - nu) until X u takes its place.
        backend.sign_flip(blocks.masked()?.mask, scale, s, nu, xu)?;
        backend.gemm(1.0, &self.l_inverse, no, rhs.blocks, no, 0.0, &mut self.z)?;
        backend.gemm(1.0, &self.v, no, xu, no, 1.0, &mut self.z)?;
        backend.gemm(1.0, &self.v, yes, &self.z, no, 0.0, xu)?;
        backend.masked_row_sum(blocks.layout, Some(blocks.masked()?.mask), xu, b)?;
        backend.axpby(-1.0, blocks.y, 1.0, b)?;
        self.centring.apply(backend, b)
    }

    /// `out` = the sum over the patterns of d_i o x_image, as a prediction.
    pub fn gather(&mut self, blocks: &MaskedBlocks<'_, B>, out: &mut B::Matrix) -> Result<(), LinalgError> {
        blocks.backend.masked_row_sum(blocks.layout.halved(), Some(blocks.masked()?.mask), &self.x_image, out)?;
        self.centring.apply(blocks.backend, out)
    }

    /// image = alpha V (d_i o r) and x_image = V' image.
    pub fn spread(&mut self, blocks: &MaskedBlocks<'_, B>, alpha: f64, r: &B::Matrix) -> Result<(), LinalgError> {
        let (backend, no) = (blocks.backend, Transpose::No);
        backend.masked_broadcast(blocks.masked()?.mask, alpha, r, &mut self.x_image)?;
        backend.gemm(1.0, &self.v, no, &self.x_image, no, 0.0, &mut self.image)?;
        self.project(backend)
    }

    /// x_image = V' image.
    pub fn project(&mut self, backend: &B) -> Result<(), LinalgError> {
        backend.gemm(1.0, &self.v, Transpose::Yes, &self.image, Transpose::No, 0.0, &mut self.x_image)
    }

    /// (4.4) z^+ = zhat^+ - alpha image, z^- = zhat^- + alpha image, u = L^-T z, and X u by the same correction.
    pub fn leave(
        &mut self,
        blocks: &MaskedBlocks<'_, B>,
        alpha: f64,
        solution: &mut SystemSolution<B>,
    ) -> Result<(), LinalgError> {
        let (backend, layout) = (blocks.backend, blocks.layout);
        let [u, xu, _] = solution.expect_xu(USER)?;
        backend.add_pairs(layout, -alpha, &self.image, &mut self.z)?;
        backend.add_pairs(layout, -alpha, &self.x_image, xu)?;
        backend.gemm(1.0, &self.l_inverse, Transpose::Yes, &self.z, Transpose::No, 0.0, u)
    }

    /// Operations of the change there and back, and of a product with V or V' for every pattern.
    pub fn flops(&self) -> (f64, f64) {
        let [d, n, columns] = [self.v.rows(), self.v.cols(), self.z.cols()].map(|size| size as f64);
        (4.0 * (n * d + d * d) * columns, n * d * columns)
    }
}
