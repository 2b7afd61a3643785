//! What the tests are made of: operands, and comparisons with what is expected.

use crate::backend::Backend;
use crate::host::HostMatrix;
use crate::layout::{BlockLayout, Signs};
use crate::mask::BitMask;

/// Reproducible entries in [-1, 1).
pub(super) fn filled(rows: usize, cols: usize, seed: u64) -> HostMatrix {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    HostMatrix::from_fn(rows, cols, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

pub(super) fn mask_of(rows: usize, cols: usize) -> BitMask {
    let entries = filled(rows, cols, 99);
    BitMask::from_fn(rows, cols, |i, j| entries[(i, j)] >= 0.0)
}

pub(super) fn bit(mask: &BitMask, row: usize, col: usize) -> f64 {
    f64::from(u8::from(mask.get(row, col)))
}

pub(super) fn upload<B: Backend>(backend: &B, host: &HostMatrix) -> B::Matrix {
    backend.upload(host).expect("finite entries")
}

/// Checks the entries against `expected` to a few roundings of sums of `terms` terms of size about 1.
pub(super) fn assert_close<B: Backend>(backend: &B, found: &B::Matrix, expected: &HostMatrix, terms: usize) {
    let found = backend.download(found).expect("a download");
    assert_eq!((found.rows(), found.cols()), (expected.rows(), expected.cols()));
    let bound = tolerance(backend) * (terms.max(1) as f64).sqrt();
    for j in 0..expected.cols() {
        for i in 0..expected.rows() {
            let (found, expected) = (found[(i, j)], expected[(i, j)]);
            let error = (found - expected).abs();
            assert!(error <= bound * (1.0 + expected.abs()), "({i}, {j}): {found} instead of {expected}");
        }
    }
}

pub(super) fn tolerance<B: Backend>(backend: &B) -> f64 {
    if backend.precision() == "f64" { 1e-13 } else { 1e-5 }
}

pub(super) fn product(a: &HostMatrix, b: &HostMatrix) -> HostMatrix {
    HostMatrix::from_fn(a.rows(), b.cols(), |i, j| (0..a.cols()).map(|k| a[(i, k)] * b[(k, j)]).sum())
}

/// Shapes for the operations with masks: one word, several, several tiles; one and several targets.
pub(super) const MASKED: [(usize, usize, usize); 4] = [(1, 1, 1), (70, 5, 3), (1500, 3, 1), (1100, 20, 2)];

/// Two blocks of a pattern; one that is positive; and one with a sign of its own.
pub(super) fn layouts(patterns: usize, targets: usize) -> [BlockLayout; 3] {
    let each = BlockLayout { signs: Signs::Each { positive: patterns / 2 }, ..BlockLayout::one(patterns, targets) };
    [BlockLayout::both(patterns, targets), BlockLayout::one(patterns, targets), each]
}
