//! Adam (Kingma & Ba 2015) on the non-convex objective: the usual baseline.
//!
//! A step's gradient is that of 1/(2b) ||f - y||^2 over a mini-batch of b samples plus beta/(2n) (||W1||^2 + ||w2||^2),
//! whose mean over the batches is 1/n of the regularised objective: what is minimised is what is compared.

use super::back_propagation::{Batch, Layers};
use super::evaluator::{Evaluator, Samples};
use super::problem::Problem;
use super::stopwatch::Stopwatch;
use crate::row::{Goal, Outcome, Phase, TARGET_ACCURACY, TracePoint, thinned};
use anyhow::{Result, ensure};
use cvx_linalg::training::{AdamBackend, AdamStep};
use cvx_linalg::{Backend, Cpu, HostMatrix, ThreadPool};
use cvx_model::Network;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64;
use serde::Serialize;

/// The method's constants at their usual values.
const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// How the first weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// N(0, 2 / inputs) (He et al. 2015).
    He,
    /// Uniform within 1 / sqrt(inputs), as PyTorch's linear layers have it.
    Pytorch,
}

/// Adam with its settings.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f64,
    /// Number of neurons.
    pub width: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Passes over the samples.
    pub epochs: usize,
    /// Steps between two evaluations; by default an epoch.
    pub evaluate_every: Option<usize>,
    /// How the first weights are drawn.
    pub initialisation: Initialisation,
}

impl Initialisation {
    /// Weights of a layer (inputs x outputs).
    pub fn draw(self, inputs: usize, outputs: usize, rng: &mut Pcg64) -> HostMatrix {
        let scale = (inputs as f64).sqrt().recip();
        HostMatrix::from_fn(inputs, outputs, |_, _| match self {
            Initialisation::He => 2f64.sqrt() * scale * rng.sample::<f64, _>(StandardNormal),
            Initialisation::Pytorch => scale * rng.random_range(-1.0..1.0),
        })
    }
}

impl Adam {
    /// Trains; the clock stops during evaluations.
    pub fn run(&self, problem: &Problem) -> Result<Outcome> {
        let (outcome, trace) = self.run_with_whole_trace(problem)?;
        Ok(Outcome { trace: thinned(trace), ..outcome })
    }

    /// [`run`](Self::run) with every evaluation.
    pub fn run_with_whole_trace(&self, problem: &Problem) -> Result<(Outcome, Vec<TracePoint>)> {
        let rate = self.learning_rate;
        ensure!(rate > 0.0 && rate.is_finite(), "the learning rate is {rate}, but it must be a positive number");
        ensure!(self.width > 0 && self.batch > 0, "Adam needs a neuron and a sample to a step");
        ensure!(self.evaluate_every != Some(0), "Adam is evaluated every step or less often");
        let pool = ThreadPool::new(problem.threads)?;
        let (mut outcome, _) = pool.run(|| {
            #[cfg(feature = "cuda")]
            if let Some(cuda) = problem.place.cuda() {
                return if problem.double { self.train(&cuda.wide(), problem) } else { self.train(cuda, problem) };
            }
            match problem.double {
                true => self.train(&Cpu::<f64>::new(), problem),
                false => self.train(&Cpu::<f32>::new(), problem),
            }
        })?;
        let trace = std::mem::take(&mut outcome.trace);
        Ok((outcome, trace))
    }

    /// Everything of a run, the trace not thinned.
    fn train<B: AdamBackend>(&self, backend: &B, problem: &Problem) -> Result<(Outcome, Network)> {
        let mut clock = Stopwatch::default();
        let samples = clock.run(backend, || Samples::new(problem))?;
        let mut run = clock.run(backend, || Run::new(self, backend, problem, &samples))?;
        let setup = clock.seconds();
        let evaluator = Evaluator::new(backend, problem, samples)?;

        let mut outcome = Outcome { status: "EpochLimit".to_string(), ..Outcome::default() };
        let mut last = evaluator.point(backend, &run.xt, &run.weights, 0.0, setup)?;
        let mut trace = vec![last];
        let steps_per_epoch = run.order.len().div_ceil(self.batch);
        let (every, most) = (self.evaluate_every.unwrap_or(steps_per_epoch), self.epochs * steps_per_epoch);
        while run.steps < most {
            let until = ((run.steps / every + 1) * every).min(most);
            clock.run(backend, || (run.steps..until).try_for_each(|_| run.step(self, backend)))?;
            let epochs = run.steps as f64 / steps_per_epoch as f64;
            last = evaluator.point(backend, &run.xt, &run.weights, epochs, clock.seconds())?;
            trace.push(last);
            if last.objective.is_none() {
                outcome.status = "NumericalError".to_string();
                break;
            }
            if last.train_accuracy.is_some_and(|accuracy| accuracy >= TARGET_ACCURACY) {
                outcome.seconds_to_train_accuracy_97.get_or_insert(last.seconds);
                if problem.goal == Goal::Accuracy {
                    outcome.status = "Reached".to_string();
                    break;
                }
            }
            if clock.seconds() >= problem.time_limit {
                outcome.status = "TimeLimit".to_string();
                break;
            }
        }
        outcome.iterations = run.steps as f64 / steps_per_epoch as f64;
        outcome.inner_iterations = run.steps;
        outcome.seconds = clock.seconds();
        outcome.phases = vec![Phase::new("set-up", setup), Phase::new("steps", outcome.seconds - setup)];
        outcome.best_test_accuracy = trace.iter().filter_map(|point| point.test_accuracy).reduce(f64::max);
        let network = evaluator.close(backend, &run.weights, &last, &mut outcome)?;
        outcome.trace = trace;
        Ok((outcome, network))
    }
}

/// Coefficients of step number `t`, the first of which is 1.
pub fn adam_step(learning_rate: f64, t: usize, weight_decay: f64) -> AdamStep {
    let t = t as f64;
    AdamStep {
        rate: learning_rate / (1.0 - FIRST_DECAY.powf(t)),
        first_decay: FIRST_DECAY,
        second_decay: SECOND_DECAY,
        root_scale: (1.0 - SECOND_DECAY.powf(t)).sqrt().recip(),
        epsilon: EPSILON,
        weight_decay,
    }
}

/// What a run works on.
struct Run<B: Backend> {
    xt: B::Matrix,
    yt: B::Matrix,
    weights: Layers<B>,
    gradient: Layers<B>,
    first: Layers<B>,
    second: Layers<B>,
    /// A whole batch, and the smaller one that an epoch may end with.
    batches: Vec<Batch<B>>,
    /// The samples in the order of this epoch.
    order: Vec<usize>,
    steps: usize,
    rng: Pcg64,
    /// beta / n.
    weight_decay: f64,
}

impl<B: AdamBackend> Run<B> {
    /// Samples on the device, first weights, scratch.
    fn new(adam: &Adam, backend: &B, problem: &Problem, samples: &Samples) -> Result<Self> {
        let Samples { xt, targets, .. } = samples;
        let n = xt.cols();
        let mut rng = Pcg64::seed_from_u64(problem.seed);
        let weights = Layers {
            w1: backend.upload(&adam.initialisation.draw(xt.rows(), adam.width, &mut rng))?,
            w2: backend.upload(&adam.initialisation.draw(adam.width, targets.y.cols(), &mut rng))?,
        };
        let batch = adam.batch.min(n);
        let sizes = [batch, n % batch].into_iter().filter(|&size| size > 0);
        Ok(Run {
            xt: backend.upload(xt)?,
            yt: backend.upload(&targets.y.transposed())?,
            gradient: Layers::zeros_like(backend, &weights)?,
            first: Layers::zeros_like(backend, &weights)?,
            second: Layers::zeros_like(backend, &weights)?,
            batches: sizes.map(|size| Batch::new(backend, &weights, size)).collect::<Result<_, _>>()?,
            order: (0..n).collect(),
            steps: 0,
            weight_decay: problem.beta / n as f64,
            rng,
            weights,
        })
    }

    /// One batch forward, back, and a step along its gradient.
    fn step(&mut self, adam: &Adam, backend: &B) -> Result<()> {
        let size = adam.batch.min(self.order.len());
        let first = self.steps % self.order.len().div_ceil(size) * size;
        if first == 0 {
            self.order.shuffle(&mut self.rng);
        }
        let indices = &self.order[first..(first + size).min(self.order.len())];
        let batch = &mut self.batches[usize::from(indices.len() < size)];
        batch.load(backend, &self.xt, &self.yt, indices)?;
        batch.gradient(backend, &self.weights, &mut self.gradient)?;
        self.steps += 1;
        let step = adam_step(adam.learning_rate, self.steps, self.weight_decay);
        let Run { gradient, first, second, weights, .. } = self;
        backend.adam_step(&step, &gradient.w1, &mut first.w1, &mut second.w1, &mut weights.w1)?;
        backend.adam_step(&step, &gradient.w2, &mut first.w2, &mut second.w2, &mut weights.w2)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::{Beta, Gates, Precision, Settings};
    use cvx_data::{Request, open};

    const DATA: &str = "planted:400x10";

    fn run(goal: Goal, beta: f64, batch: usize, epochs: usize) -> (Outcome, Network) {
        let split = open(DATA, &Request::default()).unwrap();
        let problem = Problem { goal, beta, double: true, ..Problem::new(DATA, &split, 0) };
        let initialisation = Initialisation::Pytorch;
        let adam = Adam { learning_rate: 3e-3, width: 60, batch, epochs, evaluate_every: Some(5), initialisation };
        adam.train(&Cpu::<f64>::new(), &problem).unwrap()
    }

    #[test]
    fn adam_reaches_the_accuracy_and_stops_there() {
        let (outcome, _) = run(Goal::Accuracy, 1e-3, 64, 2000);
        assert_eq!((outcome.status.as_str(), outcome.verified), ("Reached", true));
        assert!(outcome.train_accuracy.unwrap() >= TARGET_ACCURACY);
        assert_eq!(outcome.seconds_to_train_accuracy_97, Some(outcome.seconds));
    }

    /// A stationary point of the regularised objective is an optimum of the convex programme over its own neurons'
    /// patterns; were the weight decay not that of beta, or the gradient not that of the loss, it would be another
    /// programme's.
    #[test]
    fn adam_ends_where_the_convex_programme_over_its_own_patterns_does() {
        let beta = 2.0;
        let (outcome, network) = run(Goal::Objective, beta, 400, 6000);
        let split = open(DATA, &Request::default()).unwrap();
        let beta = Beta::Value(beta);
        let settings =
            Settings { beta, gates: Gates::Given(network.w1), precision: Precision::F64, ..Settings::default() };
        let convex = cvx_admm::train(&split.train, None, &settings).unwrap().objective;
        let adam = outcome.objective.unwrap();
        assert!(outcome.verified && convex.dual_bound <= adam, "{adam} below the bound {}", convex.dual_bound);
        assert!(adam <= 1.02 * convex.dual_bound, "{adam} far above the bound {}", convex.dual_bound);
    }

    #[test]
    fn adam_finds_the_zero_network_where_it_is_the_optimum() {
        let (outcome, _) = run(Goal::Objective, 1e3, 400, 2000);
        // 1/2 ||y||^2.
        assert!((outcome.objective.unwrap() / 200.0 - 1.0).abs() < 0.02, "{:?}", outcome.objective);
    }

    #[test]
    fn one_seed_gives_one_run_in_batches_of_which_the_last_is_small() {
        let [(one, _), (again, _)] = [0; 2].map(|_| run(Goal::Objective, 1.0, 64, 3));
        assert_eq!(one.objective, again.objective);
        assert_eq!((one.iterations, one.inner_iterations), (3.0, 21));
    }
}
