//! Tables.

use cvx_data::{DataError, Header, LabelColumn, Reading, Request, open, open_watched, unusable_lines};
use cvx_model::{ColumnChoices, Labels};
use std::cell::RefCell;
use std::path::Path;

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
    assert_eq!((train.values(), numbers(&train)), (vec![3.0, 4.0], vec![7.0]));
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

/// A line for each number, so that the first column is one of numbers; the label is 0 or 1.
fn many(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|k| format!("{k},{},{}\n", 7 * k % 5, k % 2)).collect()
}

#[test]
fn f8_text_in_a_number_column_names_line_column_and_text() {
    let error = Lab::new().read("t.csv", format!("size,age,y\n{}\n2cm,2,0\n", many(0..40))).unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with("t.csv line 43, column 1 ('size'): '2cm' is not a number: correct or remove it"),
        "{message}"
    );
    // A first line that is no header because a number is in it, in front of the numbers.
    let error = Lab::new().read("t.csv", format!("12a,2,0\n{}", many(0..40))).unwrap_err();
    assert!(matches!(&error, DataError::BadText { line: 1, place, .. } if place == "column 1"), "{error}");
    // Few different texts are categories.
    let train = Lab::new().read("t.csv", format!("12a,2,0\n{}", many(0..20))).unwrap().train;
    assert_eq!((train.n_features(), train.feature_names().unwrap()[12].as_str()), (22, "column 1=19"));
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
        assert_eq!((train.values(), train.n_features()), (vec![1.0, 2.5, -3.0, 4.0], 2), "{content}");
        assert_eq!(class_names(&train), ["cat", "dog"], "{content}");
    }
    // A comma is the delimiter if it separates fields; a name may hold a semicolon.
    let train = Lab::new().read("t.csv", "1,2.5,a;b\n3,4,c;d\n").unwrap().train;
    assert_eq!(class_names(&train), ["a;b", "c;d"]);
    // The place of an error is that in the file, far behind the part that is searched for the delimiter.
    let numbers: String = (0..20_000).map(|k| format!("1;{};0\n", k % 50)).collect();
    let table = format!("a;b;label\n{numbers}\n1;2;0\n1;x;0\n");
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
fn a_word_among_numbers_is_a_mistake_unless_the_column_is_categorical() {
    let lab = Lab::new();
    let table = lab.write("t.csv", format!("a,b,label\n{}red,2,0\n", many(0..40)));
    let message = open(&table, &Request::default()).unwrap_err().to_string();
    assert!(message.contains("line 42, column 1 ('a'): 'red' is not a number: correct or remove it"), "{message}");
    assert!(message.contains("if the column holds the labels, name it as the label column"), "{message}");
    assert!(message.ends_with("if it holds categories, make it a categorical one"), "{message}");
    let columns = |categorical: &[&str], numeric: &[&str]| ColumnChoices {
        categorical: categorical.iter().map(|name| name.to_string()).collect(),
        numeric: numeric.iter().map(|name| name.to_string()).collect(),
        ..ColumnChoices::default()
    };
    let request = Request { columns: columns(&["a"], &[]), ..Request::default() };
    assert_eq!(open(&table, &request).unwrap().train.n_features(), 31);
    // A column that must be numbers, although most of it is not.
    let table = lab.write("t.csv", "a,b,label\n1,red,0\n2,blue,1\n\n3,4,0\n");
    let message = open(&table, &Request { columns: columns(&[], &["b"]), ..Request::default() }).unwrap_err();
    assert!(message.to_string().contains("line 2, column 2 ('b'): 'red' is not a number"), "{message}");
    let error = open(&table, &Request { columns: columns(&["q"], &[]), ..Request::default() }).unwrap_err();
    assert!(error.to_string().contains("t.csv: there is no column 'q': the columns are a, b, numbered"), "{error}");
}

#[test]
fn texts_and_missing_values_become_features() {
    let lab = Lab::new();
    let content = "when,sex,size,grade,y\n2024-01-02,'male',1.5,1,a\n2024-01-03,female,?,2,b\n,male,NA,2,a\n\
                   2024-01-01,'male',4.5,null,b\n";
    let table = lab.write("t.csv", content);
    let list = |name: &str| vec![name.to_string()];
    let columns = ColumnChoices { dates: list("when"), categorical: list("grade"), ..ColumnChoices::default() };
    let request = Request { columns, ..Request::default() };
    let train = open(&table, &request).unwrap().train;
    let names = ["when", "when is missing", "sex=male", "size", "size is missing", "grade=2", "grade is missing"];
    assert_eq!(train.feature_names().unwrap(), names);
    assert_eq!(train.row(0), [19_724.0, 0.0, 1.0, 1.5, 0.0, 0.0, 0.0]);
    assert_eq!(train.row(2), [19_724.0, 1.0, 1.0, 3.0, 1.0, 1.0, 0.0]);
    assert_eq!((train.label_name(), class_names(&train)), (Some("y"), ["a", "b", "a", "b"].map(String::from).into()));

    // Another table: other columns, another order, an unknown level, a number where a text was.
    let recipe = train.recipe().map(|recipe| cvx_model::Recipe::clone(recipe));
    let later = lab.write("new.csv", "extra,grade,y,size,sex,when\nq,1.0,b,2,other,2024-01-02\nr,,b,x,male,\n");
    let request = Request { recipe, label_name: Some("y".into()), ..Request::default() };
    let message = open(&later, &request).unwrap_err().to_string();
    assert!(message.contains("new.csv line 3, column 4 ('size'): 'x' is not a number"), "{message}");
    let later = lab.write("new.csv", "extra,grade,y,size,sex,when\nq,1.0,b,2,other,2024-01-02\nr,,b,7,male,\n");
    let found = open(&later, &request).unwrap().train;
    assert_eq!(found.row(0), [19_724.0, 0.0, 0.75, 2.0, 0.0, 0.0, 0.0]);
    assert_eq!((found.notes().ignored.as_slice(), found.notes().unknown.len()), (&["extra".to_string()][..], 1));
    assert_eq!(class_names(&found), ["b", "b"]);
    // Without a column of that name, a table to predict has no labels.
    let bare = lab.write("bare.csv", "grade,size,sex,when\n1,2,male,2024-01-02\n");
    assert_eq!(open(&bare, &request).unwrap().train.labels(), None);
    let narrow = lab.write("narrow.csv", "grade,y\n1,2\n");
    let message = crate::lab::message(&open(&narrow, &request).unwrap_err());
    assert!(message.contains("lacks 3 columns that the model was trained on: when, sex, size"), "{message}");
}

/// Columns of one name are told apart by their order, the labels by the number of their column.
#[test]
fn names_that_come_twice_are_read_the_same_way_again() {
    let lab = Lab::new();
    for header in ["a,a,a", "y,b,y", "b,y,y"] {
        let table = lab.write("t.csv", format!("{header}\n1,5,0\n2,4,1\n3,9,0\n"));
        let train = open(&table, &Request::default()).unwrap().train;
        let recipe = train.recipe().map(|recipe| cvx_model::Recipe::clone(recipe));
        let label_name = train.label_name().map(str::to_string);
        let again = open(&table, &Request { recipe, label_name, ..Request::default() }).unwrap().train;
        assert!(again == train, "{header}");
    }
}

/// A first line is a header if it does not look like the lines below.
#[test]
fn the_first_sample_of_a_table_of_texts_is_no_header() {
    for (content, rows, header) in [
        ("'40-49','no','b'\n'50-59','no','b'\n'40-49','yes','a'\n", 3, None),
        ("age,risk,y\n40-49,no,b\n50-59,yes,a\n", 2, Some("age=50-59")),
        // Names that look like missing values, or come twice, need numbers below.
        ("Na,Mg,y\n1,2,b\n3,1,a\n", 2, Some("Na")),
        (",Mg,y\n1,2,b\n3,1,a\n", 2, Some("")),
        ("a,a,y\n1,2,b\n3,1,a\n", 2, Some("a")),
        ("?,red,b\n1,red,b\n2,blue,a\n", 3, None),
        ("x,?,b\ny,q,a\n", 2, None),
    ] {
        let train = Lab::new().read("t.csv", content).unwrap().train;
        assert_eq!((train.n_samples(), train.label_name().is_some()), (rows, header.is_some()), "{content}");
        if let Some(header) = header {
            assert!(train.feature_names().unwrap().iter().any(|name| name == header), "{content}");
        }
    }
    let lab = Lab::new();
    let table = lab.write("t.csv", "x,y,a\nz,w,b\nz,y,a\n");
    let read = |header| open(&table, &Request { header, ..Request::default() }).unwrap().train;
    assert_eq!((read(Header::Yes).n_samples(), read(Header::No).n_samples()), (2, 3));
}

#[test]
fn a_column_that_begins_with_numbers_is_read_again_as_texts() {
    let train = Lab::new().read("t.csv", "?,1,a\n01,2,b\n1,1,a\nx,4,b\n").unwrap().train;
    let names = ["column 1=01", "column 1=1", "column 1=x", "column 1 is missing", "column 2"];
    assert_eq!(train.feature_names().unwrap(), names);
    // The rarest name comes first, so that is what replaces a missing one.
    assert_eq!(train.row(0), [1.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(train.row(3), [0.0, 0.0, 1.0, 0.0, 4.0]);
}

#[test]
fn labels_that_begin_with_numbers_are_read_again_as_names() {
    let lab = Lab::new();
    for name in ["t.csv", "t.csv.gz"] {
        let train = lab.read(name, "a,b\n1,01\n2,1\n3,\n4,inf\n5,x\n").unwrap().train;
        assert_eq!((class_names(&train).join(" "), train.notes().unlabelled), ("01 1 inf x".to_string(), 1));
        assert_eq!(train.values(), [1.0, 2.0, 4.0, 5.0]);
        let error = lab.read(name, "a,b\n1,01\n2,inf\n").unwrap_err().to_string();
        assert!(
            error.ends_with("line 3, column 2 ('b'): 'inf' is not a finite number: correct or remove it"),
            "{error}"
        );
    }
}

#[test]
fn a_long_table_tells_how_far_it_is_read() {
    let lab = Lab::new();
    let lines = ["1", "2"].map(|digit| digit.repeat(97) + ",0\n").concat();
    for name in ["t.csv", "t.csv.gz"] {
        let table = lab.write(name, lines.repeat(17_500));
        let told = RefCell::new(Vec::new());
        let watch = |reading: Reading| {
            assert_eq!((reading.path, reading.length), (Path::new(&table), 3_500_000));
            told.borrow_mut().push((reading.rows as u64, reading.bytes));
        };
        open_watched(&table, &Request::default(), &watch).unwrap();
        let told = told.into_inner();
        assert_eq!(told.len(), 3, "{told:?}");
        for (megabytes, (rows, bytes)) in (1..).zip(told) {
            assert!(bytes >= megabytes << 20 && bytes < (megabytes << 20) + 200 * megabytes, "{bytes}");
            assert!(bytes.abs_diff(100 * rows) <= 100, "{rows} rows, {bytes} bytes");
        }
    }
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
fn rows_without_a_label_are_left_out_and_counted() {
    let lab = Lab::new();
    for (label, labels) in [("cat", vec!["cat", "dog"]), ("1.5", vec!["1.5", "2.5"])] {
        let table = lab.write("t.csv", format!("a,b\n1,{label}\n2,\n3,NA\n4,{}\n", labels[1]));
        let train = open(&table, &Request::default()).unwrap().train;
        assert_eq!((train.values(), train.notes().unlabelled), (vec![1.0, 4.0], 2));
        assert_eq!(class_names(&train), labels);
        // To predict, every row is a sample.
        let request = Request { every_row: true, ..Request::default() };
        let all = open(&table, &request).unwrap().train;
        assert_eq!((all.n_samples(), all.labels(), all.notes().unlabelled), (4, None, 2));
    }
    let error = lab.read("t.csv", "a,b\n1,\n2,?\n").unwrap_err();
    assert!(error.to_string().contains("no rows with a label"), "{error}");
}

#[test]
fn r1_infinity_names_line_and_column() {
    for text in ["inf", "-Infinity", "1e999"] {
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
    let train = Lab::new().read("t.csv", "1,inf\n2,cat\n").unwrap().train;
    assert_eq!(class_names(&train), ["inf", "cat"], "a name among names");
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
    let lab = Lab::new();
    let table = lab.write("t.csv", format!("1,2\n\x1b[31m{},2\n", "x".repeat(1000)));
    let columns = ColumnChoices { numeric: vec!["1".into()], ..ColumnChoices::default() };
    let message = open(&table, &Request { columns, ..Request::default() }).unwrap_err().to_string();
    assert!(!message.contains('\x1b') && message.len() < 300, "{message}");
    let error = Lab::new().read("t.csv", b"1,2\n\xff\xfe,2\n").unwrap_err();
    assert!(matches!(error, DataError::BadText { line: 2, .. }), "{error}");
}

#[test]
fn r1_every_unusable_line_is_counted_and_the_first_ten_are_told() {
    let lab = Lab::new();
    let numbers: String = (0..40).map(|k| format!("{k},{k}.5,x\n")).collect();
    let mut table = format!("a,b,label\n{numbers}1,inf,y\n1,2\n\n,2,y\n1,2,\n");
    table.push_str(&"q,1,x\n".repeat(20));
    let source = lab.write("t.csv", table);
    let found = unusable_lines(&source, &Request::default()).unwrap().unwrap();
    let places: Vec<String> = found.first.iter().map(ToString::to_string).collect();
    assert_eq!((found.count, places.len()), (22, 10));
    for (place, words) in places.iter().zip([
        "line 42, column 2 ('b'): 'inf' is not a finite number",
        "line 43: expected 3 fields, found 2",
        "line 47, column 1 ('a'): 'q' is not a number",
    ]) {
        assert!(place.contains(words), "{place}");
    }
    let good = lab.write("good.csv", "1,2\n3,4\n");
    assert_eq!(unusable_lines(&good, &Request::default()).unwrap().unwrap().count, 0);
    assert!(unusable_lines("planted", &Request::default()).unwrap().is_none());
}
