//! Ranks over MPI: the [`Communicator`](cvx_linalg::Communicator) of processes that one launcher started.
//!
//! Everything is behind the feature `mpi`, which links the MPI library of the machine.

#[cfg(feature = "mpi")]
mod launcher;
#[cfg(feature = "mpi")]
mod together;
#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use launcher::{StartError, is_launched};
#[cfg(feature = "mpi")]
pub use together::together;
#[cfg(feature = "mpi")]
pub use world::{Mpi, World};
