//! Solvers of the u-update (4a), A u = b with A = I + F'F/rho + Gt'Gt.
//!
//! * [`Cholesky`]: exact at any number of patterns, by one d x d and one n x n factor.
//! * [`CholeskyDense`]: the original's (2dP) x (2dP) matrix; a reference for small problems.
//! * [`Cg`]: conjugate gradients, matrix-free.
//!
//! They know blocks, masks and a penalty through [`MaskedSystem`](cvx_linalg::MaskedSystem), not what these mean.

mod cg;
mod cholesky;
mod cholesky_dense;
mod kind;

pub use cg::Cg;
pub use cholesky::Cholesky;
pub use cholesky_dense::CholeskyDense;
pub use kind::{ProblemShape, SolverKind};
