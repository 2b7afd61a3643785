//! Errors of the library as Python exceptions, phrased with the parameters of this package.

use cvx_admm::{ArtifactError, FileError, TrainError};
use cvx_linalg::LinalgError;
use cvx_model::ModelError;
use cvx_prove::ProveError;
use pyo3::exceptions::{PyFileNotFoundError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// ENOENT, the same on every system.
const NO_SUCH_FILE: i32 = 2;

/// Settings of the library, and the parameters of the package that set them under another name.
const RENAMED: [(&str, &str); 5] = [
    ("class_weights", "class_weight"),
    ("normalisation", "normalize"),
    ("ratio", "beta_ratio"),
    ("seed", "random_state"),
    ("choice", "choose"),
];

/// `ValueError` for bad input, `MemoryError` for a run that does not fit the memory, `RuntimeError` for a device.
pub fn train_error(error: TrainError) -> PyErr {
    let text = train_text(&error);
    match error {
        TrainError::Memory { .. } => PyMemoryError::new_err(text),
        TrainError::NotCompiledIn { .. } | TrainError::Linalg(_) => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// `ValueError`.
pub fn model_error(error: ModelError) -> PyErr {
    train_error(error.into())
}

/// `ValueError` for samples that do not fit a model or that it was not trained on.
pub fn artifact_error(error: ArtifactError) -> PyErr {
    match error {
        ArtifactError::Model(error) => model_error(error),
        ArtifactError::Linalg(error) => train_error(error.into()),
        ArtifactError::OtherData { expected, found } => PyValueError::new_err(format!(
            "the {found} samples are not the {expected} that the model was trained on: \
             give the X, y and sample_weight of its fit"
        )),
    }
}

/// `ValueError` for a question that does not fit the model.
pub fn prove_error(error: ProveError) -> PyErr {
    match error {
        ProveError::Model(error) => model_error(error),
        ProveError::Artifact(error) => artifact_error(error),
        ProveError::File(error) => file_error(error),
        error => PyValueError::new_err(error.to_string()),
    }
}

/// `OSError` with the file and the error number of the system, or `ValueError` for a file that is not a valid model.
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

/// `ValueError` for an argument of the wrong type or outside its range.
pub fn bad_value(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let shown = value.repr().map_or_else(|_| value.get_type().to_string(), |text| text.to_string());
    PyValueError::new_err(out_of_range(name, shown, expected))
}

/// What a GPU reported, and what to do about it.
pub fn device_text(error: &LinalgError) -> String {
    match error {
        LinalgError::NoDriver => {
            r#"no NVIDIA driver was found (libcuda cannot be loaded): install it, or use device="cpu""#.to_string()
        }
        LinalgError::NoSuchDevice { ordinal, count } => {
            format!("there is no device cuda:{ordinal}: the driver sees {count} (ordinals count from 0)")
        }
        LinalgError::DeviceMemory { needed, free } => format!(
            "the GPU is out of memory: {needed} bytes were needed and {free} were free; \
             use fewer samples or patterns, another solver, or device=\"cpu\""
        ),
        _ => error.to_string(),
    }
}

fn train_text(error: &TrainError) -> String {
    match error {
        TrainError::Model(error) => model_text(error),
        TrainError::Test(error) => format!("the test samples: {}", model_text(error)),
        TrainError::Linalg(error) => device_text(error),
        TrainError::Setting { name, value, range } => out_of_range(parameter(name), value, range),
        TrainError::NotCompiledIn { device } => format!(
            "the device '{device}' is not compiled into this package: \
             build it with the feature cuda, or use device=\"cpu\""
        ),
        TrainError::Memory { solver, needed, budget, fits } => {
            let remedy = match fits {
                Some(kind) => format!("solver=\"{kind}\" would fit"),
                None => "use fewer samples or patterns, or raise memory_budget".to_string(),
            };
            format!("{solver} needs about {} and the budget is {}: {remedy}", gigabytes(*needed), gigabytes(*budget))
        }
        // Of checkpoints and warm starts, which the package does not have.
        _ => error.to_string(),
    }
}

fn model_text(error: &ModelError) -> String {
    match error {
        ModelError::OutOfRange { name, value, range } => out_of_range(parameter(name), value, range),
        ModelError::NotImages { gates } => format!(
            "the gates '{gates}' are patches of images, and the samples are a table: \
             give the shape of an image with image, or choose others with gates"
        ),
        ModelError::NeedsClasses { what } => {
            format!("{what} needs classes, but the task is a regression: choose another, or use ConvexReLUClassifier")
        }
        _ => error.to_string(),
    }
}

fn out_of_range(name: &str, value: impl std::fmt::Display, range: &str) -> String {
    format!("{name} is {value}, but it must be {range}")
}

/// The parameter that sets a setting of the library.
fn parameter(setting: &str) -> &str {
    RENAMED.iter().find(|(name, _)| *name == setting).map_or(setting, |(_, parameter)| parameter)
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB ({bytes} bytes)", bytes as f64 / 1e9)
}
