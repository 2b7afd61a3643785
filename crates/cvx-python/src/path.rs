//! A path of betas.

use crate::data::Data;
use crate::errors::{bad_value, train_error};
use crate::fit::Fit;
use crate::record::record;
use crate::settings::{Given, settings};
use crate::watch::{Wanted, watched};
use cvx_admm::{Choice, PathSettings, Returned, StopToken, Validation, suggest_patterns};
use cvx_linalg::Named;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// A path, and the network at the chosen beta.
#[pyclass(frozen, get_all, module = "cvx_relu._native")]
pub struct Path {
    /// A dictionary for each beta, the largest first.
    points: Py<PyList>,
    /// The zero network is optimal for this beta and larger ones.
    gated_beta_max: f64,
    /// Index of the chosen point.
    chosen: usize,
    /// What ended the path before its last beta.
    cut_short: Option<String>,
    /// The network, with what was raised since the first beta.
    fit: Py<Fit>,
}

/// Trains along a path of `betas` on parts of `data`, chooses one on the samples that they hold out, and returns the
/// network at it: that of another run on all of `data`, or the mean of those of the parts.
#[pyfunction]
#[pyo3(signature = (
    data, test, parameters, *, regression, betas, beta_ratio, path_gap, validation, folds, choose, returned,
    callback=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn path(
    py: Python<'_>,
    data: &Data,
    test: Option<&Data>,
    parameters: &Bound<'_, PyDict>,
    regression: bool,
    betas: usize,
    beta_ratio: f64,
    path_gap: f64,
    validation: Option<f64>,
    folds: Option<usize>,
    choose: &Bound<'_, PyAny>,
    returned: &Bound<'_, PyAny>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Path> {
    let Given { mut settings, suggests_patterns, path: along, .. } = settings(parameters, regression)?;
    let path_settings = PathSettings {
        betas,
        ratio: beta_ratio,
        gap: path_gap,
        validation: folds.map(Validation::Folds).or(validation.map(Validation::Share)).unwrap_or(along.validation),
        returned: (returned.extract::<String>().ok().and_then(|name| name.parse().ok()))
            .ok_or_else(|| bad_value("final", returned, &Returned::names().join(" or ")))?,
        choice: (choose.extract::<String>().ok().and_then(|name| name.parse().ok()))
            .ok_or_else(|| bad_value("choose", choose, &Choice::names().join(" or ")))?,
        ..along
    };
    let (data, test) = (&data.inner, test.map(|test| &test.inner));
    let stop = StopToken::new();
    let callback = callback.map(|callback| (Wanted::Points, callback));
    let (found, meanwhile) = watched(py, &stop, callback, |watcher| {
        if suggests_patterns {
            settings.patterns = suggest_patterns(data, test, &settings)?.patterns;
        }
        cvx_admm::path(data, test, &settings, &path_settings, &stop, watcher)
    });
    let found = found.map_err(train_error)?;
    let fit = Py::new(py, Fit::new(py, found.solution, &[], None, meanwhile)?)?;
    let points = found.points.iter().map(|point| record(py, point));
    Ok(Path {
        points: PyList::new(py, points.collect::<PyResult<Vec<_>>>()?)?.unbind(),
        gated_beta_max: found.gated_beta_max,
        chosen: found.chosen,
        cut_short: found.cut_short.map(|status| status.to_string()),
        fit,
    })
}
