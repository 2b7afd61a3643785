//! The features of a model as a question sees them: which of them can move, and between which values.

use crate::error::ProveError;
use crate::region::Shape;
use cvx_artifact::Model;
use cvx_model::{ColumnKind, Dataset, FeatureKind, Part};

/// Which features of a sample a perturbation moves (d): pixels; of a table, numbers that are not missing. Categories,
/// dates, and the number that stands for a missing one stay as they are.
pub fn moving(model: &Model, sample: &[f64]) -> Vec<bool> {
    let Some(recipe) = model.transform.recipe.as_ref().filter(|_| model.kind == FeatureKind::Table) else {
        return vec![true; sample.len()];
    };
    let features = recipe.features();
    let is_missing = |source: usize| {
        features.iter().zip(sample).any(|(f, value)| f.source == source && f.part == Part::Missing && *value != 0.0)
    };
    let moves = |feature: &cvx_model::Feature| {
        let is_number = matches!(recipe.columns()[feature.source].kind, ColumnKind::Numbers(_));
        feature.part == Part::Value && is_number && !is_missing(feature.source)
    };
    features.iter().map(moves).collect()
}

/// The box from the smallest to the largest value of each feature in these samples.
pub fn range_of(data: &Dataset) -> Shape {
    let (mut lower, mut upper) = (data.row(0), data.row(0));
    for row in 1..data.n_samples() {
        for ((low, high), value) in lower.iter_mut().zip(&mut upper).zip(data.row(row)) {
            (*low, *high) = (low.min(value), high.max(value));
        }
    }
    Shape::Box { lower, upper }
}

/// The feature of this name, or of this number from 1.
///
/// # Errors
/// [`ProveError::Unsupported`] with the names there are.
pub fn feature(model: &Model, name: &str) -> Result<usize, ProveError> {
    let names = model.transform.feature_names.as_deref().unwrap_or_default();
    let by_name = names.iter().position(|other| other == name);
    let by_number = || name.parse::<usize>().ok().filter(|number| (1..=model.transform.n_inputs()).contains(number));
    by_name.or_else(|| by_number().map(|number| number - 1)).ok_or_else(|| {
        let shown: Vec<&str> = names.iter().take(12).map(String::as_str).collect();
        let known = match shown.is_empty() {
            true => format!("they are numbered from 1 to {}", model.transform.n_inputs()),
            false => format!("they are {}{}", shown.join(", "), if names.len() > shown.len() { ", .." } else { "" }),
        };
        ProveError::Unsupported { what: "a question", why: format!("there is no feature '{name}': {known}") }
    })
}
