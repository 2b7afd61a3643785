//! Samples and labels as a reader hands them over, before any of the numerics.

use crate::error::ModelError;
use crate::weighted::check_weights;
use serde::{Deserialize, Serialize};

/// What the columns of a data set are; it picks the default normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureKind {
    /// Unrelated columns, each with a scale of its own.
    Table,
    /// Pixels of one scale, stored channel by channel, row by row.
    Image {
        /// Number of colour channels.
        channels: usize,
        /// Rows of one channel.
        height: usize,
        /// Columns of one channel.
        width: usize,
    },
}

/// The label column of a data set, one entry per sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Numbers: class codes or regression targets, `values[row * columns + column]`.
    Numbers {
        /// Numbers per sample (1 unless the regression has several targets).
        columns: usize,
        /// Row-major values.
        values: Vec<f64>,
    },
    /// Class names, as an index into a dictionary.
    Names {
        /// `index[row]` points into `names`.
        index: Vec<u32>,
        /// The dictionary; a name need not occur.
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

    /// The label of `row` as the text that names its class (`1`, not `1.0`, for a whole number).
    pub fn class_name(&self, row: usize) -> String {
        match self {
            Labels::Numbers { columns, values } => values[row * columns].to_string(),
            Labels::Names { index, names } => names[index[row] as usize].clone(),
        }
    }

    /// Whether the parts hold together.
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

/// Samples, one per row, with their labels where there are any.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    n_features: usize,
    values: Vec<f64>,
    labels: Option<Labels>,
    kind: FeatureKind,
    feature_names: Option<Vec<String>>,
    sample_names: Option<Vec<String>>,
    weights: Option<Vec<f64>>,
}

impl Dataset {
    /// Takes `n x n_features` row-major `values` and one label per row.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when the lengths do not fit together, [`ModelError::Empty`] when there is no
    /// sample or no feature, [`ModelError::NonFinite`] with the place of the first NaN or infinity.
    pub fn new(
        n_features: usize,
        values: Vec<f64>,
        labels: Option<Labels>,
        kind: FeatureKind,
    ) -> Result<Self, ModelError> {
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
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
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
        Ok(Dataset { n_features, values, labels, kind, feature_names: None, sample_names: None, weights: None })
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

    /// The same samples with names of their own: the files that they came from.
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

    /// The same samples, each counted with a weight: a weight of 2 is as good as the sample twice.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of weights, [`ModelError::Weight`] for one that is not a positive number.
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

    /// The weights of the samples, where they were given any.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The names of the features, where the source had any.
    pub fn feature_names(&self) -> Option<&[String]> {
        self.feature_names.as_deref()
    }

    /// The names of the samples, where each came from a file of its own.
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
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_features..(row + 1) * self.n_features]
    }

    /// All features, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The labels, where the source had any.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// What the columns are.
    pub fn kind(&self) -> FeatureKind {
        self.kind
    }

    /// The given rows, in the given order.
    ///
    /// # Errors
    /// [`ModelError::Empty`] when `rows` is empty, [`ModelError::Shape`] when one lies outside.
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
            values: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            labels: self.labels.as_ref().map(|labels| labels.select(rows)),
            kind: self.kind,
            feature_names: self.feature_names.clone(),
            sample_names: (self.sample_names.as_ref())
                .map(|names| rows.iter().map(|&row| names[row].clone()).collect()),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        })
    }

    /// The samples that are not among `rows`.
    ///
    /// # Errors
    /// [`ModelError::Empty`] when none is left, [`ModelError::Shape`] when a row lies outside.
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

    /// The first `limit` samples (all of them where there are fewer).
    ///
    /// # Errors
    /// [`ModelError::Empty`] when `limit` is 0.
    pub fn limit(self, limit: usize) -> Result<Self, ModelError> {
        if limit >= self.n_samples() {
            return Ok(self);
        }
        self.select(&(0..limit).collect::<Vec<_>>())
    }

    /// The samples whose label is one of `classes`, by name.
    ///
    /// # Errors
    /// [`ModelError::NoLabels`] without labels, [`ModelError::UnknownClass`] for a name that never occurs.
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

/// Training samples and, where the source has them, test samples.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSplit {
    /// The samples to train on.
    pub train: Dataset,
    /// Samples kept apart, never seen by the training.
    pub test: Option<Dataset>,
}
