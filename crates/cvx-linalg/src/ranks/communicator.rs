//! What ranks say to each other.

use thiserror::Error;

/// The connection of one rank to all others. Every rank calls the same functions in the same order.
pub trait Communicator: Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;
    /// Number of ranks.
    fn size(&self) -> usize;
    /// Number of ranks on this machine, which share its memory.
    fn neighbours(&self) -> usize;
    /// The bytes of all ranks, one rank after the other; `lengths` says how many each has.
    ///
    /// # Errors
    /// [`RankError::Lost`] if a rank has ended.
    fn gather(&self, mine: &[u8], lengths: &[usize]) -> Result<Vec<u8>, RankError>;
    /// Sends to each rank its part of `mine`, which are `to` long, one after the other. Returns the bytes that came
    /// from each, which are `from` long, one after the other.
    ///
    /// # Errors
    /// [`RankError::Lost`] if a rank has ended.
    fn exchange(&self, mine: &[u8], to: &[usize], from: &[usize]) -> Result<Vec<u8>, RankError>;
}

/// Why ranks cannot go on together. The first one is kept: later sums of the rank fail at once.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RankError {
    /// A message could not be sent or received.
    #[error("the ranks have lost each other: {detail}")]
    Lost {
        /// What the transport said.
        detail: String,
    },
    /// Ranks that are not at the same sum.
    #[error(
        "rank {rank} is not at the same sum as rank {other}: all ranks need the same program, arguments and data, on \
         one kind of processor"
    )]
    OutOfStep {
        /// This rank.
        rank: usize,
        /// The first one that differs.
        other: usize,
    },
    /// More ranks than shards.
    #[error(
        "{samples} samples make {shards} shards, and each of {ranks} ranks needs one: start at most {shards} ranks"
    )]
    TooManyRanks {
        /// Number of ranks.
        ranks: usize,
        /// Number of shards.
        shards: usize,
        /// Number of samples.
        samples: usize,
    },
}
