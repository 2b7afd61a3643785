//! Constraints by the numbers of columns, and samples to constrain.

use super::{Random, table};
use cvx_admm::{Beta, Settings};
use cvx_model::{Constraints, Curvature, Dataset, Trend};

pub const FEATURES: usize = 3;

pub fn named<T>(values: impl IntoIterator<Item = (usize, T)>) -> Vec<(String, T)> {
    values.into_iter().map(|(feature, value)| ((feature + 1).to_string(), value)).collect()
}

pub fn increasing(features: impl IntoIterator<Item = usize>) -> Constraints {
    Constraints { trends: named(features.into_iter().map(|k| (k, Trend::Increasing))), ..Constraints::default() }
}

pub fn bent(curvature: Curvature, features: impl IntoIterator<Item = usize>) -> Constraints {
    Constraints { curvatures: named(features.into_iter().map(|k| (k, curvature))), ..Constraints::default() }
}

pub fn sets(sets: &[&[usize]]) -> Constraints {
    let set = |features: &&[usize]| features.iter().map(|k| (k + 1).to_string()).collect();
    Constraints { interactions: Some(sets.iter().map(set).collect()), ..Constraints::default() }
}

/// A wave that rises in feature 0 on the whole, falls in the last one, and is bent in feature 1.
pub fn waves(n: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * FEATURES);
    let noise = random.vector(n);
    let y = x.chunks(FEATURES).zip(noise).map(|(row, noise)| {
        (2.0 * row[0]).tanh() + 0.4 * (5.0 * row[0]).sin() + 0.6 * row[1].abs() - 0.5 * row[2] + 0.2 * noise
    });
    let y = y.collect();
    table(FEATURES, x, y)
}

pub fn settings(constraints: Constraints) -> Settings {
    Settings { constraints, patterns: 24, beta: Beta::Fraction(3e-3), gap: 1e-3, ..Settings::default() }
}
