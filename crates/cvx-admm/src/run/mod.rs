//! One run of the ADMM iteration: the loop, what ends it, and what is recorded.

pub(crate) mod admm;
pub(crate) mod recorder;
pub(crate) mod saved;
pub(crate) mod termination;
