//! Partial dependence: the mean prediction when one feature has the same value in every sample.

use super::columns::{columns_of, replaced};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, ModelError};
use rand::SeedableRng;
use rand::seq::index;
use rand_pcg::Pcg64;
use serde::Serialize;

/// Most individual curves.
const CURVES: usize = 10;

/// How the predictions depend on one source of features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dependence {
    /// The source.
    pub source: usize,
    /// Its columns among the features.
    pub columns: Vec<usize>,
    /// G values of these columns, in ascending order: `grid[point][column]`.
    pub grid: Vec<Vec<f64>>,
    /// Mean predictions of all samples: `mean[point][output]`.
    pub mean: Vec<Vec<f64>>,
    /// The samples of the individual curves, at most 10.
    pub samples: Vec<usize>,
    /// Predictions of these samples (individual conditional expectation): `curves[sample][point][output]`.
    pub curves: Vec<Vec<Vec<f64>>>,
}

/// Partial dependence (Friedman, 2001) and individual conditional expectation (Goldstein et al., 2015) of a predictor
/// of C outputs on one `source`. The predictor is called once for each point of the grid, with all samples of `data`.
///
/// The grid has the distinct rows of the columns of the source, such as the levels of a category. If there are more
/// than `points`, it has those at equal distances among the sorted rows of all samples, with the first and the last:
/// the quantiles of a number, and the frequent ones of many levels. The `seed` draws the samples of the curves.
///
/// # Errors
/// [`ModelError::Shape`] unless there is one source per feature and `source` is one of them, [`ModelError::Empty`] for
/// no points, and those of the predictor.
pub fn dependence<E: From<ModelError>>(
    predict: &mut dyn FnMut(&Dataset) -> Result<HostMatrix, E>,
    data: &Dataset,
    sources: &[usize],
    source: usize,
    points: usize,
    seed: u64,
) -> Result<Dependence, E> {
    let columns = columns_of(data, sources)?.remove(&source).ok_or_else(|| ModelError::Shape {
        what: "the source",
        expected: "one of those of the features".to_string(),
        found: source.to_string(),
    })?;
    if points == 0 {
        return Err(ModelError::Empty { what: "points" }.into());
    }
    let n = data.n_samples();
    let mut samples = index::sample(&mut Pcg64::seed_from_u64(seed), n, n.min(CURVES)).into_vec();
    samples.sort_unstable();
    let grid = grid(data, &columns, points);
    let mut mean = Vec::with_capacity(grid.len());
    let mut curves = vec![Vec::with_capacity(grid.len()); samples.len()];
    let mut at = vec![0.0; data.n_features()];
    for point in &grid {
        columns.iter().zip(point).for_each(|(&column, value)| at[column] = *value);
        let prediction = predict(&replaced(data, &columns, |_, column| at[column])?)?;
        if prediction.rows() != n {
            let (expected, found) = (format!("{n} rows, one per sample"), prediction.rows().to_string());
            return Err(ModelError::Shape { what: "the prediction", expected, found }.into());
        }
        let outputs = 0..prediction.cols();
        mean.push(outputs.clone().map(|c| prediction.col(c).iter().sum::<f64>() / n as f64).collect());
        for (curve, &a) in curves.iter_mut().zip(&samples) {
            curve.push(outputs.clone().map(|c| prediction[(a, c)]).collect());
        }
    }
    Ok(Dependence { source, columns, grid, mean, samples, curves })
}

/// At most `points` different rows of the columns, in ascending order.
fn grid(data: &Dataset, columns: &[usize], points: usize) -> Vec<Vec<f64>> {
    let n = data.n_samples();
    let mut rows: Vec<Vec<f64>> = (0..n).map(|a| columns.iter().map(|&column| data.get(a, column)).collect()).collect();
    // -0 and 0 are the same value.
    rows.iter_mut().flatten().for_each(|value| *value += 0.0);
    let order = |a: &Vec<f64>, b: &Vec<f64>| {
        let differs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        differs.unwrap_or(std::cmp::Ordering::Equal)
    };
    rows.sort_by(order);
    let mut distinct = rows.clone();
    distinct.dedup();
    if distinct.len() <= points {
        return distinct;
    }
    let place = |k: usize| if points == 1 { (n - 1) / 2 } else { k * (n - 1) / (points - 1) };
    let mut grid: Vec<Vec<f64>> = (0..points).map(|k| rows[place(k)].clone()).collect();
    grid.dedup();
    grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactError;
    use cvx_model::FeatureKind;

    const SOURCES: [usize; 5] = [0, 1, 1, 1, 2];

    /// A number, three levels in three columns, and a number of five values.
    fn samples() -> Dataset {
        let row = |a: usize| {
            let level = |l: usize| f64::from(u8::from(a % 3 == l));
            [(a as f64 * 0.7).sin(), level(0), level(1), level(2), (a % 5) as f64]
        };
        Dataset::new(5, (0..101).flat_map(row).collect(), None, FeatureKind::Table).unwrap()
    }

    fn term(x: f64) -> f64 {
        x * x + x.max(0.2)
    }

    /// Two outputs, each a sum of terms of one source.
    fn additive(data: &Dataset) -> Result<HostMatrix, ArtifactError> {
        let value = |x: &[f64], c: usize| term(x[0]) * [1.0, -2.0][c] + 4.0 * x[1] - x[3] + x[4].sin();
        Ok(HostMatrix::from_fn(data.n_samples(), 2, |a, c| value(&data.row(a), c)))
    }

    #[test]
    fn the_dependence_of_an_additive_predictor_is_its_term_up_to_a_constant() {
        let found = dependence(&mut additive, &samples(), &SOURCES, 0, 20, 1).unwrap();
        assert_eq!((found.grid.len(), found.samples.len(), found.curves.len()), (20, 10, 10));
        let first = term(found.grid[0][0]);
        for (c, factor) in [(0, 1.0), (1, -2.0)] {
            for curve in found.curves.iter().chain([&found.mean]) {
                for (value, x) in curve.iter().zip(&found.grid) {
                    assert!((value[c] - curve[0][c] - factor * (term(x[0]) - first)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn the_grid_has_every_level_or_the_quantiles_of_a_number() {
        let data = samples();
        let levels = dependence(&mut additive, &data, &SOURCES, 1, 20, 1).unwrap();
        assert_eq!(levels.columns, [1, 2, 3]);
        assert_eq!(levels.grid, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
        let rise = |to: usize, from: usize| levels.mean[to][0] - levels.mean[from][0];
        assert!((rise(1, 0) - 1.0).abs() < 1e-12 && (rise(2, 1) - 4.0).abs() < 1e-12);
        assert_eq!(grid(&data, &[4], 20), [[0.0], [1.0], [2.0], [3.0], [4.0]]);
        let mut sorted: Vec<f64> = (0..101).map(|a| data.row(a)[0]).collect();
        sorted.sort_by(f64::total_cmp);
        assert_eq!(grid(&data, &[0], 5).concat(), [0, 25, 50, 75, 100].map(|rank| sorted[rank]));
        assert_eq!(grid(&data, &[0], 1).concat(), [sorted[50]]);
        let zeros = Dataset::new(1, vec![0.0, -0.0], None, FeatureKind::Table).unwrap();
        assert_eq!(grid(&zeros, &[0], 5).len(), 1);
    }

    #[test]
    fn the_seed_draws_the_samples_of_the_curves() {
        let run = |seed| dependence(&mut additive, &samples(), &SOURCES, 2, 5, seed).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).samples, run(2).samples);
        assert_eq!(run(1).mean, run(2).mean);
        let three = samples().limit(3).unwrap();
        assert_eq!(dependence(&mut additive, &three, &SOURCES, 0, 5, 1).unwrap().samples, [0, 1, 2]);
    }

    #[test]
    fn arguments_that_do_not_fit_are_errors() {
        let data = samples();
        for (sources, source, points) in [(&SOURCES[..], 3, 5), (&SOURCES[..4], 0, 5), (&SOURCES[..], 0, 0)] {
            let found = dependence(&mut additive, &data, sources, source, points, 1);
            assert!(matches!(found, Err(ArtifactError::Model(_))), "{source} {points}");
        }
        let mut none = |_: &Dataset| Ok::<_, ArtifactError>(HostMatrix::zeros(0, 1));
        assert!(dependence(&mut none, &data, &SOURCES, 0, 5, 1).is_err());
    }
}
