//! Matrices, bit masks and the [`Backend`] trait: everything numerical in this workspace is written in its two dozen
//! operations, so that a solver written once runs on every device and in every precision.
//!
//! * [`Backend`]: the operations; [`Cpu`] implements them on faer and rayon, `Cuda` (feature `cuda`) on an NVIDIA GPU.
//! * [`HostMatrix`], [`BitMask`]: what is copied between host and device. [`BlockLayout`]: blocks as columns.
//! * [`LinearOperator`], [`MaskedSystem`], [`LinearSolver`]: the contracts between a problem and its solvers.
//! * [`NystromSketch`]: the largest eigenvalues of a matrix that is only ever applied.
//! * [`Distributed`], [`Ranks`], [`SampleSums`]: the same operations on samples that are spread over processes.
//! * [`Named`]: choices that users make by name.
//! * [`conformance`]: one test per operation that every back end has to pass.
//!
//! Coefficients go in as `f64`, norms and products come out as `f64`: precision is a property of storage only.
//!
//! ```
//! use cvx_linalg::{Backend, Cpu, HostMatrix, Transpose};
//!
//! let cpu = Cpu::<f64>::new();
//! let a = cpu.upload(&HostMatrix::from_fn(2, 3, |i, j| (i + j) as f64))?;
//! let mut gram = cpu.zeros(2, 2)?;
//! cpu.gemm(1.0, &a, Transpose::No, &a, Transpose::Yes, 0.0, &mut gram)?;
//! assert_eq!(cpu.download(&gram)?.values(), [5.0, 8.0, 8.0, 14.0]);
//! # Ok::<(), cvx_linalg::LinalgError>(())
//! ```

mod backend;
mod centring;
#[allow(clippy::expect_used, clippy::missing_panics_doc)]
pub mod conformance;
#[allow(unsafe_code)]
mod cpu;
#[allow(unsafe_code)]
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod host;
mod layout;
mod mask;
mod named;
mod nystrom;
mod operator;
mod patches;
mod ranks;
mod sample_source;
mod samples;
mod scratch;
mod shape;
mod soft_cones;
mod stop;
#[cfg(feature = "training")]
pub mod training;

pub use backend::{Backend, ConesOf, Half, MemoryInfo, Shape, SlackNorms, Transpose};
pub use centring::Centring;
pub use cpu::{Cpu, CpuMatrix, CpuScalar, SymmetricEigen, ThreadPool, symmetric_eigen};
#[cfg(feature = "cuda")]
pub use cuda::{Cuda, CudaMask, CudaMatrix};
pub use error::LinalgError;
pub use host::HostMatrix;
pub use layout::{BlockLayout, Signs};
pub use mask::BitMask;
pub use named::{Named, UnknownName};
pub use nystrom::{NystromSketch, SketchMap, SketchRank};
pub use operator::{
    Accuracy, ConeRhs, ConeRows, LinearInfo, LinearOperator, LinearSolver, LinearStatus, MaskedBlocks, MaskedSamples,
    MaskedSystem, SolverFlops, SolverState, SystemRhs, SystemSolution,
};
pub use patches::{FeaturePrecision, PatchPlan, Place};
pub use ranks::{Communicator, Distributed, RankError, Ranks, SampleSums, Shards, Spread, Threads, Traffic};
pub use sample_source::SampleSource;
pub use samples::{Samples, TILE_BYTES, TILES_HELD};
pub use scratch::Scratch;
pub use soft_cones::{LossSlope, SoftCones};
pub use stop::{StopReason, StopToken};

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
