//! Feng et al. as printed: the iteration, the solvers and the constants of "Scalable ADMM for Convex Neural Networks on
//! GPU". The shipped crates have better ones of each; these are here so that their curves can be drawn again.

mod dense_cholesky;
mod line_search_rbcd;
mod whole_nystrom;

pub use dense_cholesky::DenseCholesky;
pub use line_search_rbcd::LineSearchRbcd;
pub use whole_nystrom::WholeNystrom;

use crate::place::Place;
use anyhow::{Result, ensure};
use cvx_admm::{Beta, Observer, Precision, Settings, Solution, Solver, StopToken};
use cvx_linalg::{Backend, Cpu, LinearSolver, ThreadPool};
use cvx_model::{Dataset, RowScale};
use cvx_solvers::{Pcg, ProblemShape, SolverKind, SolverSettings};
use std::fmt;
use std::time::{Duration, Instant};

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

/// Conjugate gradients, preconditioned with a sketch of all of A; not yet prepared.
pub fn whole_nystrom_pcg<B: Backend>(settings: SolverSettings) -> Pcg<B> {
    Pcg::preconditioned(FengSolver::WholeNystromPcg.name(), settings, Box::new(WholeNystrom::new(settings)))
}

/// A run with parts of Feng et al., which the trainer's settings do not name.
pub struct Run<'a> {
    /// Training samples.
    pub train: &'a Dataset,
    /// Test samples.
    pub test: Option<&'a Dataset>,
    /// Everything else; device and refinement are not used.
    pub settings: &'a Settings,
    /// Whether the rows of the cone operator are as they are, g = 1, instead of scaled to one norm.
    pub unscaled_rows: bool,
    /// Their solver of the u-update, in place of that of the settings.
    pub solver: Option<FengSolver>,
}

impl Run<'_> {
    /// Trains on `place`.
    ///
    /// # Errors
    /// Those of the trainer; where a dense factor does not fit the memory, or a GPU is not there.
    pub fn on(&self, place: &Place, observer: &mut dyn Observer) -> Result<Solution> {
        let deadline = self.settings.time_limit.map(|limit| Instant::now() + Duration::from_secs_f64(limit));
        let stop = StopToken::new().for_run(deadline);
        let double = self.settings.precision == Precision::F64;
        ThreadPool::new(self.settings.threads)?.run(|| {
            #[cfg(feature = "cuda")]
            if let Some(cuda) = place.cuda_with_stop(&stop)? {
                return if double { self.train(cuda.wide(), observer) } else { self.train(cuda, observer) };
            }
            debug_assert_eq!(place.name(), "cpu");
            match double {
                true => self.train(Cpu::<f64>::with_stop(stop), observer),
                false => self.train(Cpu::<f32>::with_stop(stop), observer),
            }
        })
    }

    fn train<B: Backend>(&self, backend: B, observer: &mut dyn Observer) -> Result<Solution> {
        let most = self.settings.memory_budget.unwrap_or(backend.memory_info().free / 10 * 9);
        let mut solver = Solver::new(backend, self.train, self.test, self.settings)?;
        if self.unscaled_rows {
            solver = solver.with_row_scale(RowScale::Unscaled);
        }
        if let Some(theirs) = self.solver {
            let needed = theirs.dense_bytes(&solver.summary().shape);
            ensure!(needed <= most, "{theirs} needs {needed} bytes, and {most} may be used");
            let Settings { rank, seed, .. } = *self.settings;
            solver =
                solver.with_linear_solver(theirs.build(&SolverSettings { rank, seed, ..SolverSettings::default() }));
        }
        Ok(solver.solve(observer)?)
    }
}

/// Their iteration, to be run with unscaled rows: beta = 0.001 and rho = 0.01 fixed, no relaxation, no
/// acceleration, and an evaluation in every iteration.
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
