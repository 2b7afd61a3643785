//! The choice of a solver that fits the memory, made before any allocation.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, Settings, SolverChoice, ValidSettings};
use crate::problem::input::Problem;
use cvx_linalg::{TILE_BYTES, TILES_HELD};
use cvx_model::{GateKind, WeightedLoss};
use cvx_solvers::{ProblemShape, SolverBytes, SolverKind, SolverSettings};

/// Maximum bytes that the differences of the acceleration may take together.
const HISTORY_BYTES: usize = 512 << 20;

/// Maximum number of operations for pruning: some tenths of a second. Larger networks are not pruned.
pub(crate) const PRUNED_FLOPS: f64 = 3e10;

/// Bytes of a run without its solver.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RunBytes {
    /// From its beginning to its end.
    pub held: f64,
    /// At most, in addition, once the solver is set up.
    pub running: f64,
}

impl RunBytes {
    /// The same with more bytes from beginning to end.
    pub fn with(self, held: f64) -> Self {
        RunBytes { held: self.held + held, ..self }
    }

    /// The peak with a solver, and something for all that is small.
    pub fn peak(self, solver: SolverBytes) -> u64 {
        (3e5 + 1.02 * (self.held + solver.held + solver.setup.max(self.running))) as u64
    }
}

/// The chosen solver and the peak memory in bytes.
///
/// # Errors
/// [`TrainError::Memory`] when the chosen solver (for `Auto`: every solver) needs more than `budget`.
pub(crate) fn choose_solver(
    choice: SolverChoice,
    settings: &SolverSettings,
    shape: &ProblemShape,
    run: RunBytes,
    budget: u64,
) -> Result<(SolverKind, u64), TrainError> {
    let needed = |kind: SolverKind| run.peak(kind.memory(shape, settings));
    let kinds = SolverKind::by_work(shape);
    let fitting = kinds.iter().copied().find(|&kind| needed(kind) <= budget);
    let smallest = kinds.into_iter().min_by_key(|&kind| needed(kind)).unwrap_or(SolverKind::Cg);
    let (solver, fits) = match choice {
        SolverChoice::Kind(kind) => (kind, needed(kind) <= budget),
        SolverChoice::Auto => (fitting.unwrap_or(smallest), fitting.is_some()),
    };
    if fits {
        return Ok((solver, needed(solver)));
    }
    Err(TrainError::Memory { solver, needed: needed(solver), budget, fits: fitting })
}

/// Matrices of n x C and n' x C numbers in f64: targets, predictions, residuals, and what the result has of them.
const PREDICTIONS: f64 = 32.0;

/// The acceleration that fits: how many differences it holds at most, of points of this size.
pub(crate) fn differences(settings: &Settings, point_bytes: usize) -> usize {
    // Extrapolation requires that v and s are functions of v + lambda and s + nu: a dual step of 1.
    let fitting = HISTORY_BYTES / point_bytes.saturating_mul(2).max(1);
    if settings.dual_step == 1.0 { settings.anderson_depth.min(fitting) } else { 0 }
}

/// Bytes of the acceleration: z and its image, the residual, the last residual and image, and the differences.
fn acceleration_bytes(settings: &Settings, point: f64) -> f64 {
    match differences(settings, point as usize) {
        0 => 0.0,
        depth => (5.0 + 2.0 * depth as f64) * point,
    }
}

/// Bytes of a run on samples that the blocks share; `samples` are those of the caller, `held_out` is n'.
fn shared_bytes(shape: &ProblemShape, samples: f64, held_out: usize, settings: &Settings) -> RunBytes {
    let [n, d, p, c, test] =
        [shape.n_samples, shape.n_features, shape.n_patterns, shape.n_targets, held_out].map(|size| size as f64);
    let (s, blocks, pairs, whole_tile) =
        (shape.scalar_bytes as f64, shape.signs as f64 * p * c, p * c, TILE_BYTES as f64);
    let cones = if shape.cones { blocks } else { 0.0 };
    // In f64: all samples where they are few enough, else a full tile and the last one. The rows of the certificate
    // belong to a tile.
    let held_tiles = TILES_HELD as f64 * whole_tile;
    let tile = |n: f64| if n * d * 8.0 <= held_tiles { n * d * 8.0 } else { whole_tile };
    let most_rows = if n * d * 8.0 <= held_tiles { held_tiles } else { 1.5 * whole_tile };
    let rows = (n * ((cones + pairs) * 8.0 + 2.0 * cones * s)).min(most_rows);
    // The patterns on the host and on the device, packed twice each; gates.
    let patterns = (n + test) * p / 2.0 + 3.0 * d * p * 8.0;
    // v, lambda, u, the v before, two scratches, the best v; in f64 the blocks of the certificate.
    let state = d * blocks * (7.0 * s + 8.0);
    // s, nu, X u, the best multipliers.
    let slack = 4.0 * n * cones * s;
    // Products of gated blocks, and those of held-out samples.
    let products = |n: f64, rows: f64| (n * rows * s).min((n * rows / c * s).max(256e6));
    let products = if shape.cones { 0.0 } else { products(n, pairs) } + products(test, blocks);
    let held = samples
        + tile(n)
        + tile(test)
        + test * d * s
        + rows
        + patterns
        + state
        + slack
        + products
        + PREDICTIONS * (n + test) * c * 8.0;
    // At the end: the multipliers in f64, blocks, and the last iterates if they are kept.
    let iterates = if settings.keep_iterates { 2.0 * (n * cones + d * blocks) * 8.0 } else { 0.0 };
    // The test samples are read once more.
    let closing = (n * cones + 2.0 * d * blocks) * 8.0 + iterates + tile(test);
    // Before that, while superfluous neurons of a target are removed: their outputs, and a tile of them on their way.
    let pruned = if settings.prune { (blocks / c).min(PRUNED_FLOPS / (2.0 * n * d)) } else { 0.0 };
    let width = if shape.cones { pruned } else { d + 2.0 * pruned };
    let pruning = pruned * 8.0 * n + (n * width * 8.0).min(whole_tile);
    let acceleration = acceleration_bytes(settings, (d * blocks + n * cones) * s);
    RunBytes { held, running: acceleration.max(closing).max(pruning) }
}

/// The same where each block has features of its own, without those features: images of `pixels` numbers in f64, and no
/// products with all blocks.
fn patch_bytes(shape: &ProblemShape, samples: f64, pixels: usize, held_out: usize, settings: &Settings) -> RunBytes {
    let [n, d, p, c, test] =
        [shape.n_samples, shape.n_features, shape.n_patterns, shape.n_targets, held_out].map(|size| size as f64);
    let (point, s) = (d * p * c, shape.scalar_bytes as f64);
    // State, the best v, the stacked blocks of products; certificate and results in f64.
    let held = samples
        + (n + test) * pixels as f64 * 8.0
        + point * (13.0 * s + 5.0 * 8.0)
        + PREDICTIONS * (n + test) * c * 8.0;
    RunBytes { held, running: acceleration_bytes(settings, point * s).max(2.0 * point * 8.0) }
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

/// The same beside those, where the loss prices the cones: targets, weights, predictions and two steps on the device,
/// and the multiplier between two rounds.
const PRICED: usize = 6;

/// Bytes of the block in a run of n samples and C targets, with this number of differences in the acceleration.
fn prediction_bytes(loss: &WeightedLoss, is_soft: bool, n: usize, targets: usize, anderson_depth: usize) -> u64 {
    if loss.is_plain() && !is_soft {
        return 0;
    }
    let matrices = 2 * anderson_depth + HELD + if is_soft { PRICED } else { 0 };
    ((matrices * size_of::<f64>()) as u64).saturating_mul(n as u64).saturating_mul(targets as u64)
}

impl Problem {
    /// Whether rounds of refinement have soft cones, as `ConvexProgram::soften_cones` decides.
    fn is_soft(&self, shape: &ProblemShape, settings: &ValidSettings) -> bool {
        settings.refine > 0 && shape.cones && self.cones.is_none() && self.loss.slope().is_some()
    }

    /// Bytes of the rounds of a run on `shape`, which may have as many neurons as blocks; `first` are those of the
    /// first programme.
    pub(crate) fn bytes_of_rounds(
        &self,
        first: u64,
        kind: SolverKind,
        shape: &ProblemShape,
        settings: &ValidSettings,
    ) -> u64 {
        if !self.is_soft(shape, settings) {
            return first;
        }
        let round = ProblemShape { n_patterns: shape.signs * shape.n_patterns, signs: 1, ..*shape };
        let solver = kind.memory(&round, &settings.solver_settings());
        self.round_bytes(&round, settings).peak(solver).max(first)
    }

    /// Bytes of a later round without its solver.
    pub(crate) fn round_bytes(&self, shape: &ProblemShape, settings: &ValidSettings) -> RunBytes {
        let RunBytes { held, running } = self.run_bytes(shape, settings);
        let [n, d] = [shape.n_samples, shape.n_features].map(|size| size as f64);
        let pairs = (shape.n_patterns * shape.n_targets) as f64;
        let blocks = shape.signs as f64 * pairs;
        let cones = if shape.cones { blocks } else { 0.0 };
        // Of soft cones, on the way from the last round: the weights of the samples in all blocks, the part of the
        // predictions, and those of the neurons.
        let carried = (n * (2.0 * cones + pairs) + d * blocks) * shape.scalar_bytes as f64;
        // The solution of the last round, until there is that of the next: multipliers, blocks and iterates.
        let iterates = if settings.keep_iterates { 2.0 * (n * cones + d * blocks) } else { 0.0 };
        let solution = (n * cones + 2.0 * d * blocks + iterates) * 8.0;
        let carried = if self.is_soft(shape, settings) { carried } else { 0.0 };
        RunBytes { held: held + solution, running: running.max(carried) }
    }

    /// Bytes of a run without its solver.
    pub(crate) fn run_bytes(&self, shape: &ProblemShape, settings: &ValidSettings) -> RunBytes {
        let held_out = self.test.as_ref().map_or(0, |test| test.xt.n_samples());
        let samples = self.xt.held_bytes() + self.test.as_ref().map_or(0, |test| test.xt.held_bytes());
        let ([n, c], is_soft) = ([shape.n_samples, shape.n_targets], self.is_soft(shape, settings));
        let prediction = prediction_bytes(&self.loss, is_soft, n, c, settings.anderson_depth);
        // A covariance, its part of a run of samples, and those in f64.
        let d = shape.n_features as f64;
        let whitening = match settings.gates {
            Gates::Kind(GateKind::Whitened) => 4.0 * d * d * 8.0,
            _ => 0.0,
        };
        let checkpoint = settings.checkpoint.as_ref().map_or(0, |_| checkpoint_bytes(shape, settings.anderson_depth));
        let run = match settings.gates {
            Gates::Patches(_) => patch_bytes(shape, samples as f64, self.xt.n_features(), held_out, settings),
            _ => shared_bytes(shape, samples as f64, held_out, settings),
        };
        run.with(prediction as f64 + whitening + checkpoint as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::conformance::skip;
    use std::path::Path;

    const BASE: RunBytes = RunBytes { held: 5e8, running: 0.0 };

    fn shape(n_samples: usize) -> ProblemShape {
        ProblemShape {
            n_samples,
            n_features: 3073,
            n_patterns: 50,
            n_targets: 1,
            signs: 2,
            cones: true,
            scalar_bytes: 4,
        }
    }

    #[test]
    fn auto_takes_cholesky_while_it_fits_and_gram_pcg_beyond() {
        let (kind, bytes) =
            choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape(10_000), BASE, 4 << 30).unwrap();
        assert_eq!(kind, SolverKind::Cholesky);
        assert!((1 << 30..5 << 29).contains(&bytes), "{bytes}");
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
            let shape = ProblemShape {
                n_samples,
                n_features,
                n_patterns,
                n_targets: 1,
                signs: 2,
                cones: true,
                scalar_bytes: 4,
            };
            let chosen = choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape, BASE, 1 << 40).unwrap();
            assert_eq!(chosen.0, faster, "{shape:?}");
        }
    }

    #[test]
    fn e8_sizes_beyond_all_bounds_are_numbers_too() {
        let settings = Settings::default();
        let none = SolverBytes { held: 0.0, setup: 0.0 };
        assert_eq!(shared_bytes(&shape(usize::MAX), 1e30, usize::MAX, &settings).peak(none), u64::MAX);
        // n P above 2^31.
        let wide = ProblemShape {
            n_samples: 100_000,
            n_features: 10,
            n_patterns: 50_000,
            n_targets: 1,
            signs: 2,
            cones: true,
            scalar_bytes: 4,
        };
        assert!(shared_bytes(&wide, 0.0, 0, &settings).peak(none) > 4 * 2 * 4 * 100_000 * 50_000);
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
        let huge = choose_solver(SolverChoice::Auto, &SolverSettings::default(), &shape(1 << 60), BASE, u64::MAX / 4)
            .unwrap_err();
        assert!(matches!(huge, TrainError::Memory { fits: None, .. }));
    }

    const BEGIN: &str = "<!-- largest n: generated by the tests of cvx-admm -->\n";
    const END: &str = "<!-- end of the largest n -->";

    /// The largest n, rounded down to three digits, of a run that fits these bytes.
    fn largest(bytes: u64, shape: &ProblemShape, kind: SolverKind, number_bytes: usize) -> String {
        let settings = Settings { keep_iterates: false, ..Settings::default() };
        let fits = |n: usize| {
            let shape = ProblemShape { n_samples: n, ..*shape };
            let samples = (n * (shape.n_features - 1) * number_bytes) as f64;
            let solver = kind.memory(&shape, &SolverSettings::default());
            shared_bytes(&shape, samples, 0, &settings).peak(solver) <= bytes
        };
        let (mut low, mut high) = (1, 1 << 30);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        let unit = 10_usize.pow(low.ilog10().saturating_sub(2));
        let digits = (low / unit * unit).to_string();
        let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join(",")
    }

    /// `CVX_WRITE_DOCS=1 cargo test -p cvx-admm memory` rewrites the table.
    #[test]
    fn the_page_about_memory_has_the_table_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/memory.md");
        let Ok(page) = std::fs::read_to_string(&path) else {
            skip(&"the documentation is not beside the sources");
            return;
        };
        let mut expected = "\n| | d = 100 | d = 500 | d = 3,072 |\n|---|---:|---:|---:|\n".to_string();
        for (neurons, n_patterns, n_targets, kind, number_bytes) in [
            ("ReLU", 50, 1, SolverKind::Cholesky, 4),
            ("ReLU", 50, 1, SolverKind::GramPcg, 4),
            ("ReLU", 50, 1, SolverKind::GramPcg, 8),
            ("gated", 1000, 1, SolverKind::Cholesky, 4),
            ("gated", 1000, 1, SolverKind::GramPcg, 4),
            ("gated", 1000, 10, SolverKind::Cholesky, 1),
            ("gated", 1000, 10, SolverKind::GramPcg, 1),
        ] {
            let signs = if neurons == "ReLU" { 2 } else { 1 };
            let sizes = [100, 500, 3072].map(|d| {
                let shape = ProblemShape {
                    n_samples: 1,
                    n_features: d + 1,
                    n_patterns,
                    n_targets,
                    signs,
                    cones: signs == 2,
                    scalar_bytes: 4,
                };
                largest(21_600_000_000, &shape, kind, number_bytes)
            });
            let (kind, [a, b, c]) = (kind.name(), sizes);
            let numbers = match number_bytes {
                1 => "bytes",
                4 => "f32",
                _ => "f64",
            };
            expected += &format!(
                "| {neurons}, P = {n_patterns}, C = {n_targets}, `{kind}`, samples in {numbers} | {a} | {b} | \
                 {c} |\n"
            );
        }
        expected += "\n";
        let (head, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
        let (found, tail) = rest.split_once(END).expect("and an end of it");
        if std::env::var_os("CVX_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
            return;
        }
        assert_eq!(found, expected, "the forecast has changed: write the table anew");
    }
}
