//! Passes over block columns under a bit mask.

use super::blas::product;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_blocks, over_row_tiles, over_tiles};
use super::matrix::{CudaMatrix, expect_shape};
use super::part::Part;
use super::scalar::{CUBLAS_OP_N, CUBLAS_OP_T, CudaScalar};
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::layout::{BlockLayout, Signs};
use crate::mask::BitMask;
use crate::shape;
use cudarc::driver::{CudaSlice, DevicePtr};

/// Columns of the n x n kernel that are made at a time.
const KERNEL_RUN: usize = 1024;

/// An n x P bit mask on a GPU, packed by column and by row like [`BitMask`].
pub struct CudaMask {
    rows: usize,
    cols: usize,
    pub(super) by_column: CudaSlice<u64>,
    pub(super) by_row: CudaSlice<u64>,
    /// Words of a column and of a row.
    pub(super) column_words: u64,
    pub(super) row_words: u64,
}

impl Drop for CudaMask {
    fn drop(&mut self) {
        // See the matrix.
        let _ = self.by_column.context().bind_to_thread();
    }
}

impl CudaMask {
    pub(super) fn from_host<T>(cuda: &Cuda<T>, mask: &BitMask) -> Result<Self, LinalgError> {
        let (rows, cols) = (mask.rows(), mask.cols());
        Ok(CudaMask {
            rows,
            cols,
            by_column: cuda.device.filled(mask.words())?,
            by_row: cuda.device.filled(mask.words_by_row())?,
            column_words: rows.div_ceil(64) as u64,
            row_words: cols.div_ceil(64) as u64,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }
}

pub(super) fn masked_row_sum<T: CudaScalar>(
    cuda: &Cuda<T>,
    layout: BlockLayout,
    mask: Option<&CudaMask>,
    t: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns, targets) = (t.rows(), layout.patterns, layout.targets);
    expect_shape("masked_row_sum", "t", t, (rows, layout.columns()))?;
    expect_shape("masked_row_sum", "out", out, (rows, targets))?;
    if let Some(mask) = mask {
        shape::expect("masked_row_sum", "the mask", (mask.rows, mask.cols), (rows, n_patterns))?;
    }
    let grid = over_row_tiles(rows, targets);
    let (signs, positive) = signs_of(layout);
    let (rows, n_patterns) = (rows as u64, n_patterns as u64);
    // A null pointer for every bit 1.
    let bits = mask.map_or(0, |mask| mask.by_column.device_ptr(&cuda.device.stream).0);
    let words = mask.map_or(0, |mask| mask.column_words);
    launch!(
        &cuda.device,
        Kernel::MaskedRowSum,
        T,
        grid,
        &rows,
        &n_patterns,
        &signs,
        &positive,
        &words,
        &bits,
        t.values(),
        out.values_mut()
    )
}

/// Blocks per pattern and target, and how many patterns have a positive one.
pub(super) fn signs_of(layout: BlockLayout) -> (u32, u64) {
    match layout.signs {
        Signs::Both => (2, layout.patterns as u64),
        Signs::Each { positive } => (1, positive as u64),
    }
}

pub(super) fn masked_broadcast<T: CudaScalar>(
    cuda: &Cuda<T>,
    mask: &CudaMask,
    alpha: f64,
    r: &CudaMatrix<T>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns, targets) = (mask.rows, mask.cols, r.cols());
    expect_shape("masked_broadcast", "r", r, (rows, targets))?;
    expect_shape("masked_broadcast", "out", out, (rows, n_patterns * targets))?;
    let grid = over_blocks(rows, n_patterns, targets);
    let [rows, n_patterns, targets] = [rows, n_patterns, targets].map(|count| count as u64);
    launch!(
        &cuda.device,
        Kernel::MaskedBroadcast,
        T,
        grid,
        &rows,
        &n_patterns,
        &targets,
        &mask.column_words,
        &mask.by_column,
        &alpha,
        r.values(),
        out.values_mut()
    )
}

pub(super) fn sign_flip<T: CudaScalar>(
    cuda: &Cuda<T>,
    mask: &CudaMask,
    scale: &CudaMatrix<T>,
    x: &CudaMatrix<T>,
    minus: Option<&CudaMatrix<T>>,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = mask.rows;
    let blocks = block_count("sign_flip", mask, x)?;
    expect_shape("sign_flip", "scale", scale, (rows, 1))?;
    expect_shape("sign_flip", "x", x, (rows, x.cols()))?;
    minus.map_or(Ok(()), |minus| expect_shape("sign_flip", "minus", minus, (rows, x.cols())))?;
    expect_shape("sign_flip", "out", out, (rows, x.cols()))?;
    let grid = over_blocks(rows, mask.cols, blocks);
    let [rows, n_patterns, blocks] = [rows, mask.cols, blocks].map(|count| count as u64);
    // A null pointer where nothing is subtracted.
    let minus = minus.map_or(0, |minus| minus.values().device_ptr(&cuda.device.stream).0);
    launch!(
        &cuda.device,
        Kernel::SignFlip,
        T,
        grid,
        &rows,
        &n_patterns,
        &blocks,
        &mask.column_words,
        &mask.by_column,
        scale.values(),
        x.values(),
        &minus,
        out.values_mut()
    )
}

/// Into how many runs of P columns `x` falls.
pub(super) fn block_count<T>(
    operation: &'static str,
    mask: &CudaMask,
    x: &CudaMatrix<T>,
) -> Result<usize, LinalgError> {
    if mask.cols == 0 || !x.cols().is_multiple_of(mask.cols) {
        return Err(LinalgError::shape(operation, format!("{} columns under {} patterns", x.cols(), mask.cols)));
    }
    Ok(x.cols() / mask.cols)
}

pub(super) fn add_pairs<T: CudaScalar>(
    cuda: &Cuda<T>,
    layout: BlockLayout,
    alpha: f64,
    c: &CudaMatrix<T>,
    x: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, n_patterns, blocks) = (c.rows(), layout.patterns, layout.signs.count() * layout.targets);
    expect_shape("add_pairs", "c", c, (rows, layout.pairs()))?;
    expect_shape("add_pairs", "x", x, (rows, layout.columns()))?;
    let grid = over_blocks(rows, n_patterns, blocks);
    let (signs, positive) = signs_of(layout);
    let [rows, n_patterns, blocks] = [rows, n_patterns, blocks].map(|count| count as u64);
    launch!(
        &cuda.device,
        Kernel::AddPairs,
        T,
        grid,
        &rows,
        &n_patterns,
        &blocks,
        &signs,
        &positive,
        &alpha,
        c.values(),
        x.values_mut()
    )
}

pub(super) fn masked_gram<T: CudaScalar>(
    cuda: &Cuda<T>,
    a: &CudaMatrix<T>,
    mask: &CudaMask,
    out: &mut CudaMatrix<T>,
    diagonal: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    expect_rows("masked_gram", mask, a.cols())?;
    gram_in_runs("masked_gram", cuda, a, Some(mask), false, out, diagonal)
}

pub(super) fn gram<T: CudaScalar>(
    cuda: &Cuda<T>,
    a: &CudaMatrix<T>,
    accumulate: bool,
    out: &mut CudaMatrix<T>,
    diagonal: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    gram_in_runs("gram", cuda, a, None, accumulate, out, diagonal)
}

/// `(a'a) o (D D')` above the diagonal of `out` and in `diagonal`, `a'a` without a mask; added to what is there with
/// `accumulate`.
fn gram_in_runs<T: CudaScalar>(
    operation: &'static str,
    cuda: &Cuda<T>,
    a: &CudaMatrix<T>,
    mask: Option<&CudaMask>,
    accumulate: bool,
    out: &mut CudaMatrix<T>,
    diagonal: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (d, n) = (a.rows(), a.cols());
    expect_shape(operation, "out", out, (n, n))?;
    expect_shape(operation, "diagonal", diagonal, (n, 1))?;
    // A null pointer for every count 1.
    let bits = mask.map_or(0, |mask| mask.by_row.device_ptr(&cuda.device.stream).0);
    let (words, accumulate) = (mask.map_or(0, |mask| mask.row_words), u32::from(accumulate));
    let mut products = cuda.device.uninitialised(n * KERNEL_RUN.min(n))?;
    for first in (0..n).step_by(KERNEL_RUN) {
        cuda.stop.check()?;
        let width = KERNEL_RUN.min(n - first);
        // Of a symmetric matrix, the columns down to the diagonal.
        let height = first + width;
        let (left, right) = (a.whole().part(0, 0, d, height), a.whole().part(0, first, d, width));
        let run = Part::of(&products, height, width);
        product(cuda, 1.0, (left, CUBLAS_OP_T), (right, CUBLAS_OP_N), 0.0, run)?;
        let grid = over_tiles(height, width);
        let [first, width, height, order] = [first, width, height, n].map(|count| count as u64);
        launch!(
            &cuda.device,
            Kernel::Coactivate,
            T,
            grid,
            &first,
            &width,
            &height,
            &order,
            &accumulate,
            &words,
            &bits,
            &mut products,
            out.values_mut(),
            diagonal.values_mut()
        )?;
    }
    Ok(())
}

pub(super) fn expect_rows(operation: &'static str, mask: &CudaMask, rows: usize) -> Result<(), LinalgError> {
    if mask.rows == rows {
        return Ok(());
    }
    Err(LinalgError::shape(operation, format!("a mask of {} rows for {rows}", mask.rows)))
}
