//! Checkpoints: a file that holds everything that the next iteration depends on, from which a run can be resumed.

pub(crate) mod codec;
pub(crate) mod file;
pub(crate) mod identity;
