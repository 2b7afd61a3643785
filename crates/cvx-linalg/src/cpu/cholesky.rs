//! Blocked Cholesky factor and solves: a right-looking factorisation whose trailing update is plain GEMM.

use super::blas;
use super::kernel::CpuScalar;
use super::masks::shared;
use super::matrix::{CpuMatrix, expect_shape};
use super::vector::vectorised;
use crate::backend::{Half, Shape};
use crate::error::LinalgError;
use crate::mask::BitMask;
use crate::shape;
use crate::stop::StopToken;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Columns of a panel: its own factor is sequential, the update that it feeds has this inner dimension.
const PANEL: usize = 512;

/// Right-hand sides per task of a wide solve.
const RHS_RUN: usize = 256;

pub(super) fn factor<T: CpuScalar>(stop: &StopToken, a: &mut CpuMatrix<T>) -> Result<(), LinalgError> {
    let order = a.rows();
    expect_shape("cholesky", "a", a, (order, order))?;
    let mut trailing = a.view_mut();
    let mut done = 0;
    while trailing.nrows() > 0 {
        let width = PANEL.min(trailing.nrows());
        let (panel, rest) = trailing.split_at_col_mut(width);
        let (mut head, mut below) = panel.split_at_row_mut(width);
        stop.check()?;
        // faer overwrites the part above the diagonal, which is not ours to touch: it works on a copy.
        let mut square = Mat::from_fn(width, width, |i, j| if i < j { T::ZERO } else { head[(i, j)] });
        let factored = T::cholesky(square.as_mut());
        for j in 0..width {
            (j..width).for_each(|i| head[(i, j)] = square[(i, j)]);
        }
        factored.map_err(|pivot| LinalgError::NotPositiveDefinite { pivot: done + pivot })?;
        let (head, count) = (head.rb(), below.nrows().div_ceil(PANEL / 2));
        if count > 0 {
            // L21 = A21 L11^-T, row by row.
            (below.rb_mut().par_row_partition_mut(count)).for_each(|rows| T::solve_lower(head, rows.transpose_mut()));
        }
        trailing = rest.subrows_mut(width, below.nrows());
        update(stop, trailing.rb_mut(), below.rb())?;
        done += width;
    }
    Ok(())
}

/// Lower triangle of `a -= l l'`, the tallest column blocks first so that the threads end together.
fn update<T: CpuScalar>(stop: &StopToken, a: MatMut<'_, T>, l: MatRef<'_, T>) -> Result<(), LinalgError> {
    let order = a.nrows();
    a.par_col_chunks_mut(PANEL)
        .enumerate()
        .with_max_len(1)
        .map(|(index, columns)| {
            let (first, width) = (index * PANEL, columns.ncols());
            let right = l.subrows(first, width).transpose();
            let (square, below) = columns.subrows_mut(first, order - first).split_at_row_mut(width);
            T::gemm_lower(square, l.subrows(first, width), right, -1.0);
            let left = l.subrows(first + width, below.nrows());
            let tiles = below.nrows().div_ceil(2 * PANEL);
            if tiles == 0 {
                return Ok(());
            }
            (below.par_row_partition_mut(tiles).zip(left.par_row_partition(tiles)))
                .map(|(tile, left)| {
                    stop.check()?;
                    T::gemm(tile, true, left, right, -1.0);
                    Ok(())
                })
                .collect()
        })
        .collect()
}

pub(super) fn solve<T: CpuScalar>(
    stop: &StopToken,
    l: &CpuMatrix<T>,
    half: Half,
    b: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let order = l.rows();
    expect_shape("solve", "l", l, (order, order))?;
    expect_shape("solve", "b", b, (order, b.cols()))?;
    let (lower, upper) = (half != Half::Upper, half != Half::Lower);
    if b.cols() >= RHS_RUN {
        // Many right-hand sides: each task takes some of them through the whole factor.
        return (b.view_mut().par_col_chunks_mut(RHS_RUN))
            .map(|mut columns| {
                stop.check()?;
                if lower {
                    T::solve_lower(l.view(), columns.rb_mut());
                }
                if upper {
                    T::solve_upper(l.view(), columns);
                }
                Ok(())
            })
            .collect();
    }
    if lower {
        forward(stop, l.view(), b.view_mut())?;
    }
    if upper {
        backward(stop, l.view(), b.view_mut())?;
    }
    Ok(())
}

/// `b = l^-1 b` by panels: bound by reading the factor once, so the update below each panel is cut into rows.
fn forward<T: CpuScalar>(stop: &StopToken, l: MatRef<'_, T>, b: MatMut<'_, T>) -> Result<(), LinalgError> {
    let order = l.nrows();
    let mut rest = b;
    let mut first = 0;
    while first < order {
        let width = PANEL.min(order - first);
        let (mut head, mut below) = rest.split_at_row_mut(width);
        T::solve_lower(l.submatrix(first, first, width, width), head.rb_mut());
        let panel = l.submatrix(first + width, first, order - first - width, width);
        blas::product(stop, below.rb_mut(), true, panel, head.rb(), -1.0)?;
        rest = below;
        first += width;
    }
    Ok(())
}

/// `b = l^-T b` by panels from the end; the sums down each panel are cut into columns.
fn backward<T: CpuScalar>(stop: &StopToken, l: MatRef<'_, T>, b: MatMut<'_, T>) -> Result<(), LinalgError> {
    let order = l.nrows();
    let mut b = b;
    let mut end = order;
    while end > 0 {
        let first = (end - 1) / PANEL * PANEL;
        let width = end - first;
        let (mut head, below) = b.rb_mut().split_at_row_mut(end);
        let mut block = head.rb_mut().subrows_mut(first, width);
        let panel = l.submatrix(end, first, order - end, width).transpose();
        if order > end {
            let count = width.div_ceil(PANEL / 8);
            (block.rb_mut().par_row_partition_mut(count).zip(panel.par_row_partition(count)))
                .for_each(|(block, panel)| T::gemm(block, true, panel, below.rb(), -1.0));
        }
        stop.check()?;
        T::solve_upper(l.submatrix(first, first, width, width), block);
        end = first;
    }
    Ok(())
}

/// Mirrors `scale N` from above the diagonal to below it, with `1 + scale diagonal` on it. With a mask, each entry is
/// multiplied by the number of patterns that its two samples share.
pub(super) fn shifted_lower<T: CpuScalar>(
    scale: f64,
    mask: Option<&BitMask>,
    diagonal: &CpuMatrix<T>,
    matrix: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let order = matrix.rows();
    expect_shape("shifted_lower", "matrix", matrix, (order, order))?;
    expect_shape("shifted_lower", "diagonal", diagonal, (order, 1))?;
    if let Some(mask) = mask {
        shape::expect("shifted_lower", "the mask", (mask.rows(), 0), (order, 0))?;
    }
    /// Side of the squares that are transposed in cache.
    const SIDE: usize = 64;
    let mut trailing = matrix.view_mut();
    let mut first = 0;
    while trailing.ncols() > 0 {
        let width = SIDE.min(trailing.ncols());
        let (top, below) = trailing.split_at_row_mut(width);
        let (mut square, right) = top.split_at_col_mut(width);
        let (mut left, rest) = below.split_at_col_mut(width);
        for j in 0..width {
            let counted = counted(mask, first + j, first + j, diagonal.values()[first + j]);
            square[(j, j)] = T::from_f64(1.0 + scale * counted.to_f64());
            for i in j + 1..width {
                square[(i, j)] =
                    T::from_f64(scale * self::counted(mask, first + i, first + j, square[(j, i)]).to_f64());
            }
        }
        let right = right.rb();
        let parts = left.rb_mut().par_row_chunks_mut(SIDE).zip(right.par_col_chunks(SIDE));
        parts.enumerate().with_min_len(8).for_each(|(part, (mut left, right))| {
            let start = first + width + part * SIDE;
            vectorised(
                #[inline(always)]
                || {
                    for j in 0..width {
                        for i in 0..left.nrows() {
                            let value = counted(mask, start + i, first + j, right[(j, i)]);
                            left[(i, j)] = T::from_f64(scale * value.to_f64());
                        }
                    }
                },
            );
        });
        trailing = rest;
        first += width;
    }
    Ok(())
}

/// `value` times the number of patterns of which samples `a` and `b` are, in storage precision.
#[inline(always)]
fn counted<T: CpuScalar>(mask: Option<&BitMask>, a: usize, b: usize, value: T) -> T {
    match mask {
        None => value,
        Some(mask) => T::from_f64(value.to_f64() * f64::from(shared(mask.row(a), mask.row(b)))),
    }
}
