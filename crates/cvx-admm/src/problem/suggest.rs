//! A suggestion for the number of patterns.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, Settings, ValidSettings};
use crate::problem::input::Problem;
use cvx_linalg::{Backend, Cpu};
use cvx_model::{Activation, Dataset};

/// Samples per pattern. Accuracy on unseen images rises with every doubling of patterns up to here, and so does the
/// work of an iteration (docs/benchmarks.md). A ReLU pattern takes three times the work of a gated one and gives two
/// neurons.
const SAMPLES_PER_GATED: usize = 10;
const SAMPLES_PER_RELU: usize = 50;

/// Minimum and maximum of the suggested number.
const FEWEST: usize = 50;
const MOST: usize = 2000;

/// The same for gates of patches: each sees hundreds of patches of an image, and has hundreds of weights. From a
/// hundred gates on, more of them gain little.
pub(crate) const IMAGES_PER_GATE: usize = 100;
pub(crate) const FEWEST_OF_PATCHES: usize = 50;
pub(crate) const MOST_OF_PATCHES: usize = 200;

/// A number of patterns, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Number of patterns P.
    pub patterns: usize,
    /// The reason, as text.
    pub reason: String,
}

/// Suggests a number of patterns for these samples: one per ten samples for gated neurons, one per fifty for ReLU,
/// between 50 and 2,000; one per hundred images for gates of patches, between 50 and 200. The memory of the processor
/// limits it.
///
/// # Errors
/// [`TrainError`] for invalid input, and if not even one pattern fits the memory.
pub fn suggest_patterns(data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<Suggestion, TrainError> {
    let valid = settings.validate()?;
    let problem = Problem::new(data, test, &valid)?;
    suggest(&problem, &valid, budget(&problem, &valid))
}

/// Bytes that a run on the processor may use. Ranks of one machine share what is free.
fn budget(problem: &Problem, settings: &ValidSettings) -> u64 {
    let neighbours = problem.samples.ranks().map_or(1, |ranks| ranks.neighbours() as u64);
    settings.memory_budget.unwrap_or_else(|| Cpu::<f32>::new().memory_info().free / neighbours / 10 * 9)
}

impl Problem {
    /// Whether a run with the given number of patterns fits, with a solver that the settings allow.
    pub(crate) fn fits(&self, settings: &ValidSettings, patterns: usize, budget: u64) -> Result<(), TrainError> {
        let patterns = self.most_patterns(settings, patterns)?;
        let shape = self.shape(settings, patterns, settings.precision.bytes())?;
        self.choose(settings, &shape, budget, None).map(|_| ())
    }

    /// Whether this number of runs on the processor will fit at the same time. This lets a caller check runs that will
    /// start hours later.
    pub(crate) fn check_memory(&self, settings: &ValidSettings, runs: usize) -> Result<(), TrainError> {
        let patterns = match &settings.gates {
            Gates::Given(gates) => gates.cols(),
            Gates::Auto | Gates::Kind(_) | Gates::Patches(_) => settings.patterns,
        };
        // The memory of a GPU is checked when the run starts.
        if settings.device.is_gpu() {
            return Ok(());
        }
        let (runs, budget) = (runs.max(1) as u64, budget(self, settings));
        self.fits(settings, patterns, budget / runs).map_err(|error| match error {
            TrainError::Memory { solver, needed, fits, .. } => {
                TrainError::Memory { solver, needed: needed.saturating_mul(runs), budget, fits }
            }
            error => error,
        })
    }
}

fn suggest(problem: &Problem, settings: &ValidSettings, budget: u64) -> Result<Suggestion, TrainError> {
    let n = problem.samples.total(problem.n_samples());
    let (share, name, [fewest, most]) = match (&settings.gates, settings.activation) {
        (Gates::Patches(_), _) => (IMAGES_PER_GATE, "patches and gated", [FEWEST_OF_PATCHES, MOST_OF_PATCHES]),
        (_, Activation::Relu) => (SAMPLES_PER_RELU, "ReLU", [FEWEST, MOST]),
        (_, Activation::Gated) => (SAMPLES_PER_GATED, "gated", [FEWEST, MOST]),
    };
    let wanted = (n / share).clamp(fewest, most);
    // Where one of several ranks has no room, none has.
    let fits = |patterns: usize| {
        let fits = problem.fits(settings, patterns, budget);
        let elsewhere = problem.samples.any(fits.is_err());
        fits.map(|()| !elsewhere)
    };
    let by_data = format!("one for every {share} of {n} samples for {name} neurons, between {fewest} and {most}");
    if fits(wanted) == Ok(true) {
        return Ok(Suggestion { patterns: wanted, reason: by_data });
    }
    // The numbers that fit are those below some limit.
    let (mut low, mut high) = (1, wanted);
    fits(low)?;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) == Ok(true) { low = middle } else { high = middle }
    }
    let reason = format!("the largest number that fits in {:.1} GB; {by_data}, would be {wanted}", budget as f64 / 1e9);
    Ok(Suggestion { patterns: low, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_model::{FeatureKind, Labels, PatchSettings};

    fn data(n: usize) -> Dataset {
        let labels = Labels::numbers((0..n).map(|row| (row % 2) as f64).collect());
        Dataset::new(3, (0..3 * n).map(|k| (k as f64).sin()).collect(), Some(labels), FeatureKind::Table).unwrap()
    }

    fn gated() -> Settings {
        Settings { activation: Activation::Gated, ..Settings::default() }
    }

    fn patterns(n: usize, settings: &Settings) -> usize {
        suggest_patterns(&data(n), None, settings).unwrap().patterns
    }

    #[test]
    fn patterns_follow_the_samples_between_their_limits() {
        assert_eq!([100, 3_000, 40_000].map(|n| patterns(n, &gated())), [50, 300, 2000]);
        assert_eq!([100, 10_000].map(|n| patterns(n, &Settings::default())), [50, 200]);
    }

    #[test]
    fn gates_of_patches_are_fewer() {
        let kind = FeatureKind::Image { channels: 1, height: 4, width: 4 };
        let settings = Settings { gates: Gates::Patches(PatchSettings::default()), ..gated() };
        for (n, expected) in [(100, 50), (6_000, 60), (30_000, 200)] {
            let labels = Labels::numbers((0..n).map(|row| (row % 2) as f64).collect());
            let data = Dataset::new(16, (0..16 * n).map(|k| (k as f64).sin()).collect(), Some(labels), kind).unwrap();
            assert_eq!(suggest_patterns(&data, None, &settings).unwrap().patterns, expected);
        }
    }

    #[test]
    fn a_small_memory_takes_fewer_and_says_so() {
        let settings = Settings { memory_budget: Some(20_000_000), ..Settings::default() };
        let found = suggest_patterns(&data(5_000), None, &settings).unwrap();
        assert!((1..100).contains(&found.patterns), "{found:?}");
        assert!(found.reason.contains("GB"), "{}", found.reason);
        let trained = Settings { patterns: found.patterns, max_iterations: 1, ..settings.clone() };
        assert!(crate::train(&data(5_000), None, &trained).is_ok(), "what is suggested is not refused");
        let none = Settings { memory_budget: Some(1), ..settings };
        assert!(matches!(suggest_patterns(&data(5_000), None, &none), Err(TrainError::Memory { .. })));
    }
}
