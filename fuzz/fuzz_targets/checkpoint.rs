//! Checkpoints from raw bytes and from sections with valid checksums. A run is resumed from each valid checkpoint.
#![no_main]

use cvx_admm::{Checkpoint, StopToken, resume};
use cvx_fuzz::{frame::sealed, resumable};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const MAGIC: &[u8; 8] = b"\x89CVXCP\r\n";

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let bytes = if mode % 2 == 0 { input.to_vec() } else { sealed(MAGIC, 2, input) };
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes, Path::new("in-memory.ckpt")) else { return };
    let (data, settings) = resumable();
    let _ = resume(&data, None, &settings, &checkpoint, &StopToken::new(), &mut ());
});
