//! From the columns of a table to features: fitted on the training table, applied to every later one.

use crate::choice::Choice;
use crate::choices::ColumnChoices;
use crate::error::ModelError;
use crate::source::{ColumnKind, Part, Range, Source, is_identifier, kind, n_missing, text_at};
use crate::table::{Column, Table, title};
use cvx_linalg::SampleSums;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Rows that are written at a time.
const BLOCK: usize = 64;

/// Parts of a table that becomes features: it is given back part by part, so that it is hardly held twice.
const PIECES: usize = 32;

/// How the columns of a training table become features.
///
/// Numbers stay as they are; categories become one 0/1 feature for each level, or a single one where there are two
/// levels; dates become days since 1970. A missing number is replaced by the median, a missing category by the most
/// frequent level, and if values are missing in training, a 0/1 feature says where. Identifiers, constant features and
/// copies of an earlier feature are dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    columns: Vec<Source>,
    features: Vec<Feature>,
    dropped: Vec<Dropped>,
}

/// A feature: what it says of which column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Index of the column.
    pub source: usize,
    /// What it says.
    pub part: Part,
    /// Its mean in training, which stands for a level that training does not know.
    pub mean: f64,
}

/// A column or a feature that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Index of the column.
    pub source: usize,
    /// Name of the column, or of the one feature of it that was dropped.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// Why a column or a feature was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The user says so.
    Requested,
    /// It identifies the samples.
    Identifier,
    /// All its values are equal.
    Constant,
    /// All its values are missing.
    Empty,
    /// It has the values of this earlier feature.
    CopyOf(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Requested => f.write_str("as asked"),
            Reason::Identifier => f.write_str("an identifier"),
            Reason::Constant => f.write_str("constant"),
            Reason::Empty => f.write_str("no value"),
            Reason::CopyOf(name) => write!(f, "a copy of {name}"),
        }
    }
}

/// A table as features.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Row-major values (n x d).
    pub values: Vec<f64>,
    /// Number of features d.
    pub n_features: usize,
    /// Columns of the table that the recipe does not know.
    pub ignored: Vec<String>,
    /// Levels that training does not know.
    pub unknown: Vec<Unknown>,
}

/// Levels of a category that training does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The column.
    pub column: String,
    /// The first of them.
    pub level: String,
    /// Number of rows with one.
    pub rows: usize,
}

/// A column of the training table in words.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnReport<'a> {
    /// The column, by name or as `column 3`.
    pub name: String,
    /// What it holds.
    pub kind: &'a ColumnKind,
    /// Number of missing values in training.
    pub missing: usize,
    /// Names of its features.
    pub features: Vec<String>,
    /// What was dropped of it.
    pub dropped: Vec<&'a Dropped>,
}

impl Recipe {
    /// Decides by the training table, and by what the user says, what the features are.
    ///
    /// # Errors
    /// [`ModelError::UnknownColumn`] and [`ModelError::ColumnChoice`] for choices that do not fit the table,
    /// [`ModelError::BadValue`] for a text in a column that should be numbers or dates, [`ModelError::NothingLeft`] if
    /// every column is dropped.
    pub fn fit(table: &Table, choices: &ColumnChoices) -> Result<Self, ModelError> {
        Recipe::over(SampleSums::all_here(), table, choices)
    }

    /// [`fit`](Recipe::fit) where these rows are those of some samples, and the recipe is that of all. The columns are
    /// of the same kind on all ranks, with the same texts in the same order.
    ///
    /// # Errors
    /// Those of [`fit`](Recipe::fit); a bad value is one of this rank, with its row here. If the ranks cannot go on
    /// together, the recipe is of no use, and [`SampleSums::check`] says why.
    pub fn over(samples: &SampleSums, table: &Table, choices: &ColumnChoices) -> Result<Self, ModelError> {
        let choices = choices.resolve(table.names(), table.numbers())?;
        let n_rows = samples.total(table.n_rows());
        let mut recipe = Recipe { columns: Vec::new(), features: Vec::new(), dropped: Vec::new() };
        for (at, (column, choice)) in table.columns().iter().zip(choices).enumerate() {
            let name = table.names().map(|names| names[at].clone());
            let mut source = Source { name, number: table.numbers()[at], kind: ColumnKind::Unused, missing: 0 };
            source.missing = n_missing(samples, column);
            let reason = match choice {
                Some(Choice::Drop) => Some(Reason::Requested),
                Some(Choice::Id) => Some(Reason::Identifier),
                _ if source.missing == n_rows => Some(Reason::Empty),
                None if is_identifier(samples, column, source.name.as_deref()) => Some(Reason::Identifier),
                _ => None,
            };
            match reason {
                Some(reason) => recipe.dropped.push(Dropped { source: at, name: source.title(), reason }),
                None => source.kind = kind(samples, column, choice, &source.title())?,
            }
            recipe.columns.push(source);
        }
        recipe.choose(samples, table.columns(), table.n_rows())?;
        if recipe.features.is_empty() {
            let dropped = recipe.dropped.iter().map(|dropped| format!("{} ({})", dropped.name, dropped.reason));
            return Err(ModelError::NothingLeft { dropped: dropped.collect() });
        }
        Ok(recipe)
    }

    /// Every column as it is: for a network that was trained on features without a recipe. Missing values are errors.
    pub fn plain(n_features: usize, names: Option<&[String]>) -> Self {
        let source = |at: usize| Source {
            name: names.map(|names| names[at].clone()),
            number: at + 1,
            kind: ColumnKind::Numbers(Range { low: 0.0, high: 0.0, fill: None }),
            missing: 0,
        };
        Recipe {
            columns: (0..n_features).map(source).collect(),
            features: (0..n_features).map(|source| Feature { source, part: Part::Value, mean: 0.0 }).collect(),
            dropped: Vec::new(),
        }
    }

    /// Keeps the features that are neither constant nor copies. A single row says nothing about that.
    fn choose(&mut self, samples: &SampleSums, columns: &[Column], n_rows: usize) -> Result<(), ModelError> {
        let total = samples.total(n_rows);
        // The kept features by their values, which are made again for the few that may be equal.
        let mut kept: HashMap<u64, Vec<(usize, Part)>> = HashMap::new();
        for (at, (source, column)) in self.columns.iter().zip(columns).enumerate() {
            let mut dropped = Vec::new();
            let before = self.features.len();
            let read = source.read(column, 0..n_rows)?;
            for part in source.parts() {
                let values = read.values(part, n_rows);
                let name = source.feature_name(part);
                let Look { hash, is_constant } = Look::at(samples, &values);
                let mut twin = None;
                for &(other, part) in kept.get(&hash).into_iter().flatten() {
                    let read = self.columns[other].read(&columns[other], 0..n_rows)?;
                    if !samples.any(read.values(part, n_rows) != values) {
                        twin = Some(self.columns[other].feature_name(part));
                        break;
                    }
                }
                let reason = match twin {
                    _ if total == 1 => None,
                    _ if is_constant => Some(Reason::Constant),
                    twin => twin.map(Reason::CopyOf),
                };
                if let Some(reason) = reason {
                    dropped.push(Dropped { source: at, name, reason });
                    continue;
                }
                let [mean] = samples.sum(n_rows, |rows| [values[rows].iter().map(|value| value / total as f64).sum()]);
                self.features.push(Feature { source: at, part, mean });
                kept.entry(hash).or_default().push((at, part));
            }
            if self.features.len() == before {
                dropped.truncate(1);
                dropped.iter_mut().for_each(|dropped| dropped.name = source.title());
            }
            self.dropped.append(&mut dropped);
        }
        self.dropped.sort_by_key(|dropped| dropped.source);
        Ok(())
    }

    /// The features of a table, which is given back while they are made: both together take hardly more memory than
    /// the larger of them. If both tables have names, columns are found by name, else by position.
    ///
    /// # Errors
    /// [`ModelError::MissingColumns`] with all columns that the table lacks, [`ModelError::Shape`] for another number
    /// of columns without names, [`ModelError::BadValue`] for a text where training has numbers or dates,
    /// [`ModelError::MissingValue`] where nothing replaces a missing value.
    pub fn apply(&self, mut table: Table) -> Result<Encoded, ModelError> {
        let (places, ignored) = self.places(table.names(), table.numbers())?;
        let (n_rows, d) = (table.n_rows(), self.features.len());
        let mut unknown = Vec::new();
        for (source, place) in self.columns.iter().zip(&places) {
            let Some(column) = place.map(|place| &table.columns()[place]) else { continue };
            let read = source.read(column, 0..n_rows)?;
            if let Some(row) = read.unknown().next() {
                let level = text_at(column, row).into_owned();
                unknown.push(Unknown { column: source.title(), level, rows: read.unknown().count() });
            }
        }
        // Zeros take no memory before they are written. The last rows are the first to be, since a column can only be
        // cut at its end.
        let mut values = vec![0.0; n_rows * d];
        // Every part looks at all texts of a column again: all parts together look at no more of them than there are
        // rows.
        let n_texts = |column: &Column| if let Column::Texts { levels, .. } = column { levels.len() } else { 0 };
        let most = table.columns().iter().map(n_texts).max().unwrap_or(0);
        let pieces = (n_rows / most.max(1)).clamp(1, PIECES);
        let piece = n_rows.div_ceil(pieces).next_multiple_of(BLOCK);
        for start in (0..n_rows).step_by(piece).rev() {
            let rows = start..n_rows.min(start + piece);
            let read = |(source, place): (&Source, &Option<usize>)| {
                place.map(|place| source.read(&table.columns()[place], rows.clone())).transpose()
            };
            let reads = self.columns.iter().zip(&places).map(read).collect::<Result<Vec<_>, _>>()?;
            // In blocks of rows, so that rows and columns both stay in the cache.
            for (block, out) in values[rows.start * d..rows.end * d].chunks_mut(BLOCK * d.max(1)).enumerate() {
                for (at, feature) in self.features.iter().enumerate() {
                    let Some(read) = &reads[feature.source] else { continue };
                    for (row, out) in out.iter_mut().skip(at).step_by(d).enumerate() {
                        *out = read.value(feature.part, feature.mean, block * BLOCK + row);
                    }
                }
            }
            drop(reads);
            table.truncate(start);
        }
        Ok(Encoded { values, n_features: d, ignored, unknown })
    }

    /// What the recipe takes each column for, of a table with these names, if it has names, and numbers; `None` for a
    /// column that has no use.
    ///
    /// # Errors
    /// [`ModelError::MissingColumns`] and [`ModelError::Shape`], as [`apply`](Recipe::apply).
    pub fn kinds(&self, names: Option<&[String]>, numbers: &[usize]) -> Result<Vec<Option<&ColumnKind>>, ModelError> {
        let mut kinds = vec![None; numbers.len()];
        for (source, place) in self.columns.iter().zip(self.places(names, numbers)?.0) {
            place.into_iter().for_each(|place| kinds[place] = Some(&source.kind));
        }
        Ok(kinds)
    }

    /// Where each column that is used is in another table, and the columns of that table that have no use.
    fn places(
        &self,
        names: Option<&[String]>,
        numbers: &[usize],
    ) -> Result<(Vec<Option<usize>>, Vec<String>), ModelError> {
        let mut used = vec![false; self.columns.len()];
        self.features.iter().for_each(|feature| used[feature.source] = true);
        let (Some(names), true) = (names, self.is_named()) else {
            if numbers.len() != self.columns.len() {
                return Err(ModelError::Shape {
                    what: "the table",
                    expected: format!("{} columns of features, as in training", self.columns.len()),
                    found: numbers.len().to_string(),
                });
            }
            return Ok(((0..used.len()).map(|at| used[at].then_some(at)).collect(), Vec::new()));
        };
        // A name that occurs several times is found in the order of its columns.
        let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
        names.iter().enumerate().rev().for_each(|(at, name)| known.entry(name).or_default().push(at));
        let found: Vec<Option<usize>> = (self.columns.iter())
            .map(|source| known.get_mut(source.name.as_deref().unwrap_or_default()).and_then(Vec::pop))
            .collect();
        let lacking = (0..used.len()).filter(|&at| used[at] && found[at].is_none());
        let lacking: Vec<String> = lacking.map(|at| self.columns[at].title()).collect();
        if !lacking.is_empty() {
            return Err(ModelError::MissingColumns { columns: lacking });
        }
        let mut ignored: Vec<usize> = known.into_values().flatten().collect();
        ignored.sort_unstable();
        let ignored = ignored.into_iter().map(|at| title(Some(&names[at]), numbers[at])).collect();
        Ok(((0..used.len()).map(|at| found[at].filter(|_| used[at])).collect(), ignored))
    }

    /// The columns of the training table.
    pub fn columns(&self) -> &[Source] {
        &self.columns
    }

    /// The features.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// What was dropped, in the order of the columns.
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// For each feature the index of its column.
    pub fn sources(&self) -> Vec<usize> {
        self.features.iter().map(|feature| feature.source).collect()
    }

    /// Whether the columns of the training table have names.
    pub fn is_named(&self) -> bool {
        self.columns.iter().all(|source| source.name.is_some())
    }

    /// Whether each feature is a column as it is, in the order of the columns.
    pub fn is_identity(&self) -> bool {
        self.columns.len() == self.features.len()
            && self.features.iter().enumerate().all(|(at, feature)| feature.source == at && feature.part == Part::Value)
    }

    /// Names of the features; none if they are the columns of a table without names.
    pub fn feature_names(&self) -> Option<Vec<String>> {
        let name = |feature: &Feature| {
            let source = &self.columns[feature.source];
            // An empty name is a name of the user's.
            let own = source.name.clone().filter(|_| feature.part == Part::Value);
            own.unwrap_or_else(|| source.feature_name(feature.part))
        };
        (self.is_named() || !self.is_identity()).then(|| self.features.iter().map(name).collect())
    }

    /// Each column of the training table: what it holds, its features, and what was dropped of it.
    pub fn describe(&self) -> Vec<ColumnReport<'_>> {
        let mut reports: Vec<ColumnReport> = (self.columns.iter())
            .map(|source| ColumnReport {
                name: source.title(),
                kind: &source.kind,
                missing: source.missing,
                features: Vec::new(),
                dropped: Vec::new(),
            })
            .collect();
        for feature in &self.features {
            reports[feature.source].features.push(self.columns[feature.source].feature_name(feature.part));
        }
        self.dropped.iter().for_each(|dropped| reports[dropped.source].dropped.push(dropped));
        reports
    }

    /// Checks that the parts of a recipe from a file fit together, for a network of `n_features` features.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self, n_features: usize) -> Result<(), &'static str> {
        let finite =
            |range: &Range| range.low.is_finite() && range.high.is_finite() && range.fill.is_none_or(f64::is_finite);
        let column = |source: &Source| match &source.kind {
            ColumnKind::Numbers(range) | ColumnKind::Dates(range) => finite(range),
            ColumnKind::Categories { levels, fill, .. } => *fill < levels.len(),
            ColumnKind::Unused => true,
        };
        let feature = |feature: &Feature| {
            let kind = self.columns.get(feature.source).map(|source| &source.kind);
            feature.mean.is_finite()
                && match (feature.part, kind) {
                    (Part::Level(level), Some(ColumnKind::Categories { levels, .. })) => level < levels.len(),
                    (Part::Other | Part::Missing, Some(ColumnKind::Categories { .. })) => true,
                    (Part::Value | Part::Missing, Some(ColumnKind::Numbers(_) | ColumnKind::Dates(_))) => true,
                    _ => false,
                }
        };
        if self.features.len() != n_features {
            return Err("the recipe makes another number of features");
        }
        let named = self.columns.iter().filter(|source| source.name.is_some()).count();
        if (named != 0 && named != self.columns.len())
            || !self.columns.iter().all(column)
            || !self.features.iter().all(feature)
            || self.dropped.iter().any(|dropped| dropped.source >= self.columns.len())
        {
            return Err("the recipe for its features is not consistent");
        }
        Ok(())
    }
}

/// What all ranks agree on about the values of a feature.
struct Look {
    /// Equal for equal values.
    hash: u64,
    is_constant: bool,
}

impl Look {
    /// Of the values here, of which there is one at least on every rank.
    fn at(samples: &SampleSums, values: &[f64]) -> Self {
        let (hash_here, is_constant) = (hash(values), values.iter().all(|value| *value == values[0]));
        // Each half of the hash is a whole number.
        let halves = [hash_here >> 32, hash_here & u64::from(u32::MAX)].map(|half| half as f64);
        let all = samples.gather(vec![values[0], f64::from(u8::from(is_constant)), halves[0], halves[1]]);
        let is_constant = all.iter().all(|rank| rank[0] == all[0][0] && rank[1] == 1.0);
        let halves: Vec<f64> = all.iter().flat_map(|rank| &rank[2..]).copied().collect();
        Look { hash: hash(&halves), is_constant }
    }
}

/// Equal for equal values.
fn hash(values: &[f64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.iter().for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
    hasher.finish()
}
