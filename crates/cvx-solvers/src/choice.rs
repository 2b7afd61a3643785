//! The choice of a solver: the work and the memory of each, and its construction by name.

use crate::cholesky::Cholesky;
use crate::gram_pcg::GramPcg;
use crate::kind::{SolverKind, SolverSettings};
use crate::pcg::Pcg;
use crate::rbcd::Rbcd;
use cvx_linalg::{Backend, LinearSolver};

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
    /// Blocks per pattern and target: 2, and 1 where there are no cones.
    pub signs: usize,
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
        // Products of all pairs of blocks with X, V or W: without the two signs of cones a third (docs/math.md, sections
        // 3, 4 and 8).
        let [direct, around] = if shape.signs == 1 { [4.0, 4.0] } else { [12.0, 16.0] };
        // Set-up beyond what both have, and a run's iterations.
        let cholesky = n * n * (d + n / 3.0) + ITERATIONS * (direct * n * d * columns + 2.0 * n * n * c);
        let gram = ITERATIONS * (around + 4.0 * STEPS) * n * d * columns;
        let [first, second] = if cholesky <= gram {
            [SolverKind::Cholesky, SolverKind::GramPcg]
        } else {
            [SolverKind::GramPcg, SolverKind::Cholesky]
        };
        let fallbacks = [SolverKind::JacobiPcg, SolverKind::Cg];
        let fallbacks = fallbacks.into_iter().filter(|kind| shape.signs == 2 || !kind.needs_cones());
        [first, second].into_iter().chain(fallbacks).collect()
    }

    /// Peak bytes of its set-up, beyond what every run needs.
    pub fn memory_bytes(self, shape: &ProblemShape, settings: &SolverSettings) -> u64 {
        let [n, d, p, c] = shape.dims();
        let entries = |rows: u64, cols: u64| rows.saturating_mul(cols);
        let blocks = p.saturating_mul(c).saturating_mul(shape.signs as u64);
        // b, residual, preconditioned residual, direction and image.
        let iterates = shape.stored(entries(d, blocks).saturating_mul(5));
        let sketch_rank = settings.rank.unwrap_or(self.largest_rank()) as u64;
        // f64: M, its inverse, a scaled copy of X, V.
        let wide = entries(d, d).saturating_add(entries(n, d)).saturating_mul(2).saturating_mul(8);
        // Stored: V, L^-1, and scratch of n x 3PC and d x 3PC.
        let gram = {
            let scratch = entries(n.saturating_add(d), blocks).saturating_mul(3) / 2;
            wide.saturating_add(shape.stored(entries(n, d).saturating_add(entries(d, d)).saturating_add(scratch)))
        };
        match self {
            // Without cones M = I: the kernel with its factor, and scratch.
            SolverKind::Cholesky if shape.signs == 1 => {
                shape.stored(entries(n, n).saturating_add(entries(n, p.saturating_mul(c))))
            }
            SolverKind::Cholesky => {
                // Stored: W, V, M^-1, K o S with its factor.
                let stored = entries(n, d)
                    .saturating_mul(2)
                    .saturating_add(entries(d, d))
                    .saturating_add(entries(n, n))
                    .saturating_add(entries(n, p.saturating_mul(c)).saturating_mul(4));
                wide.saturating_add(shape.stored(stored))
            }
            SolverKind::Cg => iterates,
            // X o X, the patterns as numbers, and the diagonal on device and host.
            SolverKind::JacobiPcg => {
                let entries = entries(d, blocks).saturating_mul(3).saturating_add(entries(n, d.saturating_add(p)));
                iterates.saturating_add(shape.stored(entries))
            }
            SolverKind::NystromPcg => {
                // f64: test vectors, images and two stages of the factor. Stored: the basis.
                let sketch = entries(d, sketch_rank);
                let scratch = entries(d, blocks).saturating_mul(4).saturating_add(entries(n, 64));
                iterates
                    .saturating_add(sketch.saturating_mul(4 * 8))
                    .saturating_add(shape.stored(sketch.saturating_add(scratch)))
            }
            // Without cones: F'r of all blocks, and five vectors.
            SolverKind::GramPcg if shape.signs == 1 => {
                shape.stored(entries(d, blocks).saturating_add(entries(n, c).saturating_mul(6)))
            }
            SolverKind::GramPcg => gram,
            SolverKind::GramNystromPcg => {
                let sketch = entries(n, sketch_rank);
                gram.saturating_add(sketch.saturating_mul(4 * 8)).saturating_add(shape.stored(sketch))
            }
            // t, gradient, direction, start and way of each block, columns on their way, and its rows; no iterates of n
            // x C to speak of.
            SolverKind::Rbcd | SolverKind::NystromRbcd => {
                let halves = entries(d, blocks / 2).saturating_mul(6).saturating_add(entries(n, blocks / 2));
                let sketch = if self == SolverKind::NystromRbcd { entries(entries(d, p), sketch_rank) } else { 0 };
                // While one block is sketched: images of 32 test vectors.
                let scratch = entries(n, 64);
                gram.saturating_add(shape.stored(halves.saturating_add(sketch).saturating_add(scratch)))
            }
        }
    }
}
