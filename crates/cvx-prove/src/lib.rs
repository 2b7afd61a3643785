//! Proofs about trained two-layer networks.

#![forbid(unsafe_code)]

mod ascent;
mod decide;
mod deployed;
mod error;
pub mod file;
mod function;
pub mod inputs;
mod leaf;
mod node;
mod outcome;
mod proof;
mod prover;
mod questions;
mod region;
mod robust;
mod rounding;
mod search;
mod subject;
mod vnnlib;

pub use decide::{Decision, Evaluate, decide};
pub use deployed::Deployed;
pub use error::ProveError;
pub use outcome::{Budget, Outcome};
pub use proof::Proof;
pub use prover::{Claim, Place, Prover, Theorem, predict};
pub use questions::{Answer, End, OutputBounds, difference_bounds, monotone, output_bounds, same_as};
pub use region::{Norm, Shape};
pub use robust::{Certified, Classifier, Neighbourhood, Question, Radius, certify_all, radius_all};
pub use search::{Found, Goal, Limits, Replay, Verdict};
pub use vnnlib::{Constraint, Property, SpecError};
