//! The exact u-update at any P: one d x d and one n x n factor (docs/math.md, section 3).

use crate::gram::GramFactor;
use cvx_linalg::{
    Accuracy, Backend, Half, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedSystem, Shape, SolverFlops,
    SystemRhs, SystemSolution, Transpose,
};

/// Direct solver by the reduced n x n kernel.
///
/// With M = I + X'diag(g^2)X, W = M^-1 X' and K = X M^-1 X',
///
/// ```text
/// uhat  = M^-1 (v - lambda) + W (g o e_i o (s - nu))            (3.1)
/// qhat  = sum_i d_i o X (uhat_i^+ - uhat_i^-)                   (3.2)
/// (I + (2/rho) K o S) r = qhat - y,   S = D D'                  (3.3)
/// u_i^+ = uhat_i^+ - W (d_i o r) / rho,  u_i^- = uhat_i^- + ..  (3.4)
/// ```
///
/// and r = F u - y comes out as the training residual. M, its factor and W are made in f64 and stored rounded: with
/// raw pixels M has eigenvalues of 1e7, and in f32 its identity would drown.
pub struct Cholesky<B: Backend> {
    factors: Option<Factors<B>>,
}

struct Factors<B: Backend> {
    /// M^-1 (d x d).
    m_inverse: B::Matrix,
    /// W = M^-1 X' (d x n).
    w: B::Matrix,
    /// K o S above the diagonal, the factor of I + (2/rho) K o S on and below it (n x n).
    kernel: B::Matrix,
    /// Diagonal of K o S (n x 1).
    diagonal: B::Matrix,
    /// The rho that the factor is of; `None` where it could not be made.
    factored_at: Option<f64>,
    /// Scratch: g o e o (s - nu) (n x 2PC).
    rows: B::Matrix,
    /// Scratch: d_i o r / rho (n x PC), W times it (d x PC), X times that (n x PC).
    masked: B::Matrix,
    correction: B::Matrix,
    x_correction: B::Matrix,
}

impl<B: Backend> Cholesky<B> {
    /// An unprepared solver.
    pub fn new() -> Self {
        Cholesky { factors: None }
    }
}

impl<B: Backend> Default for Cholesky<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> Factors<B> {
    fn new(system: &dyn MaskedSystem<B>) -> Result<Self, LinalgError> {
        let blocks = system.blocks();
        let backend = blocks.backend;
        let (d, n) = (blocks.xt.rows(), blocks.xt.cols());
        let gram = GramFactor::new(&blocks)?;
        let wide = &gram.wide;

        // V = L^-1 X' gives K = V'V, symmetric by construction; L^-T V is W.
        let mut v_wide = gram.half_samples(&blocks)?;
        let mut v = backend.zeros(d, n)?;
        backend.narrow(&v_wide, &mut v)?;
        let (mut kernel, mut diagonal) = (backend.zeros(n, n)?, backend.zeros(n, 1)?);
        backend.masked_gram(&v, blocks.mask, &mut kernel, &mut diagonal)?;
        wide.solve(&gram.l, Half::Upper, &mut v_wide)?;
        let mut w = v;
        backend.narrow(&v_wide, &mut w)?;
        drop(v_wide);
        let m_inverse = gram.inverse(backend, Half::Both)?;

        let (_, columns) = system.input_shape();
        Ok(Factors {
            m_inverse,
            w,
            kernel,
            diagonal,
            factored_at: None,
            rows: backend.zeros(n, columns)?,
            masked: backend.zeros(n, columns / 2)?,
            correction: backend.zeros(d, columns / 2)?,
            x_correction: backend.zeros(n, columns / 2)?,
        })
    }

    /// The factor of I + (2/rho) K o S: all that depends on rho.
    fn factor_kernel(&mut self, backend: &B, rho: f64) -> Result<(), LinalgError> {
        self.factored_at = None;
        backend.shifted_lower(2.0 / rho, &self.diagonal, &mut self.kernel)?;
        backend.cholesky(&mut self.kernel)?;
        self.factored_at = Some(rho);
        Ok(())
    }
}

impl<B: Backend> LinearSolver<B> for Cholesky<B> {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.factors = None;
        // Kept even where this rho has no factor: a larger one may, and only the factor depends on it.
        let factors = self.factors.insert(Factors::new(system)?);
        factors.factor_kernel(system.blocks().backend, system.penalty())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        match &mut self.factors {
            Some(factors) => factors.factor_kernel(system.blocks().backend, rho),
            None => self.prepare(system),
        }
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        _accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.factors.is_none() {
            self.prepare(system)?;
        }
        let rho = system.penalty();
        let blocks = system.blocks();
        let backend = blocks.backend;
        if let Some(factors) = &mut self.factors {
            if factors.factored_at != Some(rho) {
                factors.factor_kernel(backend, rho)?;
            }
            let SystemSolution { u, xu, residual } = solution;
            let targets = residual.cols();
            // (3.1)
            backend.sign_flip(blocks.mask, blocks.row_scale, rhs.rows, &mut factors.rows)?;
            backend.gemm(1.0, &factors.m_inverse, Transpose::No, rhs.blocks, Transpose::No, 0.0, u)?;
            backend.gemm(1.0, &factors.w, Transpose::No, &factors.rows, Transpose::No, 1.0, u)?;
            // (3.2)
            backend.gemm(1.0, blocks.xt, Transpose::Yes, u, Transpose::No, 0.0, xu)?;
            backend.masked_row_sum(Some(blocks.mask), xu, residual)?;
            // (3.3)
            backend.axpby(-1.0, blocks.y, 1.0, residual)?;
            backend.solve(&factors.kernel, Half::Both, residual)?;
            // (3.4), and X u by the same correction
            backend.masked_broadcast(blocks.mask, 1.0 / rho, residual, &mut factors.masked)?;
            let (no, yes) = (Transpose::No, Transpose::Yes);
            backend.gemm(1.0, &factors.w, no, &factors.masked, no, 0.0, &mut factors.correction)?;
            backend.gemm(1.0, blocks.xt, yes, &factors.correction, no, 0.0, &mut factors.x_correction)?;
            backend.add_pairs(targets, -1.0, &factors.correction, u)?;
            backend.add_pairs(targets, -1.0, &factors.x_correction, xu)?;
        }
        Ok(LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None })
    }

    fn flops(&self) -> SolverFlops {
        self.factors.as_ref().map_or_else(SolverFlops::default, |factors| {
            let [d, n, columns] = [factors.w.rows(), factors.w.cols(), factors.rows.cols()].map(|size| size as f64);
            SolverFlops {
                update: n.powi(3) / 3.0,
                // 6P columns with X or W, 2P with M^-1, a pair of triangular solves.
                solve: 6.0 * n * d * columns + 2.0 * d * d * columns + 2.0 * n * n,
            }
        })
    }
}
