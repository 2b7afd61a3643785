//! Images of two textures that differ in no pixel's mean, so that no linear function of pixels tells them apart.

use cvx_model::{Dataset, FeatureKind, Labels};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// `n` images of stripes, with the label 0 for horizontal ones and 1 for vertical ones, at any phase and in noise.
pub fn textures(n: usize, channels: usize, size: usize, seed: u64) -> Dataset {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut values = Vec::new();
    for sample in 0..n {
        let phase: usize = rng.random_range(0..4);
        for at in 0..channels * size * size {
            let along = if sample % 2 == 0 { at / size % size } else { at % size };
            let stripe = if (along + phase) % 4 < 2 { 0.7 } else { 0.3 };
            values.push(stripe + rng.random_range(-0.2..0.2));
        }
    }
    let labels = Labels::numbers((0..n).map(|sample| (sample % 2) as f64).collect());
    let kind = FeatureKind::Image { channels, height: size, width: size };
    Dataset::new(channels * size * size, values, Some(labels), kind).unwrap()
}
