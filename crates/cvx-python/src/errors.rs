//! Errors of the library as exceptions of Python, which speak of parameters where the program speaks of options.

use cvx_admm::{ArtifactError, FileError, TrainError};
use cvx_model::ModelError;
use pyo3::exceptions::{PyFileNotFoundError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// ENOENT, the same on every system.
const NO_SUCH_FILE: i32 = 2;

/// `--max-iterations` is the parameter `max_iterations` here, and `cvx path` a function.
pub fn in_python(text: &str) -> String {
    let text = text.replace("cvx path", "cvx_relu.path");
    let words = text.split(' ').map(|word| match word.strip_prefix("--") {
        Some(option) => option.replace('-', "_"),
        None => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `ValueError` for bad input, `MemoryError` for a run that would not fit, `RuntimeError` for a device.
pub fn train_error(error: TrainError) -> PyErr {
    let text = in_python(&error.to_string());
    match error {
        TrainError::Setting { name, value, range } => {
            let name = name.replace('-', "_");
            PyValueError::new_err(format!("{name} is {value}, but it must be {}", in_python(range)))
        }
        TrainError::Memory { .. } => PyMemoryError::new_err(text),
        TrainError::NotCompiledIn { device } => PyRuntimeError::new_err(format!(
            "the device '{device}' is not compiled into this package: build it with the feature cuda, or use device='cpu'"
        )),
        TrainError::Linalg(_) => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// `ValueError`.
pub fn model_error(error: ModelError) -> PyErr {
    train_error(error.into())
}

/// `OSError` of the file, with the system's number, or `ValueError` for what is no model.
pub fn file_error(error: FileError) -> PyErr {
    match error {
        FileError::Missing { path, what } => PyFileNotFoundError::new_err((
            NO_SUCH_FILE,
            format!("this {what} does not exist: check the name"),
            path.into_os_string(),
        )),
        FileError::Io { path, action, source } => PyOSError::new_err((
            source.raw_os_error().unwrap_or_default(),
            format!("cannot be {action}: {source}"),
            path.into_os_string(),
        )),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// `ValueError` for an argument that is something else.
pub fn bad_value(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let shown = value.repr().map_or_else(|_| value.get_type().to_string(), |text| text.to_string());
    PyValueError::new_err(format!("{name} is {shown}, but it must be {expected}"))
}

/// `ValueError` for samples that a model does not fit, or was not trained on.
pub fn artifact_error(error: ArtifactError) -> PyErr {
    match error {
        ArtifactError::Model(error) => train_error(error.into()),
        ArtifactError::Linalg(error) => train_error(error.into()),
        other => PyValueError::new_err(other.to_string()),
    }
}
