//! Samples in shards, spread over ranks: processes, or threads of a test, that work on one programme together.
//!
//! * [`Communicator`]: what ranks say to each other; [`Threads`] is that of one process.
//! * [`Shards`]: how samples are cut, by their number alone. [`Ranks`] adds partial sums up one tree over the shards,
//!   so that the number of ranks does not show in the bits.
//! * [`SampleSums`]: sums over all samples of values on the host; plain addition where one process has them all.
//! * [`Distributed`]: a back end whose matrices of samples are [`Spread`], on any other back end.

mod communicator;
mod distributed;
mod shards;
mod spread;
mod sums;
mod threads;
mod tree;
mod world;

pub use communicator::{Communicator, RankError};
pub use distributed::Distributed;
pub use shards::Shards;
pub use spread::Spread;
pub use sums::SampleSums;
pub use threads::Threads;
pub use world::{Ranks, Traffic};
