//! The iterates, their updates, the penalty and the acceleration.

pub(crate) mod anderson;
pub(crate) mod carried;
pub(crate) mod penalty;
pub(crate) mod split_loss;
pub(crate) mod state;
