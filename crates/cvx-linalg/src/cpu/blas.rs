//! Products, sums and norms.

use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles::{self, GEMM_ROWS};
use super::vector::vectorised;
use crate::backend::{Shape, Transpose};
use crate::error::LinalgError;
use crate::shape;
use crate::stop::StopToken;
use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};
use rayon::prelude::*;

/// Multiplications below which a product stays on one thread.
const SEQUENTIAL_PRODUCT: usize = 1 << 18;

/// Entries of one run of a dot product.
const DOT_RUN: usize = 1 << 14;

fn operand<T: CpuScalar>(matrix: &CpuMatrix<T>, op: Transpose) -> MatRef<'_, T> {
    match op {
        Transpose::No => matrix.view(),
        Transpose::Yes => matrix.view().transpose(),
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn gemm<T: CpuScalar>(
    stop: &StopToken,
    alpha: f64,
    a: &CpuMatrix<T>,
    op_a: Transpose,
    b: &CpuMatrix<T>,
    op_b: Transpose,
    beta: f64,
    c: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (a, b) = (operand(a, op_a), operand(b, op_b));
    if a.ncols() != b.nrows() {
        return Err(LinalgError::shape(
            "gemm",
            format!("op(a) is {} x {}, op(b) is {} x {}", a.nrows(), a.ncols(), b.nrows(), b.ncols()),
        ));
    }
    expect_shape("gemm", "c", c, (a.nrows(), b.ncols()))?;
    if beta != 0.0 && beta != 1.0 {
        scale(beta, c);
    }
    product(stop, c.view_mut(), beta != 0.0, a, b, alpha)
}

/// `c (+)= alpha a b` in tiles of [`GEMM_ROWS`] rows (of columns, where `c` has more of them).
pub(super) fn product<T: CpuScalar>(
    stop: &StopToken,
    c: MatMut<'_, T>,
    accumulate: bool,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    alpha: f64,
) -> Result<(), LinalgError> {
    if c.nrows() < c.ncols() && c.nrows() < 2 * GEMM_ROWS {
        return product(stop, c.transpose_mut(), accumulate, b.transpose(), a.transpose(), alpha);
    }
    if c.nrows() == 0 || c.ncols() == 0 {
        return Ok(());
    }
    if a.ncols() == 0 {
        if !accumulate {
            let mut c = c;
            c.fill(T::ZERO);
        }
        return Ok(());
    }
    let tile = |(c, a): (MatMut<'_, T>, MatRef<'_, T>)| {
        stop.check()?;
        T::gemm(c, accumulate, a, b, alpha);
        Ok(())
    };
    if c.nrows() * c.ncols() * a.ncols() <= SEQUENTIAL_PRODUCT {
        return tile((c, a));
    }
    let count = c.nrows().div_ceil(GEMM_ROWS).next_multiple_of(2);
    c.par_row_partition_mut(count).zip(a.par_row_partition(count)).map(tile).collect()
}

/// Rows of c, and of the sum, for which a piece of a is converted to f64: the piece stays in cache.
const WIDE_TILE: (usize, usize) = (256, 256);

pub(super) fn gemm_wide<T: CpuScalar>(
    stop: &StopToken,
    alpha: f64,
    a: &CpuMatrix<T>,
    op_a: Transpose,
    b: &CpuMatrix<f64>,
    beta: f64,
    c: &mut CpuMatrix<f64>,
) -> Result<(), LinalgError> {
    let a = operand(a, op_a);
    let (rows, inner) = (a.nrows(), a.ncols());
    expect_shape("gemm_wide", "b", b, (inner, b.cols()))?;
    expect_shape("gemm_wide", "c", c, (rows, b.cols()))?;
    match beta {
        0.0 => super::matrix::fill(0.0, c),
        1.0 => {}
        beta => scale(beta, c),
    }
    if rows == 0 || c.cols() == 0 {
        return Ok(());
    }
    let b = b.view();
    c.view_mut()
        .par_row_chunks_mut(WIDE_TILE.0)
        .enumerate()
        .map_init(Vec::new, |piece: &mut Vec<f64>, (index, mut tile)| {
            for first in (0..inner).step_by(WIDE_TILE.1) {
                stop.check()?;
                let (row, height, width) = (index * WIDE_TILE.0, tile.nrows(), WIDE_TILE.1.min(inner - first));
                piece.resize(height * width, 0.0);
                let part = a.submatrix(row, first, height, width);
                // The copy is stored as a is, so that both are read in order.
                let view = if op_a == Transpose::No {
                    widened(part, piece);
                    MatRef::from_column_major_slice(piece, height, width)
                } else {
                    widened(part.transpose(), piece);
                    MatRef::from_column_major_slice(piece, width, height).transpose()
                };
                f64::gemm(tile.rb_mut(), true, view, b.subrows(first, width), alpha);
            }
            Ok(())
        })
        .collect()
}

/// A copy in f64, column by column.
fn widened<T: CpuScalar>(part: MatRef<'_, T>, out: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            for (j, out) in out.chunks_exact_mut(part.nrows().max(1)).enumerate() {
                if let Some(column) = part.col(j).try_as_col_major() {
                    out.iter_mut().zip(column.as_slice()).for_each(|(out, value)| *out = value.to_f64());
                }
            }
        },
    );
}

/// Lower triangle of `shift I + a diag(w) a'`: tiles of columns, each with the rows at and below it.
pub(super) fn weighted_gram<T: CpuScalar>(
    stop: &StopToken,
    a: &CpuMatrix<T>,
    weights: &CpuMatrix<T>,
    shift: f64,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (d, n) = (a.rows(), a.cols());
    expect_shape("weighted_gram", "weights", weights, (n, 1))?;
    expect_shape("weighted_gram", "out", out, (d, d))?;
    // diag(w) is taken into one operand, half of it would need square roots of negative weights.
    let mut scaled = CpuMatrix::zeros(d, n);
    tiles::for_each_column(d, scaled.values_mut(), |j, column| {
        let weight = weights.values()[j].to_f64();
        for (out, value) in column.iter_mut().zip(a.col(j)) {
            *out = T::from_f64(weight * value.to_f64());
        }
    });
    let (a, scaled) = (a.view(), scaled.view());
    for_each_lower_block(d, out, |first, width, block| {
        stop.check()?;
        let right = scaled.subrows(first, width).transpose();
        let (mut square, below) = block.split_at_row_mut(width);
        // Of the square on the diagonal one half is enough; the other stays as it was.
        (0..width).for_each(|j| square.rb_mut().col_mut(j).subrows_mut(j, width - j).fill(T::ZERO));
        T::gemm_lower(square, a.subrows(first, width), right, 1.0);
        product(stop, below, false, a.subrows(first + width, d - first - width), right, 1.0)
    })?;
    for i in 0..d {
        let diagonal = &mut out.values_mut()[i * d + i];
        *diagonal = T::from_f64(diagonal.to_f64() + shift);
    }
    Ok(())
}

/// Calls `f(first, width, block)` for blocks of columns, with the part of them at and below row `first`.
fn for_each_lower_block<T: CpuScalar>(
    order: usize,
    out: &mut CpuMatrix<T>,
    f: impl Fn(usize, usize, MatMut<'_, T>) -> Result<(), LinalgError> + Sync,
) -> Result<(), LinalgError> {
    out.values_mut()
        .par_chunks_mut(order.max(1) * GEMM_ROWS)
        .enumerate()
        .map(|(index, columns)| {
            let (first, width) = (index * GEMM_ROWS, columns.len() / order);
            let columns = MatMut::from_column_major_slice_mut(columns, order, width);
            f(first, width, columns.subrows_mut(first, order - first))
        })
        .collect()
}

pub(super) fn scale<T: CpuScalar>(factor: f64, x: &mut CpuMatrix<T>) {
    tiles::for_each_column(x.rows(), x.values_mut(), |_, column| {
        for value in column {
            *value = T::from_f64(factor * value.to_f64());
        }
    });
}

pub(super) fn axpby<T: CpuScalar>(
    alpha: f64,
    x: &CpuMatrix<T>,
    beta: f64,
    y: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("axpby", "y", y, (x.rows(), x.cols()))?;
    tiles::for_each_column(x.rows(), y.values_mut(), |j, column| {
        for (y, x) in column.iter_mut().zip(x.col(j)) {
            // beta = 0 must not turn an infinite y into NaN.
            let kept = if beta == 0.0 { 0.0 } else { beta * y.to_f64() };
            *y = T::from_f64(alpha * x.to_f64() + kept);
        }
    });
    Ok(())
}

pub(super) fn hadamard<T: CpuScalar>(
    x: &CpuMatrix<T>,
    y: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("hadamard", "y", y, (x.rows(), x.cols()))?;
    expect_shape("hadamard", "out", out, (x.rows(), x.cols()))?;
    tiles::for_each_column(x.rows(), out.values_mut(), |j, column| {
        for (out, (x, y)) in column.iter_mut().zip(x.col(j).iter().zip(y.col(j))) {
            *out = T::from_f64(x.to_f64() * y.to_f64());
        }
    });
    Ok(())
}

/// Each entry is summed in f64 and rounded once.
pub(super) fn add_terms<T: CpuScalar>(
    weights: &[f64],
    terms: &[&CpuMatrix<T>],
    y: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    shape::weights("add_terms", weights.len(), terms.len())?;
    for term in terms {
        expect_shape("add_terms", "a term", term, (y.rows(), y.cols()))?;
    }
    tiles::for_each_run(y.values_mut(), |first, y| {
        let mut sums = [0.0; tiles::RUN];
        let sums = &mut sums[..y.len()];
        sums.iter_mut().zip(&*y).for_each(|(sum, y)| *sum = y.to_f64());
        for (weight, term) in weights.iter().zip(terms) {
            let term = &term.values()[first..first + sums.len()];
            sums.iter_mut().zip(term).for_each(|(sum, x)| *sum += weight * x.to_f64());
        }
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y = T::from_f64(*sum));
    });
    Ok(())
}

/// Runs of `x` are read once for all products.
pub(super) fn dots<T: CpuScalar>(
    x: &CpuMatrix<T>,
    others: &[&CpuMatrix<T>],
    products: &mut [f64],
) -> Result<(), LinalgError> {
    for other in others {
        expect_shape("dots", "y", other, (x.rows(), x.cols()))?;
    }
    let x = x.values();
    let work = x.len().saturating_mul(others.len());
    tiles::sums(x.len().div_ceil(DOT_RUN), work, products, |run, sums| {
        let bounds = run * DOT_RUN..((run + 1) * DOT_RUN).min(x.len());
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum += dot_slice(&x[bounds.clone()], &other.values()[bounds.clone()]);
        }
    });
    Ok(())
}

/// Sixteen running sums, for the compiler to keep in four registers: one alone would wait for each addition.
#[inline(always)]
fn dot_slice<T: CpuScalar>(x: &[T], y: &[T]) -> f64 {
    let mut sums = [0.0; 16];
    let (x_chunks, y_chunks) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest: f64 = (x_chunks.remainder().iter().zip(y_chunks.remainder())).map(|(x, y)| x.to_f64() * y.to_f64()).sum();
    for (x, y) in x_chunks.zip(y_chunks) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x.to_f64() * y.to_f64();
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Euclidean norm in f64, scaled only where the plain sum of squares would over- or underflow.
#[inline(always)]
pub(super) fn norm_slice<T: CpuScalar>(x: &[T]) -> f64 {
    let square = dot_slice(x, x);
    // NaN is to be seen, and the maximum below would pass it over.
    if square.is_nan() || square.is_finite() && square > 1e-280 {
        return square.sqrt();
    }
    let largest = x.iter().fold(0.0, |max: f64, x| max.max(x.to_f64().abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * x.iter().map(|x| (x.to_f64() / largest).powi(2)).sum::<f64>().sqrt()
}

pub(super) fn column_norms<T: CpuScalar>(x: &CpuMatrix<T>) -> Vec<f64> {
    let mut norms = vec![0.0; x.cols()];
    norms.par_iter_mut().enumerate().with_min_len(4).for_each(|(j, norm)| *norm = vectorised(|| norm_slice(x.col(j))));
    norms
}
