//! Pattern refinement (docs/math.md, section 10): neurons become gates, fresh ones join, and the programme is solved again.
//!
//! The neurons of a network lie in the cones of their own patterns, so that it is a point of the new programme: the objective of
//! the best network cannot rise.

use crate::error::TrainError;
use crate::info::Info;
use crate::status::Status;
use crate::train::Solution;
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, PatternSet};

/// Fresh gates of a round, as a share of the gates of the first programme.
const FRESH_SHARE: f64 = 0.2;

/// Most patterns of a round over those of the first: several targets may bring a neuron each for every pattern of the last.
const MOST_GROWTH: usize = 8;

/// A round has to lower the objective by this share of it, or it is the last.
pub(crate) const LEAST_PROGRESS: f64 = 1e-3;

/// Share by which the same network may be valued otherwise after its blocks were added up and rounded.
const ROUNDING: f64 = 1e-6;

/// One programme of a refined run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Number of patterns.
    pub patterns: usize,
    /// Number of neurons of the best network.
    pub neurons: usize,
    /// Its objective.
    pub network: f64,
    /// Lower bound of this round's programme.
    pub dual_bound: f64,
    /// ADMM iterations so far.
    pub iterations: usize,
    /// Seconds since the data were in memory.
    pub seconds: f64,
}

impl Round {
    /// What a finished programme comes to.
    pub fn new(solution: &Solution) -> Self {
        Round {
            patterns: solution.summary.shape.n_patterns,
            neurons: solution.model.network.n_neurons(),
            network: solution.objective.network,
            dual_bound: solution.objective.dual_bound,
            iterations: solution.info.history.len(),
            seconds: solution.info.seconds.total,
        }
    }
}

/// Whether a programme of so many patterns is too large a step from one that began with `sampled`.
pub(crate) fn outgrows(patterns: usize, sampled: usize) -> bool {
    patterns > MOST_GROWTH * sampled
}

/// Number of fresh gates in a round of a run that began with so many gates.
pub(crate) fn fresh_gates(patterns: usize) -> usize {
    (patterns as f64 * FRESH_SHARE).ceil() as usize
}

/// The gates of the next programme: those of the neurons in `v` (d x blocks), then `fresh` ones. A ReLU neuron is its own gate, a
/// gated one keeps the one it has.
pub(crate) fn next_gates(
    v: &HostMatrix,
    patterns: &PatternSet,
    activation: Activation,
    fresh: &HostMatrix,
) -> HostMatrix {
    let neurons: Vec<&[f64]> = neurons(v)
        .map(|j| match activation {
            Activation::Relu => v.col(j),
            Activation::Gated => patterns.gates().col(j % patterns.len()),
        })
        .collect();
    let columns = neurons.iter().copied().chain((0..fresh.cols()).map(|i| fresh.col(i)));
    HostMatrix::from_vec(v.rows(), neurons.len() + fresh.cols(), columns.flatten().copied().collect())
}

/// The blocks of `v` in the places that they have among `next` (d x blocks'), whose first gates are those of the neurons. Neurons of one
/// pattern, target and sign add up; one that is inactive on every sample is left out.
pub(crate) fn moved_blocks(
    v: &HostMatrix,
    n_patterns: usize,
    activation: Activation,
    n_targets: usize,
    next: &PatternSet,
) -> HostMatrix {
    let signs = activation.signs();
    let mut moved = HostMatrix::zeros(v.rows(), signs * next.len() * n_targets);
    for (gate, j) in neurons(v).enumerate() {
        if let Some(pattern) = next.pattern_of(gate) {
            // Target and sign stay.
            let block = j / n_patterns * next.len() + pattern;
            moved.col_mut(block).iter_mut().zip(v.col(j)).for_each(|(sum, v)| *sum += v);
        }
    }
    moved
}

/// The columns that are not zero.
fn neurons(v: &HostMatrix) -> impl Iterator<Item = usize> {
    (0..v.cols()).filter(|&j| v.col(j).iter().any(|v| *v != 0.0))
}

impl Solution {
    /// The better of this solution and the one of the run before it, with the record of both.
    pub(crate) fn after(self, mut before: Solution) -> Solution {
        let info = joined(std::mem::take(&mut before.info), self.info.clone());
        let status = if self.status.can_go_on() { before.status } else { self.status };
        // A stop before the first iteration may leave a network that had been pruned before.
        let mut kept = if self.objective.network > before.objective.network * (1.0 + ROUNDING) {
            before.model.claim.status = status;
            Solution { status, ..before }
        } else {
            self
        };
        kept.model.provenance.iterations = info.history.len() as u64;
        kept.info = info;
        kept
    }

    /// This solution, of a run whose next programme met an error of the device; other errors stay errors.
    pub(crate) fn cut_short_by(mut self, error: TrainError) -> Result<Solution, TrainError> {
        let TrainError::Linalg(failure) = error else { return Err(error) };
        self.status = Status::DeviceError;
        self.model.claim.status = self.status;
        self.info.failure = Some(failure);
        Ok(self)
    }
}

/// The record of `first` and of the run after it as one.
fn joined(first: Info, mut then: Info) -> Info {
    let mut history = first.history;
    let done = history.len();
    history.extend(then.history.drain(..).map(|mut record| {
        record.iteration += done;
        record
    }));
    let seconds = &mut then.seconds;
    seconds.setup += first.seconds.setup;
    seconds.u += first.seconds.u;
    seconds.v += first.seconds.v;
    seconds.s += first.seconds.s;
    seconds.dual += first.seconds.dual;
    seconds.certificate += first.seconds.certificate;
    let reached = first.seconds_to_train_accuracy_97.or(then.seconds_to_train_accuracy_97);
    Info {
        history,
        seconds_to_train_accuracy_97: reached,
        // The penalty counts on.
        penalty_changes: then.penalty_changes,
        unconverged_solves: first.unconverged_solves + then.unconverged_solves,
        linear_residual: first.linear_residual,
        rounds: [first.rounds, then.rounds].concat(),
        ..then
    }
}
