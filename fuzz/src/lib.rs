//! Code that the fuzz targets share: inputs of several parts, files with valid checksums, and checks of data sets.

pub mod data;
pub mod frame;

use cvx_admm::{Device, Settings, SolverChoice, SolverKind};
use cvx_data::Planted;
use cvx_model::{Dataset, Loss};

/// Separator of the parts of an input. Inserting or deleting bytes in one part does not change the others.
pub const MARK: [u8; 3] = [0xfe, 0x00, 0xfe];

/// The parts of an input.
pub fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        parts.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    parts.push(rest);
    parts
}

/// The input of these parts.
pub fn joined(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
    parts.join(&MARK[..])
}

/// Data and settings of a small run that uses every part of a checkpoint. The seeds are checkpoints of this run.
pub fn resumable() -> (Dataset, Settings) {
    let planted = Planted { n_train: 12, n_test: 0, n_features: 2, n_neurons: 2, noise: 0.1, seed: 1 };
    let data = planted.generate().expect("a planted problem").train;
    let settings = Settings {
        patterns: 2,
        refine: 1,
        solver: SolverChoice::Kind(SolverKind::Rbcd),
        loss: Loss::Logistic,
        anderson_depth: 2,
        max_iterations: 8,
        device: Device::Cpu,
        threads: 1,
        ..Settings::default()
    };
    (data, settings)
}
