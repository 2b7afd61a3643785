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
    use proptest::prelude::*;

    fn sample(error: f64, loss: f64, weight: f64) -> HeldOutSample {
        HeldOutSample { error, loss, weight }
    }

    fn fold(samples: &[HeldOutSample], neurons: usize, gap: f64, status: Status) -> FoldPoint {
        let loss = samples.iter().map(|sample| sample.loss).sum();
        FoldPoint {
            beta: 0.5,
            status,
            objective: Objective { network: 1.0, sampled_primal: None, dual_bound: 1.0 - gap, relative_gap: gap },
            iterations: 10,
            seconds: 0.25,
            neurons,
            train: Scores { loss: 2.0 * loss, accuracy: Some(0.5 + gap) },
            validation: Scores { loss, accuracy: Some(0.0) },
            samples: samples.to_vec(),
        }
    }

    /// A fold of samples of weight 1 with these losses.
    fn of_losses(losses: &[f64]) -> FoldPoint {
        let samples: Vec<HeldOutSample> = losses.iter().map(|&loss| sample(0.0, loss, 1.0)).collect();
        fold(&samples, 1, 0.0, Status::Optimal)
    }

    /// Points of these mean losses and standard errors. The share of wrong classes falls along the path, whatever the
    /// loss: it must not decide.
    fn points(losses: &[(f64, f64)]) -> Vec<PathPoint> {
        let point = |(k, &(mean_loss, mean_loss_error)): (usize, &(f64, f64))| PathPoint {
            mean_loss,
            mean_loss_error,
            error: 1.0 / (k + 1) as f64,
            standard_error: 9.0,
            ..PathPoint::mean(&[of_losses(&[0.0])], 0.1)
        };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn the_best_has_the_smallest_loss_then_the_largest_beta() {
        for (losses, expected) in [
            (&[(0.5, 0.1), (0.2, 0.1), (0.3, 0.1)][..], 1),
            (&[(0.5, 0.1), (0.2, 0.1), (0.2, 0.1)], 1),
            (&[(0.2, 0.1), (0.2, 0.1)], 0),
            (&[(0.2, 0.1)], 0),
        ] {
            assert_eq!(choose(&points(losses), Choice::Best), expected);
        }
        assert_eq!(choose(&[], Choice::Best), 0);
        assert_eq!(choose(&[], Choice::Sparsest), 0);
    }

    #[test]
    fn the_sparsest_is_the_first_within_a_standard_error_of_the_best() {
        for (losses, expected) in [
            // 0.26 is within 0.2 + 0.07; the standard errors of the other points are irrelevant.
            (&[(0.5, 0.9), (0.26, 0.0), (0.2, 0.07), (0.21, 0.5)][..], 1),
            (&[(0.5, 0.9), (0.28, 0.0), (0.2, 0.07)], 2),
            // Exactly one standard error, and none at all.
            (&[(0.75, 0.0), (0.5, 0.25)], 0),
            (&[(0.3, 0.0), (0.0, 0.0)], 1),
        ] {
            assert_eq!(choose(&points(losses), Choice::Sparsest), expected);
        }
    }

    #[test]
    fn samples_of_folds_are_pooled_and_the_rest_is_their_mean_or_their_worst() {
        let folds = [
            fold(&[sample(1.0, 1.0, 1.0), sample(0.0, 2.0, 3.0), sample(0.0, 0.0, 1.0)], 4, 1e-3, Status::Optimal),
            fold(&[sample(1.0, 1.5, 1.0), sample(1.0, 0.5, 2.0)], 7, 5e-2, Status::IterationLimit),
        ];
        let point = PathPoint::mean(&folds, 0.125);
        assert_eq!((point.fraction, point.beta, point.status), (0.125, 0.5, Status::IterationLimit));
        // Weights count for the loss that chooses, not for the error.
        assert_eq!((point.error, point.validation.accuracy), (0.6, Some(0.4)));
        // Squares of 0.4 three times and of 0.6 twice over 4, over 5.
        assert!((point.standard_error - 0.06f64.sqrt()).abs() < 1e-15);
        assert!((point.mean_loss - (1.0 + 6.0 + 0.0 + 1.5 + 1.0) / 8.0).abs() < 1e-15, "{}", point.mean_loss);
        assert_eq!((point.neurons, point.validation.loss, point.train.loss), (5.5, 5.0, 5.0));
        assert_eq!((point.iterations, point.seconds, point.objective.relative_gap), (20, 0.5, 5e-2));
        let alone = PathPoint::mean(&folds[..1], 0.125);
        assert_eq!((alone.status, alone.neurons), (Status::Optimal, 4.0));
        // A single sample has no spread.
        assert_eq!(PathPoint::mean(&[of_losses(&[1.0])], 0.1).mean_loss_error, 0.0);
    }

    proptest! {
        /// A whole weight is a number of repetitions to the mean. The standard error is that of independent samples:
        /// the unit of the weights does not matter, and equal weights give the classical one.
        #[test]
        fn weighted_means(values in prop::collection::vec((-5.0..5.0f64, 1usize..6), 2..30), unit in -3.0..3.0f64) {
            let unit = 10f64.powf(unit);
            let weighted: Vec<(f64, f64)> = values.iter().map(|&(value, count)| (value, count as f64)).collect();
            let repeated: Vec<(f64, f64)> =
                values.iter().flat_map(|&(value, count)| vec![(value, 1.0); count]).collect();
            let (mean, error) = mean_with_error(&weighted);
            prop_assert!((mean - mean_with_error(&repeated).0).abs() < 1e-12);
            let scaled: Vec<(f64, f64)> = weighted.iter().map(|&(value, weight)| (value, unit * weight)).collect();
            let (scaled_mean, scaled_error) = mean_with_error(&scaled);
            prop_assert!((mean - scaled_mean).abs() < 1e-12 && (error - scaled_error).abs() < 1e-12);
            let equal: Vec<(f64, f64)> = values.iter().map(|&(value, _)| (value, unit)).collect();
            let (n, (mean, error)) = (values.len() as f64, mean_with_error(&equal));
            let variance = values.iter().map(|(value, _)| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!((error - (variance / n).sqrt()).abs() < 1e-12);
        }
    }

    /// The differences of the same samples decide, not the spread of each: a small loss that all samples share is
    /// clear.
    #[test]
    fn far_above_compares_sample_by_sample() {
        let spread = [0.0, 10.0, 3.0, 7.0];
        let shifted = |by: f64| of_losses(&spread.map(|loss| loss + by));
        assert!(is_far_above(&[shifted(0.01)], &[shifted(0.0)]));
        assert!(!is_far_above(&[shifted(-0.01)], &[shifted(0.0)]));
        assert!(!is_far_above(&[shifted(0.0)], &[shifted(0.0)]));
        // A mean difference of 1 with a standard error of 1 is not far above, with one below 1 it is.
        let differences = |d: [f64; 4]| of_losses(&[0, 1, 2, 3].map(|k| spread[k] + d[k]));
        assert!(!is_far_above(&[differences([4.0, 0.0, 0.0, 0.0])], &[shifted(0.0)]));
        assert!(is_far_above(&[differences([3.9, 0.1, 0.0, 0.0])], &[shifted(0.0)]));
        // The folds follow each other, and weights count.
        let two = |a: f64, b: f64| [of_losses(&[a, a]), of_losses(&[b, b])];
        assert!(!is_far_above(&two(2.0, 0.0), &two(0.0, 1.0)));
        let weighted = |loss: f64| [fold(&[sample(0.0, loss, 100.0), sample(0.0, 1.0, 1.0)], 1, 0.0, Status::Optimal)];
        assert!(!is_far_above(&weighted(1.0), &weighted(1.1)) && !is_far_above(&weighted(1.1), &weighted(1.1)));
        let heavy = fold(&[sample(0.0, 1.0, 1.0), sample(0.0, 0.0, 1e6)], 1, 0.0, Status::Optimal);
        let light = fold(&[sample(0.0, 0.0, 1.0), sample(0.0, 1.0, 1e6)], 1, 0.0, Status::Optimal);
        assert!(!is_far_above(&[heavy], &[light]));
    }
}
