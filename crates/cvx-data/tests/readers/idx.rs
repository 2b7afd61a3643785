//! IDX folders.

use cvx_data::DataError;
use cvx_model::FeatureKind;

use crate::lab::{Lab, idx, numbers};

#[test]
fn both_spellings_plain_and_gz() {
    for (separator, ending) in [("-", ""), ("-", ".gz"), (".", ""), (".", ".gz")] {
        let lab = Lab::new();
        let write = |part: &str, what: &str, axes: usize, content: Vec<u8>| {
            lab.write(&format!("{part}-{what}{separator}idx{axes}-ubyte{ending}"), content)
        };
        write("train", "images", 3, idx(&[2, 2, 3], &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]));
        write("train", "labels", 1, idx(&[2], &[7, 3]));
        assert_eq!(lab.read_folder().unwrap().test, None);
        write("t10k", "images", 3, idx(&[1, 2, 3], &[255; 6]));
        write("t10k", "labels", 1, idx(&[1], &[9]));

        let split = lab.read_folder().unwrap();
        assert_eq!(split.train.row(0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(numbers(&split.train), [7.0, 3.0]);
        let kind = FeatureKind::Image { channels: 1, height: 2, width: 3 };
        assert_eq!(split.train.kind(), kind);
        assert_eq!(numbers(&split.test.unwrap()), [9.0]);
    }
}

fn read(images: Vec<u8>, labels: Vec<u8>) -> DataError {
    let lab = Lab::new();
    lab.write("train-images-idx3-ubyte", images);
    lab.write("train-labels-idx1-ubyte", labels);
    lab.read_folder().unwrap_err()
}

#[test]
fn f8_wrong_magic_names_both() {
    let error = read(idx(&[1], &[1]), idx(&[1], &[1]));
    assert!(matches!(&error, DataError::WrongMagic { found, .. } if found == "0x00000801"), "{error}");
    let mut floats = idx(&[1, 1, 1], &[1]);
    floats[2] = 0x0d;
    let error = read(floats, idx(&[1], &[1]));
    assert!(matches!(&error, DataError::UnsupportedType { dtype, .. } if dtype == "0x0d"), "{error}");
}

#[test]
fn f8_length_and_header_disagree() {
    let error = read(idx(&[2, 2, 2], &[0; 7]), idx(&[2], &[0, 1]));
    assert!(matches!(error, DataError::Truncated { offset: 16, expected: 24, found: 23, .. }), "{error}");
    let error = read(idx(&[2, 2, 2], &[0; 10]), idx(&[2], &[0, 1]));
    assert!(matches!(error, DataError::TrailingBytes { offset: 24, found: 26, .. }), "{error}");
}

#[test]
fn f8_shape_product_overflows() {
    let error = read(idx(&[u32::MAX; 3], &[0; 7]), idx(&[2], &[0, 1]));
    assert!(matches!(error, DataError::Malformed { .. }), "{error}");
}

#[test]
fn r3_no_images_no_pixels() {
    for shape in [[0, 2, 2], [2, 0, 2]] {
        let error = read(idx(&shape, &[]), idx(&[2], &[0, 1]));
        assert!(matches!(error, DataError::Empty { .. }), "{error}");
    }
}

#[test]
fn labels_of_another_set() {
    let error = read(idx(&[2, 1, 1], &[0; 2]), idx(&[3], &[0, 1, 2]));
    assert!(matches!(error, DataError::Mismatch { expected: 2, found: 3, .. }), "{error}");
}

#[test]
fn labels_are_missing() {
    let lab = Lab::new();
    lab.write("train-images.idx3-ubyte", idx(&[1, 1, 1], &[1]));
    let error = lab.read_folder().unwrap_err();
    assert!(error.to_string().contains("train-labels-idx1-ubyte"), "{error}");
}
