//! F6: stored model files of the current format can be read, and their claims are unchanged.

mod common;

use common::frame::{Frame, bytes, parse};
use cvx_admm::{FileError, Model, verify};
use cvx_data::{Request, open};
use std::path::{Path, PathBuf};

/// The format that is written.
const NEWEST: u32 = 6;

struct Golden {
    name: &'static str,
    data: &'static str,
    /// Objective of the network, loss on the training samples, dual bound.
    claims: [f64; 3],
    /// Predictions for the first three samples.
    predictions: [&'static [f64]; 3],
    classes: [&'static str; 3],
}

const GOLDENS: [Golden; 6] = [
    Golden {
        name: "relu",
        data: "binary",
        claims: [2.204755821, 1.900951639, 2.215023184],
        predictions: [&[-1.131301703573614], &[0.5412674783376631], &[0.5982990315678748]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "gated",
        data: "binary",
        claims: [2.021790840, 1.847470960, 2.021605070],
        predictions: [&[-1.0940839223217336], &[0.6357184590739665], &[0.9767316015355346]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "weighted",
        data: "binary",
        claims: [2.287769451, 1.935167309, 2.299267740],
        predictions: [&[-9.55110734597393], &[2.9642295607598497], &[4.024024003266153]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "monotone",
        data: "binary",
        claims: [2.211584538, 1.975121126, 2.211947546],
        predictions: [&[-1.0931079007476558], &[-0.12293981317552194], &[0.8716032892439052]],
        classes: ["0", "0", "1"],
    },
    Golden {
        name: "global",
        data: "binary",
        claims: [3.092182010, 1.765541139, 3.089789831],
        predictions: [&[-1.03730108277488], &[0.006366618282261888], &[0.8526955557598134]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "classes",
        data: "classes",
        claims: [0.616293707, 0.103367703, 0.615738542],
        predictions: [
            &[-0.9873100971300948, -1.0374533976384717, 1.045633721746662],
            &[-1.0121004162686706, 1.0109140659002336, -1.0044870557854464],
            &[1.0361859613672832, -0.944516029982838, -1.0149204905210254],
        ],
        classes: ["oak", "elm", "ash"],
    },
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// The folders of the formats, by number.
fn formats() -> Vec<u32> {
    let names = path("").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut formats: Vec<u32> = names.filter_map(|name| name.strip_prefix('v')?.parse().ok()).collect();
    formats.sort_unstable();
    formats
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-8 * expected.abs()
}

#[test]
fn f6_a_stored_file_is_read_and_claims_what_it_did() {
    assert_eq!(formats(), [NEWEST], "a new format needs its goldens");
    for format in formats() {
        for golden in &GOLDENS {
            let file = path(&format!("v{format}/{}.cvx", golden.name));
            let place = format!("{} of format {format}", golden.name);
            assert_eq!(Frame::of_version(&std::fs::read(&file).unwrap()), format, "{place}");
            let model = Model::load(&file).unwrap();
            let data =
                open(path(&format!("{}.csv", golden.data)).to_str().unwrap(), &Request::default()).unwrap().train;

            let claim = &model.claim;
            let claims = [claim.objective.network, claim.train_loss, claim.objective.dual_bound];
            assert!(claims.into_iter().zip(golden.claims).all(|(found, expected)| near(found, expected)), "{place}");
            assert!(verify(&model, &data).unwrap().holds(), "{place}");
            assert_eq!(claim.weights.is_some(), golden.name == "weighted", "{place}");
            assert_eq!(model.cones.is_some(), golden.name == "monotone", "{place}");
            let names = model.transform.feature_names.as_deref().unwrap_or_default();
            assert_eq!(names, if golden.data == "binary" { &["a", "b", "c"][..] } else { &["length", "width"] });

            let found = model.predict(&data).unwrap();
            for (row, expected) in golden.predictions.iter().enumerate() {
                assert_eq!(found.cols(), expected.len());
                let agrees = (0..found.cols()).all(|c| near(found[(row, c)], expected[c]));
                assert!(agrees, "{place}: sample {row}");
            }
            assert_eq!(model.classes(&found).unwrap()[..3], golden.classes, "{place}");

            // Saved again, the file has the newest format and the same content.
            let stored = bytes(&model);
            assert_eq!(Frame::of_version(&stored), NEWEST);
            assert!(parse(&stored).unwrap() == model, "{place}");
        }
    }
}

#[test]
fn f6_the_next_format_is_refused_with_advice() {
    for golden in &GOLDENS {
        let mut frame = Frame::of(&std::fs::read(path(&format!("v{NEWEST}/{}.cvx", golden.name))).unwrap());
        frame.version = NEWEST + 1;
        match parse(&frame.sealed()) {
            Err(error @ FileError::Version { found: 7, newest: NEWEST, .. }) => {
                assert!(error.to_string().contains("format 7, but this program reads up to format 6: use a newer"));
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}
