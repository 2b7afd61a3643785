//! The points of a path, merged over the folds, and the choice of one.

use crate::path::settings::Choice;
use cvx_artifact::{Objective, Scores, Status};
use serde::Serialize;

/// The network at one beta of a path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathPoint {
    /// beta over the gated beta_max: the quantity that transfers from a part of the samples to all of them.
    pub fraction: f64,
    /// Weight of the group norm; with several paths, that of the first.
    pub beta: f64,
    /// Status of the run at this beta; with several paths, the first that did not reach its gap.
    pub status: Status,
    /// The certificate; with several paths, the one with the largest gap.
    #[serde(flatten)]
    pub objective: Objective,
    /// ADMM iterations, summed over the paths.
    pub iterations: usize,
    /// Seconds, summed over the paths.
    pub seconds: f64,
    /// Number of neurons, the mean over the paths.
    pub neurons: f64,
    /// Scores on the training samples, the mean over the paths.
    pub train: Scores,
    /// Scores on all held-out samples; the loss is the sum over them.
    pub validation: Scores,
    /// Mean error of a held-out sample: for classes 1 if the class is wrong, for numbers the loss, 1/2 (f - y)^2 by
    /// default.
    pub error: f64,
    /// Standard error of that mean.
    pub standard_error: f64,
}

/// The result of one fold at one beta.
pub(crate) struct FoldPoint {
    pub beta: f64,
    pub status: Status,
    pub objective: Objective,
    pub iterations: usize,
    pub seconds: f64,
    pub neurons: usize,
    pub train: Scores,
    pub validation: Scores,
    /// Error of each held-out sample.
    pub errors: Vec<f64>,
}

/// The points of the folds so far, by beta.
#[derive(Default)]
pub(crate) struct Merged {
    pub gated_beta_max: f64,
    folds: usize,
    points: Vec<Vec<FoldPoint>>,
}

impl Merged {
    /// Adds the points of a fold, which may have ended early.
    pub fn add(&mut self, gated_beta_max: f64, points: Vec<FoldPoint>) {
        if self.folds == 0 {
            self.gated_beta_max = gated_beta_max;
            self.points = points.into_iter().map(|point| vec![point]).collect();
        } else {
            // A fold that ended early gives no result for the betas that it did not reach.
            self.points.iter_mut().zip(points).for_each(|(all, point)| all.push(point));
        }
        self.folds += 1;
    }

    pub fn finish(&self, fractions: &[f64]) -> Vec<PathPoint> {
        self.points.iter().zip(fractions).map(|(folds, &fraction)| PathPoint::mean(folds, fraction)).collect()
    }
}

impl PathPoint {
    fn mean(folds: &[FoldPoint], fraction: f64) -> Self {
        let count = folds.len() as f64;
        let mean = |f: &dyn Fn(&FoldPoint) -> f64| folds.iter().map(f).sum::<f64>() / count;
        let worst = folds.iter().fold(&folds[0], |worst, fold| {
            if fold.objective.relative_gap > worst.objective.relative_gap { fold } else { worst }
        });
        let errors: Vec<f64> = folds.iter().flat_map(|fold| &fold.errors).copied().collect();
        let n = errors.len() as f64;
        let error = errors.iter().sum::<f64>() / n;
        let variance = errors.iter().map(|e| (e - error).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let accurate = folds[0].validation.accuracy.is_some();
        PathPoint {
            fraction,
            beta: folds[0].beta,
            status: folds.iter().map(|fold| fold.status).find(|&s| s != Status::Optimal).unwrap_or(Status::Optimal),
            objective: worst.objective,
            iterations: folds.iter().map(|fold| fold.iterations).sum(),
            seconds: folds.iter().map(|fold| fold.seconds).sum(),
            neurons: mean(&|fold| fold.neurons as f64),
            train: Scores {
                loss: mean(&|fold| fold.train.loss),
                accuracy: accurate.then(|| mean(&|fold| fold.train.accuracy.unwrap_or_default())),
            },
            validation: Scores {
                loss: folds.iter().map(|fold| fold.validation.loss).sum(),
                accuracy: accurate.then_some(1.0 - error),
            },
            error,
            standard_error: (variance / n).sqrt(),
        }
    }
}

/// The index of the chosen beta. Ties between equal errors go to the smaller loss, then to the larger beta.
pub(crate) fn choose(points: &[PathPoint], choice: Choice) -> usize {
    let best = (0..points.len()).fold(0, |best, k| {
        let key = |k: usize| (points[k].error, points[k].validation.loss);
        if key(k) < key(best) { k } else { best }
    });
    match choice {
        Choice::Best => best,
        Choice::Sparsest => {
            let enough = |point: &PathPoint| point.error <= points[best].error + points[best].standard_error;
            points.iter().position(enough).unwrap_or(best)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fold with the given errors of held-out samples and the given loss.
    fn fold(errors: &[f64], loss: f64, neurons: usize, gap: f64, status: Status) -> FoldPoint {
        let objective = Objective { network: 1.0, sampled_primal: None, dual_bound: 1.0 - gap, relative_gap: gap };
        FoldPoint {
            beta: 0.5,
            status,
            objective,
            iterations: 10,
            seconds: 0.25,
            neurons,
            train: Scores { loss: 2.0 * loss, accuracy: Some(0.5 + gap) },
            validation: Scores { loss, accuracy: Some(0.0) },
            errors: errors.to_vec(),
        }
    }

    fn points(errors: &[(f64, f64, f64)]) -> Vec<PathPoint> {
        let point = |&(error, standard_error, loss): &(f64, f64, f64)| {
            let mut point = PathPoint::mean(&[fold(&[0.0], loss, 1, 0.0, Status::Optimal)], 0.1);
            (point.error, point.standard_error) = (error, standard_error);
            point
        };
        errors.iter().map(point).collect()
    }

    #[test]
    fn the_best_has_the_smallest_error_then_the_smallest_loss_then_the_largest_beta() {
        for (errors, expected) in [
            (&[(0.5, 0.1, 9.0), (0.2, 0.1, 5.0), (0.3, 0.1, 1.0)][..], 1),
            (&[(0.5, 0.1, 9.0), (0.2, 0.1, 5.0), (0.2, 0.1, 4.0)], 2),
            (&[(0.2, 0.1, 5.0), (0.2, 0.1, 5.0)], 0),
            (&[(0.2, 0.1, 5.0)], 0),
        ] {
            assert_eq!(choose(&points(errors), Choice::Best), expected);
        }
        assert_eq!(choose(&[], Choice::Best), 0);
        assert_eq!(choose(&[], Choice::Sparsest), 0);
    }

    #[test]
    fn the_sparsest_is_the_first_within_a_standard_error_of_the_best() {
        for (errors, expected) in [
            // 0.26 is within 0.2 + 0.07; the standard errors of the other points are irrelevant.
            (&[(0.5, 0.9, 9.0), (0.26, 0.0, 8.0), (0.2, 0.07, 5.0), (0.21, 0.5, 6.0)][..], 1),
            (&[(0.5, 0.9, 9.0), (0.28, 0.0, 8.0), (0.2, 0.07, 5.0)], 2),
            // Exactly one standard error, and none at all.
            (&[(0.75, 0.0, 9.0), (0.5, 0.25, 5.0)], 0),
            (&[(0.3, 0.0, 9.0), (0.0, 0.0, 5.0)], 1),
        ] {
            assert_eq!(choose(&points(errors), Choice::Sparsest), expected);
        }
    }

    #[test]
    fn errors_of_folds_are_pooled_and_the_rest_is_their_mean_or_their_worst() {
        let folds = [
            fold(&[1.0, 0.0, 0.0], 3.0, 4, 1e-3, Status::Optimal),
            fold(&[1.0, 1.0], 2.0, 7, 5e-2, Status::IterationLimit),
        ];
        let point = PathPoint::mean(&folds, 0.125);
        assert_eq!((point.fraction, point.beta, point.status), (0.125, 0.5, Status::IterationLimit));
        assert_eq!((point.error, point.validation.accuracy), (0.6, Some(0.4)));
        // Squares of 0.4 three times and of 0.6 twice over 4, over 5.
        assert!((point.standard_error - 0.06f64.sqrt()).abs() < 1e-15);
        assert_eq!((point.neurons, point.validation.loss, point.train.loss), (5.5, 5.0, 5.0));
        assert_eq!((point.iterations, point.seconds, point.objective.relative_gap), (20, 0.5, 5e-2));
        let alone = PathPoint::mean(&folds[..1], 0.125);
        assert_eq!((alone.status, alone.neurons), (Status::Optimal, 4.0));
        // A single sample has no spread.
        assert_eq!(PathPoint::mean(&[fold(&[1.0], 1.0, 1, 0.0, Status::Optimal)], 0.1).standard_error, 0.0);
    }

    #[test]
    fn a_fold_that_ends_early_ends_the_path() {
        let some = |count: usize| (0..count).map(|_| fold(&[1.0], 1.0, 1, 0.0, Status::Optimal)).collect::<Vec<_>>();
        let mut merged = Merged::default();
        merged.add(8.0, some(3));
        merged.add(9.0, some(2));
        assert_eq!((merged.gated_beta_max, merged.folds), (8.0, 2));
        let counts: Vec<usize> = merged.points.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 2, 1]);
        let mut merged = Merged::default();
        merged.add(8.0, some(0));
        assert!(merged.finish(&[0.5, 0.25, 0.125]).is_empty());
    }
}
