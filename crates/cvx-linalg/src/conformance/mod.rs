//! One test per operation of [`Backend`], against plain loops on the host.
//!
//! A back end passes them all by one line in a test file: `cvx_linalg::conformance_tests!(cpu_f64, Cpu::<f64>::new());`

mod blas;
mod cones;
mod half;
mod operands;
mod patches;

pub use blas::{add_terms, axpby, dot_and_norms, gemm, gemm_wide, hadamard, scale, weighted_gram};
pub use cones::{slack_step, soft_slack_step};
pub use half::half_precision;
pub use patches::patch_features;

use crate::backend::{Backend, Half, Shape, Transpose};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::{BlockLayout, Signs};
use crate::mask::BitMask;
use operands::{MASKED, assert_close, bit, filled, layouts, mask_of, product, upload};
use std::io::Write;

/// Declares a module `$name` with one `#[test]` per operation, each on a fresh `$backend`; after `optional`, on one
/// that may be `None` where the machine has no such device.
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $backend:expr) => {
        $crate::conformance_tests!($name, optional Some($backend));
    };
    ($name:ident, optional $backend:expr) => {
        $crate::conformance_tests!(@each $name, $backend,
            memory, fill, parts, rows, load_samples, gather_columns, conversion, upload_refuses_non_finite, half_precision, gemm, gemm_wide,
            weighted_gram, scale, axpby, add_terms, hadamard, dot_and_norms, cholesky, solve, masked_gram, gram,
            shifted_lower, masked_row_sum, masked_broadcast, sign_flip, add_pairs, patch_features, positive_part,
            group_soft_threshold, keep_signs, slack_step, soft_slack_step, wrong_shapes_are_errors, stop_requests_are_errors);
    };
    (@each $name:ident, $backend:expr, $($operation:ident),*) => {
        mod $name {
            use super::*;
            $(#[test] fn $operation() { if let Some(backend) = $backend { $crate::conformance::$operation(&backend); } })*
        }
    };
}

/// Reports on standard error, which the test harness does not capture, that the running test is skipped:
/// `skipped NAME: reason`, as `cargo xtask reliability` counts them.
pub fn skip(reason: &dyn std::fmt::Display) {
    let thread = std::thread::current();
    // A failure to write the message is ignored.
    let _ = writeln!(std::io::stderr(), "skipped {}: {reason}", thread.name().unwrap_or("a test"));
}

/// A well-conditioned symmetric matrix.
fn positive_definite(order: usize) -> HostMatrix {
    let a = filled(order, 4, 5);
    let mut gram = product(&a, &a.transposed());
    (0..order).for_each(|i| gram[(i, i)] += 2.0);
    gram
}

/// `zeros`, `upload`, `download`, `copy`.
pub fn memory<B: Backend>(backend: &B) {
    let zeros = backend.zeros(3, 2).expect("zeros");
    assert_eq!((zeros.rows(), zeros.cols()), (3, 2));
    assert_close(backend, &zeros, &HostMatrix::zeros(3, 2), 1);
    let host = filled(700, 90, 1);
    let source = upload(backend, &host);
    let mut out = backend.zeros(700, 90).expect("zeros");
    backend.copy(&source, &mut out).expect("a copy");
    assert_close(backend, &out, &host, 1);
    backend.synchronize().expect("synchronize");
    let memory = backend.memory_info();
    assert!(memory.free > 0 && memory.free <= memory.total);
}

/// `fill`: every entry, also those that were not finite, in small and in large matrices.
pub fn fill<B: Backend>(backend: &B) {
    for (rows, cols) in [(0, 3), (5, 1), (700, 90)] {
        let mut out = backend.zeros(rows, cols).expect("zeros");
        backend.fill(1.0, &mut out).expect("fill");
        assert_close(backend, &out, &HostMatrix::from_fn(rows, cols, |_, _| 1.0), 1);
        // Neither can be uploaded.
        for not_finite in [f64::NAN, f64::INFINITY] {
            backend.scale(not_finite, &mut out).expect("scale");
            backend.fill(0.0, &mut out).expect("fill");
            assert_close(backend, &out, &HostMatrix::zeros(rows, cols), 1);
            backend.fill(-2.5, &mut out).expect("fill");
            assert_close(backend, &out, &HostMatrix::from_fn(rows, cols, |_, _| -2.5), 1);
        }
    }
}

/// `read_part` and `write_part`: whole columns, other shapes, and nothing outside the part.
pub fn parts<B: Backend>(backend: &B) {
    let host = filled(6, 8, 4);
    let source = upload(backend, &host);
    let mut flat = backend.zeros(24, 2).expect("zeros");
    backend.read_part(&source, 0, &mut flat).expect("all of it in another shape");
    assert_close(backend, &flat, &HostMatrix::from_vec(24, 2, host.values().to_vec()), 1);
    let mut columns = backend.zeros(6, 3).expect("zeros");
    backend.read_part(&source, 12, &mut columns).expect("columns 2, 3 and 4");
    assert_close(backend, &columns, &HostMatrix::from_fn(6, 3, |i, j| host[(i, j + 2)]), 1);
    let mut out = upload(backend, &host);
    backend.write_part(&columns, &mut out, 30).expect("to columns 5, 6 and 7");
    assert_close(backend, &out, &HostMatrix::from_fn(6, 8, |i, j| host[(i, if j < 5 { j } else { j - 3 })]), 1);
    assert!(backend.read_part(&source, 31, &mut columns).is_err());
    assert!(backend.write_part(&columns, &mut out, 31).is_err());
    assert!(backend.read_part(&source, usize::MAX, &mut columns).is_err());
}

/// `read_rows` and `write_rows`: a run of rows of all columns, and nothing beyond.
pub fn rows<B: Backend>(backend: &B) {
    let host = filled(700, 9, 4);
    let source = upload(backend, &host);
    for (first, count) in [(0, 700), (64, 300), (699, 1), (5, 0)] {
        let mut part = backend.zeros(count, 9).expect("zeros");
        backend.read_rows(&source, first, &mut part).expect("read_rows");
        assert_close(backend, &part, &HostMatrix::from_fn(count, 9, |i, j| host[(first + i, j)]), 1);
        let mut out = backend.zeros(700, 9).expect("zeros");
        backend.write_rows(&part, &mut out, first).expect("write_rows");
        let inside = |i: usize| (first..first + count).contains(&i);
        let expected = HostMatrix::from_fn(700, 9, |i, j| if inside(i) { host[(i, j)] } else { 0.0 });
        assert_close(backend, &out, &expected, 1);
    }
    let mut part = backend.zeros(2, 9).expect("zeros");
    let (mut narrow, mut out) = (backend.zeros(2, 8).expect("zeros"), upload(backend, &host));
    assert!(backend.read_rows(&source, 699, &mut part).is_err());
    assert!(backend.read_rows(&source, usize::MAX, &mut part).is_err());
    assert!(backend.read_rows(&source, 0, &mut narrow).is_err());
    assert!(backend.write_rows(&part, &mut out, 699).is_err());
    assert_close(backend, &out, &host, 1);
}

/// `load_samples`: a run of samples; numbers that are not finite are refused with their place among all.
pub fn load_samples<B: Backend>(backend: &B) {
    let mut host = filled(5, 300, 8);
    let mut out = backend.zeros(5, 70).expect("zeros");
    backend.load_samples(&host, 64, &mut out).expect("load_samples");
    assert_close(backend, &out, &HostMatrix::from_fn(5, 70, |i, j| host[(i, 64 + j)]), 1);
    assert!(backend.load_samples(&host, 231, &mut out).is_err());
    assert!(backend.load_samples(&host, 0, &mut backend.zeros(4, 70).expect("zeros")).is_err());
    host[(3, 100)] = f64::NAN;
    let precision = backend.precision();
    let expected = Some(LinalgError::NonFinite { row: 3, column: 100, precision });
    assert_eq!(backend.load_samples(&host, 64, &mut out).err(), expected);
}

/// `gather_columns`: any order, repetitions, none at all; small and large; nothing beyond the last column.
pub fn gather_columns<B: Backend>(backend: &B) {
    let host = filled(700, 90, 4);
    let source = upload(backend, &host);
    for indices in [vec![], vec![3, 0, 89, 3], (0..90).rev().collect::<Vec<_>>()] {
        let mut out = backend.zeros(700, indices.len()).expect("zeros");
        backend.gather_columns(&source, &indices, &mut out).expect("gather_columns");
        assert_close(backend, &out, &HostMatrix::from_fn(700, indices.len(), |i, j| host[(i, indices[j])]), 1);
    }
    let mut out = backend.zeros(700, 2).expect("zeros");
    assert!(backend.gather_columns(&source, &[0, 90], &mut out).is_err());
    assert_close(backend, &out, &HostMatrix::zeros(700, 2), 1);
}

/// `widen` is exact; `narrow` rounds.
pub fn conversion<B: Backend>(backend: &B) {
    let host = filled(65, 7, 2);
    let narrow = upload(backend, &host);
    let mut wide = backend.wide().zeros(65, 7).expect("zeros");
    backend.widen(&narrow, &mut wide).expect("widen");
    assert_eq!(backend.wide().download(&wide), backend.download(&narrow));
    let exact = backend.wide().upload(&host).expect("finite entries");
    let mut back = backend.zeros(65, 7).expect("zeros");
    backend.narrow(&exact, &mut back).expect("narrow");
    assert_eq!(backend.download(&back), backend.download(&narrow));
}

/// R1: NaN, infinities and numbers that overflow the storage are refused with their place.
pub fn upload_refuses_non_finite<B: Backend>(backend: &B) {
    let too_large = if backend.precision() == "f64" { f64::NEG_INFINITY } else { 1e39 };
    for (bad, (row, column)) in [(f64::NAN, (0, 0)), (f64::INFINITY, (4, 2)), (too_large, (3, 1))] {
        let mut host = filled(5, 3, 3);
        host[(row, column)] = bad;
        let precision = backend.precision();
        assert_eq!(backend.upload(&host).err(), Some(LinalgError::NonFinite { row, column, precision }));
    }
}

/// `cholesky`: L L' gives the matrix back, the upper triangle stays, a bad pivot is named.
pub fn cholesky<B: Backend>(backend: &B) {
    for order in [1, 2, 65, 700] {
        let matrix = positive_definite(order);
        let marked = HostMatrix::from_fn(order, order, |i, j| if i < j { 9.0 } else { matrix[(i, j)] });
        let mut factor = upload(backend, &marked);
        backend.cholesky(&mut factor).expect("positive definite");
        let found = backend.download(&factor).expect("a download");
        let lower = HostMatrix::from_fn(order, order, |i, j| if i < j { 0.0 } else { found[(i, j)] });
        for j in 1..order {
            assert_eq!(found[(0, j)], 9.0);
        }
        let rebuilt = upload(backend, &product(&lower, &lower.transposed()));
        assert_close(backend, &rebuilt, &matrix, 16);
    }
    for pivot in [0, 600] {
        let mut matrix = positive_definite(700);
        matrix[(pivot, pivot)] = -1.0;
        let mut factor = upload(backend, &matrix);
        assert_eq!(backend.cholesky(&mut factor), Err(LinalgError::NotPositiveDefinite { pivot }));
    }
    // NaN (inf - inf) is no pivot either.
    for order in [1, 40, 700] {
        let mut undefined = upload(backend, &HostMatrix::from_fn(order, order, |i, j| if i == j { 1e30 } else { 0.0 }));
        (0..2).for_each(|_| backend.scale(1e300, &mut undefined).expect("scale"));
        let mut copy = backend.zeros(order, order).expect("zeros");
        backend.copy(&undefined, &mut copy).expect("copy");
        backend.axpby(-1.0, &copy, 1.0, &mut undefined).expect("axpby");
        let undefined = backend.cholesky(&mut undefined);
        assert!(matches!(undefined, Err(LinalgError::NotPositiveDefinite { .. })), "{undefined:?}");
    }
}

/// `solve` with each half, for few and for many right-hand sides.
pub fn solve<B: Backend>(backend: &B) {
    for (order, columns) in [(1, 1), (30, 3), (1100, 1), (40, 300), (600, 260)] {
        let mut matrix = positive_definite(order);
        let mut factor = upload(backend, &matrix);
        backend.cholesky(&mut factor).expect("positive definite");
        let b = filled(order, columns, 8);
        let mut x = upload(backend, &b);
        backend.solve(&factor, Half::Both, &mut x).expect("solve");
        let x = backend.download(&x).expect("a download");
        assert_close(backend, &upload(backend, &product(&matrix, &x)), &b, order);

        let found = backend.download(&factor).expect("a download");
        matrix = HostMatrix::from_fn(order, order, |i, j| if i < j { 0.0 } else { found[(i, j)] });
        for (half, triangle) in [(Half::Lower, matrix.clone()), (Half::Upper, matrix.transposed())] {
            let mut x = upload(backend, &b);
            backend.solve(&factor, half, &mut x).expect("solve");
            let x = backend.download(&x).expect("a download");
            assert_close(backend, &upload(backend, &product(&triangle, &x)), &b, order);
        }
    }
}

/// `masked_gram`: strictly above the diagonal and in the separate column; the rest stays.
pub fn masked_gram<B: Backend>(backend: &B) {
    for (d, n, patterns) in [(3, 1, 1), (4, 70, 9), (6, 1200, 130)] {
        let (a, mask) = (filled(d, n, 1), mask_of(n, patterns));
        let gram = product(&a.transposed(), &a);
        let kernel = HostMatrix::from_fn(n, n, |i, j| {
            gram[(i, j)] * (0..patterns).map(|p| bit(&mask, i, p) * bit(&mask, j, p)).sum::<f64>()
        });
        let mut out = upload(backend, &HostMatrix::from_fn(n, n, |_, _| 7.0));
        let mut diagonal = backend.zeros(n, 1).expect("zeros");
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        backend.masked_gram(&upload(backend, &a), &device_mask, &mut out, &mut diagonal).expect("masked_gram");
        let expected = HostMatrix::from_fn(n, n, |i, j| if i < j { kernel[(i, j)] } else { 7.0 });
        assert_close(backend, &out, &expected, d);
        assert_close(backend, &diagonal, &HostMatrix::from_fn(n, 1, |i, _| kernel[(i, i)]), d);
    }
}

/// `gram`: at once and in parts of the rows, strictly above the diagonal and in the separate column; the rest stays.
pub fn gram<B: Backend>(backend: &B) {
    for (d, n) in [(3, 1), (4, 70), (6, 1200)] {
        let a = filled(d, n, 1);
        let kernel = product(&a.transposed(), &a);
        for parts in [1, d] {
            let mut out = upload(backend, &HostMatrix::from_fn(n, n, |_, _| 7.0));
            let mut diagonal = upload(backend, &HostMatrix::from_fn(n, 1, |_, _| 7.0));
            for part in 0..parts {
                let rows = d / parts;
                let some = upload(backend, &HostMatrix::from_fn(rows, n, |i, j| a[(part * rows + i, j)]));
                backend.gram(&some, part > 0, &mut out, &mut diagonal).expect("gram");
            }
            let expected = HostMatrix::from_fn(n, n, |i, j| if i < j { kernel[(i, j)] } else { 7.0 });
            assert_close(backend, &out, &expected, d);
            assert_close(backend, &diagonal, &HostMatrix::from_fn(n, 1, |i, _| kernel[(i, i)]), d);
        }
    }
}

/// `shifted_lower` mirrors the kernel, scaled and shifted, with the counts of a mask or without, and leaves it in
/// place.
pub fn shifted_lower<B: Backend>(backend: &B) {
    for (n, patterns) in [(1, 1), (64, 9), (200, 130)] {
        let (stored, diagonal, mask) = (filled(n, n, 1), filled(n, 1, 2), mask_of(n, patterns));
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        for given in [None, Some(&device_mask)] {
            let mut out = upload(backend, &stored);
            backend.shifted_lower(3.0, given, &upload(backend, &diagonal), &mut out).expect("shifted_lower");
            let shared = |i, j| match given {
                None => 1.0,
                Some(_) => (0..patterns).map(|p| bit(&mask, i, p) * bit(&mask, j, p)).sum::<f64>(),
            };
            let expected = HostMatrix::from_fn(n, n, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Less => stored[(i, j)],
                std::cmp::Ordering::Equal => 1.0 + 3.0 * shared(i, i) * diagonal[(i, 0)],
                std::cmp::Ordering::Greater => 3.0 * shared(i, j) * stored[(j, i)],
            });
            assert_close(backend, &out, &expected, 1);
        }
        let (other, diagonal) = (backend.upload_mask(&mask_of(n + 1, 3)).expect("a mask"), upload(backend, &diagonal));
        let result = backend.shifted_lower(3.0, Some(&other), &diagonal, &mut upload(backend, &stored));
        assert!(matches!(result, Err(LinalgError::Shape { .. })), "{result:?}");
    }
}

/// `masked_row_sum` in all layouts, with a mask and without; a layout that does not fit is an error.
pub fn masked_row_sum<B: Backend>(backend: &B) {
    for (n, patterns, targets) in MASKED {
        let mask = mask_of(n, patterns);
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        for layout in layouts(patterns, targets) {
            let t = filled(n, layout.columns(), 1);
            let device_t = upload(backend, &t);
            for masked in [true, false] {
                let mut out = backend.zeros(n, targets).expect("zeros");
                let given = masked.then_some(&device_mask);
                backend.masked_row_sum(layout, given, &device_t, &mut out).expect("masked_row_sum");
                let expected = HostMatrix::from_fn(n, targets, |a, c| {
                    let column = |sign: usize, i: usize| t[(a, (layout.signs.count() * c + sign) * patterns + i)];
                    let value = |i| match layout.signs {
                        Signs::Both => column(0, i) - column(1, i),
                        Signs::Each { positive } if i < positive => column(0, i),
                        Signs::Each { .. } => -column(0, i),
                    };
                    (0..patterns).map(|i| if masked { bit(&mask, a, i) * value(i) } else { value(i) }).sum()
                });
                assert_close(backend, &out, &expected, layout.columns());
                for wrong in [
                    BlockLayout { patterns: patterns + 1, ..layout },
                    BlockLayout { targets: targets + 1, ..layout },
                    BlockLayout { signs: other(layout.signs), ..layout },
                ] {
                    let result = backend.masked_row_sum(wrong, given, &device_t, &mut out);
                    assert!(matches!(result, Err(LinalgError::Shape { .. })), "{wrong:?}: {result:?}");
                }
            }
        }
        // Twice the patterns of one sign have the columns of both: the mask tells them apart.
        let mut out = backend.zeros(n, targets).expect("zeros");
        let t = backend.zeros(n, 2 * patterns * targets).expect("zeros");
        let result = backend.masked_row_sum(BlockLayout::one(2 * patterns, targets), Some(&device_mask), &t, &mut out);
        assert!(matches!(result, Err(LinalgError::Shape { .. })), "{result:?}");
    }
}

/// Signs of another number of blocks.
fn other(signs: Signs) -> Signs {
    match signs {
        Signs::Both => Signs::Each { positive: 1 },
        Signs::Each { .. } => Signs::Both,
    }
}

/// `masked_broadcast`.
pub fn masked_broadcast<B: Backend>(backend: &B) {
    for (n, patterns, targets) in MASKED {
        let (mask, r) = (mask_of(n, patterns), filled(n, targets, 1));
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        let mut out = backend.zeros(n, patterns * targets).expect("zeros");
        backend.masked_broadcast(&device_mask, -2.0, &upload(backend, &r), &mut out).expect("masked_broadcast");
        let expected = HostMatrix::from_fn(n, patterns * targets, |a, j| {
            -2.0 * bit(&mask, a, j % patterns) * r[(a, j / patterns)]
        });
        assert_close(backend, &out, &expected, 1);
    }
}

/// `sign_flip`, with and without a subtrahend.
pub fn sign_flip<B: Backend>(backend: &B) {
    for (n, patterns, targets) in MASKED {
        let (mask, scale) = (mask_of(n, patterns), filled(n, 1, 1));
        let [x, minus] = [2, 3].map(|seed| filled(n, 2 * patterns * targets, seed));
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        let mut out = backend.zeros(n, x.cols()).expect("zeros");
        let [device_scale, device_x, device_minus] = [&scale, &x, &minus].map(|host| upload(backend, host));
        for (given, part) in [(None, 0.0), (Some(&device_minus), 1.0)] {
            backend.sign_flip(&device_mask, &device_scale, &device_x, given, &mut out).expect("sign_flip");
            let expected = HostMatrix::from_fn(n, x.cols(), |a, j| {
                (2.0 * bit(&mask, a, j % patterns) - 1.0) * scale[(a, 0)] * (x[(a, j)] - part * minus[(a, j)])
            });
            assert_close(backend, &out, &expected, 1);
        }
    }
}

/// `add_pairs` in all layouts; a layout that does not fit is an error.
pub fn add_pairs<B: Backend>(backend: &B) {
    for (m, patterns, targets) in MASKED {
        for layout in layouts(patterns, targets) {
            let (c, x) = (filled(m, layout.pairs(), 1), filled(m, layout.columns(), 2));
            let (device_c, mut out) = (upload(backend, &c), upload(backend, &x));
            backend.add_pairs(layout, 0.7, &device_c, &mut out).expect("add_pairs");
            let expected = HostMatrix::from_fn(m, x.cols(), |a, j| {
                let (per_target, run) = (layout.columns() / targets, j / patterns);
                let negative = match layout.signs {
                    Signs::Both => run % 2 == 1,
                    Signs::Each { positive } => j % patterns >= positive,
                };
                let sign = if negative { -1.0 } else { 1.0 };
                x[(a, j)] + sign * 0.7 * c[(a, j / per_target * patterns + j % patterns)]
            });
            assert_close(backend, &out, &expected, 2);
            for wrong in [
                BlockLayout { patterns: patterns + 1, ..layout },
                BlockLayout { targets: targets + 1, ..layout },
                BlockLayout { signs: other(layout.signs), ..layout },
            ] {
                let result = backend.add_pairs(wrong, 0.7, &device_c, &mut out);
                assert!(matches!(result, Err(LinalgError::Shape { .. })), "{wrong:?}: {result:?}");
            }
        }
    }
}

/// `positive_part`.
pub fn positive_part<B: Backend>(backend: &B) {
    let x = filled(333, 120, 1);
    let mut out = upload(backend, &x);
    backend.positive_part(-2.0, &mut out).expect("positive_part");
    assert_close(backend, &out, &HostMatrix::from_fn(333, 120, |i, j| (-2.0 * x[(i, j)]).max(0.0)), 1);
}

/// `group_soft_threshold`: shrinks, zeroes, leaves zero columns zero.
pub fn group_soft_threshold<B: Backend>(backend: &B) {
    for threshold in [0.0, 1.0, 3.0] {
        // Column j has entries of size j / 4, so some columns fall below the threshold and column 0 is zero.
        let raw = filled(50, 9, 1);
        let x = HostMatrix::from_fn(50, 9, |i, j| raw[(i, j)] * j as f64 / 4.0);
        let mut out = backend.zeros(50, 9).expect("zeros");
        backend.group_soft_threshold(&upload(backend, &x), threshold, &mut out).expect("prox");
        let norm = |j: usize| x.col(j).iter().map(|x| x * x).sum::<f64>().sqrt();
        let factor = |j: usize| {
            if norm(j) > threshold { 1.0 - threshold / norm(j) } else { 0.0 }
        };
        assert_close(backend, &out, &HostMatrix::from_fn(50, 9, |i, j| factor(j) * x[(i, j)]), 50);
    }
}

/// `keep_signs`: each of the four cones of an entry, under one and several runs of columns. The result has the exact
/// entries of the operand, is nearest to it (its remainder is orthogonal to it), and is a fixed point.
pub fn keep_signs<B: Backend>(backend: &B) {
    for (rows, patterns, runs) in [(1, 1, 1), (7, 3, 2), (64, 5, 1), (130, 4, 3), (700, 30, 2)] {
        let x = filled(rows, patterns * runs, 1);
        let (above, below) = (mask_of(rows, patterns), mask_of(patterns, rows));
        let below = BitMask::from_fn(rows, patterns, |i, j| below.get(j, i));
        let [device_above, device_below] = [&above, &below].map(|mask| backend.upload_mask(mask).expect("a mask"));
        let mut out = upload(backend, &x);
        let given = backend.download(&out).expect("a download");
        backend.keep_signs(&device_above, &device_below, &mut out).expect("keep_signs");
        let found = backend.download(&out).expect("a download");
        let expected = HostMatrix::from_fn(rows, patterns * runs, |i, j| {
            let (value, j) = (given[(i, j)], j % patterns);
            let stays = if value > 0.0 { above.get(i, j) } else { below.get(i, j) };
            if stays { value } else { 0.0 }
        });
        assert_eq!(found, expected);
        let remainder = found.values().iter().zip(given.values()).map(|(kept, given)| kept * (given - kept));
        assert_eq!(remainder.sum::<f64>(), 0.0);
        backend.keep_signs(&device_above, &device_below, &mut out).expect("keep_signs");
        assert_eq!(backend.download(&out).expect("a download"), expected, "a projection");
    }
    // What is not finite is not hidden.
    let mask = backend.upload_mask(&BitMask::from_fn(2, 1, |_, _| false)).expect("a mask");
    let mut not_finite = backend.zeros(2, 1).expect("zeros");
    backend.fill(1.0, &mut not_finite).expect("fill");
    backend.scale(f64::NAN, &mut not_finite).expect("scale");
    backend.keep_signs(&mask, &mask, &mut not_finite).expect("keep_signs");
    assert!(backend.norm(&not_finite).expect("a norm").is_nan());
}

/// Operands that do not fit are typed errors.
pub fn wrong_shapes_are_errors<B: Backend>(backend: &B) {
    let (a, b) = (upload(backend, &filled(3, 2, 1)), upload(backend, &filled(3, 2, 2)));
    let mut out = backend.zeros(4, 4).expect("zeros");
    let [small, large] = [2, 3].map(|cols| backend.upload_mask(&mask_of(4, cols)).expect("a mask"));
    let results = [
        backend.gemm(1.0, &a, Transpose::No, &b, Transpose::No, 0.0, &mut out),
        backend.copy(&a, &mut out),
        backend.axpby(1.0, &a, 1.0, &mut out),
        backend.dot(&a, &out).map(|_| ()),
        backend.dots(&a, &[&b, &out]).map(|_| ()),
        backend.add_terms(&[1.0], &[&a], &mut out),
        backend.add_terms(&[1.0], &[], &mut out),
        backend.add_pairs(BlockLayout::both(2, 1), 1.0, &a, &mut out),
        backend.group_soft_threshold(&a, 1.0, &mut out).map(|_| ()),
        backend.gather_columns(&a, &[0, 1], &mut out),
        backend.keep_signs(&small, &large, &mut out),
        backend.keep_signs(&large, &large, &mut out),
        backend.keep_signs(&small, &small, &mut backend.zeros(3, 2).expect("zeros")),
    ];
    for result in results {
        assert!(matches!(result, Err(LinalgError::Shape { .. })), "{result:?}");
    }
}

/// A raised token ends the long operations.
pub fn stop_requests_are_errors<B: Backend>(backend: &B) {
    let stop = backend.stop().clone();
    let upload = |rows, cols| upload(backend, &filled(rows, cols, 1));
    let (mut a, mut b, l) = (upload(20, 20), upload(20, 3), upload(20, 20));
    let mask = backend.upload_mask(&mask_of(20, 4)).expect("a mask");
    let (mut diagonal, weights) = (upload(20, 1), upload(20, 1));
    stop.raise();
    for result in [
        backend.cholesky(&mut a),
        backend.solve(&l, Half::Both, &mut b),
        backend.gemm(1.0, &l, Transpose::No, &l, Transpose::No, 0.0, &mut a),
        backend.weighted_gram(&l, &weights, 1.0, &mut a),
        backend.masked_gram(&l, &mask, &mut a, &mut diagonal),
        backend.gram(&l, true, &mut a, &mut diagonal),
    ] {
        assert!(matches!(result, Err(LinalgError::Stopped(_))), "{result:?}");
    }
}
