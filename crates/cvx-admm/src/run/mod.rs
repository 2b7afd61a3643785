//! One run of the ADMM iteration: the loop, the termination tests, and the record.

pub(crate) mod admm;
pub(crate) mod recorder;
pub(crate) mod saved;
pub(crate) mod termination;
