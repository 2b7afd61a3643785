//! Folders of images: two files, PNG or JPEG by their content.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::{data::read, parts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 2] = ["d/cat/1.png", "d/dog/1.jpg"];

fuzz_target!(init: hush(), |input: &[u8]| {
    let files: Vec<(&str, &[u8])> = NAMES.into_iter().zip(parts(input)).collect();
    let _ = read(&files, "d", Request::default());
});

/// The reader survives a decoder that panics, and libFuzzer's own hook would end the process before. What nobody catches still ends it.
fn hush() {
    std::panic::set_hook(Box::new(|_| {}));
}
