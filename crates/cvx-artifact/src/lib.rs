//! Trained networks: the model file, predictions, and the verification of a certificate.
//!
//! This crate contains no training code: a program that only uses a network needs no solver.
//!
//! * [`Model`]: the network with its transform, its classes and its certificate; it can be saved, loaded and used.
//! * [`verify`]: recomputes the claims of a model from its training data.
//! * [`Status`], [`Objective`], [`Scores`], [`Certify`]: the facts that a model records about its training run.
//! * [`HeldOutPredictor`]: predictions on training samples by the parts that did not see them.
//! * [`Slopes`]: bounds for how fast its outputs can change.
//! * [`insight`]: which features a predictor uses, and how.
//! * [`container`]: the file format that models and checkpoints share.
//!
//! ```no_run
//! use cvx_artifact::Model;
//! use cvx_model::{Dataset, FeatureKind};
//! use std::path::Path;
//!
//! let model = Model::load(Path::new("model.cvx"))?;
//! let data = Dataset::new(2, vec![0.5, -1.0], None, FeatureKind::Table)?;
//! let prediction = model.predict(&data)?;
//! println!("{:?}", model.classes(&prediction));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod certify;
pub mod container;
mod error;
mod file;
mod file_error;
mod held_out;
pub mod insight;
mod model;
mod named_constraints;
mod objective;
mod part;
mod quality;
mod signed_sums;
mod slopes;
mod status;
mod verify;
mod whole_file;

pub use certify::Certify;
pub use error::ArtifactError;
pub use file_error::FileError;
pub use held_out::HeldOutPredictor;
pub use model::{Claim, Model, Provenance, checksum_over, fingerprint, fingerprint_over};
pub use named_constraints::NamedConstraints;
pub use objective::{Objective, Scores};
pub use part::{GlobalWitness, MOST_PARTS, Part, Witness, joint_objective, mean_network};
pub use quality::{Predictions, Quality};
pub use slopes::{ColumnSlopes, Lipschitz, Slopes};
pub use status::Status;
pub use verify::{Verification, verify};
pub use whole_file::{check_writable, remove_leftovers, write_whole};

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
