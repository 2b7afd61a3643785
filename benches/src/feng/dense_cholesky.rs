//! The direct solver of Feng et al.: the (2dP) x (2dP) matrix A itself, factored.

use cvx_linalg::{
    Accuracy, Backend, Half, HostMatrix, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedSystem, Shape,
    SolverFlops, SystemRhs, SystemSolution,
};

/// The name in rows, figures and tables.
pub const NAME: &str = "cholesky-dense";

/// Direct solver by the dense factor of A. Its memory grows with (2dP)^2: for small problems.
pub struct DenseCholesky<B: Backend> {
    factor: Option<B::Matrix>,
    n_targets: usize,
}

impl<B: Backend> DenseCholesky<B> {
    /// An unprepared solver.
    pub fn new() -> Self {
        DenseCholesky { factor: None, n_targets: 1 }
    }
}

impl<B: Backend> Default for DenseCholesky<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> LinearSolver<B> for DenseCholesky<B> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.factor = None;
        let backend = system.blocks().backend.clone();
        let (d, columns) = system.input_shape();
        // The targets share one matrix: A repeats itself along the diagonal, once for each.
        self.n_targets = system.blocks().y.cols();
        let order = d * columns / self.n_targets;
        let mut dense = HostMatrix::zeros(order, order);
        let mut image = backend.zeros(d, columns)?;
        for k in 0..order {
            let unit = HostMatrix::from_fn(d, columns, |i, j| f64::from(u8::from(j * d + i == k)));
            system.apply(&mut image, &backend.upload(&unit)?)?;
            dense.col_mut(k).copy_from_slice(&backend.download(&image)?.values()[..order]);
        }
        let mut factor = backend.upload(&dense)?;
        backend.cholesky(&mut factor)?;
        self.factor = Some(factor);
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        self.prepare(system)
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        _accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.factor.is_none() {
            self.prepare(system)?;
        }
        let backend = system.blocks().backend.clone();
        let (d, columns) = system.input_shape();
        system.assemble(&mut solution.u, rhs)?;
        // d x 2PC and 2dP x C are the same numbers in the same order.
        let b = backend.download(&solution.u)?.values().to_vec();
        let mut x = backend.upload(&HostMatrix::from_vec(d * columns / self.n_targets, self.n_targets, b))?;
        if let Some(factor) = &self.factor {
            backend.solve(factor, Half::Both, &mut x)?;
        }
        let x = backend.download(&x)?.values().to_vec();
        solution.u = backend.upload(&HostMatrix::from_vec(d, columns, x))?;
        system.complete(solution)?;
        Ok(LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None })
    }

    fn flops(&self) -> SolverFlops {
        self.factor.as_ref().map_or_else(SolverFlops::default, |factor| {
            let order = factor.rows() as f64;
            SolverFlops { update: order.powi(3) / 3.0, solve: 2.0 * order * order * self.n_targets as f64 }
        })
    }
}
