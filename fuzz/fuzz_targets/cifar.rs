//! CIFAR-10 batches: class names, training batches, a test batch.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::{data::read, parts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["d/data_batch_1.bin", "d/batches.meta.txt", "d/test_batch.bin", "d/data_batch_2.bin"];

fuzz_target!(|input: &[u8]| {
    let files: Vec<(&str, &[u8])> = NAMES.into_iter().zip(parts(input)).collect();
    let _ = read(&files, "d", Request::default());
});
