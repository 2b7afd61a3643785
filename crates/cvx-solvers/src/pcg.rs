//! Conjugate gradients on A u = b, matrix-free, with a preconditioner or without.

use crate::block_nystrom::BlockNystrom;
use crate::conjugate::{Apply, ConjugateGradients, Target};
use crate::jacobi::Jacobi;
use crate::kind::{SolverKind, SolverSettings};
use crate::preconditioner::{Identity, Preconditioner};
use cvx_linalg::{
    Accuracy, Backend, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedSystem, Shape, SolverFlops,
    SolverState, SystemRhs, SystemSolution,
};

/// Conjugate gradients on the d x 2PC unknowns themselves.
pub struct Pcg<B: Backend> {
    name: &'static str,
    /// Most steps of one solve.
    steps: usize,
    preconditioner: Box<dyn Preconditioner<B>>,
    scratch: Option<Scratch<B>>,
    /// Steps of the last solve.
    last_iterations: usize,
    /// Operations of one product with A.
    product_flops: f64,
}

struct Scratch<B: Backend> {
    b: B::Matrix,
    iteration: ConjugateGradients<B>,
}

impl<B: Backend> Pcg<B> {
    /// Without a preconditioner, unprepared.
    pub fn cg(settings: SolverSettings) -> Self {
        Self::preconditioned(SolverKind::Cg.name(), settings, Box::new(Identity))
    }

    /// With a Nystrom sketch of what all blocks of A have in common, unprepared.
    pub fn nystrom(settings: SolverSettings) -> Self {
        Self::preconditioned(SolverKind::NystromPcg.name(), settings, Box::new(BlockNystrom::new(settings)))
    }

    /// With diag(A), unprepared.
    pub fn jacobi(settings: SolverSettings) -> Self {
        Self::preconditioned(SolverKind::JacobiPcg.name(), settings, Box::new(Jacobi::new()))
    }

    /// With any preconditioner, unprepared. `name` is what [`LinearSolver::name`] returns.
    pub fn preconditioned(
        name: &'static str,
        settings: SolverSettings,
        preconditioner: Box<dyn Preconditioner<B>>,
    ) -> Self {
        Pcg { name, steps: settings.steps, preconditioner, scratch: None, last_iterations: 1, product_flops: 0.0 }
    }

    /// Calls `look` with the map A and its preconditioner.
    pub(crate) fn with_maps<R>(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        look: impl FnOnce(&mut Apply<'_, B>, &mut Apply<'_, B>) -> Result<R, LinalgError>,
    ) -> Result<R, LinalgError> {
        if self.scratch.is_none() {
            self.prepare(system)?;
        }
        let backend = system.blocks().backend.clone();
        look(&mut |out, u| system.apply(out, u), &mut |out, r| self.preconditioner.apply(&backend, r, out))
    }
}

impl<B: Backend> LinearSolver<B> for Pcg<B> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        let (rows, cols) = system.input_shape();
        let blocks = system.blocks();
        self.product_flops = 4.0 * blocks.n_rows as f64 * blocks.n_samples() as f64 * cols as f64;
        let backend = blocks.backend;
        let b = backend.zeros(rows, cols)?;
        self.scratch = Some(Scratch { iteration: ConjugateGradients::new(backend, &b)?, b });
        self.preconditioner.prepare(system)
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        self.preconditioner.update_penalty(system)
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.scratch.is_none() {
            self.prepare(system)?;
        }
        let backend = system.blocks().backend.clone();
        let mut info = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };
        if let Some(Scratch { b, iteration }) = &mut self.scratch {
            system.assemble(b, rhs)?;
            info = iteration.run(
                &backend,
                &mut |out, u| system.apply(out, u),
                &mut |out, r| self.preconditioner.apply(&backend, r, out),
                b,
                // A >= M in the order of symmetric matrices, and A >= I: ||du||_M <= ||du||_A <= ||b - A u||. The
                // estimated energy has to be half as large: the error that it allows leaves the equations of single
                // blocks unsatisfied, which disturbs the outer iteration more than its size suggests.
                Target { accuracy, error_per_residual: 1.0, error_per_energy: 2.0, steps: self.steps },
                &mut solution.u,
            )?;
        }
        self.last_iterations = info.iterations;
        system.complete(solution)?;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        let steps = self.last_iterations as f64;
        let step = self
            .scratch
            .as_ref()
            .map_or_else(SolverFlops::default, |scratch| self.preconditioner.flops(scratch.b.rows(), scratch.b.cols()));
        // Right-hand side, first residual and X u are half a product each or a whole one.
        SolverFlops { update: step.update, solve: self.product_flops * (3.0 + steps) + step.solve * (1.0 + steps) }
    }

    fn state(&self, _: &B) -> Result<SolverState, LinalgError> {
        Ok(SolverState::of_words(&[self.last_iterations as u64]))
    }

    fn restore(&mut self, _: &B, state: &SolverState) -> Result<(), LinalgError> {
        let [last_iterations] = state.words()?;
        self.last_iterations = last_iterations as usize;
        Ok(())
    }
}
