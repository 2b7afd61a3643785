//! CIFAR-10 folders.

use cvx_data::{DataError, Request, open};
use cvx_model::FeatureKind;

use crate::lab::{Lab, cifar_record, class_names, text};

#[test]
fn batches_are_read_in_order_plain_and_gz() {
    let lab = Lab::new();
    lab.write("data_batch_2.bin.gz", [cifar_record(9, 20), cifar_record(0, 21)].concat());
    lab.write("data_batch_10.bin", cifar_record(3, 30));
    lab.write("data_batch_1.bin", cifar_record(1, 10));
    lab.write("test_batch.bin.gz", cifar_record(2, 5));
    let split = lab.read_folder().unwrap();
    assert_eq!(class_names(&split.train), ["automobile", "truck", "airplane", "cat"]);
    assert_eq!(split.train.n_features(), 3072);
    assert_eq!(split.train.row(1)[..2], [20.0 / 255.0, 21.0 / 255.0]);
    assert_eq!(split.train.row(3)[0], 30.0 / 255.0);
    let kind = FeatureKind::Image { channels: 3, height: 32, width: 32 };
    assert_eq!(split.train.kind(), kind);
    assert_eq!(class_names(&split.test.unwrap()), ["bird"]);
}

#[test]
fn batch_present_twice_counts_once() {
    let lab = Lab::new();
    lab.write("data_batch_1.bin", cifar_record(1, 0));
    lab.write("data_batch_1.bin.gz", cifar_record(1, 0));
    let split = lab.read_folder().unwrap();
    assert_eq!(split.train.n_samples(), 1);
    assert_eq!(split.test, None);
}

#[test]
fn class_names_come_from_the_meta_file() {
    let lab = Lab::new();
    lab.write("data_batch_1.bin", [cifar_record(1, 0), cifar_record(0, 0)].concat());
    lab.write("batches.meta.txt", "owl\r\nfox\n\n");
    assert_eq!(class_names(&lab.read_folder().unwrap().train), ["fox", "owl"]);

    lab.write("data_batch_2.bin", [cifar_record(1, 0), cifar_record(2, 0)].concat());
    let error = lab.read_folder().unwrap_err();
    assert!(
        matches!(&error, DataError::UnknownLabel { path, offset: 3073, label: 2, classes: 2 }
            if path.ends_with("data_batch_2.bin")),
        "{error}"
    );
}

#[test]
fn f8_truncated_cifar_names_file_and_offset() {
    let lab = Lab::new();
    lab.write("data_batch_1.bin", cifar_record(1, 0));
    let records = [cifar_record(0, 0), cifar_record(1, 0)].concat();
    lab.write("data_batch_2.bin.gz", &records[..4000]);
    let error = lab.read_folder().unwrap_err();
    assert!(
        matches!(&error, DataError::Truncated { path, offset: 3073, expected: 6146, found: 4000 }
            if path.ends_with("data_batch_2.bin.gz")),
        "{error}"
    );
    let message = error.to_string();
    assert!(message.contains("data_batch_2.bin.gz") && message.contains("byte 3073"), "{message}");
}

#[test]
fn test_batch_alone_makes_the_samples() {
    for name in ["test_batch.bin", "test_batch.bin.gz"] {
        let lab = Lab::new();
        lab.write(name, cifar_record(1, 40));
        let split = lab.read_folder().unwrap();
        assert_eq!((class_names(&split.train), split.train.row(0)[0]), (vec!["automobile".into()], 40.0 / 255.0));
        assert_eq!(split.test, None);
    }
}

#[test]
fn r3_no_batch_at_all() {
    let (train, test) = (Lab::new(), Lab::new());
    train.write("data_batch_1.bin", cifar_record(1, 0));
    test.write("batches.meta.txt", "owl\n");
    let request = Request { test: Some(text(&test.path(""))), ..Request::default() };
    let error = open(&text(&train.path("")), &request).unwrap_err();
    assert!(
        matches!(&error, DataError::MissingFile { expected, .. } if expected == "data_batch_1.bin or test_batch.bin"),
        "{error}"
    );
    assert!(matches!(test.read_folder().unwrap_err(), DataError::MissingFile { .. }));
}

#[test]
fn r3_empty_batch() {
    let lab = Lab::new();
    lab.write("data_batch_1.bin", "");
    let error = lab.read_folder().unwrap_err();
    assert!(matches!(error, DataError::Empty { .. }), "{error}");
    lab.write("data_batch_1.bin", cifar_record(1, 0));
    lab.write("batches.meta.txt", "\n");
    let error = lab.read_folder().unwrap_err();
    assert!(matches!(&error, DataError::Empty { what: "class names", .. }), "{error}");
}
