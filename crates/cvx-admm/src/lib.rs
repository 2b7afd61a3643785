//! Trains a two-layer ReLU network by its convex programme, and says how good the network is.
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
//! * [`Settings`]: everything that can be chosen; nothing has to be.
//! * [`Model`]: the network with its transform, its classes and its certificate; saved, loaded, verified.

mod admm;
mod anderson;
mod checkpoint;
mod clock;
mod closing;
mod dispatch;
mod error;
mod estimate;
mod identity;
mod incumbent;
mod info;
mod memory;
mod observer;
mod path;
mod penalty;
mod prediction;
mod prune;
mod refine;
mod schedule;
mod session;
mod settings;
mod state;
mod suggest;
mod train;
mod weights;

pub use checkpoint::{Checkpoint, CheckpointPlan};
pub use cvx_artifact::{
    ArtifactError, Certify, Claim, FileError, Model, Objective, Provenance, Scores, Status, Verification, Witness,
    check_writable, verify, write_whole,
};
pub use cvx_linalg::{StopReason, StopToken};
pub use cvx_solvers::SolverKind;
pub use error::TrainError;
pub use identity::NamedSetting;
pub use info::{Info, Iteration, PhaseSeconds};
pub use observer::{Observer, Summary};
pub use path::{Choice, PathPoint, PathSettings, PathSolution, Validation, path};
pub use refine::Round;
pub use settings::{Beta, Device, Gates, Precision, Settings, SolverChoice, ValidSettings};
pub use suggest::{Suggestion, suggest_patterns};
pub use train::{PredictionStart, Solution, WarmStart, resume, train, train_with};
pub use weights::ClassWeights;

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
