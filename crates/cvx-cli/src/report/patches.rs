//! Gates of patches in a report.

use crate::summary::patches::Layout;
use cvx_admm::{Gates, Settings, Solution};
use serde::Serialize;

/// What gates of patches look at, where they come from, and how the features were at hand.
#[derive(Serialize)]
pub struct PatchesReport {
    #[serde(flatten)]
    layout: Layout,
    /// Principal directions of a patch that neurons are linear in, beside a 1.
    directions: usize,
    contrast: f64,
    gates: &'static str,
    active: f64,
    whitening: Option<f64>,
    feature_precision: &'static str,
    features_stored: bool,
    feature_bytes: u64,
}

impl PatchesReport {
    /// The report of a run; `None` for other gates.
    pub fn new(solution: &Solution, settings: &Settings) -> Option<Self> {
        let (Gates::Patches(given), Some(patches)) = (&settings.gates, &solution.model.network.patches) else {
            return None;
        };
        let features = solution.summary.features?;
        Some(PatchesReport {
            layout: Layout::of(patches),
            directions: patches.values.cols() - 1,
            contrast: patches.contrast,
            gates: given.gates.name(),
            active: given.active,
            whitening: given.whitening,
            feature_precision: features.precision.name(),
            features_stored: features.stored,
            feature_bytes: features.bytes,
        })
    }
}
