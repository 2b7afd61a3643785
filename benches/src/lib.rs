//! What several of the benchmarks share.

pub mod feng;
pub mod history;
pub mod place;
pub mod roof;
pub mod verbs;
