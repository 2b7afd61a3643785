//! Feng et al. as printed: the iteration, the solvers and the constants of "Scalable ADMM for Convex Neural Networks on
//! GPU". The shipped crates have better ones of each; these are here so that their curves can be drawn again.

mod dense_cholesky;
mod line_search_rbcd;
mod run;
mod whole_nystrom;

pub use dense_cholesky::DenseCholesky;
pub use line_search_rbcd::LineSearchRbcd;
pub use run::FengRun;
pub use whole_nystrom::WholeNystrom;

use cvx_admm::{Beta, Settings};
use cvx_linalg::{Backend, LinearSolver};
use cvx_solvers::{Pcg, ProblemShape, SolverKind, SolverSettings};
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
            FengSolver::LineSearchRbcd => "rbcd (original)",
            FengSolver::WholeNystromPcg => "nystrom-pcg (original)",
            FengSolver::DenseCholesky => "cholesky-dense",
        }
    }

    /// The solver of the shipped crates with which it shares the defaults of the iteration.
    pub fn counterpart(self) -> SolverKind {
        match self {
            FengSolver::LineSearchRbcd => SolverKind::Rbcd,
            FengSolver::WholeNystromPcg => SolverKind::NystromPcg,
            FengSolver::DenseCholesky => SolverKind::Cholesky,
        }
    }

    /// Bytes of what grows with the square of the blocks: the dense factor, and its f64 image on the host.
    pub fn memory_bytes(self, shape: &ProblemShape) -> u64 {
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

/// Conjugate gradients, preconditioned with a sketch of all of A; not yet prepared.
pub fn whole_nystrom_pcg<B: Backend>(settings: SolverSettings) -> Pcg<B> {
    Pcg::preconditioned(FengSolver::WholeNystromPcg.name(), settings, Box::new(WholeNystrom::new(settings)))
}

/// Their iteration: beta = 0.001 and rho = 0.01 fixed, no relaxation, no acceleration, and an evaluation in every
/// iteration. The rows of their cone operator are unscaled, see [`FengRun`].
///
/// beta is that of this project's objective, which has the factor 1/2 that their equation (3) omits.
pub fn settings() -> Settings {
    Settings {
        beta: Beta::Value(1e-3),
        rho: Some(1e-2),
        adapt_rho: false,
        over_relaxation: 1.0,
        anderson_memory: 0,
        evaluate_every: 1,
        ..Settings::default()
    }
}
