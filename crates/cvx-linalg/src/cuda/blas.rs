//! Products, sums and norms.

use super::device::failure;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{self, launch, over_columns, over_entries};
use super::matrix::{CudaMatrix, expect_shape, fill, read_part};
use super::part::Part;
use super::scalar::{CUBLAS_OP_N, CUBLAS_OP_T, CudaScalar, cublasOperation_t};
use crate::backend::{Backend, Shape, Transpose};
use crate::error::LinalgError;
use crate::shape;
use cudarc::driver::{CudaSlice, LaunchConfig};

/// Samples whose weighted copy is in memory at a time.
const WEIGHTED_RUN: usize = 8192;

fn operation(op: Transpose) -> cublasOperation_t {
    match op {
        Transpose::No => CUBLAS_OP_N,
        Transpose::Yes => CUBLAS_OP_T,
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn gemm<T: CudaScalar>(
    cuda: &Cuda<T>,
    alpha: f64,
    a: &CudaMatrix<T>,
    op_a: Transpose,
    b: &CudaMatrix<T>,
    op_b: Transpose,
    beta: f64,
    c: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let shape = |matrix: &CudaMatrix<T>, op| match op {
        Transpose::No => (matrix.rows(), matrix.cols()),
        Transpose::Yes => (matrix.cols(), matrix.rows()),
    };
    let ((rows, inner), (other, cols)) = (shape(a, op_a), shape(b, op_b));
    if inner != other {
        let detail = format!("op(a) is {rows} x {inner}, op(b) is {other} x {cols}");
        return Err(LinalgError::shape("gemm", detail));
    }
    expect_shape("gemm", "c", c, (rows, cols))?;
    cuda.stop.check()?;
    // Nothing is known any more of what c held.
    c.values_mut();
    product(cuda, alpha, (a.whole(), operation(op_a)), (b.whole(), operation(op_b)), beta, c.whole())
}

/// `c = alpha op(a) op(b) + beta c` of parts whose shapes fit.
pub(super) fn product<T: CudaScalar>(
    cuda: &Cuda<T>,
    alpha: f64,
    a: (Part<T>, cublasOperation_t),
    b: (Part<T>, cublasOperation_t),
    beta: f64,
    c: Part<T>,
) -> Result<(), LinalgError> {
    if c.rows == 0 || c.cols == 0 {
        return Ok(());
    }
    // SAFETY: the parts lie in matrices that the caller holds, and their shapes fit.
    unsafe { T::gemm(cuda.device.blas()?, alpha, a, b, beta, c) }.result().map_err(|error| failure("gemm", error))
}

/// Columns of a that are converted to f64 at a time.
const WIDE_RUN: usize = 512;

pub(super) fn gemm_wide<T: CudaScalar>(
    cuda: &Cuda<T>,
    alpha: f64,
    a: &CudaMatrix<T>,
    op_a: Transpose,
    b: &CudaMatrix<f64>,
    beta: f64,
    c: &mut CudaMatrix<f64>,
) -> Result<(), LinalgError> {
    let (wide, height, columns) = (cuda.wide(), a.rows(), b.cols());
    let (rows, inner) = if op_a == Transpose::No { (height, a.cols()) } else { (a.cols(), height) };
    expect_shape("gemm_wide", "b", b, (inner, columns))?;
    expect_shape("gemm_wide", "c", c, (rows, columns))?;
    match beta {
        0.0 => fill(&wide, 0.0, c)?,
        beta => scale(&wide, beta, c)?,
    }
    let mut run = CudaMatrix::zeros(cuda, height, WIDE_RUN.min(a.cols()))?;
    let mut copy = wide.zeros(height, run.cols())?;
    for first in (0..a.cols()).step_by(WIDE_RUN) {
        cuda.stop.check()?;
        let width = WIDE_RUN.min(a.cols() - first);
        if width < run.cols() {
            (run, copy) = (CudaMatrix::zeros(cuda, height, width)?, wide.zeros(height, width)?);
        }
        read_part(cuda, a, first * height, &mut run)?;
        cuda.widen(&run, &mut copy)?;
        // Without the transpose, the columns of a are terms of the sum; with it, they are rows of c.
        let (b, c) = match op_a {
            Transpose::No => (b.whole().part(first, 0, width, columns), c.whole()),
            Transpose::Yes => (b.whole(), c.whole().part(first, 0, width, columns)),
        };
        product(&wide, alpha, (copy.whole(), operation(op_a)), (b, CUBLAS_OP_N), 1.0, c)?;
    }
    Ok(())
}

pub(super) fn weighted_gram<T: CudaScalar>(
    cuda: &Cuda<T>,
    a: &CudaMatrix<T>,
    weights: &CudaMatrix<T>,
    shift: f64,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (d, n) = (a.rows(), a.cols());
    expect_shape("weighted_gram", "weights", weights, (n, 1))?;
    expect_shape("weighted_gram", "out", out, (d, d))?;
    let mut scaled = cuda.device.uninitialised::<T>(d * n.min(WEIGHTED_RUN))?;
    if n == 0 {
        fill(cuda, 0.0, out)?;
    }
    let gram = out.whole();
    for first in (0..n).step_by(WEIGHTED_RUN) {
        cuda.stop.check()?;
        let width = WEIGHTED_RUN.min(n - first);
        let (rows, cols) = (d as u64, width as u64);
        let grid = launch::over_blocks(d, width, 1);
        let samples = a.values().slice(first * d..(first + width) * d);
        let run = weights.values().slice(first..first + width);
        launch!(&cuda.device, Kernel::ScaleColumns, T, grid, &rows, &cols, &run, &samples, &mut scaled)?;
        let (a, scaled) = (a.whole().part(0, first, d, width), Part::of(&scaled, d, width));
        let beta = if first == 0 { 0.0 } else { 1.0 };
        // SAFETY: the parts lie in matrices that this function holds; a diag(w) a' is symmetric.
        unsafe { T::syrkx(cuda.device.blas()?, 1.0, a, scaled, beta, gram) }
            .result()
            .map_err(|error| failure("weighted_gram", error))?;
    }
    let (order, grid) = (d as u64, over_entries(d));
    launch!(&cuda.device, Kernel::ShiftDiagonal, T, grid, &order, &shift, out.values_mut())
}

pub(super) fn scale<T: CudaScalar>(cuda: &Cuda<T>, alpha: f64, x: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    launch!(&cuda.device, Kernel::Scale, T, grid, &count, &alpha, x.values_mut())
}

pub(super) fn axpby<T: CudaScalar>(
    cuda: &Cuda<T>,
    alpha: f64,
    x: &CudaMatrix<T>,
    beta: f64,
    y: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("axpby", "y", y, (x.rows(), x.cols()))?;
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    launch!(&cuda.device, Kernel::Axpby, T, grid, &count, &alpha, x.values(), &beta, y.values_mut())
}

pub(super) fn hadamard<T: CudaScalar>(
    cuda: &Cuda<T>,
    x: &CudaMatrix<T>,
    y: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("hadamard", "y", y, (x.rows(), x.cols()))?;
    expect_shape("hadamard", "out", out, (x.rows(), x.cols()))?;
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    launch!(&cuda.device, Kernel::Hadamard, T, grid, &count, x.values(), y.values(), out.values_mut())
}

/// A launch for each term: they follow one another on the device, and nothing waits.
pub(super) fn add_terms<T: CudaScalar>(
    cuda: &Cuda<T>,
    weights: &[f64],
    terms: &[&CudaMatrix<T>],
    y: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    shape::weights("add_terms", weights.len(), terms.len())?;
    weights.iter().zip(terms).try_for_each(|(&weight, term)| axpby(cuda, weight, term, 1.0, y))
}

pub(super) fn dots<T: CudaScalar>(
    cuda: &Cuda<T>,
    x: &CudaMatrix<T>,
    others: &[&CudaMatrix<T>],
    products: &mut [f64],
) -> Result<(), LinalgError> {
    for other in others {
        expect_shape("dots", "y", other, (x.rows(), x.cols()))?;
    }
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    let blocks = launch::blocks(&grid);
    sums(cuda, &grid, products, |partials| {
        for (other, k) in others.iter().zip(0..) {
            let mut partials = partials.slice_mut(k * blocks..(k + 1) * blocks);
            launch!(&cuda.device, Kernel::DotPartials, T, grid, &count, x.values(), other.values(), &mut partials)?;
        }
        Ok(())
    })
}

/// Sums over the blocks of launches on a grid, which leave partial ones, sum by sum.
pub(super) fn sums<T: CudaScalar>(
    cuda: &Cuda<T>,
    grid: &LaunchConfig,
    out: &mut [f64],
    launch: impl FnOnce(&mut CudaSlice<f64>) -> Result<(), LinalgError>,
) -> Result<(), LinalgError> {
    let (length, count) = (out.len(), launch::blocks(grid));
    out.fill(0.0);
    if length * count == 0 {
        return Ok(());
    }
    let mut partials = cuda.device.uninitialised(length * count)?;
    launch(&mut partials)?;
    let mut totals = cuda.device.uninitialised(length)?;
    let count = count as u64;
    launch!(&cuda.device, Kernel::SumPartials, T, over_columns(length), &count, &partials, &mut totals)?;
    cuda.device.stream.memcpy_dtoh(&totals, out).map_err(|error| failure("sum", error))?;
    cuda.device.synchronize()
}

pub(super) fn column_norms<T: CudaScalar>(cuda: &Cuda<T>, x: &CudaMatrix<T>) -> Result<Vec<f64>, LinalgError> {
    let mut norms = vec![0.0; x.cols()];
    if norms.is_empty() {
        return Ok(norms);
    }
    let mut out = cuda.device.uninitialised(x.cols())?;
    let rows = x.rows() as u64;
    launch!(&cuda.device, Kernel::ColumnNorms, T, over_columns(x.cols()), &rows, x.values(), &mut out)?;
    cuda.device.stream.memcpy_dtoh(&out, &mut norms).map_err(|error| failure("column_norms", error))?;
    cuda.device.synchronize()?;
    Ok(norms)
}
