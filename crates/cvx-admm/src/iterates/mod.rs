//! The iterates, the steps on them, the penalty and the acceleration.

pub(crate) mod anderson;
pub(crate) mod penalty;
pub(crate) mod split_loss;
pub(crate) mod state;
