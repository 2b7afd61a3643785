//! Tables.

use cvx_data::{DataError, LabelColumn, Request, open, unusable_lines};
use cvx_model::Labels;

use crate::lab::{Lab, class_names, message, numbers};

fn with_label(lab: &Lab, content: &str, label_column: LabelColumn) -> Result<cvx_model::Dataset, DataError> {
    let request = Request { label_column, ..Request::default() };
    open(&lab.write("t.csv", content), &request).map(|split| split.train)
}

#[test]
fn header_is_found_or_not_missed_plain_and_gz() {
    for name in ["t.csv", "t.csv.gz", "T.CSV"] {
        for header in ["", "a,b,c\n", "8,9,Label\n", "\u{feff}a,b,y\n", "\"a, b\", , z\r\n"] {
            let train = Lab::new().read(name, format!("{header}1,2.5,0\n-3e1, 4 ,1")).unwrap().train;
            assert_eq!(train.values(), [1.0, 2.5, -30.0, 4.0], "{header}");
            assert_eq!(numbers(&train), [0.0, 1.0]);
        }
    }
}

#[test]
fn label_named_like_a_column_is_no_header() {
    let train = Lab::new().read("t.csv", "1,2,y\n3,4,n\n").unwrap().train;
    assert_eq!(class_names(&train), ["y", "n"]);
    let train = Lab::new().read("t.csv", "0,y,1\n3,7,4\n").unwrap().train;
    assert_eq!((train.values(), numbers(&train)), (&[3.0, 4.0][..], vec![7.0]));
    let train = Lab::new().read("t.csv", "1,2,y").unwrap().train;
    assert_eq!(class_names(&train), ["y"]);
}

#[test]
fn long_column_names_are_told_apart_but_shown_short() {
    let lab = Lab::new();
    let (one, two) = ("x".repeat(50) + "1", "x".repeat(50) + "2");
    let table = format!("{one},\"{two}\",b\n1,2,3\n");
    let label = LabelColumn::Column(two);
    assert_eq!(numbers(&with_label(&lab, &table, label).unwrap()), [2.0]);
    let wide: Vec<String> = (0..100).map(|column| format!("c{column}")).collect();
    let table = format!("{}\n{}\n", wide.join(","), vec!["1"; 100].join(","));
    let error = with_label(&lab, &table, LabelColumn::Column("d".into())).unwrap_err();
    assert!(error.to_string().contains("c19, .. (100 in all)"), "{error}");
}

#[test]
fn label_column_by_name_number_or_default() {
    let lab = Lab::new();
    let table = "a,Target,b\n1,10,2\n3,20,4\n";
    let column = |name: &str| LabelColumn::Column(name.to_owned());
    let labels = |label| numbers(&with_label(&lab, table, label).unwrap());
    assert_eq!(labels(LabelColumn::Auto), [10.0, 20.0]);
    assert_eq!(labels(column("b")), [2.0, 4.0]);
    assert_eq!(labels(column("1")), [1.0, 3.0]);

    let train = with_label(&lab, table, LabelColumn::Absent).unwrap();
    assert_eq!((train.n_features(), train.labels()), (3, None));

    for wrong in ["c", "0", "4"] {
        let error = with_label(&lab, table, column(wrong)).unwrap_err();
        assert!(matches!(error, DataError::UnknownColumn { .. }), "{error}");
        assert!(error.to_string().contains("a, Target, b"), "{error}");
    }
}

#[test]
fn text_labels_become_names_in_alphabetical_order() {
    // As in iris.data: no header, although the first line holds a text.
    let train = Lab::new().read("iris.csv", "5.1,3.5,setosa\n6,3,virginica\n5,3,setosa\n4,2,\"a,b\"\n").unwrap().train;
    assert_eq!(class_names(&train), ["setosa", "virginica", "setosa", "a,b"]);
    assert!(matches!(train.labels(), Some(Labels::Names { names, .. }) if names == &["a,b", "setosa", "virginica"]));
}

#[test]
fn test_labels_follow_the_training_labels() {
    let lab = Lab::new();
    let read = |train: &str, test: &str| {
        let request = Request { test: Some(lab.write("test.csv", test)), ..Request::default() };
        open(&lab.write("train.csv", train), &request)
    };
    let test = read("1,cat\n2,7\n", "1,bee\n2,7\n3,cat\n").unwrap().test.unwrap();
    assert_eq!(class_names(&test), ["bee", "7", "cat"]);
    assert!(matches!(test.labels(), Some(Labels::Names { names, index })
        if names == &["7", "cat", "bee"] && index == &[2, 0, 1]));
    // All test labels are numbers, but the training labels are names.
    let test = read("1,cat\n2,7\n", "1,7\n").unwrap().test.unwrap();
    assert!(matches!(test.labels(), Some(Labels::Names { .. })));
    // A name among numbers is a mistake.
    let error = read("1,0\n2,1\n", "1,0\n2,x\n").unwrap_err();
    assert!(matches!(&error, DataError::BadText { path, line: 2, .. } if path.ends_with("test.csv")), "{error}");
}

#[test]
fn f8_ragged_line_names_line_and_fields() {
    // Blank lines, CR LF and a line break inside quotes all move the line number.
    let content = "a,b,y\r\n1,2,0\r\n\r\n\r\n1,2,\"x\ny\"\r\n1,2\r\n";
    let error = Lab::new().read("t.csv", content).unwrap_err();
    assert!(matches!(error, DataError::Ragged { line: 7, expected: 3, found: 2, .. }), "{error}");
    let error = Lab::new().read("t.csv.gz", "1,2\n1,2,3\n").unwrap_err();
    assert!(matches!(error, DataError::Ragged { line: 2, expected: 2, found: 3, .. }), "{error}");
}

#[test]
fn f8_text_in_a_number_column_names_line_column_and_text() {
    let error = Lab::new().read("t.csv", "age,size,y\n1,2,0\n\n1,2cm,0\n").unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with("t.csv line 4, column 2 ('size'): '2cm' is not a number: correct or remove it"),
        "{message}"
    );
    // A missing value, and a first line that is no header because a number is in it.
    for (content, line) in [("1,2,0\n,2,0\n", 2), ("12a,2,0\n1,2,0\n", 1)] {
        let error = Lab::new().read("t.csv", content).unwrap_err();
        assert!(
            matches!(&error, DataError::BadText { line: found, place, .. } if *found == line && place == "column 1")
        );
    }
}

#[test]
fn the_first_line_decides_the_delimiter() {
    for (name, content) in [
        ("t.csv", "a;b;label\n1;2.5;cat\n-3;4;dog\n"),
        ("t.csv.gz", "a;b;label\r\n1;2.5;cat\r\n-3;4;dog\r\n"),
        ("t.csv", "\n1\t2.5\tcat\n-3\t4\tdog\n"),
        ("t.csv", "\"a, b\";c;label\n1;2.5;cat\n-3;4;dog\n"),
        ("t.tsv", "a, b\tc\tlabel\n1\t2.5\tcat\n-3\t4\tdog\n"),
        ("t.csv", "a,\"b;c\",label\n1,2.5,cat\n-3,4,dog\n"),
    ] {
        let train = Lab::new().read(name, content).unwrap().train;
        assert_eq!((train.values(), train.n_features()), (&[1.0, 2.5, -3.0, 4.0][..], 2), "{content}");
        assert_eq!(class_names(&train), ["cat", "dog"], "{content}");
    }
    // A comma is the delimiter if it separates fields; a name may hold a semicolon.
    let train = Lab::new().read("t.csv", "1,2.5,a;b\n3,4,c;d\n").unwrap().train;
    assert_eq!(class_names(&train), ["a;b", "c;d"]);
    // The place of an error is that in the file, far behind the part that is searched for the delimiter.
    let table = format!("a;b;label\n{}\n1;2;0\n1;x;0\n", "1;2;0\n".repeat(20_000));
    let error = Lab::new().read("t.csv", table).unwrap_err();
    assert!(matches!(&error, DataError::BadText { line: 20_004, text, .. } if text == "x"), "{error}");
}

#[test]
fn r1_decimal_commas_are_refused_as_features_and_as_labels() {
    for (content, place) in [
        ("a;b;y\n1,5;2;0\n3,5;4;1\n", "line 2, column 1 ('a'): '1,5' is not a number"),
        ("1,5;2;0\n3,5;4;1\n", "line 1, column 1: '1,5' is not a number"),
        ("a\tb\ty\n1\t2\t0,5\n3\t4\t1,5\n", "line 2, column 3 ('y'): '0,5' is not a label"),
    ] {
        let message = Lab::new().read("t.csv", content).unwrap_err().to_string();
        assert!(
            message.ends_with(&format!("t.csv {place}: write numbers with a decimal point, not a comma")),
            "{message}"
        );
    }
}

#[test]
fn a_column_of_texts_is_to_be_encoded() {
    let message = Lab::new().read("t.csv", "a,colour,label\n1,red,cat\n2,blue,dog\n").unwrap_err().to_string();
    assert!(message.contains("line 2, column 2 ('colour'): 'red' is not a number: correct or remove it"), "{message}");
    assert!(message.contains("if the column holds the labels, name it as the label column"), "{message}");
    assert!(message.ends_with("a column of 0 and 1 for each category"), "{message}");
    let message = Lab::new().read("t.csv", "a,b,label\n1,2,cat\n2,NA,dog\n").unwrap_err().to_string();
    assert!(message.ends_with("column 2 ('b'): 'NA' is not a number: fill it in, or remove the line"), "{message}");
}

#[test]
fn where_numbers_are_asked_for_a_name_is_an_error_with_its_line() {
    let lab = Lab::new();
    let request = Request { numbers: true, ..Request::default() };
    let error = open(&lab.write("t.csv", "a,target\n1,2.5\n\n2,x\n"), &request).unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with("t.csv line 4, column 2 ('target'): 'x' is not a number: correct or remove it"),
        "{message}"
    );
    let train = open(&lab.write("t.csv", "1,2.5\n2,3\n"), &request).unwrap().train;
    assert_eq!(numbers(&train), [2.5, 3.0]);
}

#[test]
fn missing_label_is_an_error() {
    let error = Lab::new().read("t.csv", "a,b\n1,cat\n2,\n").unwrap_err();
    assert!(matches!(error, DataError::BadText { line: 3, .. }), "{error}");
}

#[test]
fn r1_nan_and_infinity_name_line_and_column() {
    for text in ["nan", "inf", "-Infinity", "1e999"] {
        // A label in the first column and a blank line must not shift the place in the message.
        for (content, place) in [
            (format!("y,a,b\n0,1,2\n\n0,1,{text}\n"), "line 4, column 3 ('b')"),
            (format!("0,1,2\n0,{text},2\n"), "line 2, column 2"),
            (format!("a,b,y\n1,2,0\n1,2,{text}\n"), "line 3, column 3 ('y')"),
        ] {
            let message = message(&Lab::new().read("t.csv", content).unwrap_err());
            let expected = format!("t.csv {place}: '{text}' is not a finite number: correct or remove it");
            assert!(message.ends_with(&expected), "{message}");
        }
    }
    let train = Lab::new().read("t.csv", "1,nan\n2,cat\n").unwrap().train;
    assert_eq!(class_names(&train), ["nan", "cat"], "a name among names");
}

#[test]
fn r3_no_line_no_sample_no_feature() {
    for content in ["", "\n\n", "a,b,y\n"] {
        let error = Lab::new().read("t.csv", content).unwrap_err();
        assert!(matches!(error, DataError::Empty { .. }), "{error}");
    }
    let error = Lab::new().read("t.csv", "y\n1\n2\n").unwrap_err();
    assert!(matches!(error, DataError::Empty { .. }), "{error}");
    assert!(error.to_string().contains("no features beside the label (columns are separated by commas"), "{error}");
}

#[test]
fn long_or_odd_text_is_shown_short_and_safe() {
    let error = Lab::new().read("t.csv", format!("1,2\n\x1b[31m{},2\n", "x".repeat(1000))).unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\x1b') && message.len() < 300, "{message}");
    let error = Lab::new().read("t.csv", b"1,2\n\xff\xfe,2\n").unwrap_err();
    assert!(matches!(error, DataError::BadText { line: 2, .. }), "{error}");
}

#[test]
fn r1_every_unusable_line_is_counted_and_the_first_ten_are_told() {
    let lab = Lab::new();
    let mut table = String::from("a,b,label\n1,2,x\n,2,x\n\n1,inf,y\n1,2\n1,2,\n");
    table.push_str(&"?,1,x\n".repeat(20));
    let source = lab.write("t.csv", table);
    let found = unusable_lines(&source, &Request::default()).unwrap().unwrap();
    let places: Vec<String> = found.first.iter().map(ToString::to_string).collect();
    assert_eq!((found.count, places.len()), (24, 10));
    for (place, words) in places.iter().zip([
        "line 3, column 1 ('a'): the field is empty, and should be a number: fill it in, or remove the line",
        "line 5, column 2 ('b'): 'inf' is not a finite number",
        "line 6: expected 3 fields, found 2",
        "line 7, column 3 ('label'): the field is empty, and should be a label: fill it in, or remove the line",
        "line 8, column 1 ('a'): '?' is not a number",
    ]) {
        assert!(place.contains(words), "{place}");
    }
    let good = lab.write("good.csv", "1,2\n3,4\n");
    assert_eq!(unusable_lines(&good, &Request::default()).unwrap().unwrap().count, 0);
    assert!(unusable_lines("planted", &Request::default()).unwrap().is_none());
}
