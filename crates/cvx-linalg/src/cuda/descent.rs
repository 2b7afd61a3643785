//! What descent on the non-convex objective needs, each one pass over its matrices.

use super::Cuda;
use super::kernels::{Kernel, launch, over_blocks, over_entries};
use super::matrix::{CudaMatrix, expect_shape};
use super::scalar::CudaScalar;
use crate::backend::{AdamStep, Shape};
use crate::error::LinalgError;

pub(super) fn gather_columns<T: CudaScalar>(
    cuda: &Cuda<T>,
    source: &CudaMatrix<T>,
    indices: &[usize],
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, cols) = (source.rows(), source.cols());
    expect_shape("gather_columns", "out", out, (rows, indices.len()))?;
    if let Some(index) = indices.iter().find(|&&index| index >= cols) {
        return Err(LinalgError::shape("gather_columns", format!("column {index} of {cols}")));
    }
    let indices: Vec<u64> = indices.iter().map(|&index| index as u64).collect();
    let (grid, count) = (over_blocks(rows, indices.len(), 1), indices.len() as u64);
    let (rows, indices) = (rows as u64, cuda.device.filled(&indices)?);
    launch!(&cuda.device, Kernel::GatherColumns, T, grid, &rows, &count, &indices, source.values(), out.values_mut())
}

pub(super) fn gate<T: CudaScalar>(cuda: &Cuda<T>, z: &CudaMatrix<T>, g: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
    expect_shape("gate", "g", g, (z.rows(), z.cols()))?;
    let (count, grid) = (z.len() as u64, over_entries(z.len()));
    launch!(&cuda.device, Kernel::Gate, T, grid, &count, z.values(), g.values_mut())
}

pub(super) fn adam_step<T: CudaScalar>(
    cuda: &Cuda<T>,
    step: &AdamStep,
    gradient: &CudaMatrix<T>,
    m: &mut CudaMatrix<T>,
    v: &mut CudaMatrix<T>,
    w: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let shape = (gradient.rows(), gradient.cols());
    expect_shape("adam_step", "m", m, shape)?;
    expect_shape("adam_step", "v", v, shape)?;
    expect_shape("adam_step", "w", w, shape)?;
    let (count, grid) = (gradient.len() as u64, over_entries(gradient.len()));
    let AdamStep { rate, first_decay, second_decay, root_scale, epsilon, weight_decay } = step;
    launch!(
        &cuda.device,
        Kernel::AdamStep,
        T,
        grid,
        &count,
        rate,
        first_decay,
        second_decay,
        root_scale,
        epsilon,
        weight_decay,
        gradient.values(),
        m.values_mut(),
        v.values_mut(),
        w.values_mut()
    )
}
