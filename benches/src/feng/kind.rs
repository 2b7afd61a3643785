//! The solvers of Feng et al. by name.

use super::dense_cholesky::{self, DenseCholesky};
use super::line_search_rbcd::{self, LineSearchRbcd};
use super::whole_nystrom::{self, whole_nystrom_pcg};
use cvx_linalg::{Backend, LinearSolver};
use cvx_solvers::{ProblemShape, SolverKind, SolverSettings};
use std::fmt;

/// A solver of the u-update that only Feng et al. have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FengSolver {
    /// Block coordinate descent with a line search.
    LineSearchRbcd,
    /// Conjugate gradients, preconditioned with a Nystrom sketch of all of A.
    WholeNystromPcg,
    /// A dense Cholesky factor of A.
    DenseCholesky,
}

impl FengSolver {
    /// All of them.
    pub const ALL: [FengSolver; 3] =
        [FengSolver::DenseCholesky, FengSolver::LineSearchRbcd, FengSolver::WholeNystromPcg];

    /// The name in rows, figures and tables.
    pub fn name(self) -> &'static str {
        match self {
            FengSolver::LineSearchRbcd => line_search_rbcd::NAME,
            FengSolver::WholeNystromPcg => whole_nystrom::NAME,
            FengSolver::DenseCholesky => dense_cholesky::NAME,
        }
    }

    /// The shipped solver whose defaults of the outer iteration it shares.
    pub fn counterpart(self) -> SolverKind {
        match self {
            FengSolver::LineSearchRbcd => SolverKind::Rbcd,
            FengSolver::WholeNystromPcg => SolverKind::NystromPcg,
            FengSolver::DenseCholesky => SolverKind::Cholesky,
        }
    }

    /// Bytes that grow with the square of 2dP: the dense factor, and its f64 image on the host.
    pub fn dense_bytes(self, shape: &ProblemShape) -> u64 {
        if self != FengSolver::DenseCholesky {
            return 0;
        }
        let order = 2 * shape.n_features as u64 * shape.n_patterns as u64;
        order.saturating_mul(order).saturating_mul(shape.scalar_bytes as u64 + 8)
    }

    /// The solver, not yet prepared.
    pub fn build<B: Backend>(self, settings: &SolverSettings) -> Box<dyn LinearSolver<B>> {
        match self {
            FengSolver::LineSearchRbcd => Box::new(LineSearchRbcd::new(settings.seed)),
            FengSolver::WholeNystromPcg => Box::new(whole_nystrom_pcg(*settings)),
            FengSolver::DenseCholesky => Box::new(DenseCholesky::new()),
        }
    }
}

impl fmt::Display for FengSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
