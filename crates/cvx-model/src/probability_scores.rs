//! The quality of the probabilities of classes.

use crate::error::ModelError;
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};

/// Most bins of the reliability diagram, and the fewest samples of a bin where there are more samples.
const BINS: usize = 10;
const BIN_SAMPLES: usize = 10;

/// Most points of a ROC curve.
const ROC_POINTS: usize = 200;

/// Scores of the probabilities of K classes on labelled samples, without weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityScores {
    /// Mean of the [`sample_log_losses`].
    pub log_loss: f64,
    /// Brier score: mean of the sum over all classes of (p_c - 1 if c is the class, otherwise p_c)^2, from 0 to 2. For
    /// two classes it is twice the score that counts one class only.
    pub brier: f64,
    /// Expected calibration error: mean distance between the two shares of a bin of
    /// [`reliability`](ProbabilityScores::reliability), weighted by its count.
    pub calibration_error: f64,
    /// Area under the ROC curve: the share of pairs of different classes that the probabilities put in the right order,
    /// where a tie counts one half. For more than two classes it is the mean over the classes of each against the rest,
    /// weighted by their frequencies. `None` if only one class occurs.
    pub auc: Option<f64>,
    /// The reliability diagram: for two classes of the probability of the second, otherwise of the probability of the
    /// predicted class.
    pub reliability: Vec<ReliabilityBin>,
    /// The ROC curve of the second of two classes; `None` for more classes, or if only one occurs. It starts at (0, 0)
    /// and ends at (1, 1).
    pub roc: Option<Vec<RocPoint>>,
}

/// One point of a reliability diagram. The samples are sorted by probability and cut into at most 10 bins of equal
/// counts, of at least 10 samples if there are so many. Samples of equal probability share a bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean probability.
    pub predicted: f64,
    /// Share of samples where what was predicted occurred.
    pub observed: f64,
    /// Number of samples.
    pub count: usize,
}

/// One point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Share of the other samples at or above the threshold.
    pub false_positive: f64,
    /// Share of the samples of the class at or above the threshold.
    pub true_positive: f64,
}

impl ProbabilityScores {
    /// The scores of `probabilities` (n x K, rows that sum to 1) for samples of these `classes`, which are numbers of
    /// columns.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without samples, [`ModelError::Shape`] for other lengths or an unknown class,
    /// [`ModelError::NonFinite`] for a probability that is not a number.
    pub fn new(probabilities: &HostMatrix, classes: &[usize]) -> Result<Self, ModelError> {
        check(probabilities, classes)?;
        let (n, n_classes) = (probabilities.rows(), probabilities.cols());
        let cells = (0..n).flat_map(|a| (0..n_classes).map(move |c| (a, c)));
        let is = |a: usize, c: usize| f64::from(u8::from(classes[a] == c));
        let brier = cells.map(|(a, c)| (probabilities[(a, c)] - is(a, c)).powi(2)).sum::<f64>() / n as f64;
        let events = if n_classes == 2 { events_of(probabilities, classes, 1) } else { top(probabilities, classes) };
        let reliability = reliability(events);
        let distance = |bin: &ReliabilityBin| bin.count as f64 * (bin.predicted - bin.observed).abs();
        let roc = if n_classes == 2 { Steps::new(events_of(probabilities, classes, 1)) } else { None };
        Ok(ProbabilityScores {
            log_loss: sample_log_losses(probabilities, classes)?.iter().sum::<f64>() / n as f64,
            brier,
            calibration_error: reliability.iter().map(distance).sum::<f64>() / n as f64,
            auc: auc(probabilities, classes),
            reliability,
            roc: roc.map(|steps| steps.thinned()),
        })
    }
}

/// The log loss -log p of each sample, where p is the probability of its class (`probabilities` are n x K). As in
/// scikit-learn, a p below 2.2e-16 counts as that.
///
/// # Errors
/// As [`ProbabilityScores::new`].
pub fn sample_log_losses(probabilities: &HostMatrix, classes: &[usize]) -> Result<Vec<f64>, ModelError> {
    check(probabilities, classes)?;
    Ok(classes.iter().enumerate().map(|(a, &class)| -probabilities[(a, class)].max(f64::EPSILON).ln()).collect())
}

fn check(probabilities: &HostMatrix, classes: &[usize]) -> Result<(), ModelError> {
    let (n, n_classes) = (probabilities.rows(), probabilities.cols());
    let wrong = |expected: String, found: usize| {
        Err(ModelError::Shape { what: "the classes", expected, found: found.to_string() })
    };
    if probabilities.values().is_empty() {
        return Err(ModelError::Empty { what: "probabilities" });
    }
    if classes.len() != n {
        return wrong(format!("{n} of them, one per sample"), classes.len());
    }
    if let Some(&class) = classes.iter().find(|&&class| class >= n_classes) {
        return wrong(format!("numbers below {n_classes}"), class);
    }
    match probabilities.values().iter().position(|p| !p.is_finite()) {
        Some(at) => Err(ModelError::NonFinite { what: "the probabilities", row: at % n, column: at / n }),
        None => Ok(()),
    }
}

/// The probability of an event, and whether it occurred, for each sample.
type Events = Vec<(f64, bool)>;

fn events_of(probabilities: &HostMatrix, classes: &[usize], class: usize) -> Events {
    probabilities.col(class).iter().zip(classes).map(|(&p, &own)| (p, own == class)).collect()
}

/// The predicted class: the first of the largest probability.
fn top(probabilities: &HostMatrix, classes: &[usize]) -> Events {
    let best = |a: usize| {
        (1..probabilities.cols()).fold(0, |b, c| if probabilities[(a, c)] > probabilities[(a, b)] { c } else { b })
    };
    classes.iter().enumerate().map(|(a, &own)| (probabilities[(a, best(a))], own == best(a))).collect()
}

fn reliability(mut events: Events) -> Vec<ReliabilityBin> {
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = events.len();
    let bins = (n / BIN_SAMPLES).clamp(1, BINS);
    let (mut start, mut diagram) = (0, Vec::new());
    for bin in 1..=bins {
        // Equal probabilities are not separated: their order is arbitrary.
        let last = events[bin * n / bins - 1].0;
        let end = events.partition_point(|event| event.0 <= last);
        let samples = &events[start..end.max(start)];
        if !samples.is_empty() {
            let count = samples.len();
            let occurred = samples.iter().filter(|event| event.1).count();
            diagram.push(ReliabilityBin {
                predicted: samples.iter().map(|event| event.0).sum::<f64>() / count as f64,
                observed: occurred as f64 / count as f64,
                count,
            });
        }
        start = end.max(start);
    }
    diagram
}

/// The numbers of samples (without, with) the event at or above each threshold, for descending thresholds: from (0, 0)
/// to the numbers of all samples. Both of these are positive.
struct Steps(Vec<(usize, usize)>);

impl Steps {
    fn new(mut events: Events) -> Option<Self> {
        events.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut steps, mut at) = (vec![(0, 0)], (0, 0));
        for tied in events.chunk_by(|a, b| a.0 == b.0) {
            let occurred = tied.iter().filter(|event| event.1).count();
            at = (at.0 + tied.len() - occurred, at.1 + occurred);
            steps.push(at);
        }
        (at.0 > 0 && at.1 > 0).then_some(Steps(steps))
    }

    fn totals(&self) -> (f64, f64) {
        self.0.last().map_or((1.0, 1.0), |&(without, with)| (without as f64, with as f64))
    }

    /// The trapezoids under the curve are the pairs that are in order, with half of the ties.
    fn area(&self) -> f64 {
        let (without, with) = self.totals();
        let pairs: f64 =
            (self.0.windows(2)).map(|step| (step[1].0 - step[0].0) as f64 * 0.5 * (step[0].1 + step[1].1) as f64).sum();
        pairs / (without * with)
    }

    /// The first point in each of equal parts of the way from (0, 0) to (1, 1), and the last point.
    fn thinned(&self) -> Vec<RocPoint> {
        let (without, with) = self.totals();
        let parts = (ROC_POINTS - 2) as f64;
        let part = |point: &RocPoint| (0.5 * (point.false_positive + point.true_positive) * parts) as usize;
        let points = (self.0.iter())
            .map(|step| RocPoint { false_positive: step.0 as f64 / without, true_positive: step.1 as f64 / with });
        let mut kept: Vec<RocPoint> = points.collect();
        kept.dedup_by_key(|point| part(point));
        kept
    }
}

fn auc(probabilities: &HostMatrix, classes: &[usize]) -> Option<f64> {
    let area = |class: usize| Steps::new(events_of(probabilities, classes, class)).map(|steps| steps.area());
    if probabilities.cols() == 2 {
        return area(1);
    }
    let frequency = |class: usize| classes.iter().filter(|&&own| own == class).count() as f64 / classes.len() as f64;
    // A class without samples has the weight 0.
    let areas: Vec<f64> = (0..probabilities.cols()).filter_map(|c| Some(frequency(c) * area(c)?)).collect();
    (!areas.is_empty()).then(|| areas.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Probabilities on a grid of tenths, so that ties are frequent, and classes.
    fn cases(classes: std::ops::Range<usize>) -> impl Strategy<Value = (HostMatrix, Vec<usize>)> {
        (classes, 1usize..60).prop_flat_map(|(k, n)| {
            let values = prop::collection::vec(1u8..10, n * k);
            (values, prop::collection::vec(0..k, n)).prop_map(move |(values, classes)| {
                let raw = HostMatrix::from_vec(n, k, values.into_iter().map(f64::from).collect());
                let sum = |a: usize| (0..k).map(|c| raw[(a, c)]).sum::<f64>();
                (HostMatrix::from_fn(n, k, |a, c| raw[(a, c)] / sum(a)), classes)
            })
        })
    }

    fn pairs_in_order(p: &[f64], classes: &[usize], class: usize) -> Option<f64> {
        let (mut pairs, mut right) = (0.0, 0.0);
        for a in (0..p.len()).filter(|&a| classes[a] == class) {
            for b in (0..p.len()).filter(|&b| classes[b] != class) {
                pairs += 1.0;
                right += if p[a] > p[b] {
                    1.0
                } else if p[a] == p[b] {
                    0.5
                } else {
                    0.0
                };
            }
        }
        (pairs > 0.0).then_some(right / pairs)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_order((p, classes) in cases(2..5)) {
            let scores = ProbabilityScores::new(&p, &classes).unwrap();
            let n = classes.len() as f64;
            let expected: Option<f64> = if p.cols() == 2 { pairs_in_order(p.col(1), &classes, 1) } else {
                let weight = |c| classes.iter().filter(|&&own| own == c).count() as f64 / n;
                let terms: Vec<f64> = (0..p.cols())
                    .filter_map(|c| Some(weight(c) * pairs_in_order(p.col(c), &classes, c)?)).collect();
                (!terms.is_empty()).then(|| terms.iter().sum())
            };
            prop_assert_eq!(scores.auc.is_some(), expected.is_some());
            prop_assert!(scores.auc.zip(expected).is_none_or(|(auc, expected)| near(auc, expected)));
        }

        #[test]
        fn bins_hold_all_samples_and_their_means((p, classes) in cases(2..5)) {
            let scores = ProbabilityScores::new(&p, &classes).unwrap();
            let bins = &scores.reliability;
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), classes.len());
            prop_assert!(bins.len() <= BINS && bins.is_sorted_by(|a, b| a.predicted < b.predicted));
            let mean: f64 = bins.iter().map(|bin| bin.count as f64 * bin.predicted).sum();
            let occurred: f64 = bins.iter().map(|bin| bin.count as f64 * bin.observed).sum();
            if p.cols() == 2 {
                prop_assert!(near(mean, p.col(1).iter().sum()));
                prop_assert!(near(occurred, classes.iter().sum::<usize>() as f64));
            }
            prop_assert!((mean - occurred).abs() <= scores.calibration_error * classes.len() as f64 + 1e-12);
        }

        #[test]
        fn the_curve_rises_from_corner_to_corner((p, classes) in cases(2..3)) {
            if let Some(curve) = ProbabilityScores::new(&p, &classes).unwrap().roc {
                prop_assert_eq!((curve[0].false_positive, curve[0].true_positive), (0.0, 0.0));
                let last = curve[curve.len() - 1];
                prop_assert_eq!((last.false_positive, last.true_positive), (1.0, 1.0));
                prop_assert!(curve.is_sorted_by(|a, b| a.false_positive <= b.false_positive
                    && a.true_positive <= b.true_positive));
            }
        }
    }

    #[test]
    fn scores_by_hand() {
        let p = HostMatrix::from_vec(2, 3, vec![0.5, 0.2, 0.25, 0.8, 0.25, 0.0]);
        let scores = ProbabilityScores::new(&p, &[0, 2]).unwrap();
        assert!(near(scores.log_loss, 0.5 * (2f64.ln() - f64::EPSILON.ln())));
        assert!(near(scores.brier, 0.5 * (0.25 + 0.125 + 0.04 + 0.64 + 1.0)));
        assert_eq!(scores.reliability, [ReliabilityBin { predicted: 0.65, observed: 0.5, count: 2 }]);
        assert!(near(scores.calibration_error, 0.15));
        assert_eq!((scores.auc, scores.roc), (Some(0.5 * 1.0 + 0.5 * 0.0), None));
        let one = ProbabilityScores::new(&p, &[1, 1]).unwrap();
        assert_eq!(one.auc, None);
    }

    #[test]
    fn many_samples_give_full_bins_and_a_thin_curve_of_the_same_area() {
        let n = 5000;
        let p = HostMatrix::from_fn(n, 2, |a, c| if c == 1 { a as f64 / n as f64 } else { 1.0 - a as f64 / n as f64 });
        let classes: Vec<usize> = (0..n).map(|a| usize::from((a * 7919) % n < a)).collect();
        let scores = ProbabilityScores::new(&p, &classes).unwrap();
        assert!(scores.reliability.len() == 10 && scores.reliability.iter().all(|bin| bin.count == 500));
        assert!(scores.calibration_error < 0.05, "{}", scores.calibration_error);
        let curve = scores.roc.unwrap();
        assert!((100..=ROC_POINTS).contains(&curve.len()), "{}", curve.len());
        let trapezoid = |step: &[RocPoint]| {
            (step[1].false_positive - step[0].false_positive) * 0.5 * (step[0].true_positive + step[1].true_positive)
        };
        let area: f64 = curve.windows(2).map(trapezoid).sum();
        assert!((area - scores.auc.unwrap()).abs() < 1e-3, "{area}");
    }

    #[test]
    fn arguments_that_do_not_fit_are_errors() {
        let p = HostMatrix::from_vec(1, 2, vec![0.5, 0.5]);
        assert!(matches!(ProbabilityScores::new(&p, &[2]), Err(ModelError::Shape { .. })));
        assert!(matches!(sample_log_losses(&p, &[0, 1]), Err(ModelError::Shape { .. })));
        assert!(matches!(ProbabilityScores::new(&HostMatrix::zeros(0, 2), &[]), Err(ModelError::Empty { .. })));
        let p = HostMatrix::from_vec(1, 2, vec![0.5, f64::NAN]);
        assert!(matches!(ProbabilityScores::new(&p, &[0]), Err(ModelError::NonFinite { column: 1, .. })));
    }
}
