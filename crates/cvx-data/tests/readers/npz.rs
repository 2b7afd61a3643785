//! NumPy files.

use std::path::{Path, PathBuf};

use cvx_data::{DataError, Request, open, read_matrix};
use cvx_model::{FeatureKind, Labels, ModelError};
use zip::CompressionMethod::{Deflated, Stored};

use crate::lab::{Lab, class_names, npy, npy_f64, npz, numbers, text};

/// Written by numpy 2.4 with `savez_compressed`: features in Fortran order (float32) and as big-endian int16, labels as
/// str and bytes, and a Fortran-order matrix `gates`.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/fixtures/numpy.npz")
}

#[test]
fn archive_written_by_numpy() {
    let split = open(&text(&fixture()), &Request::default()).unwrap();
    let quarters: Vec<f64> = (0..12).map(|number| f64::from(number) / 4.0).collect();
    assert_eq!(split.train.values(), quarters);
    assert_eq!(split.train.n_features(), 3);
    assert_eq!(class_names(&split.train), ["ja", "nein", "ja", "Übermaß"]);
    let test = split.test.unwrap();
    assert_eq!(test.values(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(class_names(&test), ["nein", "ja"]);
    let matrix = read_matrix(&fixture(), None).unwrap();
    assert_eq!(matrix, (3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
}

#[test]
fn every_spelling_stored_deflated_and_gz() {
    let x = npy_f64("(2, 1)", &[1.0, 2.0]);
    let y = npy("|u1", "False", "(2,)", &[7, 8]);
    for (x_train, y_train, x_test) in
        [("x_train", "y_train", "x_test"), ("X_train", "y_train", "X_test"), ("X", "y", "X_test"), ("x", "y", "x_test")]
    {
        let arrays = [(x_train, x.clone()), (y_train, y.clone()), (x_test, x.clone())];
        for (method, name) in [(Stored, "t.npz"), (Deflated, "t.npz"), (Deflated, "t.npz.gz")] {
            let split = Lab::new().read(name, npz(method, &arrays)).unwrap();
            assert_eq!(split.train.values(), [1.0, 2.0]);
            assert_eq!(numbers(&split.train), [7.0, 8.0]);
            assert_eq!(split.test.unwrap().labels(), None);
        }
    }
}

#[test]
fn every_type_of_number() {
    let items = |number: i8, bytes: Vec<u8>, descr: &str| (f64::from(number), bytes, descr.to_owned());
    let cases = [
        items(-2, (-2f64).to_le_bytes().to_vec(), "<f8"),
        items(-2, (-2f64).to_be_bytes().to_vec(), ">f8"),
        items(-2, (-2f32).to_le_bytes().to_vec(), "<f4"),
        items(-2, (-2f32).to_be_bytes().to_vec(), ">f4"),
        items(-2, (-2i64).to_le_bytes().to_vec(), "<i8"),
        items(-2, (-2i32).to_be_bytes().to_vec(), ">i4"),
        items(-2, (-2i16).to_le_bytes().to_vec(), "<i2"),
        items(-2, (-2i8).to_le_bytes().to_vec(), "|i1"),
        items(2, 2u64.to_le_bytes().to_vec(), "<u8"),
        items(2, 2u32.to_le_bytes().to_vec(), "<u4"),
        items(2, 2u16.to_be_bytes().to_vec(), ">u2"),
        items(2, vec![2], "|u1"),
        items(1, vec![1], "|b1"),
        items(0, vec![0], "|b1"),
    ];
    for (expected, bytes, descr) in cases {
        let train = Lab::new().read("t.npy", npy(&descr, "False", "(1, 1)", &bytes)).unwrap().train;
        assert_eq!(train.values(), [expected], "{descr}");
    }
    for descr in ["|O", "<f2", "<c16", "<M8[ns]", "f8", "=f8", "<i3", "", "<", "<é8", "|V8"] {
        let error = Lab::new().read("t.npy", npy(descr, "False", "(1, 1)", &[0; 8])).unwrap_err();
        assert!(matches!(error, DataError::UnsupportedType { .. }), "{descr}: {error}");
    }
    let text = String::from_utf8(npy("?", "False", "(1,)", &[])[10..].to_vec()).unwrap();
    let structured = text.replace("'?'", "[('a', '<f8'), ('b', '<f8', (2, 2))]");
    let mut content = b"\x93NUMPY\x01\x00".to_vec();
    content.extend([u8::try_from(structured.len()).unwrap(), 0]);
    content.extend(structured.bytes());
    let error = Lab::new().read("t.npy", content).unwrap_err();
    assert!(matches!(error, DataError::UnsupportedType { .. }), "{error}");
}

#[test]
fn array_alone_plain_and_gz() {
    for name in ["t.npy", "t.npy.gz"] {
        let train = Lab::new().read(name, npy_f64("(2, 2)", &[1.0, 2.0, 3.0, 4.0])).unwrap().train;
        assert_eq!((train.values(), train.labels()), (vec![1.0, 2.0, 3.0, 4.0], None));
    }
}

#[test]
fn header_in_other_words() {
    let header = "{\"shape\": (2L, 1L,), 'fortran_order':False,'descr': '<f8'}   \n";
    let mut content = b"\x93NUMPY\x03\x00".to_vec();
    content.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    content.extend(header.bytes());
    content.extend([1.0f64, 2.0].iter().flat_map(|value| value.to_le_bytes()));
    assert_eq!(Lab::new().read("t.npy", content).unwrap().train.values(), [1.0, 2.0]);
}

#[test]
fn fortran_order_of_images() {
    // The item at [n, h, w] is 100 n + 10 h + w; the first index varies fastest.
    let mut items = Vec::new();
    for w in 0..4 {
        for h in 0..3 {
            items.extend((0..2u8).map(|n| 100 * n + 10 * h + w));
        }
    }
    let train = Lab::new().read("t.npy", npy("|u1", "True", "(2, 3, 4)", &items)).unwrap().train;
    assert_eq!(train.row(1)[..5], [100.0, 101.0, 102.0, 103.0, 110.0]);
    let kind = FeatureKind::Image { channels: 1, height: 3, width: 4 };
    assert_eq!(train.kind(), kind);
    let train = Lab::new().read("t.npy", npy("|u1", "False", "(1, 2, 3, 4)", &items)).unwrap().train;
    assert!(matches!(train.kind(), FeatureKind::Image { channels: 2, height: 3, width: 4 }));
}

#[test]
fn labels_of_several_targets() {
    let x = npy_f64("(2, 1)", &[1.0, 2.0]);
    let read = |y| Lab::new().read("t.npz", npz(Stored, &[("x", x.clone()), ("y", y)]));
    let split = read(npy_f64("(2, 3)", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    assert!(matches!(split.train.labels(), Some(Labels::Numbers { columns: 3, .. })));
    let split = read(npy_f64("(2, 1)", &[1.0, 2.0])).unwrap();
    assert!(matches!(split.train.labels(), Some(Labels::Numbers { columns: 1, .. })));
    let split = read(npy("|S1", "False", "(2, 1)", b"ba")).unwrap();
    assert_eq!(class_names(&split.train), ["b", "a"]);
    for shape in ["(1, 2, 1)", "()"] {
        let count = if shape == "()" { 1 } else { 2 };
        let error = read(npy("|u1", "False", shape, &vec![0; count])).unwrap_err();
        assert!(matches!(error, DataError::WrongShape { .. }), "{error}");
    }
    let error = read(npy_f64("(3,)", &[1.0, 2.0, 3.0])).unwrap_err();
    assert!(
        matches!(&error, DataError::Mismatch { path, expected: 2, found: 3, .. } if path.ends_with("t.npz/y.npy")),
        "{error}"
    );
}

#[test]
fn test_arrays_must_fit() {
    let arrays = [("x_train", npy_f64("(1, 2)", &[1.0, 2.0])), ("x_test", npy_f64("(1, 1)", &[1.0]))];
    let error = Lab::new().read("t.npz", npz(Stored, &arrays)).unwrap_err();
    assert!(matches!(error, DataError::Mismatch { expected: 2, found: 1, .. }), "{error}");
    let names = |text: &[u8]| npy("|S1", "False", "(1,)", text);
    let x = || npy_f64("(1, 1)", &[1.0]);
    let arrays = [("x_train", x()), ("x_test", x()), ("y_train", names(b"1")), ("y_test", names(b"a"))];
    let error = Lab::new().read("t.npz", npz(Stored, &arrays)).unwrap_err();
    assert!(matches!(error, DataError::Unusable { error: ModelError::NotNumeric { row: 0, .. }, .. }), "{error}");
}

#[test]
fn unknown_key_lists_those_there_are() {
    let error = Lab::new().read("t.npz", npz(Stored, &[("b", vec![]), ("a", vec![])])).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "there is no array x_train, X_train, X or x, with labels under y_train or y: the arrays are a, b"
        ),
        "{error}"
    );
    let error = read_matrix(&fixture(), Some("u")).unwrap_err();
    assert!(matches!(&error, DataError::UnknownKey { known, .. } if known.contains(&"gates".to_owned())), "{error}");
}

#[test]
fn matrix_has_two_axes_and_finite_numbers() {
    let lab = Lab::new();
    let read = |name: &str, content: Vec<u8>| {
        lab.write(name, content);
        read_matrix(&lab.path(name), None)
    };
    assert_eq!(read("g.npy", npy_f64("(1, 2)", &[1.0, 2.0])).unwrap(), (1, 2, vec![1.0, 2.0]));
    assert_eq!(read("g.npy.gz", npy_f64("(2, 1)", &[1.0, 2.0])).unwrap(), (2, 1, vec![1.0, 2.0]));
    let error = read("g.npy", npy_f64("(2,)", &[1.0, 2.0])).unwrap_err();
    assert!(matches!(error, DataError::WrongShape { .. }), "{error}");
    let error = read("g.npy", npy("|S1", "False", "(1, 2)", b"ab")).unwrap_err();
    assert!(matches!(error, DataError::UnsupportedType { .. }), "{error}");
    let error = read("g.npy", npy_f64("(2, 2)", &[1.0, 2.0, 3.0, f64::NAN])).unwrap_err();
    assert!(
        matches!(&error, DataError::Unusable { error: ModelError::NonFinite { row: 1, column: 1, .. }, .. }),
        "{error}"
    );
    let error = read("g.csv", b"1,2\n".to_vec()).unwrap_err();
    assert!(matches!(error, DataError::UnknownSource { .. }), "{error}");
    let error = read_matrix(&lab.path("none.npy"), None).unwrap_err();
    assert!(matches!(error, DataError::NotFound { .. }), "{error}");
}

#[test]
fn f8_wrong_magic_and_malformed_header() {
    let error = Lab::new().read("t.npz", b"\x93NUMPY\x01\x00").unwrap_err();
    assert!(matches!(error, DataError::WrongMagic { .. }), "{error}");
    let error = Lab::new().read("t.npy", b"PK\x03\x04 and so on").unwrap_err();
    assert!(matches!(&error, DataError::WrongMagic { found, .. } if found.starts_with("0x504b0304")), "{error}");
    for (order, shape) in
        [("Maybe", "(1, 1)"), ("True", "(1, -1)"), ("True", "(1, 1"), ("True", "(99999999999999999999,)")]
    {
        let error = Lab::new().read("t.npy", npy("<f8", order, shape, &[0; 8])).unwrap_err();
        assert!(matches!(error, DataError::Malformed { .. }), "{error}");
    }
    let error = Lab::new().read("t.npy", b"\x93NUMPY\x09\x00\x00\x00").unwrap_err();
    assert!(matches!(error, DataError::Malformed { offset: 6, .. }), "{error}");
}

#[test]
fn f8_text_that_is_none() {
    let error = Lab::new().read(
        "t.npz",
        npz(Stored, &[("x", npy_f64("(1, 1)", &[1.0])), ("y", npy("<U1", "False", "(1,)", &[0xff; 4]))]),
    );
    assert!(matches!(error, Err(DataError::Malformed { .. })), "{error:?}");
    let error = Lab::new()
        .read("t.npz", npz(Stored, &[("x", npy_f64("(1, 1)", &[1.0])), ("y", npy("|S1", "False", "(1,)", &[0xff]))]));
    assert!(matches!(error, Err(DataError::Malformed { .. })), "{error:?}");
}

#[test]
fn f8_length_and_header_disagree() {
    let error = Lab::new().read("t.npy", npy("<f8", "False", "(2, 2)", &[0; 31])).unwrap_err();
    assert!(matches!(error, DataError::Truncated { expected, found, .. } if expected == found + 1), "{error}");
    let error = Lab::new().read("t.npy", npy("<f8", "False", "(2, 2)", &[0; 33])).unwrap_err();
    assert!(matches!(error, DataError::TrailingBytes { .. }), "{error}");
}

#[test]
fn f8_bit_flipped_in_the_values_of_an_archive() {
    let mut archive = npz(Stored, &[("x", npy_f64("(1, 1)", &[1.0]))]);
    let at = archive.windows(8).position(|bytes| bytes == 1f64.to_le_bytes()).unwrap();
    archive[at] ^= 1;
    let error = Lab::new().read("t.npz", archive).unwrap_err();
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");
}

#[test]
fn r1_nan_names_array_row_and_column() {
    let x = npy_f64("(2, 2)", &[1.0, 2.0, f64::INFINITY, 4.0]);
    let error = Lab::new().read("t.npz", npz(Stored, &[("x", x)])).unwrap_err();
    let non_finite = ModelError::NonFinite { what: "x", row: 1, column: 0 };
    assert!(
        matches!(&error, DataError::Unusable { path, error } if path.ends_with("t.npz/x.npy") && *error == non_finite),
        "{error}"
    );
}

#[test]
fn r3_shapes_with_a_zero() {
    for shape in ["(0, 3)", "(3, 0)", "(4611686018427387904, 0)"] {
        let error = Lab::new().read("t.npy", npy("<f8", "False", shape, &[])).unwrap_err();
        assert!(matches!(error, DataError::Empty { .. }), "{error}");
    }
    let error = Lab::new().read("t.npy", npy("<f8", "False", "(1,)", &[0; 8])).unwrap_err();
    assert!(matches!(error, DataError::WrongShape { .. }), "{error}");
    // A text type of no bytes would make any number of labels fit.
    let y = npy("<U0", "False", "(1152921504606846976,)", &[]);
    let error = Lab::new().read("t.npz", npz(Stored, &[("x", npy_f64("(1, 1)", &[1.0])), ("y", y)])).unwrap_err();
    assert!(matches!(error, DataError::Empty { .. }), "{error}");
}
