//! Matrices in half precision.

use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::patches::LARGEST_HALF;
use crate::shape;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Numbers that are converted at a time, in f32: the only conversion that processors have an instruction for.
const RUN: usize = 256;

pub(super) fn store<T: CpuScalar>(
    source: &CpuMatrix<T>,
    out: &mut CpuMatrix<f16>,
    first: usize,
) -> Result<(), LinalgError> {
    let (rows, cols) = (source.rows(), source.cols());
    expect_shape("store_half", "out", out, (rows, out.cols()))?;
    let part = shape::part("store_half", first, cols, out.cols())?;
    let out = &mut out.values_mut()[part.start * rows..part.end * rows];
    tiles::for_each_column(rows, out, |j, out| {
        let mut singles = [0.0; RUN];
        for (out, source) in out.chunks_mut(RUN).zip(source.col(j).chunks(RUN)) {
            let singles = &mut singles[..source.len()];
            for (single, value) in singles.iter_mut().zip(source) {
                *single = (value.to_f64() as f32).clamp(-LARGEST_HALF, LARGEST_HALF);
            }
            out.convert_from_f32_slice(singles);
        }
    });
    Ok(())
}

pub(super) fn load<T: CpuScalar>(
    source: &CpuMatrix<f16>,
    first: usize,
    columns: &[usize],
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = out.rows();
    expect_shape("load_half", "out", out, (rows, columns.len()))?;
    let part = shape::part("load_half", first, rows, source.rows())?;
    shape::columns("load_half", columns, source.cols())?;
    tiles::for_each_column(rows, out.values_mut(), |j, out| {
        let mut singles = [0.0; RUN];
        for (out, source) in out.chunks_mut(RUN).zip(source.col(columns[j])[part.clone()].chunks(RUN)) {
            let singles = &mut singles[..source.len()];
            source.convert_to_f32_slice(singles);
            for (out, single) in out.iter_mut().zip(singles) {
                *out = T::from_f64(f64::from(*single));
            }
        }
    });
    Ok(())
}
