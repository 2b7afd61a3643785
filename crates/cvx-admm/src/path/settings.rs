//! The settings of a path: its betas, and the samples that choose one.

use crate::api::error::{TrainError, out_of_range};
use crate::api::range;
use cvx_linalg::named;
use cvx_model::{Dataset, ModelError, Task, split};

/// The samples that choose the beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// Hold out this share of the training samples once.
    Share(f64),
    /// Split the samples into this number of parts; each part is held out from a path on the others.
    Folds(usize),
}

/// The rule that chooses the beta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one with the smallest error on the held-out samples.
    #[default]
    Best,
    /// The largest whose error is within one standard error of the smallest (Hastie, Tibshirani & Friedman 2009,
    /// section 7.10). It has fewer neurons and an error that does not differ significantly.
    Sparsest,
}

named!(Choice, "choice of beta": Best = "best", Sparsest = "sparsest");

/// The settings of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathSettings {
    /// Number of betas, in equal ratios from the gated beta_max down. Default 50.
    pub betas: usize,
    /// The smallest beta over the gated beta_max. Default 1e-3.
    pub ratio: f64,
    /// Certified relative gap at every beta; the final run uses that of the run's settings. Default 1e-2.
    pub gap: f64,
    /// The samples that choose the beta. Default: a fifth, held out once.
    pub validation: Validation,
    /// The rule that chooses the beta.
    pub choice: Choice,
}

impl Default for PathSettings {
    fn default() -> Self {
        PathSettings { betas: 50, ratio: 1e-3, gap: 1e-2, validation: Validation::Share(0.2), choice: Choice::Best }
    }
}

impl PathSettings {
    /// Checks every setting against its range; only [`path`](crate::path()) knows the number of samples.
    ///
    /// # Errors
    /// [`TrainError::Setting`] that names the first setting outside its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        if self.betas == 0 || self.betas > 10_000 {
            return Err(out_of_range("betas", self.betas, range::BETAS));
        }
        if !(self.ratio > 0.0 && self.ratio < 1.0) {
            return Err(out_of_range("beta_ratio", self.ratio, range::SHARE));
        }
        if !(self.gap > 0.0 && self.gap.is_finite()) {
            return Err(out_of_range("path_gap", self.gap, range::POSITIVE));
        }
        match self.validation {
            Validation::Share(share) if !(share > 0.0 && share < 1.0) => {
                Err(out_of_range("validation", share, range::SHARE))
            }
            Validation::Folds(folds) if folds < 2 => Err(out_of_range("folds", folds, range::FOLDS)),
            _ => Ok(()),
        }
    }

    /// beta over the gated beta_max, the largest first. At the gated beta_max itself the network is known to be zero.
    pub(crate) fn fractions(&self) -> Vec<f64> {
        (1..=self.betas).map(|k| self.ratio.powf(k as f64 / self.betas as f64)).collect()
    }

    /// The rows that each path holds out.
    pub(crate) fn folds(&self, data: &Dataset, task: &Task, seed: u64) -> Result<Vec<Vec<usize>>, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let classes = !task.classes().is_empty();
        let parts = match self.validation {
            Validation::Share(share) => {
                let held_out = split::share(labels, classes, share, seed);
                if held_out.is_empty() {
                    let enough = "a share of samples of which at least two are of one class";
                    return Err(out_of_range("validation", share, enough));
                }
                vec![held_out]
            }
            Validation::Folds(folds) if folds > data.n_samples() => {
                return Err(out_of_range("folds", folds, range::FOLDS));
            }
            Validation::Folds(folds) => {
                let names: Vec<String> = (0..labels.len()).map(|row| labels.class_name(row)).collect();
                let count = |class: &String| names.iter().filter(|name| *name == class).count();
                if let Some(class) = task.classes().iter().find(|class| count(class) == 1) {
                    return Err(TrainError::SingleSample { class: class.clone() });
                }
                split::folds(labels, classes, folds, seed)
            }
        };
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn betas_fall_in_equal_ratios_to_the_smallest() {
        let fractions = |betas, ratio| PathSettings { betas, ratio, ..PathSettings::default() }.fractions();
        assert_eq!(fractions(1, 0.25), [0.25]);
        assert_eq!(fractions(2, 0.25), [0.5, 0.25]);
        let fifty = fractions(50, 1e-3);
        assert!(fifty.windows(2).all(|pair| (pair[1] / pair[0] - fifty[0]).abs() < 1e-12));
        assert!((fifty[49] - 1e-3).abs() < 1e-15);
    }
}
