//! Normalisation and bias, fitted on training samples and applied to all samples.

use crate::dataset::{Dataset, FeatureKind};
use crate::error::ModelError;
use crate::recipe::Recipe;
use crate::samples::ScaledRows;
use cvx_linalg::{HostMatrix, SampleSource, named};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How features are scaled before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalisation {
    /// No scaling.
    None,
    /// One mean and one standard deviation for all features, as for pixels.
    Global,
    /// A mean and a standard deviation for each feature, as for tables. Features that are only 0 or 1 are divided by
    /// 1/2, the standard deviation of a balanced one: a rare level of a category would otherwise become a large number,
    /// and its few samples would decide much.
    Column,
}

named!(Normalisation, "normalisation": None = "none", Global = "global", Column = "column");

impl Normalisation {
    /// The default for features of this kind.
    pub fn default_for(kind: FeatureKind) -> Self {
        match kind {
            FeatureKind::Image { .. } => Normalisation::Global,
            FeatureKind::Table => Normalisation::Column,
        }
    }
}

/// x -> (x - offset) / scale, followed by a 1 for the bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Subtracted from each feature (d).
    pub offset: Vec<f64>,
    /// Divides each feature (d); never 0.
    pub scale: Vec<f64>,
    /// Whether a feature of ones is appended.
    pub bias: bool,
    /// Names of the features, if the training samples have names.
    pub feature_names: Option<Vec<String>>,
    /// How the features are made of the columns of a table. [`apply`](Transform::apply) takes features that are made.
    pub recipe: Option<Recipe>,
    /// The name of the labels, if the training samples have one.
    pub label_name: Option<String>,
}

impl Transform {
    /// Fits the transform to the weighted training samples. A constant feature has the scale 1.
    ///
    /// # Errors
    /// [`ModelError::NonFinite`] for a feature whose mean or standard deviation overflows.
    pub fn fit(data: &Dataset, normalisation: Normalisation, bias: bool) -> Result<Self, ModelError> {
        let d = data.n_features();
        let (mut offset, mut scale) = (vec![0.0; d], vec![1.0; d]);
        match normalisation {
            Normalisation::None => {}
            Normalisation::Global => {
                let (mean, deviation) = moments(data, true);
                offset.fill(mean[0]);
                scale.fill(spread(mean[0], deviation[0]));
            }
            Normalisation::Column => {
                let ((mean, deviation), binary) = (moments(data, false), binary_features(data));
                for j in 0..d {
                    let spread = spread(mean[j], deviation[j]);
                    (offset[j], scale[j]) = (mean[j], if binary[j] && spread < 0.5 { 0.5 } else { spread });
                }
            }
        }
        if let Some(column) = (0..d).find(|&j| !(offset[j].is_finite() && scale[j].is_finite())) {
            return Err(ModelError::NonFinite { what: "the spread of x", row: 0, column });
        }
        Ok(Transform {
            offset,
            scale,
            bias,
            feature_names: data.feature_names().map(<[String]>::to_vec),
            recipe: data.recipe().map(|recipe| Recipe::clone(recipe)),
            label_name: data.label_name().map(str::to_string),
        })
    }

    /// Number of features before the transform.
    pub fn n_inputs(&self) -> usize {
        self.offset.len()
    }

    /// Number of features after the transform, including the bias.
    pub fn n_outputs(&self) -> usize {
        self.offset.len() + usize::from(self.bias)
    }

    /// For each input feature the column of the table that it comes from.
    pub fn sources(&self) -> Vec<usize> {
        self.recipe.as_ref().map_or_else(|| (0..self.n_inputs()).collect(), Recipe::sources)
    }

    /// The transformed samples as columns (`n_outputs` x n), computed when they are read.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another number of features than in training, [`ModelError::FeatureName`] for other
    /// names, [`ModelError::NonFinite`] for a value that overflows.
    pub fn samples(&self, data: &Dataset) -> Result<Arc<dyn SampleSource>, ModelError> {
        self.check(data)?;
        let rows = ScaledRows {
            values: data.stored().clone(),
            offset: self.offset.clone(),
            scale: self.scale.clone(),
            bias: self.bias,
        };
        let mut sample = vec![0.0; self.n_outputs()];
        for row in 0..data.n_samples() {
            rows.write(row, &mut sample);
            if let Some(column) = sample.iter().position(|x| !x.is_finite()) {
                return Err(ModelError::NonFinite { what: "x (normalised)", row, column });
            }
        }
        Ok(Arc::new(rows))
    }

    /// [`samples`](Transform::samples) as a matrix.
    ///
    /// # Errors
    /// The same as [`samples`](Transform::samples).
    pub fn apply(&self, data: &Dataset) -> Result<HostMatrix, ModelError> {
        Ok(self.samples(data)?.to_matrix())
    }

    /// Whether these are the features of the training samples.
    fn check(&self, data: &Dataset) -> Result<(), ModelError> {
        if data.n_features() != self.n_inputs() {
            return Err(ModelError::Shape {
                what: "x",
                expected: format!("{} features, as in training", self.n_inputs()),
                found: data.n_features().to_string(),
            });
        }
        // Features are identified by their position. If both sides have names, the names must agree.
        let names = self.feature_names.iter().flatten().zip(data.feature_names().into_iter().flatten());
        match names.enumerate().find(|(_, (expected, found))| expected != found) {
            None => Ok(()),
            Some((column, (expected, found))) => {
                Err(ModelError::FeatureName { column, expected: expected.clone(), found: found.clone() })
            }
        }
    }
}

/// Whether each feature is 0 or 1 in all samples.
fn binary_features(data: &Dataset) -> Vec<bool> {
    let mut binary = vec![true; data.n_features()];
    data.for_each_row(|_, row| {
        binary.iter_mut().zip(row).for_each(|(binary, &value)| *binary &= value == 0.0 || value == 1.0);
    });
    let other = binary.iter().map(|binary| f64::from(u8::from(!binary))).collect();
    data.samples().largest(other).iter().map(|&other| other == 0.0).collect()
}

/// Weighted mean and standard deviation of each feature, or of all features together if `pooled`. The second of two
/// passes subtracts the mean, so that values far from zero lose no accuracy.
fn moments(data: &Dataset, pooled: bool) -> (Vec<f64>, Vec<f64>) {
    let (d, weights) = (data.n_features(), data.weights());
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let [total] = data.samples().sum(data.n_samples(), |rows| {
        [weights.map_or(rows.len() as f64, |weights| weights[rows.clone()].iter().sum())]
    });
    let count = if pooled { total * d as f64 } else { total };
    let sums = |f: &dyn Fn(usize, f64) -> f64| {
        data.samples().sums(data.n_samples(), if pooled { 1 } else { d }, |rows| {
            let mut sums = vec![0.0; d];
            data.for_each_of(rows, |row, values| {
                let weight = weight(row);
                sums.iter_mut().zip(values).enumerate().for_each(|(j, (sum, &value))| *sum += weight * f(j, value));
            });
            if pooled { vec![sums.iter().sum()] } else { sums }
        })
    };
    let mean: Vec<f64> = sums(&|_, value| value).into_iter().map(|sum: f64| sum / count).collect();
    let squares = sums(&|j, value| (value - mean[if pooled { 0 } else { j }]).powi(2));
    let deviation = squares.into_iter().map(|square| (square / count).sqrt()).collect();
    (mean, deviation)
}

/// The standard deviation, or 1 if it is zero except for rounding.
fn spread(mean: f64, deviation: f64) -> f64 {
    if deviation > 1e-12 * mean.abs() { deviation } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn table(d: usize, values: &[f64]) -> Dataset {
        Dataset::new(d, values.to_vec(), None, FeatureKind::Table).unwrap()
    }

    #[test]
    fn column_scales_each_feature_and_r4_leaves_a_constant_one_at_zero() {
        let data = table(2, &[1.0, 5.0, 3.0, 5.0, 5.0, 5.0]);
        let transform = Transform::fit(&data, Normalisation::Column, true).unwrap();
        let xt = transform.apply(&data).unwrap();
        assert_eq!(xt.rows(), 3);
        for sample in 0..3 {
            assert_relative_eq!(xt[(0, sample)], (sample as f64 - 1.0) * 1.5f64.sqrt(), epsilon = 1e-14);
            assert_eq!((xt[(1, sample)], xt[(2, sample)]), (0.0, 1.0));
        }
    }

    #[test]
    fn zeros_and_ones_are_divided_by_a_half() {
        let data = table(3, &[0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let transform = Transform::fit(&data, Normalisation::Column, false).unwrap();
        assert_eq!((transform.offset[0], transform.scale[0]), (0.25, 0.5), "a rare level");
        assert_eq!((transform.offset[1], transform.scale[1]), (0.0, 1.0), "a constant");
        assert_relative_eq!(transform.scale[2], 0.75f64.sqrt());
    }

    #[test]
    fn m12_a_weight_is_as_good_as_the_sample_as_often() {
        let rows = [[1.0, 50.0], [2.0, 10.0], [7.0, -3.0]];
        let weighted = table(2, rows.as_flattened()).with_weights(vec![1.0, 2.0, 3.0]).unwrap();
        let repeated = table(2, [0, 1, 1, 2, 2, 2].map(|row| rows[row]).as_flattened());
        for normalisation in [Normalisation::Global, Normalisation::Column] {
            let [found, expected] =
                [&weighted, &repeated].map(|data| Transform::fit(data, normalisation, true).unwrap());
            for j in 0..2 {
                assert_relative_eq!(found.offset[j], expected.offset[j], epsilon = 1e-12);
                assert_relative_eq!(found.scale[j], expected.scale[j], epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn r4_other_samples_get_the_transform_of_the_training_samples() {
        let transform = Transform::fit(&table(1, &[0.0, 2.0]), Normalisation::Global, false).unwrap();
        assert_eq!(transform.apply(&table(1, &[5.0])).unwrap().values(), [4.0]);
        let error = transform.apply(&table(2, &[5.0, 1.0])).unwrap_err();
        assert!(matches!(error, ModelError::Shape { what: "x", .. }));
    }
}
