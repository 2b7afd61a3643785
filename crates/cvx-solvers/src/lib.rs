//! Solvers of the u-update (4a), A u = b with A = I + F'F/rho + Gt'Gt.
//!
//! $$ u = \arg\min \tfrac12 \lVert F u - y \rVert^2 + \tfrac\rho2 \lVert u - v + \lambda \rVert^2
//!    + \tfrac\rho2 \lVert \tilde G u - s + \nu \rVert^2 $$
//!
//! * [`Cholesky`]: exact at any number of patterns, by one d x d and one n x n factor.
//! * [`GramPcg`]: conjugate gradients preconditioned by one d x d factor, optionally also by a sketch of the rest; for
//!   n beyond the memory of [`Cholesky`].
//! * [`Rbcd`]: randomised block coordinate descent with the same factor, the blocks sketched or not.
//! * [`Pcg`]: conjugate gradients, matrix-free: plain, with diag(A), with a Nystrom sketch, or with a
//!   [`Preconditioner`] of your own.
//!
//! [`condition`] computes the condition number that each of the iterative ones faces.
//!
//! They know blocks, masks and a penalty through [`MaskedSystem`](cvx_linalg::MaskedSystem), not what these mean.

mod block_nystrom;
mod choice;
mod cholesky;
mod condition;
mod conjugate;
mod coordinates;
mod deflation;
mod free_kernel;
mod gram;
mod gram_pcg;
mod groups;
mod jacobi;
mod kind;
mod pcg;
mod preconditioner;
mod rbcd;

pub use choice::{ProblemShape, SolverBytes};
pub use cholesky::Cholesky;
pub use condition::{Condition, Eigenvalue, SpectrumMethod, condition, condition_of};
pub use deflation::Deflation;
pub use gram_pcg::GramPcg;
pub use kind::{SolverKind, SolverSettings};
pub use pcg::Pcg;
pub use preconditioner::Preconditioner;
pub use rbcd::Rbcd;

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
