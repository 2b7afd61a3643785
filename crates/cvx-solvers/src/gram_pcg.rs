//! The u-update by conjugate gradients on the n x n kernel, preconditioned by M (docs/math.md, section 4).

use crate::conjugate::{ConjugateGradients, Target};
use crate::gram::GramFactor;
use cvx_linalg::{
    Accuracy, Backend, Half, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedBlocks, MaskedSystem, Shape,
    SolverFlops, SystemRhs, SystemSolution, Transpose,
};

/// Conjugate gradients on A preconditioned by M in every block, in the coordinates in which that is cheapest.
///
/// With M = L L', V = L^-1 X' and u = L^-T z, the cone part of A is the identity and only the differences z^+ - z^- meet
/// F, so that the iteration runs on the n x C residuals of (3.3), with K = V'V applied and never formed:
///
/// ```text
/// zhat  = L^-1 (v - lambda) + V (g o e_i o (s - nu))                                                (4.1)
/// qhat  = sum_i d_i o V'(zhat_i^+ - zhat_i^-)                                                       (4.2)
/// r + (2/rho) sum_i d_i o V'V (d_i o r) = qhat - y,  by conjugate gradients                         (4.3)
/// u_i^+ = L^-T (zhat_i^+ - V (d_i o r)/rho),     u_i^- = L^-T (zhat_i^- + V (d_i o r)/rho)          (4.4)
/// ```
pub struct GramPcg<B: Backend> {
    factors: Option<Factors<B>>,
    last_iterations: usize,
}

struct Factors<B: Backend> {
    /// L^-1 (d x d).
    l_inverse: B::Matrix,
    /// V = L^-1 X' (d x n).
    v: B::Matrix,
    /// Scratch: g o e o (s - nu) (n x 2PC), zhat (d x 2PC), the right-hand side of (4.3) (n x C).
    rows: B::Matrix,
    z: B::Matrix,
    rhs: B::Matrix,
    iteration: ConjugateGradients<B>,
    kernel: Kernel<B>,
}

/// Scratch of a product with V'V between masks: d_i o r (n x PC), V of it (d x PC).
struct Kernel<B: Backend> {
    masked: B::Matrix,
    image: B::Matrix,
}

impl<B: Backend> Kernel<B> {
    /// image = alpha V (d_i o r), masked = V' image.
    fn apply(
        &mut self,
        blocks: &MaskedBlocks<'_, B>,
        v: &B::Matrix,
        alpha: f64,
        r: &B::Matrix,
    ) -> Result<(), LinalgError> {
        let backend = blocks.backend;
        backend.masked_broadcast(blocks.mask, alpha, r, &mut self.masked)?;
        backend.gemm(1.0, v, Transpose::No, &self.masked, Transpose::No, 0.0, &mut self.image)?;
        backend.gemm(1.0, v, Transpose::Yes, &self.image, Transpose::No, 0.0, &mut self.masked)
    }
}

impl<B: Backend> GramPcg<B> {
    /// An unprepared solver.
    pub fn new() -> Self {
        GramPcg { factors: None, last_iterations: 1 }
    }
}

impl<B: Backend> Default for GramPcg<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> Factors<B> {
    fn new(system: &dyn MaskedSystem<B>) -> Result<Self, LinalgError> {
        let (_, columns) = system.input_shape();
        let blocks = system.blocks();
        let backend = blocks.backend;
        let (d, n, targets) = (blocks.xt.rows(), blocks.xt.cols(), blocks.y.cols());
        let gram = GramFactor::new(&blocks)?;
        let l_inverse = gram.inverse(backend, Half::Lower)?;
        let mut v_wide = gram.wide.zeros(d, n)?;
        gram.wide.copy(blocks.xt_wide, &mut v_wide)?;
        gram.wide.solve(&gram.l, Half::Lower, &mut v_wide)?;
        let mut v = backend.zeros(d, n)?;
        backend.narrow(&v_wide, &mut v)?;
        drop((gram, v_wide));
        Ok(Factors {
            l_inverse,
            v,
            rows: backend.zeros(n, columns)?,
            z: backend.zeros(d, columns)?,
            rhs: backend.zeros(n, targets)?,
            iteration: ConjugateGradients::new(backend, n, targets)?,
            kernel: Kernel { masked: backend.zeros(n, columns / 2)?, image: backend.zeros(d, columns / 2)? },
        })
    }
}

impl<B: Backend> LinearSolver<B> for GramPcg<B> {
    fn name(&self) -> &'static str {
        "gram-pcg"
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.factors = None;
        self.factors = Some(Factors::new(system)?);
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        // Nothing that is kept contains rho.
        system.set_penalty(rho);
        Ok(())
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.factors.is_none() {
            self.prepare(system)?;
        }
        let rho = system.penalty();
        let blocks = system.blocks();
        let backend = blocks.backend;
        let (no, yes) = (Transpose::No, Transpose::Yes);
        let mut info = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };
        if let Some(Factors { l_inverse, v, rows, z, rhs: b, iteration, kernel }) = &mut self.factors {
            let SystemSolution { u, xu, residual } = solution;
            let targets = residual.cols();
            // (4.1)
            backend.sign_flip(blocks.mask, blocks.row_scale, rhs.rows, rows)?;
            backend.gemm(1.0, l_inverse, no, rhs.blocks, no, 0.0, z)?;
            backend.gemm(1.0, v, no, rows, no, 1.0, z)?;
            // (4.2)
            backend.gemm(1.0, v, yes, z, no, 0.0, xu)?;
            backend.masked_row_sum(Some(blocks.mask), xu, b)?;
            backend.axpby(-1.0, blocks.y, 1.0, b)?;
            // (4.3), from the last residual
            let mut apply = |out: &mut B::Matrix, r: &B::Matrix| {
                kernel.apply(&blocks, v, 2.0 / rho, r)?;
                backend.masked_row_sum(Some(blocks.mask), &kernel.masked, out)?;
                backend.axpby(1.0, r, 1.0, out)
            };
            let mut identity = |out: &mut B::Matrix, r: &B::Matrix| backend.copy(r, out);
            // With B r = b for (4.3), an error dr of r moves u by (du, Gt du) of the squared norm dr'(B - I)dr/rho, at
            // most a quarter of ||B dr||^2/rho because t - t^2 <= 1/4 for the inverse eigenvalues t of B.
            let target = Target { accuracy, error_per_residual: 0.5 / rho.sqrt() };
            info = iteration.run(backend, &mut apply, &mut identity, b, target, residual)?;
            // (4.4), and X u by the same correction
            kernel.apply(&blocks, v, 1.0 / rho, residual)?;
            backend.add_pairs(targets, -1.0, &kernel.image, z)?;
            backend.add_pairs(targets, -1.0, &kernel.masked, xu)?;
            backend.gemm(1.0, l_inverse, yes, z, no, 0.0, u)?;
        }
        self.last_iterations = info.iterations;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        self.factors.as_ref().map_or_else(SolverFlops::default, |factors| {
            let [d, n, columns] = [factors.v.rows(), factors.v.cols(), factors.z.cols()].map(|size| size as f64);
            // A product with the kernel, of which the first residual and (4.4) take one each, is 2P columns with V.
            let products = 2.0 * n * d * columns * (2.0 + self.last_iterations as f64);
            SolverFlops { update: 0.0, solve: 4.0 * (n * d + d * d) * columns + products }
        })
    }
}
