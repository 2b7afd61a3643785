//! Structs of the library as flat dictionaries.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::pythonize;
use serde::Serialize;

/// Fields that hold the scores on one set of samples, or none.
const SCORES: [&str; 3] = ["train", "test", "validation"];

/// The fields of scores.
const PARTS: [&str; 2] = ["loss", "accuracy"];

/// The fields of `value` as a dictionary, in which scores are two numbers: `train_loss` and `train_accuracy`.
pub fn record<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyDict>> {
    let record = PyDict::new(py);
    for (name, value) in pythonize(py, value)?.cast_into::<PyDict>()? {
        let name = name.extract::<String>()?;
        if !SCORES.contains(&name.as_str()) {
            record.set_item(name, value)?;
            continue;
        }
        for part in PARTS {
            let number = if value.is_none() { value.clone() } else { value.get_item(part)? };
            record.set_item(format!("{name}_{part}"), number)?;
        }
    }
    Ok(record)
}
