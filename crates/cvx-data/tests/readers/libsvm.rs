//! LIBSVM files.

use cvx_data::{DataError, Request, open};
use cvx_model::ModelError;

use crate::lab::{Lab, numbers};

#[test]
fn sparse_lines_become_dense_rows_plain_and_gz() {
    let content = "# made by hand\n+1 1:0.5 4:-2 # the first\r\n\n-1 2:3\n2.5\n";
    for name in ["t.svm", "t.libsvm", "t.svm.gz", "t.libsvm.gz"] {
        let train = Lab::new().read(name, content).unwrap().train;
        assert_eq!(train.n_features(), 4);
        assert_eq!(train.row(0), [0.5, 0.0, 0.0, -2.0]);
        assert_eq!(train.row(1), [0.0, 3.0, 0.0, 0.0]);
        assert_eq!(train.row(2), [0.0; 4]);
        assert_eq!(numbers(&train), [1.0, -1.0, 2.5]);
    }
}

#[test]
fn test_set_may_lack_the_last_features_but_not_have_more() {
    let lab = Lab::new();
    let read = |test: &str| {
        let request = Request { test: Some(lab.write("test.svm", test)), ..Request::default() };
        open(&lab.write("train.svm", "1 3:1\n0 1:1\n"), &request)
    };
    assert_eq!(read("1 1:1\n").unwrap().test.unwrap().n_features(), 3);
    let error = read("1 4:1\n").unwrap_err();
    assert!(matches!(error, DataError::Mismatch { expected: 3, found: 4, .. }), "{error}");
}

#[test]
fn features_that_are_known_of_need_not_occur() {
    let lab = Lab::new();
    let read = |content: &str, n_features, test: Option<String>| {
        let request = Request { n_features: Some(n_features), test, ..Request::default() };
        open(&lab.write("t.svm", content), &request).unwrap()
    };
    assert_eq!(read("1 1:2\n", 3, None).train.values(), [2.0, 0.0, 0.0]);
    assert_eq!(read("1 4:2\n", 3, None).train.n_features(), 4, "at least, not at most");
    let test = lab.write("test.svm", "1 1:1\n");
    assert_eq!(read("1 4:2\n", 3, Some(test)).test.unwrap().n_features(), 4);
}

#[test]
fn f8_bad_entries_name_line_place_and_text() {
    let cases = [
        ("1 1:1\nx 1:1\n", 2, "label", "x"),
        ("1 1:1 0:1\n", 1, "entry 2", "0:1"),
        ("1 2:1 2:2\n", 1, "entry 2", "2:2"),
        ("1 2:1 1:2\n", 1, "entry 2", "1:2"),
        ("1 2\n", 1, "entry 1", "2"),
        ("1 2:\n", 1, "entry 1", "2:"),
        ("1 qid:3 1:2\n", 1, "entry 1", "qid:3"),
        ("1 99999999999999999999:1\n", 1, "entry 1", "99999999999999999999:1"),
    ];
    for (content, expected_line, expected_place, expected_text) in cases {
        let error = Lab::new().read("t.svm", content).unwrap_err();
        assert!(
            matches!(&error, DataError::BadText { line, place, text, .. }
                if *line == expected_line && place == expected_place && text == expected_text),
            "{error}"
        );
    }
}

#[test]
fn f8_huge_index_is_refused() {
    for index in [4_000_000_000, u64::MAX] {
        let error = Lab::new().read("t.svm", format!("1 {index}:1\n")).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn r1_nan_and_infinity_name_line_and_entry() {
    for (content, expected) in [
        ("# first\n1 1:1\n\n1 1:2 3:nan\n", "line 4, entry 2: '3:nan' is not index:value"),
        ("1 1:1\n-inf 1:2\n", "line 2, label: '-inf' is not a finite number"),
    ] {
        let error = Lab::new().read("t.svm", content).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn r3_no_sample_no_feature() {
    for content in ["", "\n", "# nothing\n"] {
        let error = Lab::new().read("t.svm", content).unwrap_err();
        assert!(matches!(error, DataError::Empty { .. }), "{error}");
    }
    let error = Lab::new().read("t.svm", "1\n2\n").unwrap_err();
    assert!(matches!(error, DataError::Unusable { error: ModelError::Empty { .. }, .. }), "{error}");
}
