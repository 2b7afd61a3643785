//! Matrices in half precision.

use super::operands::{filled, upload};
use crate::backend::{Backend, Shape};
use crate::host::HostMatrix;
use crate::patches::FeaturePrecision;

/// `store_half` and `load_half`: every number of half precision and those between two of them, parts of columns in any
/// order, nothing outside the part, and nothing beyond the last row or column.
pub fn half_precision<B: Backend>(backend: &B) {
    // Down to subnormal numbers, up to what is too large, with ties.
    let small = filled(700, 90, 3);
    let host = HostMatrix::from_fn(700, 90, |i, j| match (i + j) % 3 {
        0 => small[(i, j)] * 2f64.powi((i % 45) as i32 - 27),
        1 => f64::from(2 * (i * 90 + j) as u32 + 1) * 2f64.powi(-26),
        _ => f64::from(2048 + (i * 7 + j) as u32 % 2048) * 2f64.powi((j % 30) as i32 - 26),
    });
    let source = upload(backend, &host);
    // What the device holds, which may be f32.
    let held = backend.download(&source).expect("a download");
    let expected = |i: usize, j: usize| FeaturePrecision::Half.round(held[(i, j)]);
    let mut stored = backend.half_zeros(700, 100).expect("zeros");
    assert_eq!((stored.rows(), stored.cols()), (700, 100));
    backend.store_half(&source, &mut stored, 4).expect("store_half");

    let exact = |rows: usize, first: usize, columns: &[usize]| {
        let mut out = backend.zeros(rows, columns.len()).expect("zeros");
        backend.load_half(&stored, first, columns, &mut out).expect("load_half");
        let of = |i: usize, column: usize| {
            if (4..94).contains(&column) { expected(first + i, column - 4) } else { 0.0 }
        };
        let expected = HostMatrix::from_fn(rows, columns.len(), |i, j| of(i, columns[j]));
        assert_eq!(backend.download(&out).expect("a download"), expected, "{rows} rows from {first}");
    };
    exact(700, 0, &(0..100).collect::<Vec<_>>());
    exact(33, 667, &[99, 4, 93, 4]);
    exact(1, 5, &[50]);
    exact(0, 700, &[50]);
    exact(700, 0, &[]);

    let mut out = backend.zeros(10, 2).expect("zeros");
    assert!(backend.load_half(&stored, 691, &[0, 1], &mut out).is_err());
    assert!(backend.load_half(&stored, 0, &[0, 100], &mut out).is_err());
    assert!(backend.load_half(&stored, 0, &[0], &mut out).is_err());
    assert!(backend.load_half(&stored, usize::MAX, &[0, 1], &mut out).is_err());
    assert!(backend.store_half(&source, &mut stored, 11).is_err());
    assert!(backend.store_half(&out, &mut stored, 0).is_err());
}
