//! One run.

use crate::data::Data;
use crate::errors::{device_text, train_error};
use crate::model::Model;
use crate::record::record;
use crate::settings::{Given, settings};
use crate::status::advice;
use crate::watch::{Meanwhile, Wanted, watched};
use cvx_admm::{PathPoint, Solution, StopToken, automatic, choose, suggest_patterns, train_with};
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
    /// Of the evaluated iterations, where there are several targets, a dictionary with a list of numbers by target.
    history_by_target: Py<PyList>,
    /// A dictionary for each target: its name, certificate and neurons; none for one target and for a mean.
    targets: Py<PyList>,
    /// A dictionary for each beta that was tried, the largest first; none at a given beta.
    points: Py<PyList>,
    /// The index of the chosen one.
    chosen: Option<usize>,
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
    /// The result of a run, with the betas that were tried and the index of the chosen one.
    pub fn new(
        py: Python<'_>,
        solution: Solution,
        points: &[PathPoint],
        chosen: Option<usize>,
        meanwhile: Meanwhile,
    ) -> PyResult<Self> {
        let points = points.iter().map(|point| record(py, point));
        let history = solution.info.history.iter().map(|iteration| record(py, iteration));
        let by_target = solution.info.history_by_target.iter().map(|iteration| record(py, iteration));
        let targets = solution.model.outputs().into_iter().zip(&solution.info.targets).map(|(name, target)| {
            let objective = target.objective;
            let found = PyDict::new(py);
            found.set_item("name", name)?;
            found.set_item("network", objective.map(|objective| objective.network))?;
            found.set_item("dual_bound", objective.map(|objective| objective.dual_bound))?;
            found.set_item("relative_gap", objective.map(|objective| objective.relative_gap))?;
            found.set_item("sampled_primal", objective.and_then(|objective| objective.sampled_primal))?;
            found.set_item("neurons", target.neurons)?;
            Ok(found)
        });
        Ok(Fit {
            history_by_target: PyList::new(py, by_target.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            targets: PyList::new(py, targets.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            history: PyList::new(py, history.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            points: PyList::new(py, points.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            chosen,
            advice: advice(solution.status),
            passed_over: solution.summary.passed_over,
            failure: solution.info.failure.as_ref().map(device_text),
            model: Py::new(py, Model { inner: solution.model })?,
            interrupted: meanwhile.interrupted,
            raised: meanwhile.raised,
        })
    }
}

/// Trains on `data` and evaluates on `test` too; chooses beta if it is not given. `callback` is called after every
/// iteration; a true result ends the run.
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
    let Given { mut settings, path: along, wishes, suggests_patterns, chooses_beta } =
        settings(parameters, regression)?;
    let (data, test) = (&data.inner, test.map(|test| &test.inner));
    let stop = StopToken::new();
    let callback = callback.map(|callback| (Wanted::Iterations, callback));
    let (solution, meanwhile) = watched(py, &stop, callback, |watcher| {
        if chooses_beta {
            let found = choose(data, test, &automatic(data, &settings, &along, &wishes)?, &stop, watcher)?;
            return Ok((found.solution, found.points, Some(found.chosen)));
        }
        if suggests_patterns {
            settings.patterns = suggest_patterns(data, test, &settings)?.patterns;
        }
        Ok((train_with(data, test, &settings, None, &stop, watcher)?, Vec::new(), None))
    });
    let (solution, points, chosen) = solution.map_err(train_error)?;
    Fit::new(py, solution, &points, chosen, meanwhile)
}
