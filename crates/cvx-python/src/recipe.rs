//! How the columns of a table become features.

use pyo3::prelude::*;
use std::sync::Arc;

/// A recipe, fitted on the training table.
#[pyclass(frozen, module = "cvx_relu._native")]
pub struct Recipe {
    pub inner: Arc<cvx_model::Recipe>,
}

#[pymethods]
impl Recipe {
    /// Number of columns of the training table.
    #[getter]
    fn n_columns(&self) -> usize {
        self.inner.columns().len()
    }

    /// Their names; none if the table has no names.
    #[getter]
    fn names(&self) -> Option<Vec<String>> {
        self.inner.columns().iter().map(|source| source.name.clone()).collect()
    }

    /// Names of the features, if they have names.
    #[getter]
    fn feature_names(&self) -> Option<Vec<String>> {
        self.inner.feature_names()
    }

    /// Each column or feature that is dropped, with the reason.
    #[getter]
    fn dropped(&self) -> Vec<(String, String)> {
        self.inner.dropped().iter().map(|dropped| (dropped.name.clone(), dropped.reason.to_string())).collect()
    }
}
