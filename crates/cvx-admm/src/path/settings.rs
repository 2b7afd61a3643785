//! The settings of a path: its betas, the samples that choose one, and the network that it returns.

use crate::api::error::{NamedSetting, TrainError, out_of_range};
use crate::api::listing::{AUTOMATIC, NONE, named};
use crate::api::range;
use cvx_linalg::named;

/// The samples that choose the beta.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Validation {
    /// Five folds up to 5,000 samples, a fifth of the samples held out once beyond.
    #[default]
    Auto,
    /// Hold out this share of the training samples once.
    Share(f64),
    /// Split the samples into this number of parts; each part is held out from a path on the others.
    Folds(usize),
}

/// The rule that chooses the beta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one with the smallest mean loss on the held-out samples.
    #[default]
    Best,
    /// The largest whose mean loss is within one standard error of the smallest (Hastie, Tibshirani & Friedman 2009,
    /// section 7.10). It has fewer neurons and a loss that does not differ significantly.
    Sparsest,
}

named!(Choice, "choice of beta": Best = "best", Sparsest = "sparsest");

/// The network that a path returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Returned {
    /// The network of another run, on all samples at the chosen beta.
    #[default]
    Retrained,
    /// The mean of the networks of the folds at the chosen beta: one network with the neurons of all, whose parts keep
    /// their certificates.
    Mean,
}

named!(Returned, "network of a path": Retrained = "retrained", Mean = "mean");

/// The settings of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathSettings {
    /// Number of betas, in equal ratios from the gated beta_max down. Default 50.
    pub betas: usize,
    /// The smallest beta over the gated beta_max. Default 1e-3.
    pub ratio: f64,
    /// Certified relative gap at every beta; the runs at the chosen beta use that of the run's settings. Default 1e-2.
    pub gap: f64,
    /// The samples that choose the beta.
    pub validation: Validation,
    /// The rule that chooses the beta.
    pub choice: Choice,
    /// The network that is returned.
    pub returned: Returned,
    /// Ends the path when this number of betas in a row have a mean held-out loss that is above the smallest by more
    /// than the standard error of the difference. Default: none, all betas are tried.
    pub patience: Option<usize>,
    /// Number of networks with other seeds that are averaged. Default 1.
    pub ensemble: usize,
    /// Seconds after which no other beta is tried. Default: none.
    pub budget: Option<f64>,
}

impl Default for PathSettings {
    fn default() -> Self {
        PathSettings {
            betas: 50,
            ratio: 1e-3,
            gap: 1e-2,
            validation: Validation::Auto,
            choice: Choice::Best,
            returned: Returned::Retrained,
            patience: None,
            ensemble: 1,
            budget: None,
        }
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
        if self.patience == Some(0) {
            return Err(out_of_range("patience", 0, range::AT_LEAST_ONE));
        }
        if !(1..=100).contains(&self.ensemble) {
            return Err(out_of_range("ensemble", self.ensemble, range::ENSEMBLE));
        }
        match self.budget {
            Some(budget) if !(budget > 0.0 && budget <= 4e9) => {
                return Err(out_of_range("budget", budget, range::BUDGET));
            }
            _ => {}
        }
        match self.validation {
            Validation::Share(share) if !(share > 0.0 && share < 1.0) => {
                Err(out_of_range("validation", share, range::SHARE))
            }
            Validation::Folds(folds) if folds < 2 => Err(out_of_range("folds", folds, range::FOLDS)),
            _ => Ok(()),
        }
    }

    /// The settings by which ranks see that they were started alike. The budget may differ: the first rank's counts.
    pub(crate) fn as_given(&self) -> Vec<NamedSetting> {
        let validation = match self.validation {
            Validation::Auto => ("validation", AUTOMATIC.to_string()),
            Validation::Folds(folds) => ("folds", folds.to_string()),
            Validation::Share(share) => ("validation", share.to_string()),
        };
        let all = [
            ("betas", self.betas.to_string()),
            ("beta_ratio", self.ratio.to_string()),
            ("path_gap", self.gap.to_string()),
            validation,
            ("choice", self.choice.name().to_string()),
            ("returned", self.returned.name().to_string()),
            ("patience", self.patience.map_or_else(|| NONE.to_string(), |patience| patience.to_string())),
            ("ensemble", self.ensemble.to_string()),
            ("budget", self.budget.map_or(NONE, |_| "of some seconds").to_string()),
        ];
        all.map(named).into()
    }

    /// beta over the gated beta_max, the largest first. At the gated beta_max itself the network is known to be zero.
    pub(crate) fn fractions(&self) -> Vec<f64> {
        (1..=self.betas).map(|k| self.ratio.powf(k as f64 / self.betas as f64)).collect()
    }

    /// Number of times that the samples are split. The network of a run on all samples is not one of a split.
    pub(crate) fn repeats(&self) -> usize {
        match self.returned {
            Returned::Mean => self.ensemble,
            Returned::Retrained => 1,
        }
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
