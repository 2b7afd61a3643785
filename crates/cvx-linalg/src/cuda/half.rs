//! Matrices in half precision: the bits of their numbers.

use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_blocks, over_entries};
use super::matrix::{CudaMatrix, expect_shape};
use super::scalar::CudaScalar;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::shape;

pub(super) fn store<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    out: &mut CudaMatrix<u16>,
    first: usize,
) -> Result<(), LinalgError> {
    let (rows, cols) = (source.rows(), source.cols());
    expect_shape("store_half", "out", out, (rows, out.cols()))?;
    let part = shape::part("store_half", first, cols, out.cols())?;
    let (count, grid) = (source.len() as u64, over_entries(source.len()));
    let mut out = out.values_mut().slice_mut(part.start * rows..part.end * rows);
    launch!(&cuda.device, Kernel::StoreHalf, T, grid, &count, source.values(), &mut out)
}

pub(super) fn load<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<u16>,
    first: usize,
    columns: &[usize],
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = out.rows();
    expect_shape("load_half", "out", out, (rows, columns.len()))?;
    shape::part("load_half", first, rows, source.rows())?;
    shape::columns("load_half", columns, source.cols())?;
    let grid = over_blocks(rows, columns.len(), 1);
    let indices: Vec<u64> = columns.iter().map(|&column| column as u64).collect();
    let [rows, count, height, first] = [rows, columns.len(), source.rows(), first].map(|count| count as u64);
    let indices = cuda.device.filled(&indices)?;
    let out = out.values_mut();
    launch!(&cuda.device, Kernel::LoadHalf, T, grid, &rows, &count, &height, &first, &indices, source.values(), out)
}
