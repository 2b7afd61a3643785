//! The settings of a run. Every setting has a default.

use crate::api::error::{TrainError, out_of_range};
use crate::api::range;
use crate::api::weights::ClassWeights;
use cvx_artifact::Certify;
use cvx_linalg::{HostMatrix, Named, UnknownName, named};
use cvx_model::{
    Activation, Constraints, GateKind, Loss, ModelError, Normalisation, OutputRange, PatchSettings, TaskChoice,
};
use cvx_solvers::{SolverKind, SolverSettings};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter;
use std::path::PathBuf;
use std::str::FromStr;

/// The device that does the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The fastest device that the build and the machine offer.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The NVIDIA GPU of this ordinal.
    Cuda(usize),
}

/// `auto`, `cpu`, `cuda:I` for the GPU of the ordinal I, or `cuda` for the first one.
impl FromStr for Device {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = || vec!["auto", "cpu", "cuda", "cuda:I"];
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            _ => (text.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()))
                .map(Device::Cuda)
                .ok_or_else(|| UnknownName { what: "device", found: text.to_string(), known: known() }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// Storage precision of the matrices. The certificate is computed in f64 in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 32 bits: twice as fast.
    #[default]
    F32,
    /// 64 bits: needed for gaps below 1e-5.
    F64,
}

named!(Precision, "precision": F32 = "f32", F64 = "f64");

/// The weight of the group norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beta {
    /// The value of beta.
    Value(f64),
    /// A fraction of max ||X'D_i y||, at and above which the zero network is optimal. Other losses have -l'(0) in place
    /// of y.
    Fraction(f64),
}

/// The solver of the u-update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SolverChoice {
    /// The fastest solver that fits the memory budget.
    #[default]
    Auto,
    /// The given solver.
    Kind(SolverKind),
}

impl SolverChoice {
    /// `auto`, or the name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            SolverChoice::Auto => "auto",
            SolverChoice::Kind(kind) => kind.name(),
        }
    }
}

impl Named for SolverChoice {
    const WHAT: &'static str = SolverKind::WHAT;

    fn names() -> Vec<&'static str> {
        iter::once("auto").chain(SolverKind::names()).collect()
    }
}

impl FromStr for SolverChoice {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "auto" => Ok(SolverChoice::Auto),
            _ => text.parse().map(SolverChoice::Kind).map_err(|_: UnknownName| UnknownName::of::<Self>(text)),
        }
    }
}

impl fmt::Display for SolverChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The source of the gates.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gates {
    /// [`GateKind::Local`] for gated neurons on images, else [`GateKind::Gaussian`].
    #[default]
    Auto,
    /// Gates drawn from the given distribution.
    Kind(GateKind),
    /// Gates of patches of images: gated neurons that a convolution computes.
    Patches(PatchSettings),
    /// Gates given by the user (d x P, including the bias row).
    Given(HostMatrix),
}

/// Where and how often a run writes checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointPlan {
    /// The file; each checkpoint replaces the previous one.
    pub path: PathBuf,
    /// Seconds between two checkpoints; 0 writes one after every iteration.
    pub every: f64,
}

/// The settings of a run. `Settings::default()` is a good start for any data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// ReLU or gated neurons.
    pub activation: Activation,
    /// Number of gates to sample; duplicate patterns are merged. Default 50.
    pub patterns: usize,
    /// Source of the gates.
    pub gates: Gates,
    /// Weight of the group norm. Default: 1e-3 of the gated beta_max.
    pub beta: Beta,
    /// Solver of the u-update.
    pub solver: SolverChoice,
    /// Rank of the solvers that use a sketch; by default it adapts.
    pub rank: Option<usize>,
    /// The device that does the work.
    pub device: Device,
    /// Storage precision of the matrices.
    pub precision: Precision,
    /// Number of CPU threads; 0 takes one per core. The result does not depend on it.
    pub threads: usize,
    /// Seed of the gates.
    pub seed: u64,
    /// Maximum number of refinement rounds. A round makes gates of the neurons and solves the programme again: with
    /// soft cones (docs/math.md, section 17) where the loss and the neurons allow it, else with new gates. Refinement
    /// ends when the objective no longer falls. Default 0.
    pub refine: usize,
    /// Maximum number of ADMM iterations in each round. Default 20,000.
    pub max_iterations: usize,
    /// Certified relative gap at which the run stops. Default 1e-3.
    pub gap: f64,
    /// The certificate whose gap is used.
    pub certify: Certify,
    /// Time limit in seconds; the run then returns its best network.
    pub time_limit: Option<f64>,
    /// Initial penalty rho; by default chosen from the data, see `docs/math.md`. It adapts in both cases.
    pub rho: Option<f64>,
    /// Weight of the cone constraint against u = v. Default 1/4.
    pub sigma: Option<f64>,
    /// Whether rho adapts to the residuals. Default true.
    pub adapt_rho: bool,
    /// Over-relaxation alpha, in (0, 2). Default 1.6.
    pub over_relaxation: f64,
    /// Step of the dual updates, in (0, 1.618\]. Default 1; Anderson acceleration needs 1.
    pub dual_step: f64,
    /// Number of differences that Anderson acceleration uses; 0 turns it off. Default 10.
    pub anderson_depth: usize,
    /// Iterations between two evaluations of the certificate; each of the first five is evaluated. Default 5.
    pub evaluate_every: usize,
    /// Whether superfluous neurons of the returned network are removed (docs/math.md, section 7). Default true.
    pub prune: bool,
    /// Whether the result has the last iterates, from which another run can start ([`WarmStart`](crate::WarmStart)).
    /// Default true.
    pub keep_iterates: bool,
    /// Whether a bias column is added. Default true.
    pub bias: bool,
    /// Whether a number that is not penalised is added to each output (docs/math.md, section 11). Default false.
    pub output_bias: bool,
    /// Scaling of the features. Default: one scale for pixels, one per column for tables.
    pub normalisation: Option<Normalisation>,
    /// Classification or regression. Default: inferred from the labels.
    pub task: TaskChoice,
    /// What predictions must obey: trends, curvatures, interactions. Default: nothing.
    pub constraints: Constraints,
    /// The interval that predictions of a regression are clipped to. Default: none.
    pub output_range: Option<OutputRange>,
    /// The loss. Default: the squared loss.
    pub loss: Loss,
    /// Weights of the classes, which multiply the weights of the samples.
    pub class_weights: ClassWeights,
    /// Memory budget in bytes; by default nine tenths of the free memory.
    pub memory_budget: Option<u64>,
    /// File and interval of the checkpoints, if any are written; see [`resume`](crate::resume).
    pub checkpoint: Option<CheckpointPlan>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            activation: Activation::Relu,
            patterns: 50,
            gates: Gates::Auto,
            beta: Beta::Fraction(1e-3),
            solver: SolverChoice::Auto,
            rank: None,
            device: Device::Auto,
            precision: Precision::F32,
            threads: 0,
            seed: 0,
            refine: 0,
            max_iterations: 20_000,
            gap: 1e-3,
            certify: Certify::Network,
            time_limit: None,
            rho: None,
            sigma: None,
            adapt_rho: true,
            over_relaxation: 1.6,
            dual_step: 1.0,
            anderson_depth: 10,
            evaluate_every: 5,
            prune: true,
            keep_iterates: true,
            bias: true,
            output_bias: false,
            normalisation: None,
            task: TaskChoice::Auto,
            constraints: Constraints::default(),
            output_range: None,
            loss: Loss::Squared,
            class_weights: ClassWeights::None,
            memory_budget: None,
            checkpoint: None,
        }
    }
}

impl Settings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// [`TrainError::Setting`] or [`TrainError::Model`] that names the first setting outside its range.
    pub fn validate(&self) -> Result<ValidSettings, TrainError> {
        let positive = |name, value: Option<f64>| match value {
            Some(value) if !(value > 0.0 && value.is_finite()) => Err(out_of_range(name, value, range::POSITIVE)),
            _ => Ok(()),
        };
        if self.patterns == 0 && !matches!(self.gates, Gates::Given(_)) {
            return Err(out_of_range("patterns", 0, range::AT_LEAST_ONE));
        }
        if self.max_iterations == 0 {
            return Err(out_of_range("max_iterations", 0, range::AT_LEAST_ONE));
        }
        if self.evaluate_every == 0 {
            return Err(out_of_range("evaluate_every", 0, range::AT_LEAST_ONE));
        }
        if self.threads > 4096 {
            return Err(out_of_range("threads", self.threads, range::THREADS));
        }
        positive("rho", self.rho)?;
        positive("sigma", self.sigma)?;
        match self.time_limit {
            Some(limit) if !(0.0..=4e9).contains(&limit) => {
                return Err(out_of_range("time_limit", limit, range::TIME_LIMIT));
            }
            _ => {}
        }
        if !(self.gap.is_finite() && self.gap > 0.0) {
            return Err(out_of_range("gap", self.gap, range::POSITIVE));
        }
        match self.beta {
            Beta::Value(beta) if !(beta >= 0.0 && beta.is_finite()) => {
                return Err(out_of_range("beta", beta, range::NOT_NEGATIVE));
            }
            Beta::Fraction(fraction) if !(fraction >= 0.0 && fraction.is_finite()) => {
                return Err(out_of_range("beta_fraction", fraction, range::NOT_NEGATIVE));
            }
            _ => {}
        }
        if !(self.over_relaxation > 0.0 && self.over_relaxation < 2.0) {
            return Err(out_of_range("over_relaxation", self.over_relaxation, range::OVER_RELAXATION));
        }
        // In a flat direction, an iteration multiplies the multipliers by 1 - alpha gamma (docs/math.md, section 2).
        let contracts = self.over_relaxation * self.dual_step < 2.0;
        if !(self.dual_step > 0.0 && self.dual_step <= 1.618 && contracts) {
            return Err(out_of_range("dual_step", self.dual_step, range::DUAL_STEP));
        }
        if let Loss::Huber { delta } = self.loss {
            positive("huber_delta", Some(delta))?;
        }
        if let Some(CheckpointPlan { every, .. }) = &self.checkpoint
            && !(*every >= 0.0 && every.is_finite())
        {
            return Err(out_of_range("checkpoint_every", every, range::SECONDS));
        }
        self.class_weights.check()?;
        if let (Activation::Gated, SolverChoice::Kind(kind)) = (self.activation, self.solver)
            && kind.needs_cones()
        {
            return Err(out_of_range(
                "solver",
                kind,
                "cholesky, gram-pcg or cg for gated neurons, which have no cones",
            ));
        }
        if self.refine > 0 && self.certify == Certify::Sampled && self.activation == Activation::Relu {
            let range = "0 with the sampled certificate: it needs gates inside their cones, neurons are at the edge";
            return Err(out_of_range("refine", self.refine, range));
        }
        if self.certify == Certify::Global {
            self.check_global()?;
        }
        if let Gates::Patches(patches) = &self.gates {
            patches.validate()?;
            if self.activation == Activation::Relu {
                return Err(out_of_range("activation", "relu", "gated for gates of patches"));
            }
            if self.refine > 0 {
                return Err(out_of_range("refine", self.refine, "0 for gates of patches, which are not refined"));
            }
            if !self.constraints.is_empty() {
                let why = "the features of gates of patches are not columns; choose another kind of gates";
                return Err(ModelError::Unconstrainable { constraint: "a constraint on columns", why }.into());
            }
        }
        if self.constraints.nonnegative && self.output_bias {
            let range = "false for non-negative predictions, which it would shift";
            return Err(out_of_range("output_bias", true, range));
        }
        if let Gates::Given(gates) = &self.gates {
            if gates.cols() == 0 {
                return Err(ModelError::Empty { what: "gates" }.into());
            }
            if let Some(at) = gates.values().iter().position(|value| !value.is_finite()) {
                return Err(
                    ModelError::NonFinite { what: "gates", row: at % gates.rows(), column: at / gates.rows() }.into()
                );
            }
        }
        Ok(ValidSettings(self.clone()))
    }

    /// Checks what a bound over all patterns needs: ReLU neurons, a penalty, and rounds of its own.
    fn check_global(&self) -> Result<(), TrainError> {
        if self.activation == Activation::Gated {
            let range = "relu with the global certificate: a gated neuron has no best pattern";
            return Err(out_of_range("activation", self.activation, range));
        }
        let (Beta::Value(beta) | Beta::Fraction(beta)) = self.beta;
        if beta == 0.0 {
            let name = if matches!(self.beta, Beta::Value(_)) { "beta" } else { "beta_fraction" };
            return Err(out_of_range(name, beta, "positive with the global certificate"));
        }
        if self.refine > 0 {
            let range = "0 with the global certificate, which refines patterns in rounds of its own";
            return Err(out_of_range("refine", self.refine, range));
        }
        if let Some(plan) = &self.checkpoint {
            let range = "left out with the global certificate, whose rounds are not resumed";
            return Err(out_of_range("checkpoint", plan.path.display(), range));
        }
        Ok(())
    }
}

impl ValidSettings {
    /// Number of gates of the first programme.
    pub(crate) fn sampled(&self) -> usize {
        match &self.gates {
            Gates::Given(gates) => gates.cols(),
            Gates::Auto | Gates::Kind(_) | Gates::Patches(_) => self.patterns,
        }
    }

    /// Sets the certified gap, a positive number.
    pub(crate) fn set_gap(&mut self, gap: f64) {
        self.0.gap = gap;
    }

    /// Sets the certificate.
    pub(crate) fn set_certify(&mut self, certify: Certify) {
        self.0.certify = certify;
    }

    /// The settings that the solvers need.
    pub(crate) fn solver_settings(&self) -> SolverSettings {
        SolverSettings { rank: self.rank, seed: self.seed, ..SolverSettings::default() }
    }
}

/// Settings that have been validated.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidSettings(Settings);

impl std::ops::Deref for ValidSettings {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.0
    }
}
