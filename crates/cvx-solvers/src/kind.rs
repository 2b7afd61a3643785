//! The solvers by name, and the settings of those that draw at random or sketch.

use cvx_linalg::{SketchRank, named};

/// A solver of the u-update, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverKind {
    /// One d x d and one n x n factor.
    Cholesky,
    /// Conjugate gradients.
    Cg,
    /// Conjugate gradients, preconditioned with diag(A).
    JacobiPcg,
    /// Conjugate gradients, preconditioned with a Nystrom sketch of what the blocks of A have in common.
    NystromPcg,
    /// Conjugate gradients on the n x n kernel, preconditioned by one d x d factor.
    GramPcg,
    /// The same, with a Nystrom sketch of the n x n kernel on top.
    GramNystromPcg,
    /// Randomised block coordinate descent in the metric of the d x d factor.
    Rbcd,
    /// The same, with a Nystrom sketch of each block's Hessian.
    NystromRbcd,
}

named!(
    SolverKind, "solver":
    Cholesky = "cholesky",
    GramPcg = "gram-pcg",
    GramNystromPcg = "gram-nystrom-pcg",
    NystromRbcd = "nystrom-rbcd",
    Rbcd = "rbcd",
    NystromPcg = "nystrom-pcg",
    JacobiPcg = "jacobi-pcg",
    Cg = "cg"
);

/// Settings of the solvers that draw at random or sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolverSettings {
    /// Rank of a Nystrom sketch; by default it adapts.
    pub rank: Option<usize>,
    /// Seed of sketches and of the order of blocks.
    pub seed: u64,
    /// Most steps of one solve by conjugate gradients. Default 2,000.
    pub steps: usize,
}

impl Default for SolverSettings {
    fn default() -> Self {
        SolverSettings { rank: None, seed: 0, steps: 2000 }
    }
}

impl SolverSettings {
    /// The rank of the sketch of a solver of this `kind`, with the error that is small enough.
    pub(crate) fn sketch_rank(&self, kind: SolverKind, error: f64) -> SketchRank {
        let adaptive = SketchRank::Adaptive { largest: kind.largest_rank(), error };
        self.rank.map_or(adaptive, SketchRank::Fixed)
    }
}

impl SolverKind {
    /// Limit of a rank that adapts. A rank costs a product with X for the blocks' common part, one with X and all masks
    /// for the kernel, and one with X for each pattern where each has its own.
    pub(crate) fn largest_rank(self) -> usize {
        match self {
            SolverKind::NystromPcg => 1024,
            SolverKind::GramNystromPcg => 256,
            SolverKind::NystromRbcd => 64,
            _ => 0,
        }
    }

    /// Whether it needs the factor of M = I + Gt_i'Gt_i, or blocks in pairs of two signs. Without cones there is
    /// neither.
    pub fn needs_cones(self) -> bool {
        !matches!(self, SolverKind::Cholesky | SolverKind::GramPcg | SolverKind::Cg)
    }

    /// Whether it is one for samples that are spread over ranks: all that it does over samples is sums.
    pub fn works_over_ranks(self) -> bool {
        matches!(self, SolverKind::GramPcg | SolverKind::Cg)
    }

    /// Whether its solution is as good as its factors, with no inner tolerance.
    pub fn is_direct(self) -> bool {
        self == SolverKind::Cholesky
    }
}
