//! Neurons on patches: graphs and tensors predict what the model predicts.

use crate::models::{image_regions, numbers, on_patches};
use crate::onnx::{difference, graph};
use crate::tensors::read_safetensors;
use cvx_admm::Model;
use cvx_export::{Float, Format, METADATA_KEY, export, metadata};
use cvx_linalg::{FeaturePrecision, HostMatrix};
use cvx_model::{Dataset, Network, Patches};
use std::sync::{Arc, OnceLock};

const SHAPE: [usize; 3] = [2, 8, 9];

/// Images with two targets, and a network that was trained on them.
fn trained() -> &'static (Dataset, Model) {
    static TRAINED: OnceLock<(Dataset, Model)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let data = image_regions(SHAPE, 12, true);
        let model = on_patches(&data);
        (data, model)
    })
}

/// Random neurons on the patches of this geometry, in place of those of `model`: two targets, which share gates.
fn with_geometry(
    model: &Model,
    [side, stride, regions]: [usize; 3],
    mirrored: bool,
    contrast: f64,
    seed: u64,
) -> Model {
    let [channels, height, width] = SHAPE;
    let (rows, n_values, n_gates) = (channels * side * side + 1, 4, 5);
    let matrix = |seed, rows: usize, cols| HostMatrix::from_vec(rows, cols, numbers(seed, rows * cols));
    let values = matrix(seed, rows, n_values);
    let precision = FeaturePrecision::Single;
    let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
    let own = matrix(seed + 1, rows, n_gates);
    // Neurons 0 to 4 are of the first target, neurons 5 to 8 of the second, on the same gates.
    let gates = HostMatrix::from_fn(rows, 9, |row, neuron| own[(row, neuron % n_gates)]);
    let w2 = HostMatrix::from_fn(9, 2, |neuron, c| if neuron / n_gates == c { 0.5 + neuron as f64 } else { 0.0 });
    let mut network = Network::new(matrix(seed + 2, patches.block_rows(), 9), w2, Some(gates));
    network.patches = Some(Arc::new(patches));
    network.output_bias = vec![0.3, -4.0];
    let mut changed = model.clone();
    changed.network = network;
    changed
}

#[test]
fn f7_graphs_of_patches_of_every_geometry() {
    let (data, trained) = trained();
    for (seed, (geometry, mirrored)) in [
        ([1, 1, 1], true),
        ([1, 2, 3], false),
        ([2, 1, 2], true),
        ([2, 2, 3], true),
        ([3, 1, 3], true),
        ([3, 2, 2], false),
        ([3, 3, 1], true),
        ([4, 1, 1], false),
        ([4, 2, 2], true),
    ]
    .into_iter()
    .enumerate()
    {
        let model = with_geometry(trained, geometry, mirrored, 0.2, 10 * seed as u64);
        let wide = difference(&model, data, Float::F64);
        assert!(wide <= 1e-13, "{geometry:?}, {mirrored}: {wide:e}");
        let narrow = difference(&model, data, Float::F32);
        assert!((1e-10..1e-5).contains(&narrow), "{geometry:?}, {mirrored}, f32: {narrow:e}");
    }
}

/// The same network with features of half precision.
fn in_half_precision(model: &Model) -> Model {
    let mut half = model.clone();
    let patches = half.network.patches.take().unwrap();
    half.network.patches = Some(Arc::new(Patches { precision: FeaturePrecision::Half, ..(*patches).clone() }));
    half
}

/// Where features are too large for half precision, too.
#[test]
fn f7_graphs_of_patches_with_features_of_half_precision() {
    let (data, trained) = trained();
    for (seed, (geometry, mirrored, scale)) in
        [([3, 1, 3], true, 1.0), ([2, 2, 2], false, 1e-6), ([3, 2, 2], true, 3e4)].into_iter().enumerate()
    {
        let mut model = with_geometry(trained, geometry, mirrored, 0.2, 10 * seed as u64);
        let patches = model.network.patches.take().unwrap();
        let values = patches.values.values().iter().map(|value| scale * value).collect();
        let values = HostMatrix::from_vec(patches.values.rows(), patches.values.cols(), values);
        model.network.patches = Some(Arc::new(Patches { values, ..(*patches).clone() }));
        let half = in_half_precision(&model);
        let wide = difference(&half, data, Float::F64);
        assert!(wide <= 1e-13, "{geometry:?}, {mirrored}: {wide:e}");
        // Sums in f32 may be rounded to the next number of half precision.
        let narrow = difference(&half, data, Float::F32);
        assert!(narrow < 1e-3, "{geometry:?}, {mirrored}, f32: {narrow:e}");
        let [half, single] = [&half, &model].map(|model| model.predict(data).unwrap());
        assert_ne!(half, single);
        assert!(half.values().iter().all(|value| value.is_finite()));
    }
    let known: serde_json::Value = serde_json::from_str(&metadata(&in_half_precision(trained))).unwrap();
    assert_eq!(known["patches"]["feature_precision"], "half");
    let known: serde_json::Value = serde_json::from_str(&metadata(trained)).unwrap();
    assert_eq!(known["patches"]["feature_precision"], "single");
}

/// Patches of one value, bright ones too, are zero after their mean is subtracted: also where nothing is added to their
/// variance, and in f32.
#[test]
fn f7_flat_patches_without_a_contrast_of_their_own() {
    let (data, trained) = trained();
    let mut model = with_geometry(trained, [2, 2, 2], true, 0.0, 3);
    model.transform.offset.fill(0.0);
    model.transform.scale.fill(1.0);
    let levels = [0.0, 1.0, 1024.0, -3.0];
    let x = (0..4 * 144).map(|k| levels[k / 144]).collect();
    let flat = Dataset::new(144, x, None, data.kind()).unwrap();
    for float in Float::ALL {
        let found = difference(&model, &flat, float);
        assert!(found <= if float == Float::F64 { 1e-14 } else { 1e-6 }, "{float}: {found:e}");
        let prediction = &graph(&model, float).run(4, &flat.values())["prediction"].values;
        assert!(prediction.chunks(2).all(|row| row == &prediction[..2]), "all flat images are the same");
    }
}

#[test]
fn f7_a_trained_network_on_patches_has_classes_and_probabilities() {
    let data = image_regions(SHAPE, 40, false);
    let model = on_patches(&data);
    let wide = difference(&model, &data, Float::F64);
    assert!(wide <= 1e-12, "{wide:e}");
    let narrow = difference(&model, &data, Float::F32);
    assert!(narrow <= 1e-5, "{narrow:e}");
    let outputs: Vec<String> = graph(&model, Float::F64).outputs.into_iter().map(|(name, _)| name).collect();
    assert_eq!(outputs, ["prediction", "class", "probability"]);
    let empty = crate::models::empty(&model);
    assert_eq!(difference(&empty, &data, Float::F64), 0.0);
}

/// The prediction for transformed pixels from the tensors, by the formulas of the documentation.
fn by_hand(tensor: &dyn Fn(&str) -> Vec<f64>, geometry: &serde_json::Value, x: &[f64]) -> Vec<f64> {
    let number = |key: &str| geometry[key].as_u64().unwrap() as usize;
    let ([channels, height, width], contrast) = (SHAPE, geometry["contrast"].as_f64().unwrap());
    let (side, stride, regions) = (number("side"), number("stride"), number("regions"));
    let (values, value_bias, gates, gate_bias) =
        (tensor("values"), tensor("value_bias"), tensor("gates"), tensor("gate_bias"));
    let (rows, columns) = ((height - side) / stride + 1, (width - side) / stride + 1);
    let block = gate_bias.len() * value_bias.len();
    let mut features = vec![0.0; regions * regions * block];
    let mut add = |mirrored: bool, share: f64| {
        for (i, j) in (0..rows * columns).map(|k| (k / columns, k % columns)) {
            let mut patch = Vec::new();
            for line in 0..channels * side {
                for k in 0..side {
                    let (row, column) = (i * stride + line % side, j * stride + k);
                    let column = if mirrored { width - 1 - column } else { column };
                    patch.push(x[(line / side * height + row) * width + column]);
                }
            }
            let mean = patch.iter().sum::<f64>() / patch.len() as f64;
            let variance = patch.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / patch.len() as f64;
            let c = (variance + contrast * contrast).sqrt();
            patch.iter_mut().for_each(|x| *x = (*x - mean) / c);
            let product = |rows: &[f64], bias: &[f64]| -> Vec<f64> {
                let dot = |row: &[f64]| row.iter().zip(&patch).map(|(a, b)| a * b).sum::<f64>();
                rows.chunks(patch.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
            };
            let region = i * regions / rows * regions + j * regions / columns;
            let value = product(&values, &value_bias);
            for (gate, response) in product(&gates, &gate_bias).into_iter().enumerate() {
                let at = region * block + gate * value.len();
                let on = if response >= 0.0 { share } else { 0.0 };
                features[at..at + value.len()].iter_mut().zip(&value).for_each(|(sum, value)| *sum += on * value);
            }
        }
    };
    let scale = (regions as f64) / ((rows * columns) as f64).sqrt();
    if geometry["mirrored"].as_bool().unwrap() {
        add(false, 0.5 * scale);
        add(true, 0.5 * scale);
    } else {
        add(false, scale);
    }
    let outputs = tensor("w2").chunks(features.len()).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let dot = |row: &Vec<f64>| row.iter().zip(&features).map(|(a, b)| a * b).sum::<f64>();
    outputs.iter().zip(tensor("b2")).map(|(row, bias)| dot(row) + bias).collect()
}

#[test]
fn tensors_and_metadata_hold_neurons_on_patches() {
    let (data, trained) = trained();
    for (geometry, mirrored) in [([3, 1, 3], true), ([2, 2, 2], false)] {
        let model = with_geometry(trained, geometry, mirrored, 0.1, 5);
        let expected = model.predict(data).unwrap();
        let largest = expected.values().iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let known: serde_json::Value = serde_json::from_str(&metadata(&model)).unwrap();
        let bytes = export(&model, Format::Safetensors, Float::F64).unwrap();
        let tensor = |name: &str| read_safetensors(&bytes, name, Float::F64).unwrap();
        let (offset, scale) = (tensor("offset"), tensor("scale"));
        for a in 0..data.n_samples() {
            let row = data.row(a);
            let pixels = row.iter().zip(offset.iter().zip(&scale));
            let x: Vec<f64> = pixels.map(|(x, (offset, scale))| (x - offset) / scale).collect();
            for (c, found) in by_hand(&tensor, &known["patches"], &x).into_iter().enumerate() {
                // Features are rounded to single precision.
                assert!((found - expected[(a, c)]).abs() <= 1e-6 * largest, "image {a}, target {c}");
            }
        }
        assert_eq!(known["image"], serde_json::json!(SHAPE));
        let graph = graph(&model, Float::F64);
        let found: serde_json::Value = serde_json::from_str(&graph.metadata[METADATA_KEY]).unwrap();
        assert_eq!(found["patches"], known["patches"]);
    }
}
