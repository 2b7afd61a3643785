//! Names of sources.

use std::fs;

use cvx_data::{DataError, Request, open};

use crate::lab::{Lab, cifar_record, idx, text};

fn with_test(source: &str, test: &str) -> Result<cvx_model::DataSplit, DataError> {
    let request = Request { test: Some(test.to_owned()), ..Request::default() };
    open(source, &request)
}

#[test]
fn unknown_source_lists_the_kinds() {
    let lab = Lab::new();
    lab.write("notes.txt", "1,2\n");
    for name in ["planted:10", "planted:axb", "planted:-1x2", ""] {
        let error = open(name, &Request::default()).unwrap_err();
        assert!(matches!(error, DataError::UnknownSource { .. }), "{error}");
        for kind in ["planted", "CIFAR-10", "IDX", "PNG", ".npz", ".npy", ".csv", ".tsv", ".svm", ".gz"] {
            assert!(error.to_string().contains(kind), "{error}");
        }
    }
    let error = open(&text(&lab.path("notes.txt")), &Request::default()).unwrap_err();
    assert!(matches!(error, DataError::UnknownSource { .. }), "{error}");
}

#[test]
fn missing_file_is_named() {
    let lab = Lab::new();
    for name in ["a.csv", "a.svm.gz", "a.npz", "a.npy", "a.tsv", "a.cvs", "a", ".gz", "x.gz"] {
        let error = open(&text(&lab.path(name)), &Request::default()).unwrap_err();
        assert!(matches!(&error, DataError::NotFound { path } if path.ends_with(name)), "{error}");
    }
}

#[test]
fn folder_of_something_else_is_named() {
    let error = Lab::new().read_folder().unwrap_err();
    assert!(matches!(error, DataError::MissingFile { .. }), "{error}");
    // A folder with the name of a file.
    let lab = Lab::new();
    fs::create_dir(lab.path("a.csv")).unwrap();
    let error = open(&text(&lab.path("a.csv")), &Request::default()).unwrap_err();
    assert!(matches!(error, DataError::MissingFile { .. }), "{error}");
    let train = lab.write("train.csv", "1,2\n");
    let error = with_test(&train, &text(&lab.path("a.csv"))).unwrap_err();
    assert!(matches!(error, DataError::Unreadable { .. }), "{error}");
}

#[test]
fn table_has_no_test_set_unless_one_is_named() {
    let lab = Lab::new();
    let train = lab.write("train.csv", "1,2,0\n3,4,1\n");
    let test = lab.write("test.csv.gz", "5,6,1\n");
    assert_eq!(open(&train, &Request::default()).unwrap().test, None);
    assert_eq!(with_test(&train, &test).unwrap().test.unwrap().values(), [5.0, 6.0]);

    let narrow = lab.write("narrow.csv", "5,1\n");
    let error = with_test(&train, &narrow).unwrap_err();
    assert!(
        matches!(&error, DataError::Mismatch { path, expected: 2, found: 1, .. } if path.ends_with("narrow.csv")),
        "{error}"
    );
    let error = with_test(&train, "none.csv").unwrap_err();
    assert!(matches!(error, DataError::NotFound { .. }), "{error}");
}

#[test]
fn named_test_set_replaces_that_of_a_folder() {
    let (lab, other) = (Lab::new(), Lab::new());
    lab.write("data_batch_1.bin", cifar_record(0, 0));
    lab.write("test_batch.bin", cifar_record(1, 0));
    other.write("data_batch_1.bin", cifar_record(2, 7));
    let split = with_test(&text(&lab.path("")), &text(&other.path(""))).unwrap();
    assert_eq!(split.test.unwrap().row(0)[0], 7.0 / 255.0);

    other.write("train-images-idx3-ubyte", idx(&[1, 1, 1], &[1]));
    other.write("train-labels-idx1-ubyte", idx(&[1], &[1]));
    let error = with_test("planted", &text(&other.path(""))).unwrap_err();
    assert!(matches!(error, DataError::TestOfPlanted { .. }), "{error}");
}
