//! The samples that choose the beta: the parts that are held out, and what the networks predict on them.

use crate::api::error::{TrainError, out_of_range};
use crate::path::settings::{PathSettings, Validation};
use cvx_artifact::MOST_PARTS;
use cvx_model::{Labels, ModelError, Task, split};

/// Samples held out in one part of a path. The path of the fold sees the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Rows, in ascending order.
    pub held_out: Vec<usize>,
    /// Seed of its gates.
    pub seed: u64,
}

impl Fold {
    /// An error about a row of the fold, as one about the same row of all samples.
    pub(crate) fn in_all_samples(&self, error: TrainError) -> TrainError {
        match error {
            TrainError::Model(ModelError::NonFinite { what, row, column }) if what != "gates" => {
                let row = self.held_out.iter().fold(row, |row, &held_out| row + usize::from(held_out <= row));
                ModelError::NonFinite { what, row, column }.into()
            }
            TrainError::Test(ModelError::NonFinite { what, row, column }) => {
                let row = self.held_out.get(row).copied().unwrap_or(row);
                ModelError::NonFinite { what, row, column }.into()
            }
            error => error,
        }
    }
}

/// Up to this number of samples, an automatic choice takes folds: beyond it, one part is thousands of samples, whose
/// mean loss has a small standard error, and the paths of five folds would take five times the work.
const FOLDED: usize = 5_000;

/// Number of folds of an automatic choice.
const FOLDS: usize = 5;

/// Share of the samples that an automatic choice holds out once.
const SHARE: f64 = 0.2;

impl Validation {
    /// The samples that an automatic choice holds out, by their number alone.
    pub fn resolved(self, n_samples: usize) -> Self {
        match self {
            // A single sample is refused where its labels are read.
            Validation::Auto if n_samples <= FOLDED => Validation::Folds(FOLDS.min(n_samples.max(2))),
            Validation::Auto => Validation::Share(SHARE),
            chosen => chosen,
        }
    }
}

impl PathSettings {
    /// The folds of these labels: those of one split, or of several with other seeds.
    pub(crate) fn folds(&self, labels: &Labels, task: &Task, seed: u64) -> Result<Vec<Fold>, TrainError> {
        let (n, classes) = (labels.len(), !task.classes().is_empty());
        let parts = |seed: u64| match self.validation.resolved(n) {
            Validation::Folds(folds) if folds < 2 || folds > n => {
                Err(out_of_range("folds", folds, crate::api::range::FOLDS))
            }
            Validation::Folds(folds) => Ok(split::folds(labels, classes, folds, seed)),
            Validation::Share(share) => {
                let held_out = split::share(labels, classes, share, seed);
                let enough = "a share of samples of which at least two are of one class";
                if held_out.is_empty() { Err(out_of_range("validation", share, enough)) } else { Ok(vec![held_out]) }
            }
            Validation::Auto => Ok(Vec::new()),
        };
        let mut folds = Vec::new();
        for repeat in 0..self.repeats() as u64 {
            for held_out in parts(seed.wrapping_add(repeat))? {
                // Each fold draws gates of its own: the mean of the networks then has more of them.
                folds.push(Fold { held_out, seed: seed.wrapping_add(folds.len() as u64) });
            }
        }
        // Otherwise no file could hold the mean of their networks.
        if folds.len() > MOST_PARTS {
            return Err(out_of_range("folds", folds.len(), crate::api::range::ALL_FOLDS));
        }
        Ok(folds)
    }
}
