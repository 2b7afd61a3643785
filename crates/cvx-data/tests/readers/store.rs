//! Files in memory are read like files on the disk, and every error names the place of the fault.

use std::collections::BTreeMap;
use std::fs;

use cvx_data::{DataError, Request, open, open_in_memory};
use zip::CompressionMethod::{Deflated, Stored};

use crate::images::grey;
use crate::lab::{Lab, cifar_record, idx, message, npy_f64, npz, text};

/// Names and contents.
type Files = Vec<(&'static str, Vec<u8>)>;

/// Sources of every kind: the name of each with its files.
fn sources() -> Vec<(&'static str, Files)> {
    let x = npy_f64("(2, 2)", &[1.0, 2.0, 3.0, 4.0]);
    vec![
        ("t.csv", vec![("t.csv", b"a,b,label\n1,2,x\n\n3,4,y\n".to_vec())]),
        ("t.csv.gz", vec![("t.csv.gz", b"1,2,0\n3,4,1\n".to_vec())]),
        ("t.svm", vec![("t.svm", b"1 1:2 3:4\n0 2:1\n".to_vec())]),
        ("t.npy", vec![("t.npy", x.clone())]),
        ("t.npz", vec![("t.npz", npz(Deflated, &[("x", x.clone())]))]),
        ("t.npz.gz", vec![("t.npz.gz", npz(Stored, &[("x", x)]))]),
        (
            "images",
            vec![
                ("images/train-images-idx3-ubyte", idx(&[2, 1, 2], &[1, 2, 3, 4])),
                ("images/train-labels-idx1-ubyte.gz", idx(&[2], &[0, 1])),
            ],
        ),
        (
            "cifar",
            vec![
                ("cifar/batches.meta.txt", b"cat\ndog\n".to_vec()),
                ("cifar/data_batch_2.bin.gz", cifar_record(1, 7)),
                ("cifar/data_batch_10.bin", cifar_record(0, 3)),
                ("cifar/test_batch.bin", cifar_record(1, 9)),
            ],
        ),
        (
            "images",
            vec![
                ("images/train/cat/1.png", grey(&[1, 2])),
                ("images/train/dog/1.png.gz", grey(&[3, 4])),
                ("images/test/dog/1.png", grey(&[5, 6])),
            ],
        ),
    ]
}

#[test]
fn memory_reads_as_the_disk_does() {
    for (source, files) in sources() {
        let lab = Lab::new();
        let mut memory = BTreeMap::new();
        for (name, content) in files {
            fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
            let path = lab.write(name, content);
            memory.insert(name.to_string(), fs::read(path).unwrap());
        }
        let request = Request::default();
        let expected = open(&text(&lab.path(source)), &request).unwrap();
        let found = open_in_memory(&memory, source, &request).unwrap();
        assert!(found.train == expected.train && found.test == expected.test, "{source}");
    }
}

#[test]
fn memory_does_not_look_at_the_disk() {
    let lab = Lab::new();
    let source = lab.write("t.csv", "1,2\n");
    let found = open_in_memory(&BTreeMap::new(), &source, &Request::default());
    assert!(matches!(&found, Err(DataError::NotFound { path }) if path.ends_with("t.csv")), "{found:?}");
    assert!(matches!(
        open_in_memory(&BTreeMap::new(), &text(&lab.path("")), &Request::default()),
        Err(DataError::NotFound { .. })
    ));
}

#[test]
fn f8_an_empty_file_of_any_kind_is_said_to_be_empty() {
    for (source, files) in sources() {
        for (empty, _) in &files {
            let mut memory: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            let lab = Lab::new();
            for (name, content) in &files {
                // Compressed if the name ends in `.gz`.
                fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
                let path = lab.write(name, if name == empty { &[][..] } else { content });
                memory.insert(name.to_string(), fs::read(path).unwrap());
            }
            let found = open_in_memory(&memory, source, &Request::default());
            assert!(
                matches!(&found, Err(DataError::Empty { path, .. }) if path.ends_with(empty)),
                "{empty}: {found:?}"
            );
        }
    }
}

#[test]
fn f8_every_refusal_names_its_file_and_the_place() {
    let images = idx(&[2, 1, 2], &[1, 2, 3, 4]);
    let labels = ("d/train-labels-idx1-ubyte", idx(&[2], &[0, 1]));
    let archive = npz(Stored, &[("x", npy_f64("(2, 1)", &[1.0, 2.0]))]);
    let array = npy_f64("(2, 1)", &[1.0, 2.0]);
    let packed = fs::read(Lab::new().write("t.csv.gz", "0\n".repeat(1 << 20))).unwrap();
    let zip = |content: &[u8]| npz(Stored, &[("x", content.to_vec())]);
    let cut = |content: &[u8]| content[..content.len() - 1].to_vec();
    let cases: Vec<(&str, Files, &str, &str)> = vec![
        ("d", vec![("d/data_batch_1.bin", cut(&cifar_record(1, 0)))], "d/data_batch_1.bin", "at byte 0"),
        ("d", vec![("d/train-images-idx3-ubyte", cut(&images)), labels.clone()], "d/train-images", "at byte 16"),
        ("t.npz", vec![("t.npz", cut(&archive))], "t.npz", "at byte 0"),
        ("t.npz", vec![("t.npz", zip(&cut(&array)))], "t.npz/x.npy", "at byte"),
        ("t.csv", vec![("t.csv", b"1,2\n\n3,4\n5".to_vec())], "t.csv", "line 4: expected 2 fields, found 1"),
        ("t.csv", vec![("t.csv", b"1,2,0\n3,inf,1\n".to_vec())], "t.csv", "line 2, column 2: 'inf' is not a finite"),
        ("t.svm", vec![("t.svm", b"1 1:2\n0 1:x\n".to_vec())], "t.svm", "line 2, entry 1"),
        ("d", vec![("d/train-images-idx3-ubyte", b"P5 2 2 9".to_vec()), labels], "d/train-images", "at byte 0"),
        ("t.npz", vec![("t.npz", b"GIF89a".to_vec())], "t.npz", "at byte 0"),
        ("t.npy", vec![("t.npy", b"PK\x03\x04 and so on".to_vec())], "t.npy", "at byte 0"),
        ("t.csv.gz", vec![("t.csv.gz", packed[..20].to_vec())], "t.csv.gz", "at byte"),
        ("t.csv.gz", vec![("t.csv.gz", packed)], "t.csv.gz", "more than 65536 bytes"),
        ("t.csv", vec![("t.csv", Vec::new())], "t.csv", "no bytes"),
    ];
    for (source, files, file, place) in cases {
        let files = files.into_iter().map(|(name, content)| (name.to_string(), content)).collect();
        let error = open_in_memory(&files, source, &Request { max_bytes: 1 << 16, ..Request::default() }).unwrap_err();
        let text = message(&error);
        assert!(text.starts_with(file) && text.contains(place), "{file}, {place}: {text}");
    }
}
