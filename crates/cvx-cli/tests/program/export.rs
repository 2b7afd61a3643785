//! `cvx export`.

use crate::lab::{Lab, cats_and_dogs};

#[test]
fn a_model_is_exported_by_format_or_by_ending() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(60, 1));
    lab.train_once("--data t.csv --patterns 10 --model m.cvx --quiet");
    for format in ["onnx", "safetensors", "npz"] {
        let printed = lab.done(&format!("export m.cvx --out a.{format}")).stdout;
        assert_eq!(printed, format!("The {format} file is in a.{format}\n"));
        lab.done(&format!("export m.cvx --to {format} --out b --quiet"));
        let (by_ending, by_format) = (std::fs::read(lab.path(&format!("a.{format}"))), std::fs::read(lab.path("b")));
        let bytes = by_ending.unwrap();
        assert_eq!(bytes, by_format.unwrap());
        lab.done(&format!("export m.cvx --to {format} --out b --precision f32"));
        assert!(std::fs::read(lab.path("b")).unwrap().len() < bytes.len());
    }
    // The archive is one that this program reads itself.
    let arrays = lab.refused("info a.npz", &["there is no array x_train, X_train, X or x"]);
    assert!(["b1", "cvx", "offset", "scale", "w1", "w2"].iter().all(|name| arrays.contains(name)), "{arrays}");
}

#[test]
fn an_export_that_cannot_be_is_refused() {
    let lab = Lab::new();
    lab.write("t.csv", cats_and_dogs(30, 1));
    lab.train_once("--data t.csv --patterns 5 --model m.cvx --quiet");
    lab.refused("export m.cvx --out model.pt", &["model.pt", "--to", "onnx, safetensors, npz"]);
    lab.refused("export m.cvx --to onnx --out x.npz", &["--to onnx", "--out x.npz is named like a file of npz"]);
    lab.refused("export t.csv --out m.onnx", &["t.csv", "not a cvx model"]);
    lab.refused("export m.cvx --out missing/m.onnx", &["--out missing/m.onnx", "does not exist"]);
    lab.refused("export none.cvx --out m.onnx", &["none.cvx"]);
    assert_eq!(lab.cvx("export m.cvx --to pickle --out m.pkl").code, Some(2));
}
