//! Rectangles of matrices, as cuBLAS and cuSOLVER take them.

use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{CudaSlice, DevicePtr};
use std::marker::PhantomData;

/// A rectangle of a matrix, for the libraries. It borrows nothing: the operation that makes it holds the matrix.
#[derive(Clone, Copy)]
pub struct Part<T> {
    pub(super) pointer: CUdeviceptr,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Entries from one column to the next.
    pub(super) stride: usize,
    scalar: PhantomData<T>,
}

impl<T> Part<T> {
    /// A matrix of `rows x cols` at the beginning of `values`.
    pub(super) fn of(values: &CudaSlice<T>, rows: usize, cols: usize) -> Self {
        assert!(rows * cols <= values.len(), "{rows} x {cols} in {} entries", values.len());
        let (pointer, _) = values.device_ptr(values.stream());
        Part { pointer, rows, cols, stride: rows.max(1), scalar: PhantomData }
    }

    /// The rectangle of `rows x cols` from (`row`, `col`) on.
    pub(super) fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        assert!(row + rows <= self.rows && col + cols <= self.cols, "a part of {} x {}", self.rows, self.cols);
        let skipped = (col * self.stride + row) * size_of::<T>();
        Part { pointer: self.pointer + skipped as u64, rows, cols, ..self }
    }
}
