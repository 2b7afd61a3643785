//! The contenders and their problem: all solvers of the convex program, the iteration of Feng et al., and Adam.

mod adam;
mod back_propagation;
mod convex;
mod evaluator;
mod stopwatch;

pub use adam::{Adam, Initialisation};
pub use convex::Convex;

use crate::host::Host;
use crate::row::{Goal, Outcome, Row};
use crate::source;
use anyhow::Result;
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

/// A contender.
#[derive(Clone, Debug)]
pub enum Contender {
    /// A solver of the convex program.
    Convex(Convex),
    /// Adam on the non-convex objective.
    Adam(Adam),
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

impl Contender {
    /// Name in figures and tables.
    pub fn name(&self) -> String {
        match self {
            Contender::Convex(convex) => convex.name(),
            Contender::Adam(adam) => format!("Adam {}", adam.learning_rate),
        }
    }

    /// Runs, and makes a row of it however it ends, so that failures are recorded.
    pub fn run(&self, problem: &Problem, threads: usize) -> Row {
        let (outcome, width, learning_rate) = match self {
            Contender::Convex(convex) => (convex.run(problem), 2 * problem.patterns, None),
            Contender::Adam(adam) => (adam.run(problem), adam.width, Some(adam.learning_rate)),
        };
        Row {
            bench: "comparison".to_string(),
            host: Host::new(threads),
            contender: self.name(),
            goal: problem.goal,
            seed: problem.seed,
            data: source::name(problem.data),
            n_samples: problem.train.n_samples(),
            n_test: problem.test.map_or(0, Dataset::n_samples),
            n_features: problem.train.n_features() + 1,
            width,
            beta: problem.beta,
            device: problem.place.name().to_string(),
            device_name: problem.place.description(),
            precision: if problem.double { "f64" } else { "f32" }.to_string(),
            learning_rate,
            outcome: outcome.unwrap_or_else(failed),
        }
    }

    /// A short run on that many samples: code and memory are then warm. A GPU loads its kernels by the sizes that they
    /// are for.
    pub fn warm_up(&self, problem: &Problem, n_samples: usize) -> Result<()> {
        let train = problem.train.clone().limit(problem.train.n_samples().min(n_samples))?;
        let few = Problem { train: &train, max_iterations: 2, time_limit: 10.0, ..problem.clone() };
        // Whether it can be run at all is for the run to say.
        let _ = match self {
            Contender::Convex(convex) => convex.run(&few),
            Contender::Adam(adam) => Adam { epochs: 2, ..adam.clone() }.run(&few),
        };
        Ok(())
    }
}

fn failed(error: anyhow::Error) -> Outcome {
    Outcome { status: "Failed".to_string(), error: Some(format!("{error:#}")), ..Outcome::default() }
}
