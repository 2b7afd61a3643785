//! Truncated, modified, inflated and random files: each is an error, without a panic or a large allocation.

use std::fs;
use std::time::{Duration, Instant};

use cvx_data::{DataError, Request, open, read_matrix};
use cvx_model::DataSplit;
use proptest::prelude::*;
use zip::CompressionMethod::{Deflated, Stored};

use crate::lab::{Lab, cifar_record, idx, largest_allocation, npy, npy_f64, npz, text};

const MIB: usize = 1 << 20;

/// Reads every proper prefix of a file and passes the results to `check`.
fn cut_everywhere(name: &str, content: &[u8], step: usize, mut check: impl FnMut(usize, Result<DataSplit, DataError>)) {
    let lab = Lab::new();
    for length in (0..content.len()).step_by(step) {
        check(length, lab.read(name, &content[..length]));
    }
}

fn small_npz(method: zip::CompressionMethod) -> Vec<u8> {
    let x = npy_f64("(3, 2)", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let y = npy("<U2", "False", "(3,)", &"a\0\0\0b\0\0\0".repeat(3).into_bytes());
    npz(method, &[("x_train", x), ("y_train", y)])
}

#[test]
fn f8_npz_truncated_at_every_byte() {
    for method in [Stored, Deflated] {
        let archive = small_npz(method);
        assert!(Lab::new().read("t.npz", &archive).is_ok());
        cut_everywhere("t.npz", &archive, 1, |length, result| assert!(result.is_err(), "{length}"));
    }
    let array = npy_f64("(2, 2)", &[1.0; 4]);
    cut_everywhere("t.npy", &array, 1, |length, result| assert!(result.is_err(), "{length}"));
}

#[test]
fn f8_npz_one_bit_flipped_at_every_byte() {
    let lab = Lab::new();
    for method in [Stored, Deflated] {
        let archive = small_npz(method);
        for at in 0..archive.len() {
            let mut flipped = archive.clone();
            flipped[at] ^= 1 << (at % 8);
            // Changes of unused fields of the archive, such as dates, are not detected.
            let (_, largest) = largest_allocation(|| lab.read("t.npz", &flipped));
            assert!(largest < MIB, "byte {at}: {largest}");
        }
    }
}

#[test]
fn f8_idx_truncated_at_every_byte() {
    let images = idx(&[2, 2, 2], &[9; 8]);
    let labels = idx(&[2], &[0, 1]);
    let lab = Lab::new();
    for (cut, other) in [(&images, &labels), (&labels, &images)] {
        for length in 0..cut.len() {
            let (images, labels) =
                if cut.len() > other.len() { (&cut[..length], &other[..]) } else { (&other[..], &cut[..length]) };
            lab.write("train-images-idx3-ubyte", images);
            lab.write("train-labels-idx1-ubyte", labels);
            assert!(lab.read_folder().is_err(), "{length}");
        }
    }
}

#[test]
fn f8_cifar_truncated_at_every_byte() {
    let lab = Lab::new();
    let records = [cifar_record(0, 0), cifar_record(1, 0)].concat();
    for length in 0..records.len() {
        lab.write("data_batch_1.bin", &records[..length]);
        assert_eq!(lab.read_folder().is_ok(), length == 3073, "{length}");
    }
}

#[test]
fn f8_text_truncated_at_every_byte() {
    // The rest of a text may be a smaller table, but never one with more rows.
    let table = "a,b,\"the, label\"\r\n1,2.5,cat\r\n3,-4e2,\"d\"\"og\"\r\n";
    let sparse = "1 1:2 3:4 # one\n0 2:-1e3\n";
    for (name, content) in [("t.csv", table), ("t.svm", sparse)] {
        cut_everywhere(name, content.as_bytes(), 1, |length, result| {
            assert!(result.is_err() || result.unwrap().train.n_samples() <= 2, "{length}");
        });
    }
}

#[test]
fn f8_gz_truncated_at_every_byte() {
    let lab = Lab::new();
    for (name, content) in
        [("t.csv.gz", b"1,2\n3,4\n".to_vec()), ("t.svm.gz", b"1 1:2\n".to_vec()), ("t.npz.gz", small_npz(Stored))]
    {
        let packed = fs::read(lab.write(name, content)).unwrap();
        for length in 0..packed.len() {
            fs::write(lab.path(name), &packed[..length]).unwrap();
            let result = open(&text(&lab.path(name)), &Request::default());
            assert!(matches!(result, Err(DataError::Damaged { .. })), "{name} {length}: {result:?}");
        }
    }
}

#[test]
fn f8_gz_that_is_none() {
    let lab = Lab::new();
    fs::write(lab.path("t.csv.gz"), "1,2\n").unwrap();
    let error = open(&text(&lab.path("t.csv.gz")), &Request::default()).unwrap_err();
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");
}

#[test]
fn f8_gz_bomb_is_refused_before_memory_is_asked_for() {
    let zeros = vec![b'0'; 32 * MIB];
    for name in ["t.csv.gz", "t.svm.gz", "t.npy.gz", "t.npz.gz"] {
        let lab = Lab::new();
        let request = Request { max_bytes: MIB as u64, ..Request::default() };
        let source = lab.write(name, &zeros);
        let (result, largest) = largest_allocation(|| open(&source, &request));
        assert!(matches!(&result, Err(DataError::TooLarge { path, limit: 0x10_0000 }) if path.ends_with(name)));
        assert!(largest < MIB, "{largest}");
    }
    for name in ["data_batch_1.bin.gz", "train-images-idx3-ubyte.gz"] {
        let lab = Lab::new();
        lab.write(name, &zeros[..2 * MIB]);
        lab.write("train-labels-idx1-ubyte", idx(&[1], &[1]));
        let request = Request { max_bytes: MIB as u64, ..Request::default() };
        let error = open(&text(&lab.path("")), &request).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn f8_zip_bomb_is_refused_before_memory_is_asked_for() {
    let x = npy("|u1", "False", "(4096, 4096)", &vec![0; 16 * MIB]);
    let lab = Lab::new();
    let source = lab.write("t.npz", npz(Deflated, &[("x", x)]));
    let request = Request { max_bytes: MIB as u64, ..Request::default() };
    let (result, largest) = largest_allocation(|| open(&source, &request));
    assert!(matches!(&result, Err(DataError::TooLarge { path, .. }) if path.ends_with("t.npz/x.npy")), "{result:?}");
    assert!(largest < MIB, "{largest}");
}

#[test]
fn f8_sizes_beyond_the_file_are_refused_at_once() {
    let lab = Lab::new();
    let shapes = ["(1000000000, 1000)", "(4611686018427387904, 4)", "(18446744073709551615, 18446744073709551615)"];
    for shape in shapes {
        let array = npy("<f8", "False", shape, &[0; 64]);
        lab.write("t.npy", &array);
        lab.write("t.npz", npz(Deflated, &[("gates", array)]));
        for name in ["t.npy", "t.npz"] {
            let start = Instant::now();
            let (result, largest) = largest_allocation(|| read_matrix(&lab.path(name), None));
            assert!(result.is_err() && largest < MIB, "{shape}: {largest}");
            assert!(start.elapsed() < Duration::from_secs(1));
        }
    }
    for header in [u32::MAX, 100_000] {
        let mut array = b"\x93NUMPY\x02\x00".to_vec();
        array.extend(header.to_le_bytes());
        array.extend([b'{'; 1000]);
        let (result, largest) = largest_allocation(|| lab.read("t.npy", array));
        assert!(matches!(result, Err(DataError::Malformed { .. })) && largest < MIB);
    }
    lab.write("train-images-idx3-ubyte", idx(&[u32::MAX, 1000, 1000], &[0; 64]));
    lab.write("train-labels-idx1-ubyte", idx(&[1], &[0]));
    let (result, largest) = largest_allocation(|| lab.read_folder());
    assert!(result.is_err() && largest < MIB);
}

#[test]
fn f8_archive_that_lies_about_sizes() {
    let lab = Lab::new();
    for method in [Stored, Deflated] {
        let array = npy("|u1", "False", "(9999, 9999)", &[1; 64]);
        let claim = u32::try_from(array.len() - 64 + 9999 * 9999).unwrap();
        let archive = npz(method, &[("gates", array)]);
        // The packed and the unpacked size are at bytes 20 and 24 of the entry's record in the central directory.
        let record = archive.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
        for claims in [vec![20], vec![24], vec![20, 24]] {
            let mut lying = archive.clone();
            for at in claims {
                lying[record + at..record + at + 4].copy_from_slice(&claim.to_le_bytes());
            }
            lab.write("t.npz", &lying);
            let (result, largest) = largest_allocation(|| read_matrix(&lab.path("t.npz"), None));
            assert!(result.is_err() && largest < MIB, "{result:?} {largest}");
        }
    }
}

#[test]
fn f8_deep_brackets_do_not_overflow_the_stack() {
    for bracket in ["(", "[", "{", "'", "[("] {
        let header = format!("{{'descr': {}", bracket.repeat(60_000 / bracket.len()));
        let mut array = b"\x93NUMPY\x01\x00".to_vec();
        array.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        array.extend(header.bytes());
        assert!(Lab::new().read("t.npy", array).is_err());
    }
}

/// Reads the bytes as every kind of file.
fn read_as_everything(lab: &Lab, content: &[u8]) {
    for name in ["t.csv", "t.svm", "t.npy", "t.npz", "t.csv.gz", "t.npz.gz"] {
        fs::write(lab.path(name), content).unwrap();
        let _ = open(&text(&lab.path(name)), &Request::default());
    }
    let _ = read_matrix(&lab.path("t.npy"), None);
    let _ = read_matrix(&lab.path("t.npz"), None);
    let idx = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
    let cifar = ["data_batch_1.bin", "batches.meta.txt"];
    for (names, folder) in [(idx, "idx"), (cifar, "cifar")] {
        fs::create_dir_all(lab.path(folder)).unwrap();
        for name in names {
            fs::write(lab.path(folder).join(name), content).unwrap();
        }
        let _ = open(&text(&lab.path(folder)), &Request::default());
    }
}

/// Bytes that often look like one of the formats.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9:,.\\-+ \n\"#eEa-z]{0,40}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            b"\x93NUMPY\x01\x00\x20\x00".to_vec(),
            b"{'descr': '<f8', 'fortran_order': True, 'shape': (1, 1), }".to_vec(),
            b"{'descr': '<U1', 'shape': (2,), 'fortran_order': False}".to_vec(),
            idx(&[1, 1, 1], &[1]),
            idx(&[1], &[1]),
            b"1,2,3\n".to_vec(),
            b"1 1:2 2:3\n".to_vec(),
            cifar_record(1, 2),
            small_npz(Stored),
        ]),
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f8_random_bytes_never_panic(content in content()) {
        read_as_everything(&Lab::new(), &content);
    }

    #[test]
    fn f8_mutated_archive_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        deflated in any::<bool>(),
    ) {
        let mut archive = small_npz(if deflated { Deflated } else { Stored });
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        let lab = Lab::new();
        let (_, largest) = largest_allocation(|| lab.read("t.npz", &archive));
        prop_assert!(largest < MIB, "{}", largest);
    }
}
