//! IDX files: images, labels, and those of the test set.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::{data::read, parts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] =
    ["d/train-images-idx3-ubyte", "d/train-labels-idx1-ubyte", "d/t10k-images-idx3-ubyte", "d/t10k-labels-idx1-ubyte"];

fuzz_target!(|input: &[u8]| {
    let files: Vec<(&str, &[u8])> = NAMES.into_iter().zip(parts(input)).collect();
    let _ = read(&files, "d", Request::default());
});
