//! One run.

use crate::data::Data;
use crate::errors::{device_text, train_error};
use crate::model::Model;
use crate::record::record;
use crate::settings::settings;
use crate::status::advice;
use crate::watch::{Meanwhile, Wanted, watched};
use cvx_admm::{Solution, StopToken, suggest_patterns, train_with};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// The result of a run, however it ended.
#[pyclass(frozen, get_all, module = "cvx_relu._native")]
pub struct Fit {
    /// The best network.
    model: Py<Model>,
    /// A dictionary for each iteration.
    history: Py<PyList>,
    /// What to do about the status; empty where there is nothing to do.
    advice: &'static str,
    /// Why a GPU of this machine was not used.
    passed_over: Option<String>,
    /// What the GPU reported, if its failure ended the run.
    failure: Option<String>,
    /// Whether Ctrl-C ended it.
    interrupted: bool,
    /// What a callback or a signal handler raised.
    raised: Option<Py<PyBaseException>>,
}

impl Fit {
    pub fn new(py: Python<'_>, solution: Solution, meanwhile: Meanwhile) -> PyResult<Self> {
        let history = solution.info.history.iter().map(|iteration| record(py, iteration));
        Ok(Fit {
            history: PyList::new(py, history.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            advice: advice(solution.status),
            passed_over: solution.summary.passed_over,
            failure: solution.info.failure.as_ref().map(device_text),
            model: Py::new(py, Model { inner: solution.model })?,
            interrupted: meanwhile.interrupted,
            raised: meanwhile.raised,
        })
    }
}

/// Trains on `data` and evaluates on `test` too. `callback` is called after every iteration; a true result ends the
/// run.
#[pyfunction]
#[pyo3(signature = (data, test, parameters, *, regression, callback=None))]
pub fn fit(
    py: Python<'_>,
    data: &Data,
    test: Option<&Data>,
    parameters: &Bound<'_, PyDict>,
    regression: bool,
    callback: Option<Py<PyAny>>,
) -> PyResult<Fit> {
    let (mut settings, suggested) = settings(parameters, regression)?;
    let (data, test) = (&data.inner, test.map(|test| &test.inner));
    let stop = StopToken::new();
    let callback = callback.map(|callback| (Wanted::Iterations, callback));
    let (solution, meanwhile) = watched(py, &stop, callback, |watcher| {
        if suggested {
            settings.patterns = suggest_patterns(data, test, &settings)?.patterns;
        }
        train_with(data, test, &settings, None, &stop, watcher)
    });
    Fit::new(py, solution.map_err(train_error)?, meanwhile)
}
