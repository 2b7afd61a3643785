//! Checkpoints: everything that the next iteration depends on, in a file, so that an ended run can be resumed.

pub(crate) mod codec;
pub(crate) mod file;
pub(crate) mod identity;
