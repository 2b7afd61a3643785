//! Reading and making NumPy arrays.

use crate::errors::bad_value;
use cvx_linalg::HostMatrix;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, npyffi::NPY_ORDER};
use pyo3::prelude::*;

/// Rows, columns and row-major entries of an array of f64 or f32 in any layout. It makes no intermediate array.
///
/// # Errors
/// `ValueError` for another type or another number of dimensions.
pub fn read_rows(name: &str, array: &Bound<'_, PyAny>) -> PyResult<(usize, usize, Vec<f64>)> {
    if let Ok(array) = array.extract::<PyReadonlyArray2<'_, f64>>() {
        return Ok(widened(&array));
    }
    if let Ok(array) = array.extract::<PyReadonlyArray2<'_, f32>>() {
        return Ok(widened(&array));
    }
    Err(bad_value(name, array, "a two-dimensional array of float64 or float32"))
}

fn widened<T: Element + Copy + Into<f64>>(array: &PyReadonlyArray2<'_, T>) -> (usize, usize, Vec<f64>) {
    let view = array.as_array();
    let values = view.iter().map(|&value| value.into()).collect();
    (view.nrows(), view.ncols(), values)
}

/// A matrix as an array of the same shape.
pub fn to_array<'py>(py: Python<'py>, matrix: &HostMatrix) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let flat = PyArray1::from_slice(py, matrix.values());
    flat.reshape_with_order([matrix.rows(), matrix.cols()], NPY_ORDER::NPY_FORTRANORDER)
}
