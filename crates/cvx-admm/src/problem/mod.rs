//! The input of a run, its memory requirement, and its device.

pub(crate) mod agreement;
pub(crate) mod dispatch;
pub(crate) mod input;
pub(crate) mod memory;
pub(crate) mod patches;
pub(crate) mod suggest;
