//! Passes over block columns under a bit mask.

use super::blas::axpby;
use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use super::vector::vectorised;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::layout::{BlockLayout, Signs};
use crate::mask::BitMask;
use crate::shape;
use crate::stop::StopToken;
use faer::MatMut;
use faer::prelude::ReborrowMut;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

/// Rows of a word.
pub(super) const WORD: usize = u64::BITS as usize;

/// Rows of a band that stays in cache while all blocks are summed over it.
const BAND: usize = 1024;

/// The bits of a band that no mask cuts.
const ALL: [u64; BAND / WORD] = [u64::MAX; BAND / WORD];

/// Side of a tile of the n x n kernel.
const TILE: usize = 512;

/// `value` where the bit is set, else 0. Without a branch, so that whole words go through vector registers.
#[inline(always)]
fn kept(word: u64, bit: usize, value: f64) -> f64 {
    f64::from_bits(value.to_bits() & (word >> bit & 1).wrapping_neg())
}

/// `value` where the bit is set, else `-value`.
#[inline(always)]
pub(super) fn signed(word: u64, bit: usize, value: f64) -> f64 {
    f64::from_bits(value.to_bits() ^ (!word >> bit & 1) << 63)
}

/// Calls `f(word, rows)` for each word of a packed column, with the rows that its bits are of.
#[inline(always)]
pub(super) fn for_each_word(words: &[u64], rows: usize, mut f: impl FnMut(u64, Range<usize>)) {
    for (w, &word) in words.iter().enumerate() {
        f(word, w * WORD..((w + 1) * WORD).min(rows));
    }
}

pub(super) fn masked_row_sum<T: CpuScalar>(
    layout: BlockLayout,
    mask: Option<&BitMask>,
    t: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns, targets) = (t.rows(), layout.patterns, layout.targets);
    let signs = layout.signs.count();
    expect_shape("masked_row_sum", "t", t, (rows, layout.columns()))?;
    expect_shape("masked_row_sum", "out", out, (rows, targets))?;
    if let Some(mask) = mask {
        shape::expect("masked_row_sum", "the mask", (mask.rows(), mask.cols()), (rows, n_patterns))?;
    }
    for target in 0..targets {
        let column = &mut out.values_mut()[target * rows..(target + 1) * rows];
        let band = |(index, out): (usize, &mut [T])| {
            let first = index * BAND;
            let mut sums = [0.0; BAND];
            for i in 0..n_patterns {
                let column = |sign: usize| &t.col((signs * target + sign) * n_patterns + i)[first..first + out.len()];
                let alone = if layout.is_negative(i) { -1.0 } else { 1.0 };
                let words = mask.map(|mask| &mask.column(i)[first / WORD..(first + out.len()).div_ceil(WORD)]);
                let words = words.unwrap_or(&ALL[..out.len().div_ceil(WORD)]);
                let sums = &mut sums[..out.len()];
                vectorised(
                    #[inline(always)]
                    || match layout.signs {
                        Signs::Each { .. } => add_kept(words, alone, column(0), sums),
                        Signs::Both => add_kept_differences(words, column(0), column(1), sums),
                    },
                );
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::from_f64(sum));
        };
        if t.cols() * rows <= 1 << 15 {
            column.chunks_mut(BAND).enumerate().for_each(band);
        } else {
            column.par_chunks_mut(BAND).enumerate().for_each(band);
        }
    }
    Ok(())
}

/// `sums += sign d o t`.
#[inline(always)]
fn add_kept<T: CpuScalar>(words: &[u64], sign: f64, t: &[T], sums: &mut [f64]) {
    for_each_word(words, t.len(), |word, rows| {
        for (bit, (sum, t)) in sums[rows.clone()].iter_mut().zip(&t[rows]).enumerate() {
            *sum += kept(word, bit, sign * t.to_f64());
        }
    });
}

/// `sums += d o (plus - minus)`.
#[inline(always)]
fn add_kept_differences<T: CpuScalar>(words: &[u64], plus: &[T], minus: &[T], sums: &mut [f64]) {
    for_each_word(words, plus.len(), |word, rows| {
        let pairs = plus[rows.clone()].iter().zip(&minus[rows.clone()]);
        for (bit, (sum, (plus, minus))) in sums[rows].iter_mut().zip(pairs).enumerate() {
            *sum += kept(word, bit, plus.to_f64() - minus.to_f64());
        }
    });
}

pub(super) fn masked_broadcast<T: CpuScalar>(
    mask: &BitMask,
    alpha: f64,
    r: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns) = (mask.rows(), mask.cols());
    expect_shape("masked_broadcast", "r", r, (rows, r.cols()))?;
    expect_shape("masked_broadcast", "out", out, (rows, n_patterns * r.cols()))?;
    tiles::for_each_column(
        rows,
        out.values_mut(),
        #[inline(always)]
        |j, column| {
            let r = r.col(j / n_patterns);
            broadcast_column(mask.column(j % n_patterns), alpha, r, column);
        },
    );
    Ok(())
}

/// `out = alpha d o r`.
#[inline(always)]
fn broadcast_column<T: CpuScalar>(words: &[u64], alpha: f64, r: &[T], out: &mut [T]) {
    for_each_word(words, out.len(), |word, rows| {
        for (bit, (out, r)) in out[rows.clone()].iter_mut().zip(&r[rows]).enumerate() {
            *out = T::from_f64(kept(word, bit, alpha * r.to_f64()));
        }
    });
}

pub(super) fn sign_flip<T: CpuScalar>(
    mask: &BitMask,
    scale: &CpuMatrix<T>,
    x: &CpuMatrix<T>,
    minus: Option<&CpuMatrix<T>>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = mask.rows();
    expect_shape("sign_flip", "scale", scale, (rows, 1))?;
    expect_shape("sign_flip", "x", x, (rows, x.cols()))?;
    minus.map_or(Ok(()), |minus| expect_shape("sign_flip", "minus", minus, (rows, x.cols())))?;
    expect_shape("sign_flip", "out", out, (rows, x.cols()))?;
    tiles::for_each_column(
        rows,
        out.values_mut(),
        #[inline(always)]
        |j, column| {
            let (words, scale) = (mask.column(j % mask.cols()), scale.values());
            match minus {
                Some(minus) => flip_difference(words, scale, x.col(j), minus.col(j), column),
                None => flip_column(words, scale, x.col(j), column),
            }
        },
    );
    Ok(())
}

/// `out = scale (2 d - 1) o x`.
#[inline(always)]
fn flip_column<T: CpuScalar>(words: &[u64], scale: &[T], x: &[T], out: &mut [T]) {
    for_each_word(words, out.len(), |word, rows| {
        let entries = scale[rows.clone()].iter().zip(&x[rows.clone()]);
        for (bit, (out, (scale, x))) in out[rows].iter_mut().zip(entries).enumerate() {
            *out = T::from_f64(signed(word, bit, scale.to_f64() * x.to_f64()));
        }
    });
}

/// `out = scale (2 d - 1) o (x - minus)`.
#[inline(always)]
fn flip_difference<T: CpuScalar>(words: &[u64], scale: &[T], x: &[T], minus: &[T], out: &mut [T]) {
    for_each_word(words, out.len(), |word, rows| {
        let entries = scale[rows.clone()].iter().zip(&x[rows.clone()]).zip(&minus[rows.clone()]);
        for (bit, (out, ((scale, x), minus))) in out[rows].iter_mut().zip(entries).enumerate() {
            *out = T::from_f64(signed(word, bit, scale.to_f64() * (x.to_f64() - minus.to_f64())));
        }
    });
}

pub(super) fn add_pairs<T: CpuScalar>(
    layout: BlockLayout,
    alpha: f64,
    c: &CpuMatrix<T>,
    x: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns) = (c.rows(), layout.patterns);
    expect_shape("add_pairs", "c", c, (rows, layout.pairs()))?;
    expect_shape("add_pairs", "x", x, (rows, layout.columns()))?;
    if let Signs::Each { positive } = layout.signs
        && positive >= n_patterns
    {
        return axpby(alpha, c, 1.0, x);
    }
    tiles::for_each_column(rows, x.values_mut(), |j, column| {
        let alpha = layout.sign(j) * alpha;
        for (x, c) in column.iter_mut().zip(c.col(layout.target(j) * n_patterns + layout.pattern(j))) {
            *x = T::from_f64(x.to_f64() + alpha * c.to_f64());
        }
    });
    Ok(())
}

pub(super) fn masked_gram<T: CpuScalar>(
    stop: &StopToken,
    a: &CpuMatrix<T>,
    mask: &BitMask,
    out: &mut CpuMatrix<T>,
    diagonal: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let n = a.cols();
    if mask.rows() != n {
        return Err(LinalgError::shape("masked_gram", format!("a mask of {} rows for {n}", mask.rows())));
    }
    let counted = |tile: MatMut<'_, T>, row, column| multiply_by_counts(tile, mask, row, column);
    gram_in_tiles("masked_gram", stop, a, false, counted, out, diagonal)
}

pub(super) fn gram<T: CpuScalar>(
    stop: &StopToken,
    a: &CpuMatrix<T>,
    accumulate: bool,
    out: &mut CpuMatrix<T>,
    diagonal: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    gram_in_tiles("gram", stop, a, accumulate, |_, _, _| {}, out, diagonal)
}

/// `a'a` above the diagonal of `out` and in `diagonal`, added to what is there with `accumulate`. `finish(tile, row,
/// column)` is called for each tile that was written, and for the square at the diagonal.
fn gram_in_tiles<T: CpuScalar>(
    operation: &'static str,
    stop: &StopToken,
    a: &CpuMatrix<T>,
    accumulate: bool,
    finish: impl Fn(MatMut<'_, T>, usize, usize) + Sync,
    out: &mut CpuMatrix<T>,
    diagonal: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let n = a.cols();
    expect_shape(operation, "out", out, (n, n))?;
    expect_shape(operation, "diagonal", diagonal, (n, 1))?;
    let a = a.view();
    // Blocks of columns, the last (and tallest) first; a block's tiles reach from row 0 to its own diagonal.
    out.values_mut()
        .par_chunks_mut((n * TILE).max(1))
        .zip(diagonal.values_mut().par_chunks_mut(TILE))
        .enumerate()
        .rev()
        .with_max_len(1)
        .map(|(index, (columns, diagonal))| {
            let (first, width) = (index * TILE, diagonal.len());
            let right = a.subcols(first, width);
            let columns = MatMut::from_column_major_slice_mut(columns, n, width);
            let (above, rest) = columns.split_at_row_mut(first);
            if first > 0 {
                above
                    .par_row_chunks_mut(TILE)
                    .enumerate()
                    .map(|(row, mut tile)| {
                        stop.check()?;
                        let left = a.subcols(row * TILE, tile.nrows()).transpose();
                        T::gemm(tile.rb_mut(), accumulate, left, right, 1.0);
                        finish(tile, row * TILE, first);
                        Ok(())
                    })
                    .collect::<Result<(), LinalgError>>()?;
            }
            stop.check()?;
            let mut rest = rest.subrows_mut(0, width);
            let mut square = faer::Mat::<T>::from_fn(width, width, |i, j| match i.cmp(&j) {
                Ordering::Less => rest[(i, j)],
                Ordering::Equal => diagonal[i],
                Ordering::Greater => T::ZERO,
            });
            T::gemm(square.as_mut(), accumulate, right.transpose(), right, 1.0);
            finish(square.as_mut(), first, first);
            for j in 0..width {
                diagonal[j] = square[(j, j)];
                for i in 0..j {
                    rest[(i, j)] = square[(i, j)];
                }
            }
            Ok(())
        })
        .collect()
}

/// Number of patterns that two samples share.
#[inline(always)]
pub(super) fn shared(left: &[u64], right: &[u64]) -> u32 {
    left.iter().zip(right).map(|(l, r)| (l & r).count_ones()).sum()
}

/// `tile o (D D')` for the tile at (`row`, `column`).
fn multiply_by_counts<T: CpuScalar>(tile: MatMut<'_, T>, mask: &BitMask, row: usize, column: usize) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("popcnt") {
        #[target_feature(enable = "popcnt")]
        fn with_popcnt<T: CpuScalar>(tile: MatMut<'_, T>, mask: &BitMask, row: usize, column: usize) {
            counts(tile, mask, row, column);
        }
        // SAFETY: the processor was just asked whether it has the instruction.
        return unsafe { with_popcnt(tile, mask, row, column) };
    }
    counts(tile, mask, row, column);
}

#[inline(always)]
fn counts<T: CpuScalar>(mut tile: MatMut<'_, T>, mask: &BitMask, row: usize, column: usize) {
    for j in 0..tile.ncols() {
        let right = mask.row(column + j);
        for i in 0..tile.nrows() {
            let count = shared(mask.row(row + i), right);
            let entry = &mut tile[(i, j)];
            *entry = T::from_f64(entry.to_f64() * f64::from(count));
        }
    }
}
