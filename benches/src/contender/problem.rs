//! A problem that contenders solve.

use crate::row::Goal;
use cvx_bench::place::Place;
use cvx_model::{DataSplit, Dataset};

/// What every contender is given.
#[derive(Clone)]
pub struct Problem<'a> {
    /// Name of the data.
    pub data: &'a str,
    /// Training samples.
    pub train: &'a Dataset,
    /// Test samples.
    pub test: Option<&'a Dataset>,
    /// What ends a run.
    pub goal: Goal,
    /// Weight of the regulariser.
    pub beta: f64,
    /// Certified gap that ends a run of the convex program.
    pub gap: f64,
    /// Number of patterns.
    pub patterns: usize,
    /// Seconds after which a run ends.
    pub time_limit: f64,
    /// ADMM iterations after which a run ends.
    pub max_iterations: usize,
    /// Store in f64.
    pub double: bool,
    /// Where it runs.
    pub place: Place,
    /// Threads; 0 takes one per core.
    pub threads: usize,
    /// Of gates and sketches, or of first weights and batches.
    pub seed: u64,
}

impl<'a> Problem<'a> {
    /// The task of Feng et al. on these data.
    pub fn new(data: &'a str, split: &'a DataSplit, seed: u64) -> Self {
        Problem {
            data,
            train: &split.train,
            test: split.test.as_ref(),
            goal: Goal::Accuracy,
            beta: 1e-3,
            gap: 1e-3,
            patterns: 50,
            time_limit: 185.9,
            max_iterations: 2000,
            double: false,
            place: Place::processor(),
            threads: 0,
            seed,
        }
    }
}
