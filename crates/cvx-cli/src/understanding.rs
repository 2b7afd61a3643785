//! What a network has learned: which columns it uses, and how its predictions depend on them.

mod examined;
mod places;

pub use examined::Basis;
pub use places::Place;

use crate::phrase;
use cvx_admm::insight::{Dependence, Importance, dependence, importance};
use cvx_admm::{ArtifactError, Model, Solution};
use cvx_linalg::HostMatrix;
use cvx_model::{DataSplit, Dataset, FeatureKind, Transform};
use examined::Examined;
use serde::Serialize;
use std::collections::BTreeSet;

/// Most columns that are examined one by one.
const MOST_COLUMNS: usize = 50;

/// Samples and permutations of the first pass, which chooses these columns.
const FIRST_SAMPLES: usize = 200;
const FIRST_REPEATS: usize = 1;

/// Permutations of each column.
const REPEATS: usize = 5;

/// Columns whose dependence is computed, and most points of a curve.
const CURVES: usize = 6;
const POINTS: usize = 20;

/// Most samples of constrained columns, and fewest, which all have a curve.
const CONSTRAINED_SAMPLES: usize = 200;
const FEW_CURVES: usize = 10;

/// Most multiplications of all predictions together: about ten seconds on two cores.
const MOST_WORK: f64 = 6e10;

/// Fewest samples that say something.
const FEW_SAMPLES: usize = 100;

/// What was found, or why nothing was.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Understanding {
    /// What was found.
    Found(Findings),
    /// Nothing.
    LeftOut {
        /// The reason, as the end of a sentence.
        left_out: String,
    },
}

/// Importance and dependence.
#[derive(Serialize)]
pub struct Findings {
    /// The samples and the networks that predict them.
    pub samples: Basis,
    /// Number of these samples.
    pub n_samples: usize,
    /// The error of the predictions: `log loss`, `share of errors` or `RMSE`.
    pub error_name: &'static str,
    /// Its value on these samples.
    pub error: f64,
    /// What the predictions are: the class of a probability or score, or the target.
    pub outputs: Vec<String>,
    /// What they are: `probability`, `score` or `prediction`.
    pub output_kind: &'static str,
    /// Permutations of each column.
    pub repeats: usize,
    /// The columns, the most important first.
    pub importance: Vec<ColumnImportance>,
    /// All other columns, permuted together, if there are too many.
    pub others: Option<OtherColumns>,
    /// The dependence on the most important columns.
    pub dependence: Vec<ColumnDependence>,
}

/// The rise of the error when a column is permuted.
#[derive(Serialize)]
pub struct ColumnImportance {
    /// The column.
    pub column: String,
    /// Mean over the permutations.
    pub mean: f64,
    /// Standard deviation over the permutations.
    pub deviation: f64,
}

/// The rise of the error when columns are permuted together.
#[derive(Serialize)]
pub struct OtherColumns {
    /// Number of columns.
    pub columns: usize,
    /// Mean over the permutations.
    pub mean: f64,
    /// Standard deviation over the permutations.
    pub deviation: f64,
}

/// Predictions where all samples have the same value in a column.
#[derive(Serialize)]
pub struct ColumnDependence {
    /// The column.
    pub column: String,
    /// `numbers`, `dates` (in days since 1970) or `categories`.
    pub holds: &'static str,
    /// The values.
    pub values: Vec<Place>,
    /// Mean predictions: `mean[value][output]`.
    pub mean: Vec<Vec<f64>>,
    /// Predictions of single samples: `curves[sample][value][output]`.
    pub curves: Vec<Vec<Vec<f64>>>,
}

/// Examines the network of a run on its samples.
pub fn of(solution: &Solution, split: &DataSplit, seed: u64) -> Understanding {
    let left_out = |reason: &str| Understanding::LeftOut { left_out: reason.to_string() };
    match solution.model.kind {
        FeatureKind::Image { .. } => left_out("single pixels say little"),
        _ if solution.model.network.n_neurons() == 0 => left_out("the network has no neurons, so it is constant"),
        _ => examine(solution, split, seed)
            .unwrap_or_else(|error| Understanding::LeftOut { left_out: phrase::error(&error.into()) }),
    }
}

fn examine(solution: &Solution, split: &DataSplit, seed: u64) -> Result<Understanding, ArtifactError> {
    let model = &solution.model;
    let sources = model.transform.sources();
    let n_sources = sources.iter().collect::<BTreeSet<_>>().len();
    let examined = Examined::new(model, split, seed)?;
    let work = examined.work_of_a_sample();
    let first = if n_sources > MOST_COLUMNS { FIRST_REPEATS * n_sources } else { 0 };
    let columns = n_sources.min(MOST_COLUMNS + 1);
    let calls = 1 + REPEATS * columns + CURVES.min(columns) * POINTS;
    let affordable = (MOST_WORK - work * (first * FIRST_SAMPLES) as f64) / (work * calls as f64);
    if affordable < FEW_SAMPLES.min(examined.n_samples()) as f64 {
        let left_out = format!(
            "it would take about {:.0} seconds",
            10.0 * work * (first * FIRST_SAMPLES + calls * FEW_SAMPLES) as f64 / MOST_WORK
        );
        return Ok(Understanding::LeftOut { left_out });
    }
    let kept = match n_sources > MOST_COLUMNS {
        false => sources.clone(),
        true => {
            let few = examined.limited(FIRST_SAMPLES)?;
            let found = ranked(&few, &sources, FIRST_REPEATS, seed)?.1;
            let kept: Vec<usize> = found.iter().take(MOST_COLUMNS).map(|found| found.source).collect();
            sources.iter().map(|source| if kept.contains(source) { *source } else { usize::MAX }).collect()
        }
    };
    let examined = examined.limited(affordable as usize)?;
    let (error, found) = ranked(&examined, &kept, REPEATS, seed)?;
    let others = found.iter().find(|found| found.source == usize::MAX);
    let others = others.map(|found| OtherColumns {
        columns: n_sources - MOST_COLUMNS,
        mean: found.mean,
        deviation: found.deviation,
    });
    let found: Vec<_> = found.into_iter().filter(|found| found.source != usize::MAX).collect();
    let mut curves = Vec::new();
    for found in &found {
        if curves.len() == CURVES {
            break;
        }
        let mut predict = |data: &Dataset| examined.shown(data);
        let found = dependence(&mut predict, &examined.data, &sources, found.source, POINTS, seed)?;
        // A single value shows no dependence, and costs one prediction only.
        if found.grid.len() > 1 {
            curves.push(column_dependence(&model.transform, found));
        }
    }
    Ok(Understanding::Found(Findings {
        samples: examined.basis,
        n_samples: examined.n_samples(),
        error_name: examined.error_name(),
        error,
        outputs: examined.outputs(),
        output_kind: examined.output_kind(),
        repeats: REPEATS,
        importance: (found.iter())
            .map(|found| ColumnImportance {
                column: places::title(&model.transform, found.source),
                mean: found.mean,
                deviation: found.deviation,
            })
            .collect(),
        others,
        dependence: curves,
    }))
}

/// The error and the importance of the sources, the largest first.
fn ranked(
    examined: &Examined,
    sources: &[usize],
    repeats: usize,
    seed: u64,
) -> Result<(f64, Vec<Importance>), ArtifactError> {
    let mut predict = |data: &Dataset| examined.predict(data);
    let error = |outputs: &HostMatrix| examined.error(outputs);
    let mut found = importance(&mut predict, &examined.data, sources, &error, repeats, seed)?;
    found.sources.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Ok((found.error, found.sources))
}

/// How the outputs of a model (for classes, scores) depend on its first `most` columns with a trend or a curvature, on
/// at most 200 samples.
pub fn constrained(
    model: &Model,
    data: &Dataset,
    most: usize,
    seed: u64,
) -> Result<Vec<ColumnDependence>, ArtifactError> {
    let Model { cones: Some(cones), transform, network, .. } = model else { return Ok(Vec::new()) };
    let sources = transform.sources();
    let is_constrained = |k: &usize| cones.trends()[*k].is_some() || cones.curvatures()[*k].is_some();
    let mut columns: Vec<usize> = (0..cones.n_inputs()).filter(is_constrained).map(|k| sources[k]).collect();
    columns.dedup();
    columns.truncate(most);
    let work = (network.w1.rows() * network.n_neurons() * POINTS * columns.len()) as f64;
    let samples = ((MOST_WORK / work) as usize).clamp(FEW_CURVES, CONSTRAINED_SAMPLES);
    let n = data.n_samples();
    let data = data.select(&(0..n).step_by(n.div_ceil(samples)).collect::<Vec<_>>())?;
    let of = |source| {
        let found = dependence(&mut |data: &Dataset| model.predict(data), &data, &sources, source, POINTS, seed)?;
        Ok(column_dependence(transform, found))
    };
    columns.into_iter().map(of).collect()
}

fn column_dependence(transform: &Transform, found: Dependence) -> ColumnDependence {
    ColumnDependence {
        column: places::title(transform, found.source),
        holds: places::holds(transform, found.source),
        values: found.grid.iter().map(|row| Place::new(transform, &found.columns, row)).collect(),
        mean: found.mean,
        curves: found.curves,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::{Beta, Settings, train};
    use cvx_model::{Activation, Constraints, Labels, Trend};

    #[test]
    fn every_curve_along_a_column_with_a_trend_follows_it() {
        let n = 60;
        // Two columns; the target is far from monotone in either.
        let rows = (0..n).map(|a| (f64::from(a * 7 % n), f64::from(a * 11 % n)));
        let values = rows.clone().flat_map(|(a, b)| [a, b]).collect();
        let y = rows.map(|(a, b)| (a / 5.0).sin() + a / 20.0 - (b / 9.0).cos()).collect();
        let names = ["up", "down"].map(String::from).to_vec();
        let data = Dataset::new(2, values, Some(Labels::numbers(y)), FeatureKind::Table).unwrap();
        let data = data.with_feature_names(names).unwrap();
        let trends = vec![("up".to_string(), Trend::Increasing), ("down".to_string(), Trend::Decreasing)];
        let settings = Settings {
            activation: Activation::Relu,
            patterns: 20,
            beta: Beta::Fraction(1e-4),
            constraints: Constraints { trends, ..Constraints::default() },
            ..Settings::default()
        };
        let model = train(&data, None, &settings).unwrap().model;
        let found = constrained(&model, &data, 8, 1).unwrap();
        assert_eq!(found.iter().map(|column| column.column.as_str()).collect::<Vec<_>>(), ["up", "down"]);
        for (column, sign) in found.iter().zip([1.0, -1.0]) {
            assert_eq!((column.values.len(), column.curves.len()), (POINTS, 10));
            for curve in &column.curves {
                assert!(curve.windows(2).all(|pair| sign * (pair[1][0] - pair[0][0]) >= 0.0));
                let (first, last) = (curve[0][0], curve[POINTS - 1][0]);
                assert!(sign * (last - first) > 0.1, "{}", column.column);
            }
        }
        assert_eq!(constrained(&model, &data, 1, 1).unwrap().len(), 1);
        let free = train(&data, None, &Settings { constraints: Constraints::default(), ..settings }).unwrap().model;
        assert!(constrained(&free, &data, 8, 1).unwrap().is_empty());
    }
}
