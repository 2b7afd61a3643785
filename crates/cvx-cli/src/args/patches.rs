//! What gates of patches are like.

use super::values::{by_name, whole};
use clap::Args;
use cvx_linalg::FeaturePrecision;
use cvx_model::{PatchGates, PatchSettings};

/// Options of `--gates conv`, which each of them implies.
#[derive(Args)]
#[command(next_help_heading = "Patches (--gates conv)")]
pub struct PatchArgs {
    /// Side of a patch [default: by the size of the images, 6 for 32 x 32].
    #[arg(long, value_name = "PIXELS", value_parser = whole)]
    pub patch: Option<usize>,
    /// From one patch to the next [default: 1, and more for large images].
    #[arg(long, value_name = "PIXELS", value_parser = whole)]
    pub stride: Option<usize>,
    /// Regions along each side, with weights of their own [default: 3].
    #[arg(long, value_name = "R", value_parser = whole)]
    pub regions: Option<usize>,
    /// Mirror images have one prediction: yes or no [default: yes in colour].
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    pub flips: Option<bool>,
    /// clusters of training patches, or random ones [default: clusters].
    #[arg(long, hide_possible_values = true, value_name = "KIND", value_parser = by_name::<PatchGates>())]
    pub patch_gates: Option<PatchGates>,
    /// Share of training patches for which a gate is on [default: 0.2].
    #[arg(long, value_name = "SHARE")]
    pub active: Option<f64>,
    /// Share of the mean variance added to each; 0: no whitening [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    pub whitening: Option<f64>,
    /// Principal directions of a patch that neurons are linear in [default: 32].
    #[arg(long, value_name = "COUNT", value_parser = whole)]
    pub directions: Option<usize>,
    /// Precision of features, single or half [default: what fits in memory].
    #[arg(long, hide_possible_values = true, value_name = "KIND", value_parser = by_name::<FeaturePrecision>())]
    pub features: Option<FeaturePrecision>,
}

impl PatchArgs {
    /// The first option that is given.
    pub fn first(&self) -> Option<&'static str> {
        let &PatchArgs { patch, stride, regions, flips, patch_gates, active, whitening, directions, features } = self;
        let given = [
            ("--patch", patch.is_some()),
            ("--stride", stride.is_some()),
            ("--regions", regions.is_some()),
            ("--flips", flips.is_some()),
            ("--patch-gates", patch_gates.is_some()),
            ("--active", active.is_some()),
            ("--whitening", whitening.is_some()),
            ("--directions", directions.is_some()),
            ("--features", features.is_some()),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }

    /// The settings; what is not given has its default.
    pub fn settings(&self) -> PatchSettings {
        let &PatchArgs { patch, stride, regions, flips, patch_gates, active, whitening, directions, features } = self;
        let default = PatchSettings::default();
        PatchSettings {
            side: patch,
            stride,
            regions,
            mirrored: flips,
            gates: patch_gates.unwrap_or_default(),
            active: active.unwrap_or(default.active),
            whitening: whitening.map_or(default.whitening, |share| Some(share).filter(|share| *share != 0.0)),
            directions: directions.unwrap_or(default.directions),
            precision: features,
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is neither yes nor no".to_string()),
    }
}
