//! The columns of each source, and samples with other values in them.

use cvx_model::{Dataset, ModelError};
use std::collections::BTreeMap;

/// The columns of each source, in the order of the sources.
///
/// # Errors
/// [`ModelError::Shape`] unless there is one source per column of `data`.
pub fn columns_of(data: &Dataset, sources: &[usize]) -> Result<BTreeMap<usize, Vec<usize>>, ModelError> {
    if sources.len() != data.n_features() {
        return Err(ModelError::Shape {
            what: "the sources",
            expected: format!("{} of them, one per feature", data.n_features()),
            found: sources.len().to_string(),
        });
    }
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    sources.iter().enumerate().for_each(|(column, &source)| columns.entry(source).or_default().push(column));
    Ok(columns)
}

/// The features of `data`, where those of `columns` in row a are `value(a, column)`. Labels and weights are left out.
///
/// # Errors
/// Those of [`Dataset`].
pub fn replaced(data: &Dataset, columns: &[usize], value: impl Fn(usize, usize) -> f64) -> Result<Dataset, ModelError> {
    let mut values = data.values();
    for (a, row) in values.chunks_mut(data.n_features()).enumerate() {
        columns.iter().for_each(|&column| row[column] = value(a, column));
    }
    let changed = Dataset::new(data.n_features(), values, None, data.kind())?;
    match data.feature_names() {
        Some(names) => changed.with_feature_names(names.to_vec()),
        None => Ok(changed),
    }
}
