//! NumPy archives from raw bytes, and arrays in an archive with valid checksums.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::{data::read, parts};
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const NAMES: [&str; 4] = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"];

fn archive(arrays: &[&[u8]], method: CompressionMethod) -> Option<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in NAMES.into_iter().zip(arrays) {
        writer.start_file(name, SimpleFileOptions::default().compression_method(method)).ok()?;
        writer.write_all(array).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let method = if mode % 3 == 1 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    if mode % 3 == 0 {
        let _ = read(&[("t.npz", input)], "t.npz", Request::default());
    } else if let Some(packed) = archive(&parts(input), method) {
        let _ = read(&[("t.npz", &packed)], "t.npz", Request::default());
        let _ = read(&[("t.npy", input)], "t.npy", Request::default());
    }
});
