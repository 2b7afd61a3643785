//! The choice of a solver: the work and the memory of each, and its construction by name.

use crate::cholesky::Cholesky;
use crate::gram_pcg::GramPcg;
use crate::kind::{SolverKind, SolverSettings};
use crate::pcg::Pcg;
use crate::rbcd::Rbcd;
use cvx_linalg::{Backend, LinearSolver, TILE_BYTES, TILES_HELD};

/// The sizes that determine memory and work.
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
    /// Blocks per pattern and target: 2 or 1.
    pub signs: usize,
    /// Whether blocks are in the cones of their patterns.
    pub cones: bool,
    /// Bytes of one stored number.
    pub scalar_bytes: usize,
}

impl ProblemShape {
    fn dims(&self) -> [u64; 4] {
        [self.n_samples, self.n_features, self.n_patterns, self.n_targets].map(|size| size as u64)
    }
}

/// Iterations of a run, and inner steps of each, by which the automatic choice counts: measured at n = 10,000 and a gap
/// of 1e-3 (docs/solvers.md).
const ITERATIONS: f64 = 100.0;
const STEPS: f64 = 14.0;

impl SolverKind {
    /// A solver of this kind, not yet prepared.
    pub fn build<B: Backend>(self, settings: &SolverSettings) -> Box<dyn LinearSolver<B>> {
        match self {
            SolverKind::Cholesky => Box::new(Cholesky::new()),
            SolverKind::Cg => Box::new(Pcg::cg(*settings)),
            SolverKind::JacobiPcg => Box::new(Pcg::jacobi(*settings)),
            SolverKind::NystromPcg => Box::new(Pcg::nystrom(*settings)),
            SolverKind::GramPcg => Box::new(GramPcg::new(*settings)),
            SolverKind::GramNystromPcg => Box::new(GramPcg::sketched(*settings)),
            SolverKind::Rbcd => Box::new(Rbcd::new(settings.seed)),
            SolverKind::NystromRbcd => Box::new(Rbcd::sketched(*settings)),
        }
    }

    /// The kinds that the automatic choice considers, the one with the least work to a certificate first.
    pub fn by_work(shape: &ProblemShape) -> Vec<SolverKind> {
        let [n, d, p, c] = shape.dims().map(|size| size as f64);
        let columns = p * c;
        // Products of all pairs of blocks with X, V or W: without the two signs of cones a third (docs/math.md,
        // sections 3, 4 and 8).
        let [direct, around] = if shape.cones { [12.0, 16.0] } else { [4.0, 4.0] };
        // Set-up beyond what both have, and a run's iterations.
        let cholesky = n * n * (d + n / 3.0) + ITERATIONS * (direct * n * d * columns + 2.0 * n * n * c);
        let gram = ITERATIONS * (around + 4.0 * STEPS) * n * d * columns;
        let [first, second] = if cholesky <= gram {
            [SolverKind::Cholesky, SolverKind::GramPcg]
        } else {
            [SolverKind::GramPcg, SolverKind::Cholesky]
        };
        let fallbacks = [SolverKind::JacobiPcg, SolverKind::Cg];
        let fallbacks = fallbacks.into_iter().filter(|kind| shape.cones || !kind.needs_cones());
        [first, second].into_iter().chain(fallbacks).collect()
    }

    /// Bytes that it takes beyond what every run needs.
    pub fn memory(self, shape: &ProblemShape, settings: &SolverSettings) -> SolverBytes {
        // In f64, which does not overflow; exactness is not needed here.
        let [n, d, p, c] = shape.dims().map(|size| size as f64);
        let (s, blocks, pairs) = (shape.scalar_bytes as f64, shape.signs as f64 * p * c, p * c);
        let cones = shape.cones;
        let rank = settings.rank.unwrap_or(self.largest_rank()) as f64;
        // All samples in storage precision; F and A read them.
        let samples = n * d * s;
        // Conjugate gradients on A: b, residual, preconditioned residual, direction and image. A with cones: X u, with
        // other signs, and the prediction of each pair.
        let iterates = 5.0 * d * blocks * s + if cones { n * (2.0 * blocks + pairs) * s } else { 0.0 } + samples;
        // In f64: M, and its part of a tile where there are several; or M and its rounded factor; or that and the
        // identity.
        let tiles: f64 = if n * d * 8.0 <= (TILES_HELD * TILE_BYTES) as f64 { 1.0 } else { 2.0 };
        let wide = d * d * (tiles * 8.0).max(8.0 + s);
        // V, L^-1, z, and the contribution of r to all pairs.
        let gram = (n * d + d * d + d * blocks + (n + d) * pairs + 6.0 * n * c) * s;
        // A panel of columns of a factor on its way.
        let panel = 320.0 * n * s;
        let (held, setup) = match self {
            // Without cones M = I: the kernel with its factor.
            SolverKind::Cholesky if !cones => (n * n * s + samples, panel),
            // V, then W; M^-1, K with the factor of K o S, and scratch.
            SolverKind::Cholesky => ((n * d + d * d + n * n + (n + d) * pairs) * s + samples, wide.max(panel)),
            // Without cones: F'r of all blocks, and vectors of n x C.
            SolverKind::GramPcg if !cones => ((d * blocks + 6.0 * n * c) * s + samples, 0.0),
            SolverKind::GramPcg => (gram, wide),
            SolverKind::GramNystromPcg => (gram + n * rank * s, wide.max(4.0 * n * rank * 8.0)),
            // t, gradient, direction, start and way of each block, and columns on their way. While one block is
            // sketched: images of 32 test vectors.
            SolverKind::Rbcd => (gram + (6.0 * d + 3.0 * n) * pairs * s, wide),
            SolverKind::NystromRbcd => {
                // The basis of each block, and small matrices.
                let sketch = (d + 3.0 * rank) * p * rank * s;
                (gram + (6.0 * d + 3.0 * n) * pairs * s + sketch, wide + 64.0 * n * s)
            }
            SolverKind::Cg => (iterates, 0.0),
            // X o X, the patterns as numbers, and the diagonal on device and host.
            SolverKind::JacobiPcg => (iterates + 3.0 * d * blocks * s, n * (d + p) * s),
            // f64: test vectors, images and two stages of the factor. Stored: the basis.
            SolverKind::NystromPcg => {
                (iterates + d * rank * s, 4.0 * d * rank * 8.0 + (4.0 * d * blocks + 64.0 * n) * s)
            }
        };
        SolverBytes { held, setup }
    }

    /// [`memory`](Self::memory) at the peak of its set-up.
    pub fn memory_bytes(self, shape: &ProblemShape, settings: &SolverSettings) -> u64 {
        let SolverBytes { held, setup } = self.memory(shape, settings);
        (held + setup) as u64
    }
}

/// Bytes of a solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SolverBytes {
    /// From its set-up on.
    pub held: f64,
    /// During its set-up, in addition.
    pub setup: f64,
}
