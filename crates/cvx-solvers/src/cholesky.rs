//! The exact u-update at any P: one d x d and one n x n factor (docs/math.md, section 3).

use crate::gram::GramFactor;
use cvx_linalg::{
    Accuracy, Backend, Centring, ConeRhs, ConeRows, Half, LinalgError, LinearInfo, LinearSolver, LinearStatus,
    MaskedBlocks, MaskedSamples, MaskedSystem, Shape, SolverFlops, SystemRhs, SystemSolution, Transpose,
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
/// where one n x n system has to be solved,
///
/// $$ \Bigl( I + \tfrac2\rho K \circ S \Bigr) r = \hat q - y, \qquad K = X M^{-1} X^\top, \quad S = D D^\top, $$
///
/// and r = F u - y comes out as the training residual. Without cones M = I, W = X', and there is one block per pattern,
/// so the kernel's factor is 1/rho. M and its factor are computed in f64 and rounded: with raw pixels M has eigenvalues
/// of 1e7, and in f32 its identity would drown.
pub struct Cholesky<B: Backend> {
    factors: Option<Factors<B>>,
}

struct Factors<B: Backend> {
    /// The part of the cones; `None` without them.
    cones: Option<ConeFactors<B>>,
    /// K above the diagonal, or K o S without cones; the factor of I + (2/rho) K o S on and below it (n x n).
    kernel: B::Matrix,
    /// Its diagonal (n x 1).
    diagonal: B::Matrix,
    /// The rho that the factor is of; `None` where it could not be made.
    factored_at: Option<f64>,
    /// The part of the output bias; `None` without one.
    bias: Option<BiasFactors<B>>,
    /// d, and blocks per pattern and target.
    d: f64,
    signs: f64,
    /// P C, of which the operations are counted.
    halves: usize,
}

/// The equations (3.3) with an output bias b: (I + (2/rho) K o S) r = qhat - y + b 1, 1'r = 0.
struct BiasFactors<B: Backend> {
    centring: Centring<B>,
    /// (I + (2/rho) K o S)^-1 1 (n x 1), and the sum of its entries.
    solved_ones: B::Matrix,
    sum: f64,
}

struct ConeFactors<B: Backend> {
    /// M^-1 (d x d).
    m_inverse: B::Matrix,
    /// W = M^-1 X' (d x n).
    w: B::Matrix,
    /// Scratch: W (d_i o r) / rho (d x PC); d_i o r / rho, then X times that correction (n x PC).
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
        let (backend, n) = (blocks.backend, blocks.n_samples());
        let (mut kernel, mut diagonal) = (backend.zeros(n, n)?, backend.zeros(n, 1)?);
        let cones =
            blocks.cones.map(|cones| ConeFactors::new(&blocks, cones, &mut kernel, &mut diagonal)).transpose()?;
        let mut factors = Factors {
            cones,
            kernel,
            diagonal,
            factored_at: None,
            bias: blocks.output_bias.then(|| BiasFactors::new(&blocks)).transpose()?,
            d: blocks.n_rows as f64,
            signs: blocks.layout.signs.count() as f64,
            halves: blocks.layout.pairs(),
        };
        factors.take_patterns(system)?;
        Ok(factors)
    }

    /// The scratch, and K o S without cones: everything but the factor that depends on the patterns.
    fn take_patterns(&mut self, system: &dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let blocks = system.blocks();
        let (backend, d, n) = (blocks.backend, blocks.n_rows, blocks.n_samples());
        let halves = blocks.layout.pairs();
        (self.factored_at, self.halves) = (None, halves);
        self.signs = blocks.layout.signs.count() as f64;
        let Some(cones) = &mut self.cones else { return system.kernel(&mut self.kernel, &mut self.diagonal) };
        if cones.correction.cols() != halves {
            cones.correction = backend.zeros(d, halves)?;
            cones.x_correction = backend.zeros(n, halves)?;
        }
        Ok(())
    }

    /// The factor of I + (2/rho) K o S, for the patterns of these blocks.
    fn factor_kernel(&mut self, blocks: &MaskedBlocks<'_, B>, rho: f64) -> Result<(), LinalgError> {
        let backend = blocks.backend;
        let mask = self.cones.as_ref().map(|_| blocks.masked()).transpose()?.map(|masked| masked.mask);
        self.factored_at = None;
        backend.shifted_lower(self.signs / rho, mask, &self.diagonal, &mut self.kernel)?;
        backend.cholesky(&mut self.kernel)?;
        if let Some(bias) = &mut self.bias {
            bias.take_factor(backend, &self.kernel)?;
        }
        self.factored_at = Some(rho);
        Ok(())
    }
}

impl<B: Backend> BiasFactors<B> {
    /// Without the factor yet.
    fn new(blocks: &MaskedBlocks<'_, B>) -> Result<Self, LinalgError> {
        Ok(BiasFactors {
            centring: Centring::of(blocks)?,
            solved_ones: blocks.backend.zeros(blocks.n_samples(), 1)?,
            sum: 0.0,
        })
    }

    fn take_factor(&mut self, backend: &B, factor: &B::Matrix) -> Result<(), LinalgError> {
        let Some(ones) = self.centring.ones() else { return Ok(()) };
        backend.copy(ones, &mut self.solved_ones)?;
        backend.solve(factor, Half::Both, &mut self.solved_ones)?;
        self.sum = backend.dot(ones, &self.solved_ones)?;
        Ok(())
    }
}

/// (3.3): replaces qhat - y by r, with the output bias that makes 1'r = 0 if there is one.
fn solve_kernel<B: Backend>(
    backend: &B,
    factor: &B::Matrix,
    bias: &mut Option<BiasFactors<B>>,
    residual: &mut B::Matrix,
) -> Result<(), LinalgError> {
    backend.solve(factor, Half::Both, residual)?;
    match bias {
        Some(BiasFactors { centring, solved_ones, sum }) => {
            centring.subtract(backend, Some((solved_ones, *sum)), residual)
        }
        None => Ok(()),
    }
}

impl<B: Backend> ConeFactors<B> {
    /// K = V'V, which is symmetric by construction, goes to `kernel` and `diagonal`; then V becomes W. The scratch has
    /// no columns yet.
    fn new(
        blocks: &MaskedBlocks<'_, B>,
        cones: ConeRows<'_, B>,
        kernel: &mut B::Matrix,
        diagonal: &mut B::Matrix,
    ) -> Result<Self, LinalgError> {
        let backend = blocks.backend;
        // The u-update reads the samples too: they are scaled once, and V begins as a copy.
        blocks.masked()?.samples.stored()?;
        let gram = GramFactor::new(blocks, cones)?;
        let mut samples = gram.whitened_samples(blocks)?;
        backend.gram(&samples, false, kernel, diagonal)?;
        gram.finish(backend, &mut samples)?;
        Ok(ConeFactors {
            m_inverse: gram.inverse(backend, Half::Both)?,
            w: samples,
            correction: backend.zeros(0, 0)?,
            x_correction: backend.zeros(0, 0)?,
        })
    }
}

/// What a direct solve did.
const DIRECT: LinearInfo = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };

impl<B: Backend> LinearSolver<B> for Cholesky<B> {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.factors = None;
        // Kept even if there is no factor at this rho: there may be one at a larger rho, and only the factor depends on
        // it.
        let factors = self.factors.insert(Factors::new(system)?);
        factors.factor_kernel(&system.blocks(), system.penalty())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        match &mut self.factors {
            Some(factors) => factors.factor_kernel(&system.blocks(), rho),
            None => self.prepare(system),
        }
    }

    fn update_patterns(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        match &mut self.factors {
            Some(factors) => {
                factors.take_patterns(system)?;
                factors.factor_kernel(&system.blocks(), system.penalty())
            }
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
        let Some(factors) = &mut self.factors else { return Ok(DIRECT) };
        if factors.factored_at != Some(rho) {
            factors.factor_kernel(&system.blocks(), rho)?;
        }
        let Factors { cones, kernel, bias, .. } = factors;
        match cones {
            None => {
                let SystemSolution { u, residual, .. } = solution;
                // (3.1) to (3.4) with M = I. X u is not needed, and would cost another product.
                system.blocks().backend.copy(rhs.blocks, u)?;
                system.predict(residual, u)?;
                let blocks = system.blocks();
                blocks.backend.axpby(-1.0, blocks.y, 1.0, residual)?;
                solve_kernel(blocks.backend, kernel, bias, residual)?;
                system.pull(-1.0 / rho, residual, u)?;
            }
            Some(ConeFactors { m_inverse, w, correction, x_correction, .. }) => {
                let blocks = system.blocks();
                let (backend, layout) = (blocks.backend, blocks.layout);
                let (no, yes) = (Transpose::No, Transpose::Yes);
                let [u, xu, residual] = solution.expect_xu("cholesky")?;
                let (ConeRhs { s, nu }, MaskedSamples { samples, mask, .. }) =
                    (rhs.expect_rows("cholesky")?, blocks.masked()?);
                let xt = samples.stored()?;
                // (3.1); `xu` holds g o e o (s - nu) until X u takes its place.
                backend.sign_flip(mask, blocks.expect_cones("cholesky")?.scale, s, nu, xu)?;
                backend.gemm(1.0, m_inverse, no, rhs.blocks, no, 0.0, u)?;
                backend.gemm(1.0, w, no, xu, no, 1.0, u)?;
                // (3.2)
                backend.gemm(1.0, xt, yes, u, no, 0.0, xu)?;
                backend.masked_row_sum(layout, Some(mask), xu, residual)?;
                // (3.3)
                backend.axpby(-1.0, blocks.y, 1.0, residual)?;
                solve_kernel(backend, kernel, bias, residual)?;
                // (3.4), and X u by the same correction
                backend.masked_broadcast(mask, 1.0 / rho, residual, x_correction)?;
                backend.gemm(1.0, w, no, x_correction, no, 0.0, correction)?;
                backend.gemm(1.0, xt, yes, correction, no, 0.0, x_correction)?;
                backend.add_pairs(layout, -1.0, correction, u)?;
                backend.add_pairs(layout, -1.0, x_correction, xu)?;
            }
        }
        Ok(DIRECT)
    }

    fn flops(&self) -> SolverFlops {
        self.factors.as_ref().map_or_else(SolverFlops::default, |factors| {
            let (n, d, halves) = (factors.kernel.rows() as f64, factors.d, factors.halves as f64);
            let blocks = factors.signs * halves;
            // With W and X' a column for each block, and one for each half; with M^-1 one for each block. Without cones
            // there is one block for each half. And a pair of triangular solves.
            let products = match &factors.cones {
                None => 4.0 * n * d * halves,
                Some(_) => 4.0 * n * d * (blocks + halves) + 2.0 * d * d * blocks,
            };
            SolverFlops { update: n.powi(3) / 3.0, solve: products + 2.0 * n * n }
        })
    }
}
