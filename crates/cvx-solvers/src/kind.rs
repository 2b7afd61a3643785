//! The solvers by name, and what each of them needs.

use crate::{Cholesky, CholeskyDense, GramPcg, Pcg};
use cvx_linalg::{Backend, LinearSolver};
use std::fmt;

/// The sizes that memory and work depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemShape {
    /// n.
    pub n_samples: usize,
    /// d.
    pub n_features: usize,
    /// P.
    pub n_patterns: usize,
    /// C.
    pub n_targets: usize,
    /// Bytes of one stored number.
    pub scalar_bytes: usize,
}

impl ProblemShape {
    /// Bytes of `count` stored numbers, without overflow.
    fn stored(&self, count: u64) -> u64 {
        count.saturating_mul(self.scalar_bytes as u64)
    }

    fn dims(&self) -> [u64; 4] {
        [self.n_samples, self.n_features, self.n_patterns, self.n_targets].map(|size| size as u64)
    }
}

/// A solver of the u-update, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverKind {
    /// One d x d and one n x n factor.
    Cholesky,
    /// One (2dP) x (2dP) factor.
    CholeskyDense,
    /// Conjugate gradients.
    Cg,
    /// Conjugate gradients, preconditioned with diag(A).
    JacobiPcg,
    /// Conjugate gradients, preconditioned by one d x d factor.
    GramPcg,
}

impl SolverKind {
    /// All of them, the fastest for moderate n first.
    pub const ALL: [SolverKind; 5] =
        [SolverKind::Cholesky, SolverKind::GramPcg, SolverKind::JacobiPcg, SolverKind::Cg, SolverKind::CholeskyDense];

    /// The name that users choose it by.
    pub fn name(self) -> &'static str {
        match self {
            SolverKind::Cholesky => "cholesky",
            SolverKind::CholeskyDense => "cholesky-dense",
            SolverKind::Cg => "cg",
            SolverKind::JacobiPcg => "jacobi-pcg",
            SolverKind::GramPcg => "gram-pcg",
        }
    }

    /// A solver of this kind, not yet prepared.
    pub fn build<B: Backend>(self) -> Box<dyn LinearSolver<B>> {
        match self {
            SolverKind::Cholesky => Box::new(Cholesky::new()),
            SolverKind::CholeskyDense => Box::new(CholeskyDense::new()),
            SolverKind::Cg => Box::new(Pcg::cg()),
            SolverKind::JacobiPcg => Box::new(Pcg::jacobi()),
            SolverKind::GramPcg => Box::new(GramPcg::new()),
        }
    }

    /// Whether its solution is as good as its factors, with no inner tolerance.
    pub fn is_direct(self) -> bool {
        matches!(self, SolverKind::Cholesky | SolverKind::CholeskyDense)
    }

    /// Bytes at the peak of its set-up, beyond what every run takes.
    pub fn memory_bytes(self, shape: &ProblemShape) -> u64 {
        let [n, d, p, c] = shape.dims();
        let entries = |rows: u64, cols: u64| rows.saturating_mul(cols);
        let blocks = p.saturating_mul(c).saturating_mul(2);
        // b, residual, preconditioned residual, direction and image.
        let iterates = shape.stored(entries(d, blocks).saturating_mul(5));
        match self {
            SolverKind::Cholesky => {
                // f64: M, its inverse, a scaled copy of X and V. Stored: W, V, M^-1, K o S with its factor.
                let wide = entries(d, d).saturating_add(entries(n, d)).saturating_mul(2).saturating_mul(8);
                let stored = entries(n, d)
                    .saturating_mul(2)
                    .saturating_add(entries(d, d))
                    .saturating_add(entries(n, n))
                    .saturating_add(entries(n, p.saturating_mul(c)).saturating_mul(4));
                wide.saturating_add(shape.stored(stored))
            }
            SolverKind::CholeskyDense => {
                let order = entries(d, p).saturating_mul(2);
                // The factor, its f64 image on the host, and the columns of A while they are collected.
                shape.stored(entries(order, order)).saturating_add(entries(order, order).saturating_mul(8))
            }
            SolverKind::Cg => iterates,
            // X o X, the patterns as numbers, and the diagonal on device and host.
            SolverKind::JacobiPcg => {
                let entries = entries(d, blocks).saturating_mul(3).saturating_add(entries(n, d.saturating_add(p)));
                iterates.saturating_add(shape.stored(entries))
            }
            // f64: M, its inverse, a scaled copy of X, V. Stored: V, L^-1, and scratch of n x 3PC and d x 3PC.
            SolverKind::GramPcg => {
                let wide = entries(d, d).saturating_add(entries(n, d)).saturating_mul(2).saturating_mul(8);
                let scratch = entries(n.saturating_add(d), blocks).saturating_mul(3) / 2;
                let stored = entries(n, d).saturating_add(entries(d, d)).saturating_add(scratch);
                wide.saturating_add(shape.stored(stored))
            }
        }
    }
}

impl fmt::Display for SolverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
