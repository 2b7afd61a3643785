//! What several of the benchmarks share.

pub mod roof;
pub mod verbs;
