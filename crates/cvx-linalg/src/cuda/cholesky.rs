//! Blocked Cholesky factor and solves.
//!
//! cuSOLVER factors the blocks on the diagonal, cuBLAS does the rest: the entries above the diagonal, which the caller
//! keeps a kernel in, are then out of everybody's reach, and a stop request is heeded between two panels. A triangular
//! solve with a single right-hand side is a chain of dependent steps, so the inverses of the diagonal blocks are kept
//! beside the factor, and a solve is a run of products: bound by reading the factor once per triangle.

use super::blas::product;
use super::device::failure;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_columns, over_entries, over_tiles};
use super::masks::{CudaMask, expect_rows};
use super::matrix::{CudaMatrix, expect_shape};
use super::part::Part;
use super::scalar::{CUBLAS_OP_N, CUBLAS_OP_T, CudaScalar, cublasOperation_t, cublasSideMode_t};
use crate::backend::{Half, Shape};
use crate::error::LinalgError;
use cudarc::driver::{CudaSlice, DevicePtr};

/// Columns of a panel, and the order of a block on the diagonal.
const PANEL: usize = 512;

pub(super) fn factor<T: CudaScalar>(cuda: &Cuda<T>, a: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
    let order = a.rows();
    expect_shape("cholesky", "a", a, (order, order))?;
    a.values_mut();
    let whole = a.whole();
    let mut block = DiagonalBlock::new(cuda, order)?;
    let inverses = cuda.device.zeroed(PANEL * order)?;
    for first in (0..order).step_by(PANEL) {
        cuda.stop.check()?;
        let width = PANEL.min(order - first);
        let inverse = Part::of(&inverses, PANEL, order).part(0, first, width, width);
        let head = whole.part(first, first, width, width);
        block.factor(cuda, head, inverse).map_err(|error| match error {
            LinalgError::NotPositiveDefinite { pivot } => LinalgError::NotPositiveDefinite { pivot: first + pivot },
            other => other,
        })?;
        // L21 = A21 L11^-T, then the trailing A22 -= L21 L21'.
        let (next, rest) = (first + width, order - first - width);
        let below = whole.part(next, first, rest, width);
        solve_with(cuda, cublasSideMode_t::CUBLAS_SIDE_RIGHT, head, CUBLAS_OP_T, below)?;
        if rest > 0 {
            let trailing = whole.part(next, next, rest, rest);
            // SAFETY: the parts lie in `a`; l l' is symmetric.
            unsafe { T::syrkx(cuda.device.blas()?, -1.0, below, below, 1.0, trailing) }
                .result()
                .map_err(|error| failure("cholesky", error))?;
        }
    }
    a.set_inverses(inverses);
    Ok(())
}

/// What it takes to factor one block on the diagonal.
struct DiagonalBlock<T> {
    square: CudaSlice<T>,
    identity: CudaSlice<T>,
    workspace: CudaSlice<T>,
    info: CudaSlice<i32>,
}

impl<T: CudaScalar> DiagonalBlock<T> {
    /// For the blocks of a matrix of that order.
    fn new(cuda: &Cuda<T>, order: usize) -> Result<Self, LinalgError> {
        let square = cuda.device.zeroed(PANEL * PANEL)?;
        let mut most = 0;
        // Nothing says that a smaller block, the last one, takes less.
        for width in [PANEL.min(order), order % PANEL].into_iter().filter(|&width| width > 0) {
            let mut count = 0;
            // SAFETY: only the shape is looked at.
            unsafe { T::potrf_workspace(cuda.device.solver()?, Part::of(&square, width, width), &mut count) }
                .result()
                .map_err(|error| failure("cholesky", error))?;
            most = most.max(count);
        }
        Ok(DiagonalBlock {
            square,
            identity: cuda.device.uninitialised(PANEL * PANEL)?,
            workspace: cuda.device.uninitialised(most.max(0) as usize)?,
            info: cuda.device.zeroed(1)?,
        })
    }

    /// Puts the factor of the lower triangle of `head` in its place, and its inverse into `inverse`.
    fn factor(&mut self, cuda: &Cuda<T>, head: Part<T>, inverse: Part<T>) -> Result<(), LinalgError> {
        let device = &cuda.device;
        let width = head.rows;
        // On a copy: nothing says what cuSOLVER leaves above the diagonal.
        let square = Part::of(&self.square, width, width);
        copy_lower(cuda, head, square)?;
        let workspace = (Part::of(&self.workspace, self.workspace.len(), 1), self.workspace.len() as i32);
        // SAFETY: square, workspace and info are this object's own and large enough.
        unsafe { T::potrf(device.solver()?, square, workspace, Part::of(&self.info, 1, 1)) }
            .result()
            .map_err(|error| failure("cholesky", error))?;
        let order = width as u64;
        launch!(device, Kernel::CheckPivots, T, over_columns(1), &order, &square.pointer, &mut self.info)?;
        copy_lower(cuda, square, head)?;
        let mut info = [0];
        device.stream.memcpy_dtoh(&self.info, &mut info).map_err(|error| failure("cholesky", error))?;
        device.synchronize()?;
        match info[0] {
            0 => {}
            pivot @ 1.. => return Err(LinalgError::NotPositiveDefinite { pivot: pivot as usize - 1 }),
            argument => return Err(failure("cholesky", format!("potrf refuses its argument {}", -argument))),
        }
        let grid = over_entries(width * width);
        launch!(device, Kernel::Identity, T, grid, &order, &mut self.identity)?;
        let identity = Part::of(&self.identity, width, width);
        solve_with(cuda, cublasSideMode_t::CUBLAS_SIDE_LEFT, square, CUBLAS_OP_N, identity)?;
        copy_lower(cuda, identity, inverse)
    }
}

/// The lower triangle of a square part.
fn copy_lower<T: CudaScalar>(cuda: &Cuda<T>, source: Part<T>, out: Part<T>) -> Result<(), LinalgError> {
    let (order, grid) = (source.rows as u64, over_entries(source.rows * source.rows));
    let (from, to) = (source.stride as u64, out.stride as u64);
    launch!(&cuda.device, Kernel::CopyLower, T, grid, &order, &source.pointer, &from, &out.pointer, &to)
}

/// `b = op(l)^-1 b` (left) or `b op(l)^-1` (right).
fn solve_with<T: CudaScalar>(
    cuda: &Cuda<T>,
    side: cublasSideMode_t,
    l: Part<T>,
    op: cublasOperation_t,
    b: Part<T>,
) -> Result<(), LinalgError> {
    if b.rows == 0 || b.cols == 0 {
        return Ok(());
    }
    // SAFETY: the parts lie in matrices that the caller holds, and their shapes fit.
    unsafe { T::trsm(cuda.device.blas()?, side, l, op, b) }.result().map_err(|error| failure("solve", error))
}

pub(super) fn solve<T: CudaScalar>(
    cuda: &Cuda<T>,
    l: &CudaMatrix<T>,
    half: Half,
    b: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (order, columns) = (l.rows(), b.cols());
    expect_shape("solve", "l", l, (order, order))?;
    expect_shape("solve", "b", b, (order, columns))?;
    cuda.stop.check()?;
    b.values_mut();
    let (lower, upper) = (half != Half::Upper, half != Half::Lower);
    let (factor, right) = (l.whole(), b.whole());
    let Some(inverses) = l.inverses() else {
        // A factor that came from elsewhere.
        for (wanted, op) in [(lower, CUBLAS_OP_N), (upper, CUBLAS_OP_T)] {
            if wanted {
                solve_with(cuda, cublasSideMode_t::CUBLAS_SIDE_LEFT, factor, op, right)?;
            }
        }
        return Ok(());
    };
    let inverses = Part::of(inverses, PANEL, order);
    // Blocks cannot be multiplied in place: each pass goes from one matrix to the other.
    let mut other = CudaMatrix::uninitialised(cuda, order, columns)?;
    let scratch = other.whole();
    match half {
        Half::Lower => forward(cuda, factor, inverses, right, scratch)?,
        Half::Upper => backward(cuda, factor, inverses, right, scratch)?,
        Half::Both => {
            forward(cuda, factor, inverses, right, scratch)?;
            return backward(cuda, factor, inverses, scratch, right);
        }
    }
    std::mem::swap(b, &mut other);
    Ok(())
}

/// `out = l^-1 b`, panel by panel; `b` is used up.
fn forward<T: CudaScalar>(
    cuda: &Cuda<T>,
    l: Part<T>,
    inverses: Part<T>,
    b: Part<T>,
    out: Part<T>,
) -> Result<(), LinalgError> {
    for first in (0..l.rows).step_by(PANEL) {
        cuda.stop.check()?;
        let width = PANEL.min(l.rows - first);
        let inverse = inverses.part(0, first, width, width);
        let (head, solved) = (b.part(first, 0, width, b.cols), out.part(first, 0, width, b.cols));
        product(cuda, 1.0, (inverse, CUBLAS_OP_N), (head, CUBLAS_OP_N), 0.0, solved)?;
        let (next, rest) = (first + width, l.rows - first - width);
        let panel = l.part(next, first, rest, width);
        product(cuda, -1.0, (panel, CUBLAS_OP_N), (solved, CUBLAS_OP_N), 1.0, b.part(next, 0, rest, b.cols))?;
    }
    Ok(())
}

/// `out = l^-T b`, panel by panel from the end; `b` is used up.
fn backward<T: CudaScalar>(
    cuda: &Cuda<T>,
    l: Part<T>,
    inverses: Part<T>,
    b: Part<T>,
    out: Part<T>,
) -> Result<(), LinalgError> {
    for first in (0..l.rows).step_by(PANEL).rev() {
        cuda.stop.check()?;
        let width = PANEL.min(l.rows - first);
        let inverse = inverses.part(0, first, width, width);
        let (head, solved) = (b.part(first, 0, width, b.cols), out.part(first, 0, width, b.cols));
        product(cuda, 1.0, (inverse, CUBLAS_OP_T), (head, CUBLAS_OP_N), 0.0, solved)?;
        let panel = l.part(first, 0, width, first);
        product(cuda, -1.0, (panel, CUBLAS_OP_T), (solved, CUBLAS_OP_N), 1.0, b.part(0, 0, first, b.cols))?;
    }
    Ok(())
}

pub(super) fn shifted_lower<T: CudaScalar>(
    cuda: &Cuda<T>,
    scale: f64,
    mask: Option<&CudaMask>,
    diagonal: &CudaMatrix<T>,
    matrix: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let order = matrix.rows();
    expect_shape("shifted_lower", "matrix", matrix, (order, order))?;
    expect_shape("shifted_lower", "diagonal", diagonal, (order, 1))?;
    mask.map_or(Ok(()), |mask| expect_rows("shifted_lower", mask, order))?;
    let (count, grid) = (order as u64, over_tiles(order, order));
    // A null pointer for every count 1.
    let bits = mask.map_or(0, |mask| mask.by_row.device_ptr(&cuda.device.stream).0);
    let words = mask.map_or(0, |mask| mask.row_words);
    let kernel = Kernel::ShiftedLower;
    launch!(&cuda.device, kernel, T, grid, &count, &scale, &words, &bits, diagonal.values(), matrix.values_mut())
}
