//! One run.

use crate::data::Data;
use crate::errors::{in_python, train_error};
use crate::model::Model;
use crate::settings::settings;
use crate::watch::{Meanwhile, Record, Wanted, watched};
use cvx_admm::{Solution, StopToken, suggest_patterns, train_with};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// What a run came to, however it ended.
#[pyclass(frozen, get_all, module = "cvx_relu._native")]
pub struct Fit {
    /// The best network.
    model: Py<Model>,
    /// A dictionary for each iteration.
    history: Py<PyList>,
    /// What to do about the status; empty where there is nothing to do.
    advice: String,
    /// Why a GPU that is there was not taken.
    passed_over: Option<String>,
    /// What the GPU said, of a run that it ended.
    failure: Option<String>,
    /// Whether Ctrl-C ended it.
    interrupted: bool,
    /// What a callback or a handler of signals raised.
    raised: Option<Py<PyBaseException>>,
}

impl Fit {
    pub fn new(py: Python<'_>, solution: Solution, meanwhile: Meanwhile) -> PyResult<Self> {
        Ok(Fit {
            history: PyList::new(py, solution.info.history.iter().map(Record::from))?.unbind(),
            advice: in_python(solution.status.advice()),
            passed_over: solution.summary.passed_over.as_deref().map(in_python),
            failure: solution.info.failure.map(|error| in_python(&error.to_string())),
            model: Py::new(py, Model { inner: solution.model })?,
            interrupted: meanwhile.interrupted,
            raised: meanwhile.raised,
        })
    }
}

/// Trains on `data`, watching `test`. `callback` is called with every iteration, and ends the run with something true.
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
