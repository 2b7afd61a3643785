//! The choice of a solver that fits the memory, made before any allocation.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, SolverChoice, ValidSettings};
use crate::problem::input::Problem;
use cvx_model::{GateKind, WeightedLoss};
use cvx_solvers::{ProblemShape, SolverKind, SolverSettings};

/// Maximum bytes that the differences of the acceleration may take together.
pub(crate) const HISTORY_BYTES: usize = 512 << 20;

/// The chosen solver and its peak memory in bytes, including `base`.
///
/// # Errors
/// [`TrainError::Memory`] when the chosen solver (for `Auto`: every solver) needs more than `budget`.
pub(crate) fn choose_solver(
    choice: SolverChoice,
    settings: &SolverSettings,
    shape: &ProblemShape,
    base: u64,
    budget: u64,
) -> Result<(SolverKind, u64), TrainError> {
    let needed = |kind: SolverKind| base.saturating_add(kind.memory_bytes(shape, settings));
    let fitting = SolverKind::by_work(shape).into_iter().find(|&kind| needed(kind) <= budget);
    let (solver, fits) = match choice {
        SolverChoice::Kind(kind) => (kind, needed(kind) <= budget),
        SolverChoice::Auto => (fitting.unwrap_or(SolverKind::Cg), fitting.is_some()),
    };
    if fits {
        return Ok((solver, needed(solver)));
    }
    Err(TrainError::Memory { solver, needed: needed(solver), budget, fits: fitting })
}

/// Peak bytes of a run without its solver: the iterates in storage precision; samples, certificate and results in f64.
pub(crate) fn base_bytes(shape: &ProblemShape, held_out_samples: usize, anderson_depth: usize) -> u64 {
    // Computed in f64, which does not overflow; exactness is not needed here.
    let [n, d, p, c, test] = [shape.n_samples, shape.n_features, shape.n_patterns, shape.n_targets, held_out_samples]
        .map(|size| size as f64);
    let blocks = shape.signs as f64 * p * c;
    let point = (d + n) * blocks;
    let scalar = shape.scalar_bytes as f64;
    let stored = n * d
        // State: v, s, lambda, nu, z, image, scratch; the best v; X u. Then scratch of the system; best multipliers,
        // eta.
        + 8.0 * d * blocks
        + 11.5 * n * blocks
        + test * (d + blocks);
    // The caller's samples, the transformed ones on host and device; gates and margins; certificate.
    let wide = 3.0 * (n + test) * d + (2.0 * d + 2.0 * n) * p + 2.0 * d * blocks + 1.5 * n * blocks;
    // During the run: the residual of the acceleration, its last two points, the end of the last beta of a path, and
    // the differences, whose size is limited. At the end: witness and warm start, in f64.
    let differences = (2.0 * anderson_depth as f64 * point * scalar).min(HISTORY_BYTES as f64);
    let running = 4.0 * point * scalar + differences;
    let closing = (2.0 * d * blocks + 3.0 * n * blocks) * 8.0 + point * scalar;
    (stored * scalar + wide * 8.0 + running.max(closing)) as u64
}

/// The same where each block has features of its own, without those features: images of `pixels` numbers on the host,
/// and no products with all blocks.
fn patch_base_bytes(shape: &ProblemShape, pixels: usize, held_out_samples: usize, anderson_depth: usize) -> u64 {
    let [n, d, p, c, test] = [shape.n_samples, shape.n_features, shape.n_patterns, shape.n_targets, held_out_samples]
        .map(|size| size as f64);
    let (point, scalar) = (d * p * c, shape.scalar_bytes as f64);
    let differences = (2.0 * anderson_depth as f64 * point * scalar).min(HISTORY_BYTES as f64);
    // State, the best v, the stacked blocks of products; certificate and results in f64.
    let blocks = (8.0 + 2.0 + 4.0) * point * scalar + differences + 6.0 * point * 8.0;
    (2.0 * (n + test) * pixels as f64 * 8.0 + blocks + 16.0 * (n + test) * c * 8.0) as u64
}

/// Bytes of a checkpoint during its write: the iterates, the best network and bound, two points and the differences of
/// the acceleration in storage precision, and one matrix at a time in f64. An iterative solver has a copy of its
/// starting point.
pub(crate) fn checkpoint_bytes(shape: &ProblemShape, anderson_depth: usize) -> u64 {
    let [n, d, p, c] = [shape.n_samples, shape.n_features, shape.n_patterns, shape.n_targets].map(|size| size as f64);
    let blocks = shape.signs as f64 * p * c;
    let (point, scalar) = ((d + n) * blocks, shape.scalar_bytes as f64);
    let differences = (2.0 * anderson_depth as f64 * point * scalar).min(HISTORY_BYTES as f64);
    let stored = 2.0 * point + 5.0 * d * blocks + 5.0 * n * blocks;
    (stored * scalar + differences + (d.max(n) * blocks + d * p) * 8.0) as u64
}

/// Number of n x C matrices in f64 that a run with this block holds, apart from those of the acceleration.
const HELD: usize = 8;

/// Bytes of the block in a run of n samples and C targets, with this number of differences in the acceleration.
fn prediction_bytes(loss: &WeightedLoss, n: usize, targets: usize, anderson_depth: usize) -> u64 {
    if loss.is_plain() {
        return 0;
    }
    (((2 * anderson_depth + HELD) * size_of::<f64>()) as u64).saturating_mul(n as u64).saturating_mul(targets as u64)
}

impl Problem {
    /// Bytes of a run without its solver.
    pub(crate) fn base_bytes(&self, shape: &ProblemShape, settings: &ValidSettings) -> u64 {
        let held_out = self.test.as_ref().map_or(0, |test| test.xt.n_samples());
        let prediction = prediction_bytes(&self.loss, shape.n_samples, shape.n_targets, settings.anderson_depth);
        // A covariance and a copy of the samples, in f64.
        let d = shape.n_features as u64;
        let whitening = match settings.gates {
            Gates::Kind(GateKind::Whitened) => {
                d.saturating_mul(d.saturating_add(shape.n_samples as u64)).saturating_mul(8)
            }
            _ => 0,
        };
        let checkpoint = settings.checkpoint.as_ref().map_or(0, |_| checkpoint_bytes(shape, settings.anderson_depth));
        let base = match settings.gates {
            Gates::Patches(_) => patch_base_bytes(shape, self.xt.n_features(), held_out, settings.anderson_depth),
            _ => base_bytes(shape, held_out, settings.anderson_depth),
        };
        [prediction, whitening, checkpoint].into_iter().fold(base, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1 << 29;

    fn shape(n_samples: usize) -> ProblemShape {
        ProblemShape { n_samples, n_features: 3073, n_patterns: 50, n_targets: 1, signs: 2, scalar_bytes: 4 }
    }

    #[test]
    fn auto_takes_cholesky_while_it_fits_and_gram_pcg_beyond() {
        let (kind, bytes) =
            choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape(10_000), BASE, 4 << 30).unwrap();
        assert_eq!(kind, SolverKind::Cholesky);
        assert!((1 << 30..5 << 29).contains(&bytes), "{bytes}");
        let base = base_bytes(&shape(10_000), 2000, 10);
        assert!((1 << 29..5 << 28).contains(&base), "{base}");
        let (kind, _) =
            choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape(50_000), BASE, 8 << 30).unwrap();
        assert_eq!(kind, SolverKind::GramPcg);
    }

    /// The measured break-even of docs/solvers.md: both solvers fit, and the faster one is chosen.
    #[test]
    fn auto_takes_what_has_less_work_where_both_fit() {
        for (n_samples, n_features, n_patterns, faster) in [
            (2_000, 201, 50, SolverKind::Cholesky),
            (20_000, 201, 50, SolverKind::GramPcg),
            (20_000, 201, 200, SolverKind::Cholesky),
            (8_000, 1_001, 50, SolverKind::Cholesky),
        ] {
            let shape = ProblemShape { n_samples, n_features, n_patterns, n_targets: 1, signs: 2, scalar_bytes: 4 };
            let chosen = choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape, BASE, 1 << 40).unwrap();
            assert_eq!(chosen.0, faster, "{shape:?}");
        }
    }

    #[test]
    fn e8_sizes_beyond_all_bounds_are_numbers_too() {
        assert_eq!(base_bytes(&shape(usize::MAX), usize::MAX, usize::MAX), u64::MAX);
        // n P above 2^31.
        let wide = ProblemShape {
            n_samples: 100_000,
            n_features: 10,
            n_patterns: 50_000,
            n_targets: 1,
            signs: 2,
            scalar_bytes: 4,
        };
        assert!(base_bytes(&wide, 0, 0) > 11 * 2 * 4 * 100_000 * 50_000);
    }

    #[test]
    fn e8_what_does_not_fit_is_refused_with_its_bytes_and_what_would_fit() {
        let sketched = SolverChoice::Kind(SolverKind::NystromPcg);
        let settings = SolverSettings { rank: Some(1_000_000), ..SolverSettings::default() };
        let error = choose_solver(sketched, &settings, &shape(10_000), BASE, 4 << 30).unwrap_err();
        let TrainError::Memory { needed, fits, .. } = &error else {
            panic!("{error}");
        };
        assert!(*needed > 90 << 30);
        assert_eq!(*fits, Some(SolverKind::Cholesky));
        assert!(error.to_string().contains("the solver cholesky would fit"));
        let huge =
            choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape(1 << 60), u64::MAX / 2, u64::MAX / 4)
                .unwrap_err();
        assert!(matches!(huge, TrainError::Memory { fits: None, .. }));
    }
}
