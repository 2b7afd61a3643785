//! Solvers of the u-update (4a), A u = b with A = I + F'F/rho + Gt'Gt.
//!
//! * [`Cholesky`]: exact at any number of patterns, by one d x d and one n x n factor.
//! * [`CholeskyDense`]: the original's (2dP) x (2dP) matrix; a reference for small problems.
//! * [`GramPcg`]: conjugate gradients preconditioned by one d x d factor; for n beyond the memory of [`Cholesky`].
//! * [`Pcg`]: conjugate gradients, matrix-free: plain, or with diag(A).
//!
//! They know blocks, masks and a penalty through [`MaskedSystem`](cvx_linalg::MaskedSystem), not what these mean.

mod cholesky;
mod cholesky_dense;
mod conjugate;
mod gram;
mod gram_pcg;
mod jacobi;
mod kind;
mod pcg;
mod preconditioner;

pub use cholesky::Cholesky;
pub use cholesky_dense::CholeskyDense;
pub use gram_pcg::GramPcg;
pub use kind::{ProblemShape, SolverKind};
pub use pcg::Pcg;
