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
    /// Weighted mean loss of a held-out sample, by which a beta is chosen.
    pub mean_loss: f64,
    /// Standard error of that mean.
    pub mean_loss_error: f64,
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
    /// Error, loss and weight of each held-out sample.
    pub samples: Vec<HeldOutSample>,
}

/// A held-out sample at one beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeldOutSample {
    /// 1 if the class is wrong; for numbers the loss.
    pub error: f64,
    pub loss: f64,
    pub weight: f64,
}

/// Weighted mean, and its standard error.
fn mean_with_error(values: &[(f64, f64)]) -> (f64, f64) {
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mean = values.iter().map(|(value, weight)| weight * value).sum::<f64>() / total;
    let squares: f64 = values.iter().map(|(value, weight)| (weight * (value - mean)).powi(2)).sum();
    let n = values.len() as f64;
    // With equal weights, squares / (n (n - 1)): equation (9.4).
    (mean, (squares * n / (n - 1.0).max(1.0)).sqrt() / total)
}

impl PathPoint {
    /// The point of these folds, all at this fraction.
    pub(crate) fn mean(folds: &[FoldPoint], fraction: f64) -> Self {
        let count = folds.len() as f64;
        let mean = |f: &dyn Fn(&FoldPoint) -> f64| folds.iter().map(f).sum::<f64>() / count;
        let worst = folds.iter().fold(&folds[0], |worst, fold| {
            if fold.objective.relative_gap > worst.objective.relative_gap { fold } else { worst }
        });
        let samples = || folds.iter().flat_map(|fold| &fold.samples);
        let (error, standard_error) = mean_with_error(&samples().map(|sample| (sample.error, 1.0)).collect::<Vec<_>>());
        let losses: Vec<(f64, f64)> = samples().map(|sample| (sample.loss, sample.weight)).collect();
        let (mean_loss, mean_loss_error) = mean_with_error(&losses);
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
            standard_error,
            mean_loss,
            mean_loss_error,
        }
    }
}

/// The index of the chosen beta. Ties between equal losses go to the larger beta.
pub(crate) fn choose(points: &[PathPoint], choice: Choice) -> usize {
    let best = (0..points.len()).fold(0, |best, k| if points[k].mean_loss < points[best].mean_loss { k } else { best });
    match choice {
        Choice::Best => best,
        Choice::Sparsest => {
            let enough = points.get(best).map_or(0.0, |best| best.mean_loss + best.mean_loss_error);
            points.iter().position(|point| point.mean_loss <= enough).unwrap_or(best)
        }
    }
}

/// Whether the mean loss at `worse` is above that at `better` by more than the standard error of the difference. Both
/// are the same samples in the same order.
pub(crate) fn is_far_above(worse: &[FoldPoint], better: &[FoldPoint]) -> bool {
    let samples = |folds: &[FoldPoint]| folds.iter().flat_map(|fold| fold.samples.clone()).collect::<Vec<_>>();
    let pairs = samples(worse).into_iter().zip(samples(better));
    let differences: Vec<(f64, f64)> = pairs.map(|(worse, better)| (worse.loss - better.loss, better.weight)).collect();
    let (mean, error) = mean_with_error(&differences);
    mean > error
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
