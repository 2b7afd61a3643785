//! Safetensors and NumPy archives: the tensors predict what the model predicts.

use crate::models::{model, table, two_targets};
use cvx_admm::Model;
use cvx_data::read_matrix;
use cvx_export::{Float, Format, METADATA_KEY, export, save};
use cvx_model::{Activation, Dataset};
use safetensors::{Dtype, SafeTensors};

/// f(x) by the formula of the documentation, from tensors by name.
fn by_hand(tensor: &dyn Fn(&str) -> Option<Vec<f64>>, x: &[f64]) -> Vec<f64> {
    let get = |name| tensor(name).unwrap();
    let (offset, scale, w1, b1, w2) = (get("offset"), get("scale"), get("w1"), get("b1"), get("w2"));
    let z: Vec<f64> = (0..x.len()).map(|j| (x[j] - offset[j]) / scale[j]).collect();
    let product = |matrix: &[f64], v: &[f64]| -> Vec<f64> {
        matrix.chunks(v.len()).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
    };
    let plus = |a: Vec<f64>, b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    let a = plus(product(&w1, &z), &b1);
    let on = match tensor("gates") {
        Some(gates) => plus(product(&gates, &z), &get("gate_bias")),
        None => a.clone(),
    };
    let hidden: Vec<f64> = a.iter().zip(&on).map(|(a, on)| if *on >= 0.0 { *a } else { 0.0 }).collect();
    plus(product(&w2, &hidden), &get("b2"))
}

fn assert_predicts(model: &Model, data: &Dataset, tensor: &dyn Fn(&str) -> Option<Vec<f64>>, tolerance: f64) {
    let expected = model.predict(data).unwrap();
    for a in 0..data.n_samples() {
        for (c, found) in by_hand(tensor, &data.row(a)).into_iter().enumerate() {
            assert!((found - expected[(a, c)]).abs() <= tolerance * 10.0, "sample {a}, target {c}");
        }
    }
}

fn cases() -> impl Iterator<Item = (Dataset, Model)> {
    [Activation::Relu, Activation::Gated].into_iter().map(|activation| {
        let data = table(40, 3, two_targets);
        let model = model(&data, activation, None, true);
        (data, model)
    })
}

/// The numbers of a tensor of this type.
pub fn read_safetensors(bytes: &[u8], name: &str, float: Float) -> Option<Vec<f64>> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let view = tensors.tensor(name).ok()?;
    assert_eq!(view.dtype(), if float == Float::F32 { Dtype::F32 } else { Dtype::F64 });
    Some(match float {
        Float::F32 => view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        Float::F64 => view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
    })
}

#[test]
fn safetensors_hold_the_network() {
    for (data, model) in cases() {
        for (float, tolerance) in [(Float::F32, 1e-5), (Float::F64, 1e-13)] {
            let bytes = export(&model, Format::Safetensors, float).unwrap();
            assert_eq!(bytes, export(&model, Format::Safetensors, float).unwrap());
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            assert_predicts(&model, &data, &|name| read_safetensors(&bytes, name, float), tolerance);
            let m = model.network.n_neurons();
            assert_eq!(tensors.tensor("w1").unwrap().shape(), [m, 3]);
            assert_eq!(tensors.tensor("w2").unwrap().shape(), [2, m]);
            let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
            let metadata: serde_json::Value =
                serde_json::from_str(&header.metadata().as_ref().unwrap()[METADATA_KEY]).unwrap();
            assert_eq!(metadata["task"], "regression");
            assert_eq!(metadata["certificate"]["n_samples"], 40);
        }
    }
}

#[test]
fn an_archive_holds_the_network_and_is_read_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    for (data, model) in cases() {
        for (float, tolerance) in [(Float::F32, 1e-5), (Float::F64, 1e-13)] {
            let path = folder.path().join("network.npz");
            save(&model, Format::Npz, float, &path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes, export(&model, Format::Npz, float).unwrap());
            let vector = |name: &str| vector(&bytes, name, float);
            let matrix = |name: &str| read_matrix(&path, Some(name)).ok().map(|(_, _, values)| values);
            assert_predicts(&model, &data, &|name| matrix(name).or_else(|| vector(name)), tolerance);
            assert_eq!(read_matrix(&path, Some("w1")).unwrap().0, model.network.n_neurons());
        }
    }
}

/// The numbers of an array that is stored uncompressed in the archive.
fn vector(archive: &[u8], name: &str, float: Float) -> Option<Vec<f64>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name(&format!("{name}.npy")).ok()?, &mut bytes).unwrap();
    let begin = 10 + usize::from(u16::from_le_bytes(bytes[8..10].try_into().unwrap()));
    assert_eq!(begin % 64, 0);
    Some(match float {
        Float::F32 => bytes[begin..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        Float::F64 => bytes[begin..].as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
    })
}

#[test]
fn an_export_into_a_missing_folder_leaves_nothing() {
    let (_, model) = cases().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = save(&model, Format::Onnx, Float::F64, &folder.path().join("missing/a.onnx")).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn every_name_is_parsed_and_printed() {
    assert_eq!(Format::ALL.map(Format::name), ["onnx", "safetensors", "npz"]);
    assert_eq!(Float::ALL.map(Float::name), ["f32", "f64"]);
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    for float in Float::ALL {
        assert_eq!(float.to_string().parse(), Ok(float));
    }
    assert_eq!("tf".parse::<Format>().unwrap_err().known, ["onnx", "safetensors", "npz"]);
    assert_eq!("f16".parse::<Float>().unwrap_err().known, ["f32", "f64"]);
}
