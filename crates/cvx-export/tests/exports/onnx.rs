//! F7: the graph predicts what the model predicts.

use crate::graph::{DOUBLE, FLOAT, Graph, INT64};
use crate::models::{empty, images, model, numbers, table, three_classes, two_classes, two_targets};
use cvx_admm::{Model, Settings, train};
use cvx_export::{ExportError, Float, Format, export};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Constraints, Dataset, FeatureKind, Labels, Normalisation, OutputRange, Task, Trend};

const ACTIVATIONS: [Activation; 2] = [Activation::Relu, Activation::Gated];

pub fn graph(model: &Model, float: Float) -> Graph {
    Graph::parse(&export(model, Format::Onnx, float).unwrap())
}

/// The largest difference between the graph's predictions and the model's, over the largest prediction; their classes
/// are the same.
pub fn difference(model: &Model, data: &Dataset, float: Float) -> f64 {
    let (n, expected) = (data.n_samples(), model.predict(data).unwrap());
    let found = graph(model, float).run(n, &data.values());
    let prediction = &found["prediction"];
    assert_eq!(prediction.shape, [n, expected.cols()]);
    if let Some(probabilities) = model.probabilities(&expected).unwrap() {
        let (found, expected) = (&found["probability"], probabilities.transposed());
        assert_eq!(found.shape, [n, model.task.classes().len()]);
        let tolerance = if float == Float::F64 { 1e-12 } else { 1e-4 };
        assert!(found.values.iter().zip(expected.values()).all(|(a, b)| (a - b).abs() <= tolerance));
    }
    let expected = expected.transposed();
    if !model.task.classes().is_empty() {
        let classes = (0..n).map(|a| model.task.class_of(expected.col(a)).unwrap() as f64);
        assert_eq!(found["class"].values, classes.collect::<Vec<_>>());
    }
    let scale = expected.values().iter().fold(1e-300, |largest: f64, value| largest.max(value.abs()));
    let differences = prediction.values.iter().zip(expected.values()).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max) / scale
}

#[test]
fn f7_the_graph_predicts_what_the_model_predicts() {
    for activation in ACTIVATIONS {
        for (name, label) in [
            ("binary", two_classes as fn(&[f64]) -> Vec<f64>),
            ("multiclass", three_classes),
            ("regression", two_targets),
        ] {
            let data = table(60, 4, label);
            for (normalisation, bias) in
                [(Normalisation::Column, true), (Normalisation::Global, true), (Normalisation::None, false)]
            {
                let model = model(&data, activation, Some(normalisation), bias);
                assert_eq!(model.task.name(), name);
                let place = format!("{activation:?}, {name}, {normalisation:?}");
                let wide = difference(&model, &data, Float::F64);
                assert!(wide <= 1e-13, "{place}: {wide:e}");
                let narrow = difference(&model, &data, Float::F32);
                assert!((1e-11..2e-6).contains(&narrow), "{place}, f32: {narrow:e}");
            }
        }
    }
}

#[test]
fn f7_images_with_one_scale_for_all_pixels() {
    let data = images(30);
    for activation in ACTIVATIONS {
        let model = model(&data, activation, None, true);
        assert_eq!(model.normalisation, Normalisation::Global);
        let wide = difference(&model, &data, Float::F64);
        assert!(wide <= 1e-12, "{activation:?}: {wide:e}");
        let narrow = difference(&model, &data, Float::F32);
        assert!(narrow <= 1e-5, "{activation:?}: {narrow:e}");
    }
}

/// Means of 1e6 to 1e9 standard deviations: offsets folded into the bias would cost six to nine digits.
#[test]
fn f7_columns_far_from_zero() {
    let near = table(60, 3, two_classes);
    for offset in [1e6, -1e9] {
        let far: Vec<f64> = near.values().iter().enumerate().map(|(k, x)| x + offset * (k % 3) as f64).collect();
        let data = Dataset::new(3, far, near.labels().cloned(), FeatureKind::Table).unwrap();
        for activation in ACTIVATIONS {
            let found = difference(&model(&data, activation, None, true), &data, Float::F64);
            assert!(found <= 1e-13, "{offset}, {activation:?}: {found:e}");
        }
    }
}

/// f32 holds the features but not their mean: the rounding error of the offset is corrected in the bias.
#[test]
fn f7_an_offset_that_f32_rounds() {
    let x: Vec<f64> = numbers(5, 120).iter().map(|x| 8_000_000.0 + (3.0 * x).round()).collect();
    let labels = x.chunks(2).map(|row| f64::from(u8::from(row[0] > 8_000_000.0))).collect();
    let data = Dataset::new(2, x, Some(Labels::numbers(labels)), FeatureKind::Table).unwrap();
    let model = model(&data, Activation::Relu, None, true);
    assert!(model.transform.offset.iter().any(|&offset| (f64::from(offset as f32) - offset).abs() > 0.05));
    let found = difference(&model, &data, Float::F32);
    assert!(found <= 2e-6, "{found:e}");
}

#[test]
fn f7_a_network_of_no_neurons_predicts_the_more_frequent_class() {
    for (label, majority) in [(two_classes as fn(&[f64]) -> Vec<f64>, [0, 1]), (three_classes, [0, 2])] {
        let data = table(20, 3, label);
        for activation in ACTIVATIONS {
            let mut model = empty(&model(&data, activation, None, true));
            for majority in majority {
                match &mut model.task {
                    Task::Binary { majority: of, .. } | Task::Multiclass { majority: of, .. } => *of = majority,
                    Task::Regression { .. } => unreachable!(),
                }
                assert_eq!(difference(&model, &data, Float::F64), 0.0);
                let classes = &graph(&model, Float::F32).run(20, &data.values())["class"];
                assert!(classes.values.iter().all(|&class| class == majority as f64));
            }
        }
    }
}

#[test]
fn f7_inputs_outputs_and_metadata_are_as_documented() {
    let data = images(12);
    let mut model = model(&data, Activation::Gated, None, true);
    model.transform.feature_names = Some((0..3072).map(|k| format!("pixel \"{k}\"")).collect());
    for (float, element) in [(Float::F32, FLOAT), (Float::F64, DOUBLE)] {
        let graph = graph(&model, float);
        assert_eq!(graph.versions, (8, 17));
        assert_eq!(graph.inputs, [("x".to_string(), element)]);
        let outputs = [("prediction", element), ("class", INT64), ("probability", element)];
        assert_eq!(graph.outputs, outputs.map(|(name, element)| (name.to_string(), element)));
        let metadata: serde_json::Value = serde_json::from_str(&graph.metadata[cvx_export::METADATA_KEY]).unwrap();
        assert_eq!(metadata["classes"], serde_json::json!(["cat", "dog"]));
        assert_eq!(metadata["image"], serde_json::json!([3, 32, 32]));
        assert_eq!(metadata["feature_names"][7], "pixel \"7\"");
        assert_eq!(metadata["normalisation"], "global");
        let objective = &model.claim.objective;
        for (key, value) in [
            ("objective", objective.network),
            ("dual_bound", objective.dual_bound),
            ("relative_gap", objective.relative_gap),
            ("beta", model.claim.beta),
        ] {
            assert_eq!(metadata["certificate"][key], value, "{key}");
        }
        assert_eq!(metadata["version"], model.provenance.version);
    }
}

#[test]
fn what_f32_cannot_hold_is_refused() {
    let data = table(20, 2, two_classes);
    let good = model(&data, Activation::Relu, None, true);
    let refused = |change: &dyn Fn(&mut Model), expected: &str| {
        let mut model = good.clone();
        change(&mut model);
        for format in Format::ALL {
            match export(&model, format, Float::F32) {
                Err(ExportError::Range { tensor, .. }) => assert_eq!(tensor, expected),
                other => panic!("{expected}: {:?}", other.map(|bytes| bytes.len())),
            }
            assert!(export(&model, format, Float::F64).is_ok());
        }
    };
    refused(&|model| model.transform.scale[1] = 1e-60, "scale");
    refused(&|model| model.transform.offset[0] = -1e60, "offset");
    refused(&|model| model.network.w1.values_mut()[0] = 1e60, "w1");
    refused(&|model| model.network.w2 = HostMatrix::from_fn(good.network.n_neurons(), 1, |_, _| 1e39), "w2");
}

/// Clipped by the graph as by the model, and monotone as the model is.
#[test]
fn constraints_reach_the_graph_and_the_metadata() {
    let data = table(60, 3, |row| vec![(2.0 * row[0]).tanh() + 0.3 * (4.0 * row[0]).sin() - 0.2 * row[1]]);
    let settings = Settings {
        constraints: Constraints { trends: vec![("1".into(), Trend::Increasing)], ..Constraints::default() },
        output_range: Some(OutputRange::new(-2.0, 2.0).unwrap()),
        patterns: 12,
        ..Settings::default()
    };
    let model = train(&data, None, &settings).unwrap().model;
    let far: Vec<f64> = (0..400).flat_map(|k| [f64::from(k) * 0.1 - 20.0, 0.3, -0.2]).collect();
    let data = Dataset::new(3, far, None, FeatureKind::Table).unwrap();
    for (float, tolerance) in [(Float::F64, 1e-12), (Float::F32, 1e-5)] {
        assert!(difference(&model, &data, float) <= tolerance);
        let found = graph(&model, float).run(400, &data.values());
        let values = &found["prediction"].values;
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{float:?}");
        assert_eq!((values[0], values[399]), (-2.0, 2.0), "the ends of the range");
    }
    let json = cvx_export::metadata(&model);
    assert!(json.contains(r#""increasing":["column 1"]"#) && json.contains(r#""output_range":[-2.0,2.0]"#), "{json}");
}
