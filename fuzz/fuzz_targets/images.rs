//! Folders of images: two files, whose content decides between PNG and JPEG.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::{data::read, parts};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 2] = ["d/cat/1.png", "d/dog/1.jpg"];

fuzz_target!(init: hush(), |input: &[u8]| {
    let files: Vec<(&str, &[u8])> = NAMES.into_iter().zip(parts(input)).collect();
    let _ = read(&files, "d", Request::default());
});

/// Removes the panic hook of libFuzzer, which would end the process at a panic of the decoder that the reader catches.
/// A panic that nothing catches still ends the process.
fn hush() {
    std::panic::set_hook(Box::new(|_| {}));
}
