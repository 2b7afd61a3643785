//! A run of the trainer with parts of Feng et al.

use super::kind::FengSolver;
use crate::place::Place;
use anyhow::{Result, ensure};
use cvx_admm::{Observer, Settings, Solution, Solver, StopToken};
use cvx_linalg::{Backend, Cpu, ThreadPool};
use cvx_model::{Dataset, RowScale};
use cvx_solvers::SolverSettings;
use std::time::{Duration, Instant};

/// A run with parts of Feng et al., which the trainer's settings do not name.
pub struct Run<'a> {
    /// Training samples.
    pub train: &'a Dataset,
    /// Test samples.
    pub test: Option<&'a Dataset>,
    /// Everything else; device, precision and refinement are not used.
    pub settings: &'a Settings,
    /// Store in f64.
    pub double: bool,
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
        ThreadPool::new(self.settings.threads)?.run(|| {
            #[cfg(feature = "cuda")]
            if let Some(cuda) = place.cuda_with_stop(&stop)? {
                return if self.double { self.train(cuda.wide(), observer) } else { self.train(cuda, observer) };
            }
            debug_assert_eq!(place.name(), "cpu");
            match self.double {
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
