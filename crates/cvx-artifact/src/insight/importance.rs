//! Permutation importance: how much worse predictions become when a feature is shuffled.

use super::columns::{columns_of, replaced};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, ModelError};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use serde::Serialize;

/// The importance of every source of features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importances {
    /// The error on the samples as they are.
    pub error: f64,
    /// One for each source, in ascending order of the sources.
    pub sources: Vec<Importance>,
}

/// The importance of one source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The source.
    pub source: usize,
    /// Mean rise of the error over the permutations, in the units of the error. It is 0 for features that the predictor
    /// ignores, and can be negative by chance.
    pub mean: f64,
    /// Standard deviation of the rise over the permutations, divided by their number as in scikit-learn.
    pub deviation: f64,
}

/// Permutation importance (Breiman, 2001): the rise of `error` when the rows of the columns of one source are permuted
/// among the samples, over `repeats` permutations. Each source gets the same permutations, which depend on the `seed`
/// and the number of samples alone. `error` maps predictions (n x C) for the samples of `data` to a number.
///
/// The predictor is called once, and `repeats` times for each source.
///
/// # Errors
/// [`ModelError::Shape`] unless there is one source per feature, [`ModelError::Empty`] for no repeats, and those of the
/// predictor.
pub fn importance<E: From<ModelError>>(
    predict: &mut dyn FnMut(&Dataset) -> Result<HostMatrix, E>,
    data: &Dataset,
    sources: &[usize],
    error: &dyn Fn(&HostMatrix) -> f64,
    repeats: usize,
    seed: u64,
) -> Result<Importances, E> {
    let columns = columns_of(data, sources)?;
    if repeats == 0 {
        return Err(ModelError::Empty { what: "repeats" }.into());
    }
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..data.n_samples()).collect();
    let permutations: Vec<Vec<usize>> = (0..repeats)
        .map(|_| {
            order.shuffle(&mut rng);
            order.clone()
        })
        .collect();
    let base = error(&predict(data)?);
    let mut found = Vec::with_capacity(columns.len());
    for (source, columns) in columns {
        let mut rises = Vec::with_capacity(repeats);
        for rows in &permutations {
            let permuted = replaced(data, &columns, |a, column| data.get(rows[a], column))?;
            rises.push(error(&predict(&permuted)?) - base);
        }
        let mean = rises.iter().sum::<f64>() / repeats as f64;
        let variance = rises.iter().map(|rise| (rise - mean).powi(2)).sum::<f64>() / repeats as f64;
        found.push(Importance { source, mean, deviation: variance.sqrt() });
    }
    Ok(Importances { error: base, sources: found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactError;
    use cvx_model::FeatureKind;
    use std::cell::Cell;

    /// y = 3 x_0 + x_1 x_2 without noise; x_1 and x_2 encode the source 7, and x_3 is ignored.
    fn predictor(data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        let value = |x: &[f64]| 3.0 * x[0] + x[1] * x[2];
        Ok(HostMatrix::from_fn(data.n_samples(), 1, |a, _| value(&data.row(a))))
    }

    fn samples() -> Dataset {
        let values = (0..200 * 4).map(|k| (k as f64 * 1.7).sin()).collect();
        let names = ["a", "b", "c", "d"].map(String::from).to_vec();
        Dataset::new(4, values, None, FeatureKind::Table).unwrap().with_feature_names(names).unwrap()
    }

    fn error(data: &Dataset) -> impl Fn(&HostMatrix) -> f64 + use<> {
        let y = predictor(data).unwrap();
        move |prediction| {
            prediction.values().iter().zip(y.values()).map(|(f, y)| (f - y) * (f - y)).sum::<f64>() / y.rows() as f64
        }
    }

    #[test]
    fn an_ignored_feature_has_the_importance_zero_and_the_strongest_the_largest() {
        let data = samples();
        let calls = Cell::new(0);
        let mut predict = |data: &Dataset| {
            calls.set(calls.get() + 1);
            assert!(data.feature_names().is_some());
            predictor(data)
        };
        let found = importance(&mut predict, &data, &[5, 7, 7, 9], &error(&data), 8, 3).unwrap();
        assert_eq!((found.error, calls.get()), (0.0, 1 + 3 * 8));
        let by_source: Vec<(usize, f64)> = found.sources.iter().map(|found| (found.source, found.mean)).collect();
        let [(5, first), (7, product), (9, 0.0)] = by_source[..] else { panic!("{by_source:?}") };
        assert_eq!(found.sources[2].deviation, 0.0);
        // The expected squared difference of two independent draws is twice the variance: 2 * 9 * 1/2.
        assert!((first - 9.0).abs() < 1.5, "{first}");
        assert!(product > 0.1 && product < 1.0 && found.sources[0].deviation > 0.0, "{found:?}");
    }

    /// Together, the columns of a source keep their product; apart, they do not.
    #[test]
    fn columns_of_one_source_are_permuted_together() {
        let data = samples();
        let mut seen: Vec<f64> = Vec::new();
        let mut predict = |data: &Dataset| {
            let mut products: Vec<f64> = (0..data.n_samples()).map(|a| data.row(a)[1] * data.row(a)[2]).collect();
            products.sort_by(f64::total_cmp);
            if seen.is_empty() {
                seen = products;
            } else {
                assert_eq!(seen, products);
            }
            predictor(data)
        };
        importance(&mut predict, &data, &[0, 1, 1, 2], &error(&data), 2, 0).unwrap();
    }

    #[test]
    fn the_seed_determines_the_result() {
        let data = samples();
        let run = |seed| importance(&mut predictor, &data, &[0, 1, 2, 3], &error(&data), 3, seed).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn arguments_that_do_not_fit_and_errors_of_the_predictor_are_returned() {
        let data = samples();
        let none: ArtifactError = importance(&mut predictor, &data, &[0, 1], &error(&data), 3, 1).unwrap_err();
        assert!(matches!(none, ArtifactError::Model(ModelError::Shape { .. })));
        assert!(importance(&mut predictor, &data, &[0; 4], &error(&data), 0, 1).is_err());
        let mut fails = |_: &Dataset| Err(ArtifactError::OtherData { expected: 1, found: 2 });
        assert!(matches!(
            importance(&mut fails, &data, &[0; 4], &error(&data), 1, 1),
            Err(ArtifactError::OtherData { .. })
        ));
    }
}
