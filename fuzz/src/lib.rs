//! What the fuzz targets share: inputs made of parts, frames with checksums that fit, and data sets that must be sound.

pub mod data;
pub mod frame;

/// Between the parts of an input. Inserting or dropping bytes in one part leaves the others as they are.
pub const MARK: [u8; 3] = [0xfe, 0x00, 0xfe];

/// The parts between the marks.
pub fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        parts.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    parts.push(rest);
    parts
}

/// Parts as an input.
pub fn joined(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
    parts.join(&MARK[..])
}
