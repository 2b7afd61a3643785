//! Pattern refinement (docs/math.md, section 10): neurons become gates, fresh ones join, and the programme is solved again.
//!
//! The neurons of a network lie in the cones of their own patterns, so that it is a point of the new programme: the objective of
//! the best network cannot rise.

use crate::error::TrainError;
use crate::train::Solution;
use cvx_artifact::Status;
use cvx_linalg::HostMatrix;
use cvx_model::{Network, PatternSet};
use serde::{Deserialize, Serialize};

/// Fresh gates of a round, as a share of the gates of the first programme.
const FRESH_SHARE: f64 = 0.2;

/// Most patterns of a round over those of the first: several targets may bring a neuron each for every pattern of the last.
const MOST_GROWTH: usize = 8;

/// A round has to lower the objective by this share of it, or it is the last.
pub(crate) const LEAST_PROGRESS: f64 = 1e-3;

/// One programme of a refined run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// The gates of the next programme: those of the neurons of `network`, then `fresh` ones. A ReLU neuron is its own gate, a
/// gated one keeps the one it has.
pub(crate) fn next_gates(network: &Network, fresh: &HostMatrix) -> HostMatrix {
    let own = network.gates.as_ref().unwrap_or(&network.w1);
    HostMatrix::from_vec(own.rows(), own.cols() + fresh.cols(), [own.values(), fresh.values()].concat())
}

/// The blocks of `network` in the places that they have among `next` (d x blocks), whose first gates are those of its neurons: w1_j |w2_jc|
/// for target c and the sign of w2_jc, or w1_j w2_jc of a gated neuron. Neurons of one pattern, target and sign add up; one that is
/// inactive on every sample is left out.
pub(crate) fn moved_blocks(network: &Network, next: &PatternSet) -> HostMatrix {
    let (signs, targets) = (network.activation().signs(), network.w2.cols());
    let mut moved = HostMatrix::zeros(network.w1.rows(), signs * next.len() * targets);
    for neuron in 0..network.n_neurons() {
        let Some(pattern) = next.pattern_of(neuron) else { continue };
        for target in 0..targets {
            let weight = network.w2[(neuron, target)];
            let negative = usize::from(signs == 2 && weight < 0.0);
            let factor = if signs == 2 { weight.abs() } else { weight };
            let block = moved.col_mut((signs * target + negative) * next.len() + pattern);
            block.iter_mut().zip(network.w1.col(neuron)).for_each(|(sum, w1)| *sum += factor * w1);
        }
    }
    moved
}

impl Solution {
    /// This solution, of a run whose next programme met an error of the device; other errors stay errors.
    pub(crate) fn cut_short_by(mut self, error: TrainError) -> Result<Solution, TrainError> {
        let TrainError::Linalg(failure) = error else { return Err(error) };
        self.status = Status::DeviceError;
        self.model.claim.status = self.status;
        self.info.failure = Some(failure);
        Ok(self)
    }
}
