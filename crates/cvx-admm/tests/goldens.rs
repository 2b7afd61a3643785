//! F6: stored model files of the current format can be read, and their claims are unchanged.

mod common;

use common::frame::{Frame, bytes, parse};
use cvx_admm::{FileError, Model, verify};
use cvx_data::{Request, open};
use std::path::{Path, PathBuf};

/// The format that is written.
const NEWEST: u32 = 4;

struct Golden {
    name: &'static str,
    data: &'static str,
    /// Objective of the network, loss on the training samples, dual bound.
    claims: [f64; 3],
    /// Predictions for the first three samples.
    predictions: [&'static [f64]; 3],
    classes: [&'static str; 3],
}

const GOLDENS: [Golden; 4] = [
    Golden {
        name: "relu",
        data: "binary",
        claims: [2.227059223, 1.854752600, 2.241262201],
        predictions: [&[-1.0704716390125086], &[0.5668433963252872], &[0.8525544354374417]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "gated",
        data: "binary",
        claims: [2.021790951, 1.847462916, 2.021528587],
        predictions: [&[-1.0940989278480135], &[0.6356815805205179], &[0.976751103142472]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "weighted",
        data: "binary",
        claims: [2.596876639, 2.190989081, 2.594296347],
        predictions: [&[-11.356132691362225], &[3.253631834658558], &[3.9339489758698853]],
        classes: ["0", "1", "1"],
    },
    Golden {
        name: "classes",
        data: "classes",
        claims: [0.616307522, 0.101996782, 0.615750956],
        predictions: [
            &[-0.986566528865981, -1.037100162082622, 1.0457153636947605],
            &[-1.0121896113438384, 1.0110336889093585, -1.0044708213669151],
            &[1.0344344983434066, -0.9470726752565517, -1.014895674954489],
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
            Err(error @ FileError::Version { found: 5, newest: NEWEST, .. }) => {
                assert!(error.to_string().contains("format 5, but this program reads up to format 4: use a newer"));
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}
