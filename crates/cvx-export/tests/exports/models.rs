//! Small models of every kind.

use cvx_admm::{Beta, Gates, Model, Settings, train};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Calibration, Dataset, FeatureKind, Labels, Normalisation, PatchSettings};

/// Pseudo-random numbers in -1 .. 1 that are the same on every machine.
pub fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut number = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| number()).collect()
}

/// A table of `n` samples with `d` features, labelled by `label`.
pub fn table(n: usize, d: usize, label: impl Fn(&[f64]) -> Vec<f64>) -> Dataset {
    let x = numbers(7, n * d);
    let values: Vec<f64> = x.chunks(d).flat_map(label).collect();
    let labels = Labels::Numbers { columns: values.len() / n, values };
    Dataset::new(d, x, Some(labels), FeatureKind::Table).unwrap()
}

pub fn two_classes(row: &[f64]) -> Vec<f64> {
    vec![f64::from(u8::from(row[0].abs() > 0.4 + 0.3 * row[1]))]
}

pub fn three_classes(row: &[f64]) -> Vec<f64> {
    vec![f64::from(u8::from(row[0] > 0.2) + u8::from(row[1] > 0.1))]
}

pub fn two_targets(row: &[f64]) -> Vec<f64> {
    vec![10.0 + row[0].max(0.0) - row[1], 1e-3 * (3.0 * row[1]).sin()]
}

/// Images of 3 x 32 x 32 whose upper half is brighter in one of two classes.
pub fn images(n: usize) -> Dataset {
    let mut x = numbers(3, n * 3072);
    x.iter_mut().for_each(|value| *value = 0.45 + 0.3 * *value);
    for (image, row) in x.chunks_mut(3072).enumerate() {
        row[..512].iter_mut().for_each(|pixel| *pixel += 0.2 * (image % 2) as f64);
    }
    let names = ["cat", "dog"].map(String::from).into();
    let labels = Labels::Names { index: (0..n).map(|image| (image % 2) as u32).collect(), names };
    Dataset::new(3072, x, Some(labels), FeatureKind::Image { channels: 3, height: 32, width: 32 }).unwrap()
}

/// Random images with a bright spot in one half in one of two classes, or with two numbers as targets.
pub fn image_regions([channels, height, width]: [usize; 3], n: usize, numbers_as_targets: bool) -> Dataset {
    let d = channels * height * width;
    let mut x = numbers(11, n * d);
    x.iter_mut().for_each(|value| *value = 0.4 + 0.2 * *value);
    for (image, row) in x.chunks_mut(d).enumerate() {
        let first = if image % 2 == 0 { 1 } else { height / 2 + 1 };
        row[first * width + 2..first * width + 5].iter_mut().for_each(|pixel| *pixel += 0.4);
    }
    let labels = if numbers_as_targets {
        Labels::Numbers { columns: 2, values: (0..2 * n).map(|k| (k / 2 % 2) as f64 + 0.1 * (k % 2) as f64).collect() }
    } else {
        let names = ["above", "below"].map(String::from).into();
        Labels::Names { index: (0..n).map(|image| (image % 2) as u32).collect(), names }
    };
    Dataset::new(d, x, Some(labels), FeatureKind::Image { channels, height, width }).unwrap()
}

/// A network on patches of these images.
pub fn on_patches(data: &Dataset) -> Model {
    let patches = PatchSettings { side: Some(3), regions: Some(2), directions: 6, ..PatchSettings::default() };
    let settings = Settings {
        patterns: 6,
        activation: Activation::Gated,
        gates: Gates::Patches(patches),
        output_bias: true,
        beta: Beta::Fraction(0.01),
        max_iterations: 40,
        ..Settings::default()
    };
    calibrated(train(data, None, &settings).unwrap().model, data)
}

/// A network of either kind on these samples.
pub fn model(data: &Dataset, activation: Activation, normalisation: Option<Normalisation>, bias: bool) -> Model {
    let settings = Settings {
        patterns: 12,
        activation,
        normalisation,
        bias,
        output_bias: bias,
        beta: Beta::Fraction(0.01),
        max_iterations: 60,
        ..Settings::default()
    };
    calibrated(train(data, None, &settings).unwrap().model, data)
}

/// The model with probabilities, if it has classes.
fn calibrated(mut model: Model, data: &Dataset) -> Model {
    assert!(model.network.n_neurons() > 0);
    let y = model.task.encode(data.labels().unwrap()).unwrap();
    let rows = y.transposed();
    let classes: Vec<usize> = (0..y.rows()).filter_map(|a| model.task.class_of(rows.col(a))).collect();
    if !classes.is_empty() {
        model.calibration = Some(Calibration::fit(&model.predict(data).unwrap(), &classes, None).unwrap());
    }
    model
}

/// The same model with a network without neurons.
pub fn empty(model: &Model) -> Model {
    let mut empty = model.clone();
    let network = &mut empty.network;
    let none = |matrix: &HostMatrix| HostMatrix::zeros(matrix.rows(), 0);
    (network.w1, network.w2) = (none(&network.w1), HostMatrix::zeros(0, network.w2.cols()));
    network.output_bias.fill(0.0);
    network.gates = network.gates.as_ref().map(none);
    empty
}
