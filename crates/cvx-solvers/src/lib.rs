//! Solvers of the u-update (4a), A u = b with A = I + F'F/rho + Gt'Gt.
//!
//! $$ u = \arg\min \tfrac12 \lVert F u - y \rVert^2 + \tfrac\rho2 \lVert u - v + \lambda \rVert^2 + \tfrac\rho2 \lVert \tilde G u - s + \nu \rVert^2 $$
//!
//! * [`Cholesky`]: exact at any number of patterns, by one d x d and one n x n factor.
//! * [`CholeskyDense`]: the original's (2dP) x (2dP) matrix; a reference for small problems.
//! * [`GramPcg`]: conjugate gradients preconditioned by one d x d factor, and by a sketch of what is left if wanted; for n
//!   beyond the memory of [`Cholesky`].
//! * [`Rbcd`]: randomised block coordinate descent with the same factor, the blocks sketched or not; [`LineSearchRbcd`] is the
//!   original's.
//! * [`Pcg`]: conjugate gradients, matrix-free: plain, with diag(A), or with a Nystrom sketch.
//!
//! [`condition`] tells what each of the iterative ones is up against.
//!
//! They know blocks, masks and a penalty through [`MaskedSystem`](cvx_linalg::MaskedSystem), not what these mean.

mod block_nystrom;
mod cholesky;
mod cholesky_dense;
mod condition;
mod conjugate;
mod coordinates;
mod deflation;
mod gram;
mod gram_pcg;
mod groups;
mod jacobi;
mod kind;
mod line_search_rbcd;
mod pcg;
mod preconditioner;
mod rbcd;
mod whole_nystrom;

pub use cholesky::Cholesky;
pub use cholesky_dense::CholeskyDense;
pub use condition::{Condition, Eigenvalue, SpectrumMethod, condition};
pub use gram_pcg::GramPcg;
pub use kind::{ProblemShape, SolverKind, SolverSettings};
pub use line_search_rbcd::LineSearchRbcd;
pub use pcg::Pcg;
pub use rbcd::Rbcd;

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
