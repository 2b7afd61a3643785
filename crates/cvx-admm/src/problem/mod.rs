//! The input of a run, the memory that it takes, and the device that it goes to.

pub(crate) mod dispatch;
pub(crate) mod input;
pub(crate) mod memory;
pub(crate) mod suggest;
