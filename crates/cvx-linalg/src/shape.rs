//! Checks of shapes that every back end makes.

use crate::error::LinalgError;
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
