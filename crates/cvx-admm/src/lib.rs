//! Trains a two-layer ReLU network by its convex programme, and certifies its quality.
//!
//! $$ f(x) = \sum_j \max(0, x^\top w_{1j}) w_{2j}, \qquad \tfrac12 \lVert f(X) - y \rVert^2 + \tfrac\beta2 \sum_j \bigl( \lVert w_{1j} \rVert^2 + w_{2j}^2 \bigr) $$
//!
//! ```
//! use cvx_admm::{Settings, Status, train};
//! use cvx_model::{Dataset, FeatureKind, Labels};
//!
//! let x: Vec<f64> = (0..60).map(|k| (k as f64 * 0.7).sin()).collect();
//! let labels = Labels::numbers((0..30).map(|row| f64::from(u8::from(x[2 * row] > x[2 * row + 1]))).collect());
//! let data = Dataset::new(2, x, Some(labels), FeatureKind::Table)?;
//! let solution = train(&data, None, &Settings { patterns: 10, ..Settings::default() })?;
//! assert_eq!(solution.status, Status::Optimal);
//! assert!(solution.objective.relative_gap <= 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`train`], [`train_with`]: from a data set to a [`Solution`].
//! * [`Settings`]: all settings, each with a default.
//! * [`Model`]: the network with its transform, its classes and its certificate; it can be saved, loaded and verified.

mod api;
mod auto;
mod checkpoint;
mod choose;
mod clock;
mod describe;
mod evaluation;
mod exchange;
mod iterates;
mod path;
mod problem;
mod refine;
mod run;
mod solver;
mod train;

pub use api::error::{NamedSetting, TrainError};
pub use api::observer::{Observer, Summary};
pub use api::record::{Info, Iteration, IterationTargets, PhaseSeconds, Round, TargetRecord};
pub use api::settings::{Beta, CheckpointPlan, Device, Gates, Precision, Settings, SolverChoice, ValidSettings};
pub use api::weights::ClassWeights;
pub use auto::{Plan, Wishes, automatic};
pub use checkpoint::file::Checkpoint;
pub use choose::choose;
pub use cvx_artifact::{
    ArtifactError, Certify, Claim, ColumnSlopes, FileError, GlobalWitness, HeldOutPredictor, Lipschitz, Model,
    NamedConstraints, Objective, Part, Predictions, Provenance, Quality, Scores, Slopes, Status, Verification, Witness,
    check_writable, insight, verify, write_whole,
};
pub use cvx_linalg::{StopReason, StopToken};
pub use cvx_solvers::SolverKind;
pub use describe::{SettingDescription, describe_patch_settings, describe_path_settings, describe_settings};
pub use iterates::split_loss::SplitStart;
pub use iterates::state::WarmStart;
pub use path::point::PathPoint;
pub use path::settings::{Choice, PathSettings, Returned, Validation};
pub use path::{Beside, HeldOutPredictions, PathSolution, path};
pub use problem::patches::Features;
pub use problem::suggest::{Suggestion, suggest_patterns};
pub use solver::Solver;
pub use solver::continuation::Continuation;
pub use solver::results::DualPoint;
pub use solver::solution::{RankRecord, Solution};
pub use train::{resume, train, train_with};

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
