//! Products, sums and norms.

use super::operands::{assert_close, filled, product, tolerance, upload};
use crate::backend::{Backend, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;

/// `gemm` over shapes from one entry to several tiles, all transposes, three betas.
pub fn gemm<B: Backend>(backend: &B) {
    for (m, k, n) in [(1, 1, 1), (5, 3, 4), (3, 70, 1), (130, 1, 9), (1100, 40, 33), (20, 33, 1300)] {
        for (op_a, op_b) in [
            (Transpose::No, Transpose::No),
            (Transpose::Yes, Transpose::No),
            (Transpose::No, Transpose::Yes),
            (Transpose::Yes, Transpose::Yes),
        ] {
            let (a, b, c) = (filled(m, k, 1), filled(k, n, 2), filled(m, n, 3));
            let stored = |matrix: &HostMatrix, op| match op {
                Transpose::No => upload(backend, matrix),
                Transpose::Yes => upload(backend, &matrix.transposed()),
            };
            let (stored_a, stored_b) = (stored(&a, op_a), stored(&b, op_b));
            let ab = product(&a, &b);
            for beta in [0.0, 1.0, -0.5] {
                let mut out = upload(backend, &c);
                backend.gemm(2.0, &stored_a, op_a, &stored_b, op_b, beta, &mut out).expect("gemm");
                let expected = HostMatrix::from_fn(m, n, |i, j| 2.0 * ab[(i, j)] + beta * c[(i, j)]);
                assert_close(backend, &out, &expected, k);
            }
        }
    }
}

/// `gemm_wide`: products with a stored matrix as accurate as f64, of several tiles.
pub fn gemm_wide<B: Backend>(backend: &B) {
    let wide = backend.wide();
    for (m, k, n) in [(1, 1, 1), (700, 300, 2), (30, 1100, 3)] {
        for (op_a, a) in [(Transpose::No, filled(m, k, 1)), (Transpose::Yes, filled(k, m, 1))] {
            let device_a = upload(backend, &a);
            let stored = backend.download(&device_a).expect("a download");
            let a = if op_a == Transpose::No { stored } else { stored.transposed() };
            let (b, c) = (filled(k, n, 2), filled(m, n, 3));
            for beta in [0.0, 1.0, -0.5] {
                let mut out = upload(&wide, &c);
                backend.gemm_wide(1.5, &device_a, op_a, &upload(&wide, &b), beta, &mut out).expect("gemm_wide");
                let sum = product(&a, &b);
                let expected = HostMatrix::from_fn(m, n, |i, j| 1.5 * sum[(i, j)] + beta * c[(i, j)]);
                assert_close(&wide, &out, &expected, k);
            }
        }
    }
    let (a, mut out) = (upload(backend, &filled(3, 2, 1)), upload(&wide, &filled(3, 1, 2)));
    let result = backend.gemm_wide(1.0, &a, Transpose::No, &upload(&wide, &filled(3, 1, 1)), 0.0, &mut out);
    assert!(matches!(result, Err(LinalgError::Shape { .. })), "{result:?}");
}

/// `weighted_gram`: the lower triangle only.
pub fn weighted_gram<B: Backend>(backend: &B) {
    for (d, n) in [(1, 1), (7, 20), (600, 30)] {
        let (a, weights) = (filled(d, n, 1), filled(n, 1, 2));
        let scaled = HostMatrix::from_fn(n, d, |j, i| weights[(j, 0)] * a[(i, j)]);
        let mut out = backend.zeros(d, d).expect("zeros");
        backend.weighted_gram(&upload(backend, &a), &upload(backend, &weights), 0.5, &mut out).expect("weighted_gram");
        let full = product(&a, &scaled);
        let found = backend.download(&out).expect("a download");
        let expected = HostMatrix::from_fn(d, d, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => found[(i, j)],
            std::cmp::Ordering::Equal => full[(i, j)] + 0.5,
            std::cmp::Ordering::Greater => full[(i, j)],
        });
        assert_close(backend, &out, &expected, n);
    }
}

/// `scale`.
pub fn scale<B: Backend>(backend: &B) {
    let x = filled(300, 130, 1);
    let mut out = upload(backend, &x);
    backend.scale(-2.5, &mut out).expect("scale");
    assert_close(backend, &out, &HostMatrix::from_fn(300, 130, |i, j| -2.5 * x[(i, j)]), 1);
}

/// `axpby`; with beta = 0 an infinite y is overwritten.
pub fn axpby<B: Backend>(backend: &B) {
    let (x, y) = (filled(300, 130, 1), filled(300, 130, 2));
    let mut out = upload(backend, &y);
    backend.axpby(2.0, &upload(backend, &x), -3.0, &mut out).expect("axpby");
    assert_close(backend, &out, &HostMatrix::from_fn(300, 130, |i, j| 2.0 * x[(i, j)] - 3.0 * y[(i, j)]), 2);
    (0..2).for_each(|_| backend.scale(1e300, &mut out).expect("scale"));
    backend.axpby(1.0, &upload(backend, &x), 0.0, &mut out).expect("axpby");
    assert_close(backend, &out, &x, 1);
}

/// `add_terms`, also without a term.
pub fn add_terms<B: Backend>(backend: &B) {
    let weights = [0.5, -2.0, 3.0];
    for (rows, cols) in [(3, 1), (300, 130)] {
        let terms: Vec<HostMatrix> = (1..4).map(|seed| filled(rows, cols, seed)).collect();
        let device: Vec<B::Matrix> = terms.iter().map(|term| upload(backend, term)).collect();
        let y = filled(rows, cols, 4);
        for count in [3, 1, 0] {
            let mut out = upload(backend, &y);
            backend
                .add_terms(&weights[..count], &device.iter().take(count).collect::<Vec<_>>(), &mut out)
                .expect("sum");
            let sum = |i, j| (0..count).map(|k| weights[k] * terms[k][(i, j)]).sum::<f64>();
            assert_close(backend, &out, &HostMatrix::from_fn(rows, cols, |i, j| y[(i, j)] + sum(i, j)), 4);
        }
    }
}

/// `hadamard`.
pub fn hadamard<B: Backend>(backend: &B) {
    let (x, y) = (filled(300, 130, 1), filled(300, 130, 2));
    let mut out = backend.zeros(300, 130).expect("zeros");
    backend.hadamard(&upload(backend, &x), &upload(backend, &y), &mut out).expect("hadamard");
    assert_close(backend, &out, &HostMatrix::from_fn(300, 130, |i, j| x[(i, j)] * y[(i, j)]), 1);
}

/// `dot`, `dots`, `norm`, `column_norms`, with f64 sums and without overflow.
pub fn dot_and_norms<B: Backend>(backend: &B) {
    let (x, y) = (filled(1000, 41, 1), filled(1000, 41, 2));
    let (device_x, device_y) = (upload(backend, &x), upload(backend, &y));
    let expected: f64 = x.values().iter().zip(y.values()).map(|(x, y)| x * y).sum();
    let bound = tolerance(backend) * 300.0;
    assert!((backend.dot(&device_x, &device_y).expect("dot") - expected).abs() < bound);
    let both = backend.dots(&device_x, &[&device_y, &device_x]).expect("dots");
    assert_eq!(both, [&device_y, &device_x].map(|other| backend.dot(&device_x, other).expect("dot")));
    assert!(backend.dots(&device_x, &[]).expect("dots").is_empty());
    let norm = x.values().iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((backend.norm(&device_x).expect("norm") - norm).abs() < bound);
    for (j, found) in backend.column_norms(&device_x).expect("column_norms").into_iter().enumerate() {
        let expected = x.col(j).iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((found - expected).abs() < bound, "column {j}: {found} instead of {expected}");
    }
    let large = upload(backend, &HostMatrix::from_vec(2, 2, vec![3e30, 4e30, 0.0, 0.0]));
    let norms = backend.column_norms(&large).expect("column_norms");
    assert!((norms[0] / 5e30 - 1.0).abs() < 1e-6 && norms[1] == 0.0);
    // inf - inf: a norm that passed over what is no number would call this column zero.
    let mut infinite = large;
    (0..2).for_each(|_| backend.scale(1e300, &mut infinite).expect("scale"));
    let mut undefined = backend.zeros(2, 2).expect("zeros");
    backend.copy(&infinite, &mut undefined).expect("copy");
    backend.axpby(-1.0, &infinite, 1.0, &mut undefined).expect("axpby");
    assert_eq!(backend.column_norms(&infinite).expect("column_norms")[0], f64::INFINITY);
    assert!(backend.column_norms(&undefined).expect("column_norms")[0].is_nan());
}
