//! What several of the benchmarks share.

pub mod feng;
pub mod history;
pub mod operations;
pub mod place;
pub mod roof;
