//! Compressed files from raw bytes, and compressed content, which must be read like the same content uncompressed.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::data::read;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let (plain, gz) = [("t.csv", "t.csv.gz"), ("t.npz", "t.npz.gz"), ("t.npy", "t.npy.gz")][usize::from(mode / 2) % 3];
    if mode % 2 == 0 {
        let _ = read(&[(gz, input)], gz, Request::default());
        return;
    }
    let found = read(&[(gz, &packed(input))], gz, Request::default());
    match (found, read(&[(plain, input)], plain, Request::default())) {
        (Ok(found), Ok(expected)) => assert!(found.train == expected.train && found.test == expected.test),
        (found, expected) => assert_eq!(found.is_ok(), expected.is_ok(), "{found:?} {expected:?}"),
    }
});
