//! Passes over block columns under a bit mask.

use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::mask::BitMask;
use crate::stop::StopToken;
use faer::MatMut;
use faer::prelude::ReborrowMut;
use rayon::prelude::*;

const WORD: usize = u64::BITS as usize;

/// Rows of a band that stays in cache while all blocks are summed over it.
const BAND: usize = 1024;

/// Side of a tile of the n x n kernel.
const TILE: usize = 512;

/// Calls `f(bit, index)` down one packed column.
#[inline(always)]
pub(super) fn for_each_bit(words: &[u64], rows: usize, mut f: impl FnMut(bool, usize)) {
    for (w, &word) in words.iter().enumerate() {
        for bit in 0..WORD.min(rows - w * WORD) {
            f(word >> bit & 1 == 1, w * WORD + bit);
        }
    }
}

pub(super) fn masked_row_sum<T: CpuScalar>(
    mask: Option<&BitMask>,
    t: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, targets) = (t.rows(), out.cols());
    let n_patterns = mask.map_or(t.cols() / (2 * targets).max(1), BitMask::cols);
    // With a mask, one column per pattern is a sum without the second sign.
    let signs = if mask.is_some() && t.cols() == n_patterns * targets { 1 } else { 2 };
    expect_shape("masked_row_sum", "t", t, (rows, signs * n_patterns * targets))?;
    expect_shape("masked_row_sum", "out", out, (rows, targets))?;
    if let Some(mask) = mask
        && mask.rows() != rows
    {
        return Err(LinalgError::shape("masked_row_sum", format!("a mask of {} rows for {rows}", mask.rows())));
    }
    for target in 0..targets {
        let column = &mut out.values_mut()[target * rows..(target + 1) * rows];
        let band = |(index, out): (usize, &mut [T])| {
            let first = index * BAND;
            let mut sums = [0.0; BAND];
            for i in 0..n_patterns {
                let column = |sign: usize| &t.col((signs * target + sign) * n_patterns + i)[first..first + out.len()];
                let (plus, minus) = (column(0), column(signs - 1));
                let difference = |at: usize| plus[at].to_f64() - if signs == 2 { minus[at].to_f64() } else { 0.0 };
                match mask {
                    None => (0..out.len()).for_each(|at| sums[at] += difference(at)),
                    Some(mask) => {
                        let words = &mask.column(i)[first / WORD..(first + out.len()).div_ceil(WORD)];
                        for_each_bit(words, out.len(), |bit, at| {
                            sums[at] += if bit { difference(at) } else { 0.0 };
                        });
                    }
                }
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

pub(super) fn masked_broadcast<T: CpuScalar>(
    mask: &BitMask,
    alpha: f64,
    r: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns) = (mask.rows(), mask.cols());
    expect_shape("masked_broadcast", "r", r, (rows, r.cols()))?;
    expect_shape("masked_broadcast", "out", out, (rows, n_patterns * r.cols()))?;
    tiles::for_each_column(rows, out.values_mut(), |j, column| {
        let r = r.col(j / n_patterns);
        for_each_bit(mask.column(j % n_patterns), rows, |bit, at| {
            column[at] = if bit { T::from_f64(alpha * r[at].to_f64()) } else { T::ZERO };
        });
    });
    Ok(())
}

pub(super) fn sign_flip<T: CpuScalar>(
    mask: &BitMask,
    scale: &CpuMatrix<T>,
    x: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = mask.rows();
    expect_shape("sign_flip", "scale", scale, (rows, 1))?;
    expect_shape("sign_flip", "x", x, (rows, x.cols()))?;
    expect_shape("sign_flip", "out", out, (rows, x.cols()))?;
    tiles::for_each_column(rows, out.values_mut(), |j, column| {
        let (scale, x) = (scale.values(), x.col(j));
        for_each_bit(mask.column(j % mask.cols()), rows, |bit, at| {
            let value = scale[at].to_f64() * x[at].to_f64();
            column[at] = T::from_f64(if bit { value } else { -value });
        });
    });
    Ok(())
}

pub(super) fn add_pairs<T: CpuScalar>(
    targets: usize,
    alpha: f64,
    c: &CpuMatrix<T>,
    x: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns) = (c.rows(), c.cols() / targets.max(1));
    expect_shape("add_pairs", "c", c, (rows, n_patterns * targets))?;
    expect_shape("add_pairs", "x", x, (rows, 2 * c.cols()))?;
    tiles::for_each_column(rows, x.values_mut(), |j, column| {
        let (target, sign) = (j / (2 * n_patterns), j / n_patterns % 2);
        let alpha = if sign == 0 { alpha } else { -alpha };
        for (x, c) in column.iter_mut().zip(c.col(target * n_patterns + j % n_patterns)) {
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
    expect_shape("masked_gram", "out", out, (n, n))?;
    expect_shape("masked_gram", "diagonal", diagonal, (n, 1))?;
    if mask.rows() != n {
        return Err(LinalgError::shape("masked_gram", format!("a mask of {} rows for {n}", mask.rows())));
    }
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
                        T::gemm(tile.rb_mut(), false, left, right, 1.0);
                        multiply_by_counts(tile, mask, row * TILE, first);
                        Ok(())
                    })
                    .collect::<Result<(), LinalgError>>()?;
            }
            stop.check()?;
            let mut square = faer::Mat::<T>::from_fn(width, width, |_, _| T::ZERO);
            T::gemm(square.as_mut(), false, right.transpose(), right, 1.0);
            multiply_by_counts(square.as_mut(), mask, first, first);
            let mut rest = rest.subrows_mut(0, width);
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
            let left = mask.row(row + i);
            let count: u32 = left.iter().zip(right).map(|(l, r)| (l & r).count_ones()).sum();
            let entry = &mut tile[(i, j)];
            *entry = T::from_f64(entry.to_f64() * f64::from(count));
        }
    }
}
