//! Conjugate gradients on A u = b, matrix-free.

use cvx_linalg::{
    Backend, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedSystem, Shape, SolverFlops, SystemRhs,
    SystemSolution,
};

/// Most inner iterations of one solve.
const ITERATION_LIMIT: usize = 2000;

/// Iterations between two looks at the true residual.
const RECOMPUTE: usize = 50;

/// Conjugate gradients (Hestenes & Stiefel 1952), warm-started, stopped on the true residual.
pub struct Cg<B: Backend> {
    scratch: Option<Scratch<B>>,
    /// Operations of one product with A, and the products of the last solve.
    product_flops: f64,
    last_products: f64,
}

struct Scratch<B: Backend> {
    b: B::Matrix,
    residual: B::Matrix,
    direction: B::Matrix,
    image: B::Matrix,
}

impl<B: Backend> Cg<B> {
    /// An unprepared solver.
    pub fn new() -> Self {
        Cg { scratch: None, product_flops: 0.0, last_products: 1.0 }
    }
}

impl<B: Backend> Default for Cg<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> Scratch<B> {
    /// residual = b - A u, and its norm.
    fn true_residual(
        &mut self,
        backend: &B,
        system: &mut dyn MaskedSystem<B>,
        u: &B::Matrix,
    ) -> Result<f64, LinalgError> {
        system.apply(&mut self.residual, u)?;
        backend.axpby(1.0, &self.b, -1.0, &mut self.residual)?;
        backend.norm(&self.residual)
    }

    fn run(
        &mut self,
        backend: &B,
        system: &mut dyn MaskedSystem<B>,
        tolerance: f64,
        u: &mut B::Matrix,
    ) -> Result<LinearInfo, LinalgError> {
        let b_norm = backend.norm(&self.b)?;
        let target = tolerance.max(attainable(backend)) * b_norm;
        let mut norm = self.true_residual(backend, system, u)?;
        let mut best = norm;
        backend.copy(&self.residual, &mut self.direction)?;
        let mut iterations = 0;
        let status = loop {
            if !norm.is_finite() {
                break LinearStatus::NonFinite;
            }
            if norm <= target {
                break LinearStatus::Converged;
            }
            if iterations == ITERATION_LIMIT {
                break LinearStatus::IterationLimit;
            }
            backend.stop().check()?;
            system.apply(&mut self.image, &self.direction)?;
            let curvature = backend.dot(&self.direction, &self.image)?;
            if curvature <= 0.0 || !curvature.is_finite() {
                break LinearStatus::Breakdown;
            }
            // Not norm^2: where the true residual has replaced the recursive one, it is no longer orthogonal to
            // the direction's history.
            let step = backend.dot(&self.direction, &self.residual)? / curvature;
            backend.axpby(step, &self.direction, 1.0, u)?;
            backend.axpby(-step, &self.image, 1.0, &mut self.residual)?;
            iterations += 1;
            let mut next = backend.norm(&self.residual)?;
            if next <= target || iterations % RECOMPUTE == 0 {
                // The recursive residual drifts from the true one; the direction starts afresh where it did.
                let recursive = next;
                next = self.true_residual(backend, system, u)?;
                if next > target && next > 2.0 * recursive {
                    if next >= 0.5 * best {
                        norm = next;
                        break LinearStatus::Breakdown;
                    }
                    backend.copy(&self.residual, &mut self.direction)?;
                    (norm, best) = (next, next);
                    continue;
                }
                best = best.min(next);
            }
            let ratio = (next / norm).powi(2);
            backend.axpby(1.0, &self.residual, ratio, &mut self.direction)?;
            norm = next;
        };
        let norm = match status {
            // Just recomputed.
            LinearStatus::Converged | LinearStatus::Breakdown => norm,
            _ => self.true_residual(backend, system, u)?,
        };
        Ok(LinearInfo { status, iterations, relative_residual: Some(if b_norm > 0.0 { norm / b_norm } else { norm }) })
    }
}

/// The relative residual below which rounding in the storage precision decides.
fn attainable<B: Backend>(backend: &B) -> f64 {
    if backend.scalar_bytes() == 4 { 1e-6 } else { 1e-14 }
}

impl<B: Backend> LinearSolver<B> for Cg<B> {
    fn name(&self) -> &'static str {
        "cg"
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let (rows, cols) = system.input_shape();
        let blocks = system.blocks();
        self.product_flops = 4.0 * blocks.xt.rows() as f64 * blocks.xt.cols() as f64 * cols as f64;
        self.scratch = Some(Scratch {
            b: blocks.backend.zeros(rows, cols)?,
            residual: blocks.backend.zeros(rows, cols)?,
            direction: blocks.backend.zeros(rows, cols)?,
            image: blocks.backend.zeros(rows, cols)?,
        });
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        Ok(())
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        tolerance: f64,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.scratch.is_none() {
            self.prepare(system)?;
        }
        let backend = system.blocks().backend.clone();
        let mut info = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };
        if let Some(scratch) = &mut self.scratch {
            system.assemble(&mut scratch.b, rhs)?;
            info = scratch.run(&backend, system, tolerance, &mut solution.u)?;
        }
        self.last_products = 3.0 + info.iterations as f64;
        system.complete(solution)?;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        SolverFlops { update: 0.0, solve: self.product_flops * self.last_products }
    }
}
