//! Images with a texture somewhere, whose direction is their class, and settings of small networks on their patches.

use super::Random;
use cvx_admm::{Beta, Gates, Settings};
use cvx_linalg::FeaturePrecision;
use cvx_model::{Activation, Dataset, FeatureKind, Labels, PatchGates, PatchSettings};
use std::f64::consts::PI;

pub const SIDE: usize = 16;

pub const KIND: FeatureKind = FeatureKind::Image { channels: 1, height: SIDE, width: SIDE };

/// Side of the textured square.
const SQUARE: usize = 7;

/// Images of 16 x 16 in so many classes, in turns: stripes across, upright or slanted, at a random place and phase, and
/// noise.
pub fn textures(n: usize, classes: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let mut values = Vec::with_capacity(n * SIDE * SIDE);
    for a in 0..n {
        let angle = PI * (a % classes) as f64 / classes as f64;
        let place = |random: &mut Random| ((random.signed() + 1.0) * 0.5 * (SIDE - SQUARE + 1) as f64) as usize;
        let (top, left, phase) = (place(&mut random), place(&mut random), PI * random.signed());
        for (row, column) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column))) {
            let inside = (top..top + SQUARE).contains(&row) && (left..left + SQUARE).contains(&column);
            let along = angle.cos() * row as f64 + angle.sin() * column as f64;
            let stripes = if inside { (2.0 * along + phase).sin() } else { 0.0 };
            values.push(0.5 + 0.3 * stripes + 0.2 * random.signed());
        }
    }
    let labels = Labels::numbers((0..n).map(|a| (a % classes) as f64).collect());
    Dataset::new(SIDE * SIDE, values, Some(labels), KIND).unwrap()
}

/// Six gates of patches with 2 x 2 regions, mirror images alike.
pub fn on_patches() -> Settings {
    let gates = PatchGates::Random;
    let patches =
        PatchSettings { regions: Some(2), directions: 6, gates, mirrored: Some(true), ..PatchSettings::default() };
    Settings {
        activation: Activation::Gated,
        gates: Gates::Patches(patches),
        patterns: 6,
        beta: Beta::Fraction(0.03),
        ..Settings::default()
    }
}

/// What gates of patches are like in these settings.
pub fn patch_settings(settings: &Settings) -> PatchSettings {
    let Gates::Patches(patches) = settings.gates else { panic!("patches") };
    patches
}

/// These settings, with features of this precision.
pub fn rounded(settings: Settings, precision: FeaturePrecision) -> Settings {
    let patches = PatchSettings { precision: Some(precision), ..patch_settings(&settings) };
    Settings { gates: Gates::Patches(patches), ..settings }
}
