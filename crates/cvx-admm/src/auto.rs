//! The choices that a run makes by itself: the kind of network, the number of patterns, and how beta is chosen.

use crate::api::error::TrainError;
use crate::api::settings::{Gates, Settings};
use crate::path::settings::{PathSettings, Returned, Validation};
use crate::problem::suggest::{FEWEST_OF_PATCHES, IMAGES_PER_GATE, MOST_OF_PATCHES};
use cvx_linalg::{Backend, Cpu};
use cvx_model::{Activation, Dataset, FeatureKind, GateKind, PatchSettings};

/// Choices that the user has made. What is `None` is chosen by [`automatic`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// ReLU or gated neurons.
    pub activation: Option<Activation>,
    /// Number of gates.
    pub patterns: Option<usize>,
    /// Source of the gates.
    pub gates: Option<Gates>,
    /// Whether there is an output bias.
    pub output_bias: Option<bool>,
    /// Number of networks with other seeds that are averaged.
    pub ensemble: Option<usize>,
    /// The samples that choose beta.
    pub validation: Option<Validation>,
    /// The network that is returned.
    pub returned: Option<Returned>,
}

/// Settings of a path that chooses beta.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Settings of the runs.
    pub settings: Settings,
    /// Settings of the path.
    pub path: PathSettings,
    /// Another network that is compared with the first on the same held-out samples ([`choose`](crate::choose)).
    pub beside: Option<Settings>,
}

/// Betas of an automatic path: the loss on held-out samples changes little from one to the next.
const BETAS: usize = 20;

/// The same for gates of patches: halves. Their blocks have hundreds of weights, so that the best beta is smaller.
const BETAS_OF_PATCHES: usize = 12;
const RATIO_OF_PATCHES: f64 = 1.0 / 4096.0;

/// An automatic path ends when this number of betas in a row are clearly worse than the best.
const PATIENCE: usize = 3;

/// Samples for each gate, and the fewest and the most gates. A gate is a guess where the function bends: few samples
/// leave room for many guesses, since beta decides how many are used.
const SAMPLES_PER_GATE: usize = 4;
const FEWEST: usize = 200;
const MOST: usize = 1000;

/// Fewest gates for each set of columns that may interact.
const GATES_PER_SET: usize = 10;

/// Gates of whole images that are tried beside those of patches: enough to show which kind suits the images, in a
/// fraction of the time.
const BESIDE: usize = 100;

/// Shorter side from which on images have patches: those of smaller images would be most of the image.
const SMALLEST_IMAGE: usize = 16;

/// Up to this number of samples, the samples are split three times, and all networks are averaged. A fold of few
/// samples depends much on the split, and so does its network.
const SPLIT_AGAIN: usize = 500;
const SPLITS: usize = 3;

/// At most `wanted` gates of patches, and no more than those whose features fit the memory of the processor beside the
/// kernel and the images: features that have to be computed again cost more than gates are worth.
fn affordable_gates(
    data: &Dataset,
    settings: &Settings,
    patches: &PatchSettings,
    wanted: usize,
) -> Result<usize, TrainError> {
    let FeatureKind::Image { channels, height, width } = data.kind() else { return Ok(wanted) };
    if settings.device.is_gpu() {
        return Ok(wanted);
    }
    let (n, scalar) = (data.n_samples() as f64, settings.precision.bytes() as f64);
    let budget = settings.memory_budget.unwrap_or_else(|| Cpu::<f32>::new().memory_info().free / 10 * 9) as f64;
    let beside = n * n * scalar + 4.0 * n * (channels * height * width) as f64 * 8.0;
    let of_a_gate = n * patches.block_rows(channels, height, width)? as f64 * scalar;
    // Half of the fewest gates is still a network; with less memory than that, the choice of a solver says what fits.
    let most = ((budget - beside) / of_a_gate).max(0.0) as usize;
    Ok(wanted.min(most.max(FEWEST_OF_PATCHES / 2)))
}

/// Plans a path by the number of samples, features and classes alone, as far as the user leaves it open. The number of
/// gates of patches may also be limited by the memory.
///
/// * Gated neurons, whose programme has no cones; ReLU neurons where constraints bind the values of predictions. On
///   tables their gates are [`GateKind::Mixed`]: many functions of tables bend along few columns. On images of at least
///   16 x 16 pixels they are gates of patches; 100 gates of local squares are tried beside them. Over ranks,
///   which have no gates of patches, they are local squares.
/// * An output bias, so that the mean of the labels is not penalised.
/// * Five folds up to 5,000 samples, and the mean of their networks: one network, in which the errors of the parts
///   cancel partly. Up to 500 samples, three such splits. Beyond 5,000, a fifth of the samples is held out once, and
///   the network is trained again on all samples.
///
/// # Errors
/// [`TrainError`] for a setting outside its range.
pub fn automatic(
    data: &Dataset,
    settings: &Settings,
    path: &PathSettings,
    wishes: &Wishes,
) -> Result<Plan, TrainError> {
    let n = data.samples().total(data.n_samples());
    // A gated neuron is linear along a constrained feature.
    let bent = settings.constraints.bind_values();
    let activation = wishes.activation.unwrap_or(if bent { Activation::Relu } else { Activation::Gated });
    let gates = wishes.gates.clone().unwrap_or(match (activation, data.kind()) {
        (_, FeatureKind::Table) => Gates::Kind(GateKind::Mixed),
        (Activation::Gated, FeatureKind::Image { height, width, .. })
            if height.min(width) >= SMALLEST_IMAGE
                && settings.constraints.is_empty()
                && data.samples().ranks().is_none() =>
        {
            Gates::Patches(PatchSettings::default())
        }
        (_, FeatureKind::Image { .. }) => Gates::Auto,
    });
    let patterns = wishes.patterns.unwrap_or(match gates {
        Gates::Patches(patches) => {
            let wanted = (n / IMAGES_PER_GATE).clamp(FEWEST_OF_PATCHES, MOST_OF_PATCHES);
            affordable_gates(data, settings, &patches, wanted)?
        }
        _ => {
            let sets = settings.constraints.interactions.as_ref().map_or(0, |sets| sets.len() + 1);
            (n / SAMPLES_PER_GATE).clamp(FEWEST, MOST).max(GATES_PER_SET * sets)
        }
    });
    let validation = wishes.validation.unwrap_or(path.validation).resolved(n);
    let returned = wishes.returned.unwrap_or(match validation {
        Validation::Folds(_) => Returned::Mean,
        _ => Returned::Retrained,
    });
    let ensemble = wishes.ensemble.unwrap_or(if n <= SPLIT_AGAIN { SPLITS } else { 1 });
    let output_bias = wishes.output_bias.unwrap_or(!settings.constraints.nonnegative);
    let (betas, ratio) = match gates {
        Gates::Patches(_) => (BETAS_OF_PATCHES, RATIO_OF_PATCHES),
        _ => (BETAS, path.ratio),
    };
    // Where position decides and texture says nothing, gates of whole images do better. Few of them show it.
    let beside = (wishes.gates.is_none() && matches!(gates, Gates::Patches(_))).then(|| Settings {
        activation,
        gates: Gates::Auto,
        patterns: BESIDE,
        output_bias,
        ..settings.clone()
    });
    let plan = Plan {
        beside,
        settings: Settings { activation, gates, patterns, output_bias, ..settings.clone() },
        path: PathSettings { betas, ratio, patience: Some(PATIENCE), validation, returned, ensemble, ..path.clone() },
    };
    plan.settings.validate()?;
    plan.path.validate()?;
    Ok(plan)
}
