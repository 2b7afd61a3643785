//! Proof files as they come, and sections under checksums that fit.
#![no_main]

use cvx_fuzz::frame::sealed;
use cvx_prove::file;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const MAGIC: &[u8; 8] = b"\x89CVXPF\r\n";

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let bytes = if mode % 2 == 0 { input.to_vec() } else { sealed(MAGIC, 1, input) };
    let Ok(theorems) = file::from_bytes(&bytes, Path::new("in-memory.proof")) else { return };
    let stored = file::to_bytes(&theorems).expect("what was read can be stored");
    assert_eq!(file::from_bytes(&stored, Path::new("again.proof")).expect("what was stored can be read"), theorems);
});
