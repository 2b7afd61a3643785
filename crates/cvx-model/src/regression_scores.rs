//! The quality of the predictions of numbers.

use crate::error::ModelError;
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};

/// Scores of the predictions of a regression, per target and averaged, without weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionScores {
    /// The scores of each target.
    pub targets: Vec<TargetScores>,
    /// Unweighted means over the targets; of R2 over the targets that have one.
    pub mean: TargetScores,
}

/// Scores of one target, or their means over targets. Errors are in the units of the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScores {
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// 1 - sum (f - y)^2 / sum (y - m)^2, where m is the mean of y on these samples, not on the training samples (as in
    /// scikit-learn). `None` if all y are equal.
    pub r2: Option<f64>,
    /// RMSE of predicting the mean of the training samples for every sample: what a network has to be better than.
    pub reference_rmse: f64,
}

impl RegressionScores {
    /// Compares predictions f with targets y (both n x C). `training_means` are the means of the C targets on the
    /// training samples.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without samples or targets, [`ModelError::Shape`] for sizes that differ.
    pub fn new(prediction: &HostMatrix, y: &HostMatrix, training_means: &[f64]) -> Result<Self, ModelError> {
        let wrong = |what, expected: String, found: String| Err(ModelError::Shape { what, expected, found });
        if y.values().is_empty() {
            return Err(ModelError::Empty { what: "targets" });
        }
        let size = |matrix: &HostMatrix| format!("{} x {}", matrix.rows(), matrix.cols());
        if size(prediction) != size(y) {
            return wrong("the prediction", size(y), size(prediction));
        }
        if training_means.len() != y.cols() {
            let found = training_means.len().to_string();
            return wrong("the training means", format!("{}, one per target", y.cols()), found);
        }
        let columns = training_means.iter().enumerate();
        let targets: Vec<TargetScores> =
            columns.map(|(c, &mean)| TargetScores::new(prediction.col(c), y.col(c), mean)).collect();
        let of = |value: fn(&TargetScores) -> Option<f64>| {
            let values: Vec<f64> = targets.iter().filter_map(value).collect();
            (!values.is_empty()).then(|| mean(values.into_iter()))
        };
        let mean = TargetScores {
            rmse: mean(targets.iter().map(|scores| scores.rmse)),
            mae: mean(targets.iter().map(|scores| scores.mae)),
            r2: of(|scores| scores.r2),
            reference_rmse: mean(targets.iter().map(|scores| scores.reference_rmse)),
        };
        Ok(RegressionScores { targets, mean })
    }
}

impl TargetScores {
    fn new(prediction: &[f64], y: &[f64], training_mean: f64) -> Self {
        let errors = || prediction.iter().zip(y).map(|(f, y)| f - y);
        let centre = mean(y.iter().copied());
        let squared = mean(errors().map(|error| error * error));
        let variance = mean(y.iter().map(|y| (y - centre).powi(2)));
        TargetScores {
            rmse: squared.sqrt(),
            mae: mean(errors().map(f64::abs)),
            // The mean of equal numbers is rounded: their variance need not be 0.
            r2: (variance > 0.0 && y.iter().any(|other| *other != y[0])).then(|| 1.0 - squared / variance),
            reference_rmse: mean(y.iter().map(|y| (y - training_mean).powi(2))).sqrt(),
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_by_hand() {
        let y = HostMatrix::from_vec(3, 2, vec![0.0, 1.0, 2.0, 0.1, 0.1, 0.1]);
        let prediction = HostMatrix::from_vec(3, 2, vec![0.0, 1.0, 5.0, 0.1, 0.1, 0.4]);
        let scores = RegressionScores::new(&prediction, &y, &[2.0, 0.0]).unwrap();
        let first = scores.targets[0];
        assert_eq!((first.rmse, first.mae, first.r2), (3f64.sqrt(), 1.0, Some(1.0 - 3.0 / (2.0 / 3.0))));
        assert_eq!(first.reference_rmse, (5.0f64 / 3.0).sqrt());
        assert_eq!(scores.targets[1].r2, None, "equal targets");
        assert_eq!(scores.mean.r2, first.r2);
        assert!(
            (scores.mean.mae - 0.55).abs() < 1e-15
                && (scores.mean.rmse - 0.5 * (3f64.sqrt() + 0.03f64.sqrt())).abs() < 1e-15
        );
    }

    proptest! {
        /// The mean of the samples has R2 0, and its RMSE is the least of all constants.
        #[test]
        fn r2_compares_with_the_mean_of_these_samples(
            y in prop::collection::vec(-1e3..1e3, 2..40), f in prop::collection::vec(-1e3..1e3, 40), shift in -9.0..9.0
        ) {
            let n = y.len();
            let (f, centre) = (HostMatrix::from_vec(n, 1, f[..n].to_vec()), y.iter().sum::<f64>() / n as f64);
            let y = HostMatrix::from_vec(n, 1, y);
            let scores = |f: &HostMatrix, mean: f64| RegressionScores::new(f, &y, &[mean]).unwrap().targets[0];
            let constant = HostMatrix::from_fn(n, 1, |_, _| centre);
            prop_assert!(scores(&constant, 0.0).r2.unwrap().abs() < 1e-12);
            prop_assert_eq!(scores(&y, 0.0).r2, Some(1.0));
            let (best, other) = (scores(&f, centre), scores(&f, centre + shift));
            prop_assert!(best.reference_rmse <= other.reference_rmse);
            let expected = 1.0 - (best.rmse / best.reference_rmse).powi(2);
            prop_assert!((best.r2.unwrap() - expected).abs() <= 1e-12 * (1.0 + expected.abs()));
            prop_assert!(best.mae <= best.rmse * (1.0 + 1e-12));
        }
    }

    #[test]
    fn arguments_that_do_not_fit_are_errors() {
        let y = HostMatrix::zeros(2, 1);
        assert!(matches!(RegressionScores::new(&HostMatrix::zeros(1, 2), &y, &[0.0]), Err(ModelError::Shape { .. })));
        assert!(matches!(RegressionScores::new(&y, &y, &[]), Err(ModelError::Shape { .. })));
        let none = HostMatrix::zeros(0, 1);
        assert!(matches!(RegressionScores::new(&none, &none, &[0.0]), Err(ModelError::Empty { .. })));
    }
}
