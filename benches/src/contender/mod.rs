//! The contenders and their problem: all solvers of the convex program, the iteration of Feng et al., and Adam.

mod adam;
mod back_propagation;
mod convex;
mod evaluator;
mod problem;
mod stopwatch;

pub use adam::{Adam, Initialisation, adam_step};
pub use back_propagation::Layers;
pub use convex::Convex;
pub use problem::Problem;

use crate::host::Host;
use crate::row::{Outcome, Row};
use crate::source;
use anyhow::Result;
use cvx_model::Dataset;

/// A contender.
#[derive(Clone, Debug)]
pub enum Contender {
    /// A solver of the convex program.
    Convex(Convex),
    /// Adam on the non-convex objective.
    Adam(Adam),
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
