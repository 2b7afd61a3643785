//! The record of a run.

use cvx_artifact::{Objective, Scores};
use cvx_linalg::LinalgError;
use serde::{Deserialize, Serialize};

/// One ADMM iteration. Values that were not computed at this iteration are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// Number of the iteration, from 1.
    pub iteration: usize,
    /// Seconds since the data were in memory, without the evaluation of test metrics.
    pub seconds: f64,
    /// Objective of this iteration's network.
    pub network: Option<f64>,
    /// Best dual bound so far.
    pub dual_bound: Option<f64>,
    /// Gap of the best network and the best bound so far.
    pub relative_gap: Option<f64>,
    /// Scores of this iteration's network on the training samples.
    pub train: Option<Scores>,
    /// Scores of this iteration's network on the test samples.
    pub test: Option<Scores>,
    /// Primal residual ||(u - v, Gt u - s)||.
    pub primal_residual: f64,
    /// Dual residual rho ||(v - v_old, s - s_old)||.
    pub dual_residual: f64,
    /// The penalty rho.
    pub rho: f64,
    /// Inner iterations of the linear solver.
    pub inner_iterations: usize,
}

/// The values of an evaluated iteration by target, where each target is a programme of its own (docs/math.md, section
/// 5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IterationTargets {
    /// Number of the iteration in the history.
    pub iteration: usize,
    /// Objectives of this iteration's network (C).
    pub network: Vec<f64>,
    /// The terms of the best dual bound so far (C).
    pub dual_bound: Vec<f64>,
    /// Gaps of the best network and the best bound so far (C).
    pub relative_gap: Vec<f64>,
}

/// The part of one target in the result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Its certificate; `None` for the multinomial loss, which couples the targets.
    pub objective: Option<Objective>,
    /// Number of neurons of the network with this output.
    pub neurons: usize,
}

/// Seconds spent in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// Transform, upload, patterns and factorisations, including those after a change of rho.
    pub setup: f64,
    /// The u-update (4a).
    pub u: f64,
    /// Over-relaxation and group soft-threshold (4b).
    pub v: f64,
    /// The fused slack step and its dual (4b, 4c).
    pub s: f64,
    /// The dual of u = v (4c), the split prediction (6.3) and the acceleration.
    pub dual: f64,
    /// Evaluation of the network objective and the dual bound.
    pub certificate: f64,
    /// Total time from the data in memory to the returned model, without test metrics.
    pub total: f64,
}

/// One programme of a run that refines its patterns (docs/math.md, section 10).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Number of patterns.
    pub patterns: usize,
    /// Number of neurons of the best network.
    pub neurons: usize,
    /// Objective of that network.
    pub network: f64,
    /// Lower bound of this round's programme.
    pub dual_bound: f64,
    /// ADMM iterations so far.
    pub iterations: usize,
    /// Seconds since the data were in memory.
    pub seconds: f64,
}

/// The record of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// All iterations.
    pub history: Vec<Iteration>,
    /// The evaluated ones by target; empty with one target, for a loss that couples the targets, and for a mean of
    /// networks.
    pub history_by_target: Vec<IterationTargets>,
    /// The result by target (C); empty with one target, and before the end of a run. Of a mean of networks, objectives
    /// and bounds are summed over the parts.
    pub targets: Vec<TargetRecord>,
    /// Seconds of each phase.
    pub seconds: PhaseSeconds,
    /// Number of changes of rho; each needs a factorisation.
    pub penalty_changes: usize,
    /// Number of u-updates whose inner iteration ended before it reached its tolerance.
    pub unconverged_solves: usize,
    /// Relative residual of (4a), recomputed in f64 after the first u-update.
    pub linear_residual: Option<f64>,
    /// The programmes in the order of their solution: the first one, and one for each refinement.
    pub rounds: Vec<Round>,
    /// The cones of directions that the proofs of a bound over all patterns looked at.
    #[serde(skip)]
    pub cones: u64,
    /// The reason why the last checkpoint could not be written, if it could not.
    #[serde(skip)]
    pub checkpoint_failure: Option<String>,
    /// The error that ended a run with [`Status::DeviceError`](crate::Status::DeviceError) or
    /// [`Status::NumericalError`](crate::Status::NumericalError), if there was one.
    #[serde(skip)]
    pub failure: Option<LinalgError>,
}
