//! The native half of the Python package `cvx_relu`: arrays in, `cvx-admm`, arrays out.
//!
//! The estimators of scikit-learn are written in Python (`python/cvx_relu`); the numerics are those of `cvx-admm`.

mod arrays;
mod data;
mod errors;
mod fit;
mod model;
mod path;
mod prove;
mod recipe;
mod record;
mod settings;
mod status;
mod watch;

use pyo3::prelude::*;

/// `cvx_relu._native`; `_native.pyi` declares its contents.
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
    #[pymodule_export]
    use super::prove::{certified_radius, certify, output_bounds};
    #[pymodule_export]
    use super::recipe::Recipe;
}
