//! The columns of a table, and the features that they become.

use crate::number::rounded;
use cvx_model::{ColumnKind, ColumnReport, Part, Range, Reason, Recipe};
use serde::Serialize;

/// The header of a table of columns.
pub const HEADER: [&str; 5] = ["column", "holds", "values", "missing", "becomes"];

/// Most columns that are listed one by one.
const MOST_LISTED: usize = 200;

/// Most levels, and most names, that are listed one by one.
const FEW: usize = 5;

/// A column; its fields are the keys of its JSON.
#[derive(Serialize)]
pub struct SourceColumn {
    name: String,
    kind: &'static str,
    missing: usize,
    /// Of numbers, and of dates in days since 1970.
    low: Option<f64>,
    high: Option<f64>,
    mean: Option<f64>,
    /// Of categories: the levels with features of their own, and the number of those that share one.
    levels: Option<Vec<String>>,
    pooled: Option<usize>,
    features: Vec<String>,
    /// Why the column, or a feature of it, is dropped.
    dropped: Vec<String>,
}

/// Every column of the training table.
pub fn columns(recipe: &Recipe) -> Vec<SourceColumn> {
    let mut means = vec![None; recipe.columns().len()];
    let values = recipe.features().iter().filter(|feature| feature.part == Part::Value);
    values.for_each(|feature| means[feature.source] = Some(feature.mean));
    recipe.describe().into_iter().zip(means).map(|(report, mean)| SourceColumn::new(report, mean)).collect()
}

/// The columns one by one, unless there are too many to list.
pub fn rows(recipe: &Recipe) -> Option<Vec<Vec<String>>> {
    let columns = columns(recipe);
    (columns.len() <= MOST_LISTED).then(|| columns.iter().map(SourceColumn::row).collect())
}

/// What is dropped, with the reasons, in one sentence; `None` if nothing is.
pub fn dropped(recipe: &Recipe) -> Option<String> {
    let asked = |reason: &Reason| *reason == Reason::Requested;
    let dropped = recipe.dropped().iter().filter(|dropped| !asked(&dropped.reason));
    let names: Vec<String> = dropped.map(|dropped| format!("{} ({})", dropped.name, dropped.reason)).collect();
    (!names.is_empty()).then(|| format!("Dropped: {}", listed(&names)))
}

/// The first few names, and how many there are.
pub fn listed(names: &[String]) -> String {
    let few: Vec<String> = names.iter().take(2 * FEW).map(|name| name.escape_debug().to_string()).collect();
    let more = if names.len() > few.len() { format!(", .. ({} in all)", names.len()) } else { String::new() };
    format!("{}{more}", few.join(", "))
}

impl SourceColumn {
    fn new(report: ColumnReport, mean: Option<f64>) -> Self {
        let range = match report.kind {
            ColumnKind::Numbers(range) | ColumnKind::Dates(range) => Some(range),
            _ => None,
        };
        let (levels, pooled) = match report.kind {
            ColumnKind::Categories { levels, pooled, .. } => (Some(levels.clone()), Some(*pooled)),
            _ => (None, None),
        };
        SourceColumn {
            kind: report.kind.name(),
            missing: report.missing,
            low: range.map(|Range { low, .. }| *low),
            high: range.map(|Range { high, .. }| *high),
            mean,
            levels,
            pooled,
            dropped: report.dropped.iter().map(|dropped| reason(&report.name, dropped)).collect(),
            features: report.features,
            name: report.name,
        }
    }

    /// The cells under [`HEADER`].
    fn row(&self) -> Vec<String> {
        let values = match (self.low, self.high, &self.levels) {
            (Some(low), Some(high), _) => {
                let mean = self.mean.map_or(String::new(), |mean| format!(", mean {}", rounded(mean)));
                format!("{low} to {high}{mean}")
            }
            (_, _, Some(levels)) => {
                let shown: Vec<&str> = levels.iter().take(FEW).map(String::as_str).collect();
                let more = if levels.len() > FEW { ", .." } else { "" };
                let pooled = self.pooled.filter(|pooled| *pooled > 0);
                let rarer = pooled.map_or(String::new(), |pooled| format!(" and {pooled} rarer"));
                format!("{}: {}{more}{rarer}", levels.len(), shown.join(", "))
            }
            _ => String::new(),
        };
        let features = match self.features.as_slice() {
            [] => String::new(),
            [one] if *one == self.name => "itself".to_string(),
            few if few.len() < FEW => few.join(", "),
            many => format!("{} features", many.len()),
        };
        let parts = [features, self.dropped.join(", ")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let missing = if self.missing > 0 { self.missing.to_string() } else { String::new() };
        [&self.name, self.kind, &values, &missing, &parts.join("; ")].map(|cell| cell.escape_debug().to_string()).into()
    }
}

fn reason(column: &str, dropped: &cvx_model::Dropped) -> String {
    if dropped.name == column {
        format!("dropped: {}", dropped.reason)
    } else {
        format!("without {}: {}", dropped.name, dropped.reason)
    }
}
