//! Column-major storage on the host.

use super::kernel::CpuScalar;
use super::tiles;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::sample_source::SampleSource;
use crate::shape;
use faer::{MatMut, MatRef};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// A dense column-major matrix of `T`.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuMatrix<T> {
    rows: usize,
    cols: usize,
    values: Vec<T>,
}

impl<T> Shape for CpuMatrix<T> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn cols(&self) -> usize {
        self.cols
    }
}

impl<T: Clone> CpuMatrix<T> {
    /// The same number everywhere.
    pub(super) fn filled(rows: usize, cols: usize, value: T) -> Self {
        CpuMatrix { rows, cols, values: vec![value; rows * cols] }
    }
}

impl<T> CpuMatrix<T> {
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    pub(super) fn col(&self, j: usize) -> &[T] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }
}

impl<T: CpuScalar> CpuMatrix<T> {
    pub(super) fn zeros(rows: usize, cols: usize) -> Self {
        Self::filled(rows, cols, T::ZERO)
    }

    pub(super) fn from_host(host: &HostMatrix) -> Result<Self, LinalgError> {
        let mut out = Self::zeros(host.rows(), host.cols());
        tiles::for_each_column(host.rows(), &mut out.values, |j, column| {
            for (value, &source) in column.iter_mut().zip(host.col(j)) {
                *value = T::from_f64(source);
            }
        });
        match out.values.iter().position(|value| !value.to_f64().is_finite()) {
            None => Ok(out),
            Some(at) => {
                Err(LinalgError::NonFinite { row: at % host.rows(), column: at / host.rows(), precision: T::NAME })
            }
        }
    }

    pub(super) fn to_host(&self) -> HostMatrix {
        HostMatrix::from_vec(self.rows, self.cols, self.values.iter().map(|value| value.to_f64()).collect())
    }

    pub(super) fn view(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(&self.values, self.rows, self.cols)
    }

    pub(super) fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::from_column_major_slice_mut(&mut self.values, self.rows, self.cols)
    }
}

/// [`LinalgError::Shape`] unless `matrix` is `rows x cols`.
pub(super) fn expect_shape<T>(
    operation: &'static str,
    name: &str,
    matrix: &CpuMatrix<T>,
    expected: (usize, usize),
) -> Result<(), LinalgError> {
    shape::expect(operation, name, (matrix.rows, matrix.cols), expected)
}

/// `out = source`, converted to the storage of `out`.
pub(super) fn convert<S: CpuScalar, T: CpuScalar>(
    operation: &'static str,
    source: &CpuMatrix<S>,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape(operation, "out", out, (source.rows, source.cols))?;
    tiles::for_each_column(source.rows, &mut out.values, |j, column| {
        for (value, &entry) in column.iter_mut().zip(source.col(j)) {
            *value = T::from_f64(entry.to_f64());
        }
    });
    Ok(())
}

pub(super) fn read_part<T: CpuScalar>(
    source: &CpuMatrix<T>,
    first: usize,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let part = shape::part("read_part", first, out.values.len(), source.values.len())?;
    out.values.copy_from_slice(&source.values[part]);
    Ok(())
}

pub(super) fn write_part<T: CpuScalar>(
    source: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
    first: usize,
) -> Result<(), LinalgError> {
    let part = shape::part("write_part", first, source.values.len(), out.values.len())?;
    out.values[part].copy_from_slice(&source.values);
    Ok(())
}

pub(super) fn read_rows<T: CpuScalar>(
    source: &CpuMatrix<T>,
    first: usize,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = out.rows;
    shape::rows("read_rows", first, (rows, out.cols), (source.rows, source.cols))?;
    tiles::for_each_column(rows, &mut out.values, |j, column| {
        column.copy_from_slice(&source.col(j)[first..first + rows]);
    });
    Ok(())
}

pub(super) fn write_rows<T: CpuScalar>(
    source: &CpuMatrix<T>,
    out: &mut CpuMatrix<T>,
    first: usize,
) -> Result<(), LinalgError> {
    let rows = source.rows;
    shape::rows("write_rows", first, (rows, source.cols), (out.rows, out.cols))?;
    tiles::for_each_column(out.rows, &mut out.values, |j, column| {
        column[first..first + rows].copy_from_slice(source.col(j));
    });
    Ok(())
}

pub(super) fn load_samples<T: CpuScalar>(
    source: &dyn SampleSource,
    first: usize,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, columns) = (out.rows, out.cols);
    shape::samples(source, first, (rows, columns))?;
    if rows == 0 {
        return Ok(());
    }
    let finite = AtomicBool::new(true);
    out.values.par_chunks_exact_mut(rows).enumerate().for_each_init(
        || vec![0.0; rows],
        |sample, (j, column)| {
            source.write(first + j, sample);
            column.iter_mut().zip(&*sample).for_each(|(out, value)| *out = T::from_f64(*value));
            if !column.iter().all(|value| value.to_f64().is_finite()) {
                finite.store(false, Ordering::Relaxed);
            }
        },
    );
    if finite.into_inner() {
        return Ok(());
    }
    match out.values.iter().position(|value| !value.to_f64().is_finite()) {
        None => Ok(()),
        Some(at) => Err(LinalgError::NonFinite { row: at % rows, column: first + at / rows, precision: T::NAME }),
    }
}

pub(super) fn gather_columns<T: CpuScalar>(
    source: &CpuMatrix<T>,
    indices: &[usize],
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("gather_columns", "out", out, (source.rows, indices.len()))?;
    shape::columns("gather_columns", indices, source.cols)?;
    tiles::for_each_column(source.rows, &mut out.values, |j, column| column.copy_from_slice(source.col(indices[j])));
    Ok(())
}

pub(super) fn fill<T: CpuScalar>(value: f64, x: &mut CpuMatrix<T>) {
    let value = T::from_f64(value);
    tiles::for_each_column(x.rows, &mut x.values, |_, column| column.fill(value));
}
