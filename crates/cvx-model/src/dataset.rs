//! Samples and labels as a reader returns them, before normalisation and encoding.

use crate::error::ModelError;
use crate::recipe::{Encoded, Recipe, Unknown};
use crate::table::Table;
use crate::values::Values;
use cvx_linalg::{HostMatrix, RankError, SampleSums};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// The kind of the features of a data set. It determines the default normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureKind {
    /// Unrelated columns with different scales.
    Table,
    /// Pixels of one scale, stored channel by channel and row by row.
    Image {
        /// Number of colour channels.
        channels: usize,
        /// Number of rows of one channel.
        height: usize,
        /// Number of columns of one channel.
        width: usize,
    },
}

/// The labels of a data set, one entry per sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Numbers: class codes or regression targets, `values[row * columns + column]`.
    Numbers {
        /// Number of values per sample: 1 unless a regression has several targets.
        columns: usize,
        /// Row-major values.
        values: Vec<f64>,
    },
    /// Class names, as an index into a dictionary.
    Names {
        /// `names[index[row]]` is the class of sample `row`.
        index: Vec<u32>,
        /// The dictionary. It may hold names that do not occur.
        names: Vec<String>,
    },
}

impl Labels {
    /// One number per sample.
    pub fn numbers(values: Vec<f64>) -> Self {
        Labels::Numbers { columns: 1, values }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Labels::Numbers { columns, values } => values.len() / (*columns).max(1),
            Labels::Names { index, .. } => index.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of `row` as the name of its class (`1`, not `1.0`, for an integer).
    pub fn class_name(&self, row: usize) -> String {
        match self {
            Labels::Numbers { columns, values } => values[row * columns].to_string(),
            Labels::Names { index, names } => names[index[row] as usize].clone(),
        }
    }

    /// Checks that the parts are consistent.
    fn check(&self) -> Result<(), ModelError> {
        let wrong = |expected: String, found: String| Err(ModelError::Shape { what: "y", expected, found });
        match self {
            Labels::Numbers { columns, values } if *columns == 0 || !values.len().is_multiple_of(*columns) => {
                wrong(format!("whole rows of {columns} numbers"), format!("{} numbers", values.len()))
            }
            Labels::Names { index, names } => match index.iter().find(|&&index| index as usize >= names.len()) {
                Some(index) => wrong(format!("indices of {} names", names.len()), index.to_string()),
                None => Ok(()),
            },
            Labels::Numbers { .. } => Ok(()),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Labels::Numbers { columns, values } => Labels::Numbers {
                columns: *columns,
                values: rows
                    .iter()
                    .flat_map(|&row| values[row * columns..(row + 1) * columns].iter().copied())
                    .collect(),
            },
            Labels::Names { index, names } => {
                Labels::Names { index: rows.iter().map(|&row| index[row]).collect(), names: names.clone() }
            }
        }
    }
}

/// Samples, one per row, with labels, names and weights if given.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    n_features: usize,
    values: Arc<Values>,
    labels: Option<Labels>,
    kind: FeatureKind,
    feature_names: Option<Vec<String>>,
    sample_names: Option<Vec<String>>,
    weights: Option<Vec<f64>>,
    recipe: Option<Arc<Recipe>>,
    label_name: Option<String>,
    notes: TableNotes,
    samples: SampleSums,
}

/// What a reader has to say about a table, beside its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableNotes {
    /// Number of rows without a label. They are left out, unless the labels are.
    pub unlabelled: usize,
    /// Columns that have no use.
    pub ignored: Vec<String>,
    /// Levels that training does not know.
    pub unknown: Vec<Unknown>,
}

impl Dataset {
    /// Creates a data set from row-major `values` (n x `n_features`) and one label per row.
    ///
    /// # Errors
    /// [`ModelError::Shape`] if the lengths do not fit together, [`ModelError::Empty`] if there is no sample or no
    /// feature, [`ModelError::NonFinite`] with the place of the first NaN or infinity.
    pub fn new(
        n_features: usize,
        values: Vec<f64>,
        labels: Option<Labels>,
        kind: FeatureKind,
    ) -> Result<Self, ModelError> {
        Dataset::of(n_features, values, labels, kind)
    }

    /// [`new`](Dataset::new) of values of any type, in which they stay.
    ///
    /// # Errors
    /// The same as [`new`](Dataset::new).
    pub fn of(
        n_features: usize,
        values: impl Into<Values>,
        labels: Option<Labels>,
        kind: FeatureKind,
    ) -> Result<Self, ModelError> {
        let values = values.into();
        if n_features == 0 {
            return Err(ModelError::Empty { what: "features" });
        }
        if values.is_empty() {
            return Err(ModelError::Empty { what: "samples" });
        }
        if !values.len().is_multiple_of(n_features) {
            return Err(ModelError::Shape {
                what: "x",
                expected: format!("a multiple of {n_features} values"),
                found: values.len().to_string(),
            });
        }
        let n_samples = values.len() / n_features;
        if let Some(at) = values.first_non_finite() {
            return Err(ModelError::NonFinite { what: "x", row: at / n_features, column: at % n_features });
        }
        if let Some(labels) = &labels {
            labels.check()?;
            if labels.len() != n_samples {
                return Err(ModelError::Shape {
                    what: "y",
                    expected: format!("{n_samples} labels, one per sample"),
                    found: labels.len().to_string(),
                });
            }
            if let Labels::Numbers { columns, values } = labels
                && let Some(at) = values.iter().position(|value| !value.is_finite())
            {
                return Err(ModelError::NonFinite { what: "y", row: at / columns, column: at % columns });
            }
        }
        if let FeatureKind::Image { channels, height, width } = kind
            && channels * height * width != n_features
        {
            return Err(ModelError::Shape {
                what: "image",
                expected: format!("{n_features} pixel values"),
                found: format!("{channels} x {height} x {width}"),
            });
        }
        Ok(Dataset {
            n_features,
            values: Arc::new(values),
            labels,
            kind,
            feature_names: None,
            sample_names: None,
            weights: None,
            recipe: None,
            label_name: None,
            notes: TableNotes::default(),
            samples: SampleSums::default(),
        })
    }

    /// The features that a recipe makes of a table, with one label per row.
    ///
    /// The table is given back while they are made ([`Recipe::apply`]).
    ///
    /// # Errors
    /// Those of [`Recipe::apply`] and of [`Dataset::new`].
    pub fn encode(table: Table, recipe: Arc<Recipe>, labels: Option<Labels>) -> Result<Self, ModelError> {
        let Encoded { values, n_features, ignored, unknown } = recipe.apply(table)?;
        let feature_names = recipe.feature_names();
        let notes = TableNotes { unlabelled: 0, ignored, unknown };
        let data = Dataset::new(n_features, values, labels, FeatureKind::Table)?;
        Ok(Dataset { feature_names, notes, recipe: Some(recipe), ..data })
    }

    /// The same samples with a name for their labels: that of the column of a table.
    pub fn with_label_name(self, name: Option<String>) -> Self {
        Dataset { label_name: name, ..self }
    }

    /// The same samples, and the number of rows of the table that have no label.
    pub fn with_unlabelled(self, unlabelled: usize) -> Self {
        Dataset { notes: TableNotes { unlabelled, ..self.notes }, ..self }
    }

    /// How the features were made of the columns of a table, if they were.
    pub fn recipe(&self) -> Option<&Arc<Recipe>> {
        self.recipe.as_ref()
    }

    /// The name of the labels, if the source has one.
    pub fn label_name(&self) -> Option<&str> {
        self.label_name.as_deref()
    }

    /// What the reader of a table has to say beside the values.
    pub fn notes(&self) -> &TableNotes {
        &self.notes
    }

    /// The same samples with names for the features.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of names.
    pub fn with_feature_names(self, names: Vec<String>) -> Result<Self, ModelError> {
        if names.len() != self.n_features {
            return Err(ModelError::Shape {
                what: "the header",
                expected: format!("{} names, one per feature", self.n_features),
                found: names.len().to_string(),
            });
        }
        Ok(Dataset { feature_names: Some(names), ..self })
    }

    /// The same samples with names for the samples, such as the names of their files.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of names.
    pub fn with_sample_names(self, names: Vec<String>) -> Result<Self, ModelError> {
        if names.len() != self.n_samples() {
            return Err(ModelError::Shape {
                what: "the names of samples",
                expected: format!("{} of them, one per sample", self.n_samples()),
                found: names.len().to_string(),
            });
        }
        Ok(Dataset { sample_names: Some(names), ..self })
    }

    /// The same samples with weights. A weight of 2 has the same effect as two copies of the sample.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of weights, [`ModelError::Weight`] for a weight that is not positive
    /// and finite.
    pub fn with_weights(self, weights: Vec<f64>) -> Result<Self, ModelError> {
        if weights.len() != self.n_samples() {
            return Err(ModelError::Shape {
                what: "the weights",
                expected: format!("{} of them, one per sample", self.n_samples()),
                found: weights.len().to_string(),
            });
        }
        check_weights(&weights)?;
        Ok(Dataset { weights: Some(weights), ..self })
    }

    /// The same samples as a part of all: those of one rank. They have to be its rows of them, in order.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of samples.
    pub fn over(self, samples: &SampleSums) -> Result<Self, ModelError> {
        match samples.ranks() {
            Some(ranks) if ranks.own().len() != self.n_samples() => Err(ModelError::Shape {
                what: "the samples of a rank",
                expected: ranks.own().len().to_string(),
                found: self.n_samples().to_string(),
            }),
            _ => Ok(Dataset { samples: samples.clone(), ..self }),
        }
    }

    /// On the first rank, all samples without their names, in double precision; elsewhere those that are here. All
    /// samples that are here stay as they are.
    ///
    /// # Errors
    /// [`RankError`] if the ranks cannot go on together.
    pub fn on_first(&self) -> Result<Self, RankError> {
        let (samples, here, d) = (&self.samples, self.n_samples(), self.n_features);
        if samples.ranks().is_none() {
            return Ok(self.clone());
        }
        // One column after the other, so that there is only one beside the rows that they become.
        let collected = |columns: usize, value: &dyn Fn(usize, usize) -> f64| {
            let mut rows = vec![0.0; if samples.is_first() { samples.total(here) * columns } else { 0 }];
            for column in 0..columns {
                let all = samples.collect(HostMatrix::from_fn(here, 1, |row, _| value(row, column)))?;
                rows.iter_mut().skip(column).step_by(columns).zip(all.col(0)).for_each(|(to, value)| *to = *value);
            }
            Ok::<_, RankError>(rows)
        };
        let values = collected(d, &|row, column| self.get(row, column))?;
        let labels = match &self.labels {
            None => None,
            Some(Labels::Numbers { columns, values }) => {
                let values = collected(*columns, &|row, column| values[row * columns + column])?;
                Some(Labels::Numbers { columns: *columns, values })
            }
            Some(Labels::Names { index, names }) => {
                let index = collected(1, &|row, _| f64::from(index[row]))?;
                let index = index.into_iter().map(|index| index as u32).collect();
                Some(Labels::Names { index, names: names.clone() })
            }
        };
        let weights = self.weights.as_ref().map(|weights| collected(1, &|row, _| weights[row])).transpose()?;
        if !samples.is_first() {
            return Ok(self.clone());
        }
        Ok(Dataset {
            values: Arc::new(values.into()),
            labels,
            weights,
            sample_names: None,
            samples: SampleSums::default(),
            ..self.clone()
        })
    }

    /// Whether these are all samples, or those of one rank.
    pub fn samples(&self) -> &SampleSums {
        &self.samples
    }

    /// The weights of the samples, if given.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The names of the features, if the source has names.
    pub fn feature_names(&self) -> Option<&[String]> {
        self.feature_names.as_deref()
    }

    /// The names of the samples, if each one comes from its own file.
    pub fn sample_names(&self) -> Option<&[String]> {
        self.sample_names.as_deref()
    }

    /// Number of samples n.
    pub fn n_samples(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// Number of features, without a bias column.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The features of one sample.
    pub fn row(&self, row: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.n_features];
        self.values.read(row * self.n_features, &mut out);
        out
    }

    /// One feature of one sample.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.values.get(row * self.n_features + column)
    }

    /// All features (n x d), row-major.
    pub fn values(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.values.len()];
        self.values.read(0, &mut out);
        out
    }

    /// All features (n x d), row-major, as they are held. Data sets that are copied share them.
    pub fn stored(&self) -> &Arc<Values> {
        &self.values
    }

    /// Calls `look` with the number and the features of each sample.
    pub fn for_each_row(&self, look: impl FnMut(usize, &[f64])) {
        self.for_each_of(0..self.n_samples(), look);
    }

    /// [`for_each_row`](Dataset::for_each_row) for these samples.
    pub(crate) fn for_each_of(&self, rows: Range<usize>, mut look: impl FnMut(usize, &[f64])) {
        let mut features = vec![0.0; self.n_features];
        for row in rows {
            self.values.read(row * self.n_features, &mut features);
            look(row, &features);
        }
    }

    /// The labels, if the source has labels.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// The kind of the features.
    pub fn kind(&self) -> FeatureKind {
        self.kind
    }

    /// The given rows, in the given order.
    ///
    /// # Errors
    /// [`ModelError::Empty`] if `rows` is empty, [`ModelError::Shape`] for a row out of range.
    pub fn select(&self, rows: &[usize]) -> Result<Self, ModelError> {
        if rows.is_empty() {
            return Err(ModelError::Empty { what: "samples" });
        }
        if let Some(row) = rows.iter().find(|&&row| row >= self.n_samples()) {
            return Err(ModelError::Shape {
                what: "rows",
                expected: format!("numbers below {}", self.n_samples()),
                found: row.to_string(),
            });
        }
        Ok(Dataset {
            n_features: self.n_features,
            values: Arc::new(self.values.rows(self.n_features, rows)),
            labels: self.labels.as_ref().map(|labels| labels.select(rows)),
            kind: self.kind,
            feature_names: self.feature_names.clone(),
            sample_names: (self.sample_names.as_ref())
                .map(|names| rows.iter().map(|&row| names[row].clone()).collect()),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
            recipe: self.recipe.clone(),
            label_name: self.label_name.clone(),
            notes: self.notes.clone(),
            samples: SampleSums::default(),
        })
    }

    /// The samples that are not among `rows`.
    ///
    /// # Errors
    /// [`ModelError::Empty`] if no sample remains, [`ModelError::Shape`] for a row out of range.
    pub fn without(&self, rows: &[usize]) -> Result<Self, ModelError> {
        let mut kept = vec![true; self.n_samples()];
        for &row in rows {
            *kept.get_mut(row).ok_or_else(|| ModelError::Shape {
                what: "rows",
                expected: format!("numbers below {}", self.n_samples()),
                found: row.to_string(),
            })? = false;
        }
        self.select(&(0..kept.len()).filter(|&row| kept[row]).collect::<Vec<_>>())
    }

    /// The first `limit` samples, or all samples if there are fewer.
    ///
    /// # Errors
    /// [`ModelError::Empty`] if `limit` is 0.
    pub fn limit(self, limit: usize) -> Result<Self, ModelError> {
        if limit >= self.n_samples() {
            return Ok(self);
        }
        self.select(&(0..limit).collect::<Vec<_>>())
    }

    /// The samples whose class is one of `classes`.
    ///
    /// # Errors
    /// [`ModelError::NoLabels`] without labels, [`ModelError::UnknownClass`] for a class that does not occur.
    pub fn with_classes(&self, classes: &[String]) -> Result<Self, ModelError> {
        let labels = self.labels.as_ref().ok_or(ModelError::NoLabels)?;
        let found: Vec<String> = (0..self.n_samples()).map(|row| labels.class_name(row)).collect();
        for class in classes {
            if !found.contains(class) {
                let mut known = found.clone();
                known.sort();
                known.dedup();
                return Err(ModelError::UnknownClass { class: class.clone(), known });
            }
        }
        let rows: Vec<usize> = (0..self.n_samples()).filter(|&row| classes.contains(&found[row])).collect();
        self.select(&rows)
    }
}

/// Training samples and, if the source has them, test samples.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSplit {
    /// The samples to train on.
    pub train: Dataset,
    /// Test samples, which training does not use.
    pub test: Option<Dataset>,
}

/// Checks that every weight is positive and finite.
pub(crate) fn check_weights(weights: &[f64]) -> Result<(), ModelError> {
    match weights.iter().position(|&weight| !(weight > 0.0 && weight.is_finite())) {
        Some(row) => Err(ModelError::Weight { row, value: weights[row] }),
        None => Ok(()),
    }
}
