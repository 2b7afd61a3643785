//! Checks of shapes that every back end makes.

use crate::error::LinalgError;
use crate::sample_source::SampleSource;
use std::ops::Range;

/// [`LinalgError::Shape`] unless the matrix `name` is `rows x cols`.
pub(crate) fn expect(
    operation: &'static str,
    name: &str,
    found: (usize, usize),
    (rows, cols): (usize, usize),
) -> Result<(), LinalgError> {
    if found == (rows, cols) {
        return Ok(());
    }
    Err(LinalgError::shape(operation, format!("{name} is {} x {}, expected {rows} x {cols}", found.0, found.1)))
}

/// [`LinalgError::Shape`] unless each of these terms has a weight.
pub(crate) fn weights(operation: &'static str, weights: usize, terms: usize) -> Result<(), LinalgError> {
    if weights == terms {
        return Ok(());
    }
    Err(LinalgError::shape(operation, format!("{weights} weights of {terms} terms")))
}

/// [`LinalgError::Shape`] unless all of these are numbers of `count` columns.
pub(crate) fn columns(operation: &'static str, indices: &[usize], count: usize) -> Result<(), LinalgError> {
    match indices.iter().find(|&&index| index >= count) {
        None => Ok(()),
        Some(index) => Err(LinalgError::shape(operation, format!("column {index} of {count}"))),
    }
}

/// Where `count` entries from `first` on lie among `length`.
pub(crate) fn part(
    operation: &'static str,
    first: usize,
    count: usize,
    length: usize,
) -> Result<Range<usize>, LinalgError> {
    match first.checked_add(count) {
        Some(end) if end <= length => Ok(first..end),
        _ => Err(LinalgError::shape(operation, format!("{count} entries from entry {first} on, of {length}"))),
    }
}

/// [`LinalgError::Shape`] unless the matrix of `tall` rows has the rows from `first` on that one of shape `low` is to
/// have, and as many columns.
pub(crate) fn rows(
    operation: &'static str,
    first: usize,
    low: (usize, usize),
    tall: (usize, usize),
) -> Result<(), LinalgError> {
    if low.1 == tall.1 && first.checked_add(low.0).is_some_and(|end| end <= tall.0) {
        return Ok(());
    }
    let detail = format!("{} x {} entries from row {first} on, of {} x {}", low.0, low.1, tall.0, tall.1);
    Err(LinalgError::shape(operation, detail))
}

/// [`LinalgError::Shape`] unless `source` has the samples from `first` on that a matrix of shape `out` is to have.
pub(crate) fn samples(source: &dyn SampleSource, first: usize, out: (usize, usize)) -> Result<(), LinalgError> {
    let (rows, columns) = (source.n_features(), source.n_samples());
    if rows == out.0 && first.checked_add(out.1).is_some_and(|end| end <= columns) {
        return Ok(());
    }
    let detail = format!("{} x {} entries from sample {first} on, of {rows} x {columns}", out.0, out.1);
    Err(LinalgError::shape("load_samples", detail))
}
