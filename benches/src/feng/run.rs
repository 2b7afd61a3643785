//! Runs of the trainer with parts of Feng et al. in it.

use super::FengSolver;
use crate::place::Place;
use anyhow::{Result, ensure};
#[cfg(feature = "cuda")]
use cvx_admm::Device;
use cvx_admm::{Observer, Precision, Settings, Solution, Solver, StopToken};
#[cfg(feature = "cuda")]
use cvx_linalg::Cuda;
use cvx_linalg::{Backend, Cpu, ThreadPool};
use cvx_model::{Dataset, RowScale};
use cvx_solvers::SolverSettings;
use std::time::{Duration, Instant};

/// A run: the trainer's, with the solver or the row weights of Feng et al.
pub struct FengRun<'a> {
    /// Training samples.
    pub train: &'a Dataset,
    /// Test samples.
    pub test: Option<&'a Dataset>,
    /// Settings of the trainer. Device, solver and task are its own; for [`settings`](super::settings), the rows should
    /// be `unscaled`.
    pub settings: &'a Settings,
    /// The solver of the u-update, if not that of the settings.
    pub solver: Option<FengSolver>,
    /// Whether the rows of the cone operator are as they are.
    pub unscaled: bool,
    /// Where it runs.
    pub place: &'a Place,
}

impl FengRun<'_> {
    /// Trains.
    ///
    /// # Errors
    /// Those of the trainer; a dense factor that does not fit the memory.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Solution> {
        let start = Instant::now();
        let limit = self.settings.time_limit.map(|limit| start + Duration::from_secs_f64(limit));
        let stop = StopToken::new().for_run(limit);
        ThreadPool::new(self.settings.threads)?.run(|| match (self.settings.precision, self.place.device()) {
            #[cfg(feature = "cuda")]
            (Precision::F32, Device::Cuda(ordinal)) => self.run_on(Cuda::<f32>::with_stop(ordinal, stop)?, observer),
            #[cfg(feature = "cuda")]
            (Precision::F64, Device::Cuda(ordinal)) => self.run_on(Cuda::<f64>::with_stop(ordinal, stop)?, observer),
            (Precision::F32, _) => self.run_on(Cpu::<f32>::with_stop(stop), observer),
            (Precision::F64, _) => self.run_on(Cpu::<f64>::with_stop(stop), observer),
        })
    }

    fn run_on<B: Backend>(&self, backend: B, observer: &mut dyn Observer) -> Result<Solution> {
        let free = backend.memory_info().free;
        let mut solver = Solver::new(backend, self.train, self.test, self.settings)?;
        if let Some(kind) = self.solver {
            let needed = kind.memory_bytes(&solver.summary().shape);
            let most = self.settings.memory_budget.unwrap_or(free / 10 * 9);
            ensure!(needed <= most, "{kind} needs {needed} bytes, and {most} may be used");
            let settings =
                SolverSettings { rank: self.settings.rank, seed: self.settings.seed, ..SolverSettings::default() };
            solver = solver.with_linear_solver(kind.build(&settings));
        }
        if self.unscaled {
            solver = solver.with_row_scale(RowScale::Unscaled);
        }
        Ok(solver.solve(observer)?)
    }
}
