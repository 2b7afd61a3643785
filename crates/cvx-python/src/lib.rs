//! The native half of the Python package `cvx_relu`: arrays in, `cvx-admm`, arrays out.
//!
//! What scikit-learn asks of an estimator is written in Python (`python/cvx_relu`); all numerics are those of `cvx-admm`.

mod arrays;
mod data;
mod errors;
mod fit;
mod model;
mod path;
mod settings;
mod watch;

use pyo3::prelude::*;

/// `cvx_relu._native`; `_native.pyi` says what is in it.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::data::Data;
    #[pymodule_export]
    use super::fit::{Fit, fit};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::path::{Path, path};
}
