//! What a predictor learned: which features it uses, and how its predictions depend on them.
//!
//! The functions take any predictor as a closure, on samples with encoded features. A *source* is what one or more
//! columns of these samples encode, such as a column of a table: `sources[j]` is the source of column j. The columns of
//! one source change together. [`PatchNetwork`] is about networks on patches of images alone.

mod columns;
mod dependence;
mod importance;
mod patches;

pub use dependence::{Dependence, dependence};
pub use importance::{Importance, Importances, importance};
pub use patches::{Evidence, GateResponses, PatchGate, PatchNetwork, Response};
