//! Writes the seeds of every target to `corpus/`: small, valid files.

use cvx_admm::{CheckpointPlan, Model, Settings, train};
use cvx_export::{Float, Format, export, import};
use cvx_fuzz::{frame::opened, joined, resumable};
use cvx_prove::{Claim, Deployed, Proof, Shape, Theorem, file};
use flate2::{Compression, write::GzEncoder};
use image::ImageFormat::{Jpeg, Png};
use image::{DynamicImage, GrayImage, RgbImage};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::{ZipWriter, write::SimpleFileOptions};

fn npy(descr: &str, shape: &str, items: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), items].concat()
}

fn arrays() -> [Vec<u8>; 4] {
    let numbers: Vec<u8> = [0.5f64, 1.0, -2.0, 3.5].into_iter().flat_map(f64::to_le_bytes).collect();
    [
        npy("<f8", "(2, 2)", &numbers),
        npy("<U1", "(2,)", b"a\0\0\0b\0\0\0"),
        npy("|u1", "(1, 1, 2)", &[1, 2]),
        npy(">i2", "(1,)", &[0, 1]),
    ]
}

/// A proof of a box and one of a ball; whether they hold is not asked.
fn proofs() -> Vec<Vec<u8>> {
    let proof = Proof { tree: vec![2, 0, 0], on: vec![true, false], rows: vec![1], coefficients: vec![0.5, -1.0] };
    let about = |shape: Shape, claim: Claim| Theorem {
        claim,
        shape: shape.into(),
        deployed: Deployed::F64,
        threshold: 0.0,
        proof: proof.clone(),
    };
    let square = Shape::Box { lower: vec![-1.0, 0.0], upper: vec![1.0, 0.25] };
    let ball = Shape::Ball { centre: vec![0.5, 1.5], radius: 0.1, moves: vec![true, false] };
    let slope = Claim::Slope { output: 0, feature: 1, sign: -1.0, tolerance: 1e-12 };
    let theorems = [about(square, Claim::outputs(vec![1.0], -0.5)), about(ball, slope)];
    let whole = file::to_bytes(&theorems).expect("a small proof");
    vec![mode(1, opened(&whole)), mode(0, whole)]
}

/// A box with one constraint on the output, and cases with terms of every kind.
const PROPERTIES: [&str; 2] = [
    "; x: age, dose
(declare-const X_0 Real)(declare-const X_1 Real)
(declare-const Y_0 Real)
(assert (and (>= X_0 20) (<= X_0 60) (>= X_1 0) (<= X_1 5)))
(assert (>= Y_0 15.57))
",
    "(declare-const X_0 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (and (<= X_0 1) (>= X_0 -1)))
(assert (or (<= Y_0 (* 2 Y_1)) (and (>= Y_1 0.5) (<= (- Y_0) (+ X_0 1e-3)))))
",
];

/// A field of a protocol buffer that holds bytes, fewer than 128 or 16,384 of them.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = match content.len() {
        short @ ..128 => vec![short as u8],
        long => vec![(long & 127) as u8 | 128, (long >> 7) as u8],
    };
    [&[number << 3 | 2][..], &length, content].concat()
}

/// An ONNX graph with the operators that other programs write: (x - mean) / std, two layers, a factor and Clip.
fn graph() -> Vec<u8> {
    let tensor = |name: &str, dims: &[u8], values: &[f32]| {
        let dims: Vec<u8> = dims.iter().flat_map(|&length| [1 << 3, length]).collect();
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        field(5, [dims, vec![2 << 3, 1], field(8, name), field(9, values)].concat())
    };
    let node = |operator: &str, inputs: &[&str], output: &str| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name)).collect();
        field(1, [inputs, field(2, output), field(4, operator)].concat())
    };
    let nodes = [
        node("Flatten", &["x"], "flat"),
        node("Sub", &["flat", "mean"], "centred"),
        node("Div", &["centred", "std"], "z"),
        node("MatMul", &["z", "w1"], "product"),
        node("Add", &["b1", "product"], "h"),
        node("Relu", &["h"], "on"),
        node("Gemm", &["on", "w2", "b2"], "f"),
        node("Mul", &["f", "low"], "negative"),
        node("Clip", &["negative", "low", "high"], "y"),
    ];
    let tensors = [
        tensor("mean", &[1, 2], &[0.5, -1.0]),
        tensor("std", &[2], &[2.0, 4.0]),
        tensor("w1", &[2, 3], &[1.0, -2.0, 0.5, 3.0, 0.25, -1.0]),
        tensor("b1", &[3], &[0.5, -0.25, 1.0]),
        tensor("w2", &[3, 1], &[1.0, -1.5, 2.0]),
        tensor("b2", &[], &[0.125]),
        tensor("low", &[], &[-1.0]),
        tensor("high", &[], &[1.0]),
    ];
    let ends = [field(11, field(1, "x")), field(12, field(1, "y"))];
    field(7, [nodes.concat(), tensors.concat(), ends.concat()].concat())
}

fn archive() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in ["x.npy", "y.npy"].into_iter().zip(arrays()) {
        writer.start_file(name, SimpleFileOptions::default()).expect("a new name");
        writer.write_all(&array).expect("memory takes all");
    }
    writer.finish().expect("memory takes all").into_inner()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn idx(shape: &[u32], items: &[u8]) -> Vec<u8> {
    let lengths = shape.iter().flat_map(|length| length.to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(lengths).chain(items.iter().copied()).collect()
}

fn cifar(label: u8) -> Vec<u8> {
    let mut record = vec![label];
    record.resize(3073, label);
    record
}

/// PNG and JPEG images of one or two sizes, grey or in colour, of eight or sixteen bits.
fn images() -> Vec<Vec<u8>> {
    let encoded = |image: DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("memory takes all");
        bytes.into_inner()
    };
    let grey = DynamicImage::from(GrayImage::from_fn(3, 2, |x, y| image::Luma([(40 * x + 90 * y) as u8])));
    let colour = DynamicImage::from(RgbImage::from_fn(9, 8, |x, y| image::Rgb([(25 * x) as u8, (30 * y) as u8, 7])));
    vec![
        joined(&[encoded(grey.clone(), Png), encoded(grey.clone(), Jpeg)]),
        joined(&[encoded(colour.clone(), Jpeg), encoded(colour.clone(), Png)]),
        joined(&[encoded(grey.to_luma16().into(), Png), encoded(colour, Jpeg)]),
    ]
}

/// An input with the mode of the target in its first byte.
fn mode(mode: u8, input: impl AsRef<[u8]>) -> Vec<u8> {
    [&[mode], input.as_ref()].concat()
}

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = "a,b,label\r\n1,2.5,cat\r\n3,-4e2,\"d\"\"og\"\r\n";
    let mut seeds: Vec<(&str, Vec<Vec<u8>>)> = vec![
        (
            "csv",
            [
                table,
                "1,2,0\n3,4,1\n",
                "x,y\n0.5,-1\n\n.25,1e-3\n",
                "id,'sex',day,y\n7,'m',2024-01-02,0\n8,?,,1\n9,f,2024-01-03,NA\n",
            ]
            .map(|text| text.as_bytes().to_vec())
            .into(),
        ),
        ("libsvm", [&b"1 1:2 3:4 # one\n0 2:-1e3\n"[..], b"+1\n\n-1 5:0.5\n"].map(<[u8]>::to_vec).into()),
        (
            "npz",
            vec![
                mode(0, archive()),
                mode(1, joined(&arrays())),
                mode(2, joined(&arrays()[..2])),
                mode(1, &arrays()[0]),
            ],
        ),
        (
            "idx",
            vec![
                joined(&[idx(&[2, 1, 2], &[9; 4]), idx(&[2], &[0, 1])]),
                joined(&[idx(&[1, 1, 1], &[1]), idx(&[1], &[3]), idx(&[1, 1, 1], &[1]), idx(&[1], &[3])]),
            ],
        ),
        (
            "cifar",
            vec![
                cifar(3),
                joined(&[cifar(1), b"cat\ndog\n".to_vec()]),
                joined(&[cifar(0), b"a\n\nb\n".to_vec(), cifar(1)]),
            ],
        ),
        ("images", images()),
        (
            "gz",
            vec![
                mode(0, gz(table.as_bytes())),
                mode(1, table),
                mode(2, gz(&archive())),
                mode(3, archive()),
                mode(5, &arrays()[0]),
            ],
        ),
    ];
    let goldens = root.join("../crates/cvx-admm/tests/goldens");
    let mut models = Vec::new();
    for name in ["relu", "gated", "weighted"] {
        let whole = fs::read(goldens.join(format!("v6/{name}.cvx")))?;
        models.push(mode(1, opened(&whole)));
        if name == "gated" {
            models.push(mode(0, whole));
        }
    }
    seeds.push(("model", models));
    let relu = Model::load(&goldens.join("v6/relu.cvx")).map_err(std::io::Error::other)?;
    let exported = export(&relu, Format::Onnx, Float::F32).map_err(std::io::Error::other)?;
    let graphs = vec![graph(), exported];
    graphs.iter().try_for_each(|bytes| import(bytes).map(drop)).map_err(std::io::Error::other)?;
    seeds.push(("onnx", graphs));
    seeds.push(("vnnlib", PROPERTIES.map(|text| text.as_bytes().to_vec()).into()));
    seeds.push(("proof", proofs()));
    let mut checkpoints = Vec::new();
    for max_iterations in [1, 5] {
        let path = root.join("corpus/run.ckpt");
        let (data, settings) = resumable();
        let checkpoint = Some(CheckpointPlan { path: path.clone(), every: 0.0 });
        train(&data, None, &Settings { max_iterations, checkpoint, ..settings }).map_err(std::io::Error::other)?;
        let whole = fs::read(&path)?;
        fs::remove_file(path)?;
        checkpoints.extend([mode(1, opened(&whole)), mode(0, whole)]);
    }
    seeds.push(("checkpoint", checkpoints));
    for (target, inputs) in seeds {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (index, input) in inputs.into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{index}")), input)?;
        }
    }
    Ok(())
}
