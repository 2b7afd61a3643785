//! Proofs about a trained network.

use crate::data::Data;
use crate::errors::{prove_error, train_error};
use crate::model::Model;
use cvx_linalg::ThreadPool;
use cvx_prove::{
    Budget, Classifier, Deployed, Norm, Outcome, ProveError, Question, Shape, certify_all, difference_bounds,
    radius_all,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::time::Duration;

/// The longest time limit in seconds, as that of the program.
const LONGEST: f64 = 4e9;

/// How far a search goes, and what its claims are about.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Work {
    deployed: String,
    nodes: usize,
    time_limit: Option<f64>,
}

impl Work {
    fn read(&self) -> PyResult<(Deployed, Budget)> {
        let deployed = self.deployed.parse();
        let deployed = deployed.map_err(|_| wrong("deployed", &self.deployed, "\"f64\", \"f32\" or \"exact\""))?;
        if let Some(seconds) = self.time_limit.filter(|seconds| !(*seconds > 0.0 && *seconds <= LONGEST)) {
            return Err(wrong("time_limit", &seconds.to_string(), "a positive number of seconds, at most 4e9"));
        }
        let time = self.time_limit.map(Duration::from_secs_f64);
        Ok((deployed, Budget { nodes: self.nodes, time }))
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {value}, but it must be {expected}"))
}

fn question(norm: &str, radius: Option<f64>, values: Option<(f64, f64)>) -> PyResult<Question> {
    let norm = norm.parse::<Norm>().map_err(|_| wrong("norm", norm, "\"linf\" or \"l2\""))?;
    Ok(Question { norm, radius, values })
}

/// Runs on the threads of a pool of its own, without Python's lock.
fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, ProveError> + Send) -> PyResult<T> {
    let run = || ThreadPool::new(0).map(|pool| pool.run(work));
    py.detach(run).map_err(|error| train_error(error.into()))?.map_err(prove_error)
}

/// For each sample `proved`, `refuted` or `open`, and a counterexample where it is refuted.
type Certificates = (Vec<&'static str>, Vec<Option<Vec<f64>>>);

/// Whether no input near a sample has another class than `expected`, an index into the classes of the model.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "arguments of Python")]
pub fn certify(
    py: Python<'_>,
    model: &Model,
    data: &Data,
    expected: Option<Vec<usize>>,
    norm: &str,
    eps: f64,
    values: Option<(f64, f64)>,
    work: &Bound<'_, PyAny>,
) -> PyResult<Certificates> {
    let ((deployed, budget), question) = (work.extract::<Work>()?.read()?, question(norm, Some(eps), values)?);
    let found = detached(py, || {
        let classifier = Classifier::new(&model.inner, deployed)?;
        certify_all(&classifier, &data.inner, expected.as_deref(), &question, &budget)
    })?;
    let names = found.iter().map(|found| found.outcome.name()).collect();
    let point = |outcome| match outcome {
        Outcome::Refuted { point, .. } => Some(point),
        _ => None,
    };
    Ok((names, found.into_iter().map(|found| point(found.outcome)).collect()))
}

/// The largest radius that is proved for each sample, and the smallest that is refuted.
#[pyfunction]
pub fn certified_radius(
    py: Python<'_>,
    model: &Model,
    data: &Data,
    norm: &str,
    values: Option<(f64, f64)>,
    tolerance: f64,
    work: &Bound<'_, PyAny>,
) -> PyResult<Vec<(f64, Option<f64>)>> {
    let ((deployed, budget), question) = (work.extract::<Work>()?.read()?, question(norm, None, values)?);
    let found = detached(py, || {
        let classifier = Classifier::new(&model.inner, deployed)?;
        radius_all(&classifier, &data.inner, &question, tolerance, &budget)
    })?;
    Ok(found.into_iter().map(|radius| (radius.proved, radius.refuted)).collect())
}

/// Lower and upper bounds of the outputs (C each) on a box of features, or of their differences from another model's.
#[pyfunction]
pub fn output_bounds(
    py: Python<'_>,
    model: &Model,
    other: Option<&Model>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    tolerance: f64,
    work: &Bound<'_, PyAny>,
) -> PyResult<(Vec<f64>, Vec<f64>)> {
    let (deployed, budget) = work.extract::<Work>()?.read()?;
    let shape = Shape::Box { lower, upper };
    let bounds = detached(py, || match other {
        Some(other) => difference_bounds(&model.inner, &other.inner, shape, tolerance, deployed, &budget),
        None => cvx_prove::output_bounds(&model.inner, shape, tolerance, deployed, &budget),
    })?;
    let is_open = bounds.iter().any(|bounds| bounds.low.theorem.is_none() || bounds.high.theorem.is_none());
    if is_open {
        let text = "the bounds were not proved within the limits: raise nodes, time_limit or tolerance";
        return Err(PyValueError::new_err(text));
    }
    Ok(bounds.into_iter().map(|bounds| (bounds.low.bound, bounds.high.bound)).unzip())
}
