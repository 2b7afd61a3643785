//! Probabilities from the outputs of a network: a scale, fitted to held-out samples.

use crate::dataset::check_weights;
use crate::error::ModelError;
use crate::loss::Loss;
use crate::multinomial::softmax;
use crate::root::increasing_root;
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};

/// Smallest probability: it keeps every logarithm finite.
const LEAST: f64 = 1e-15;

/// Smallest magnitude of outputs that are not taken for zeros: it keeps the scale finite.
const SMALLEST: f64 = 1e-250;

/// Weight of the penalty (log a)^2 beside the log loss summed over the samples, for outputs with a mean square of 1. It
/// keeps the scale finite and positive whatever the classes are, and is small beside the loss of one sample.
const RIDGE: f64 = 1e-2;

/// Largest |log a|, for outputs with a mean square of 1. Far less is enough to make every probability 0 or 1.
const LONGEST: f64 = 40.0;

/// Probabilities of the classes from the outputs f (n x C) of a network. One column stands for two classes,
///
/// $$ p_1 = \frac{1}{1 + e^{-a f}}, \qquad \text{otherwise} \quad p_c \propto e^{a f_c}, $$
///
/// with a > 0 (temperature scaling; Guo et al., 2017). The most probable class is that of the largest output, or of the
/// sign of the only one: probabilities and predicted classes agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    scale: f64,
    outputs: usize,
}

impl Calibration {
    /// Fits a to the `outputs` (n x C) of held-out samples of the given `classes`: it minimises the log loss plus a
    /// small penalty on log a. The class of one column is 0 or 1, otherwise it is the index of a column. Only the
    /// ratios of the weights matter.
    ///
    /// The scale is finite and positive for all outputs, also where the classes are separated, only one occurs, or the
    /// outputs are constant. The units of the outputs do not matter.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without samples or columns, [`ModelError::Shape`] for lengths that differ or an unknown
    /// class, [`ModelError::NonFinite`] for an output, [`ModelError::Weight`] for a weight that is not positive.
    pub fn fit(outputs: &HostMatrix, classes: &[usize], weights: Option<&[f64]>) -> Result<Self, ModelError> {
        check(outputs, classes, weights)?;
        let n = outputs.rows();
        let mean_weight = weights.map_or(1.0, |weights| weights.iter().map(|weight| weight / n as f64).sum::<f64>());
        let weight = |a: usize| weights.map_or(1.0, |weights| weights[a] / mean_weight);
        // Magnitude and mean square are separate factors, so that no square overflows.
        let largest = outputs.values().iter().fold(0.0, |largest: f64, f| largest.max(f.abs()));
        let unit = if largest > SMALLEST { largest } else { 1.0 };
        let squares: f64 = outputs.values().iter().map(|f| (f / unit).powi(2)).sum();
        let root = (squares / outputs.values().len() as f64).sqrt();
        let root = if root > 0.0 { root } else { 1.0 };
        let f = HostMatrix::from_fn(n, outputs.cols(), |a, c| outputs[(a, c)] / unit / root);
        let mut logits = Logits::new(outputs.cols());
        // The derivative by t = log a: sum_a w_a sum_c (p_c - [c is the class]) a f_c.
        let mut slope = |t: f64| {
            let loss = |a: usize| -> f64 {
                let (q, p) = logits.of(&f, a, t.exp());
                let mean: f64 = p.iter().zip(q).map(|(p, q)| p * q).sum();
                weight(a) * (mean - q[classes[a]])
            };
            (0..n).map(loss).sum::<f64>() + 2.0 * RIDGE * t
        };
        let t = increasing_root(&mut slope, -LONGEST, LONGEST, 0.0);
        Ok(Calibration { scale: t.exp() / root / unit, outputs: outputs.cols() })
    }

    /// a = 1 for a network of this many `outputs` that was trained with the logistic or the multinomial loss, whose
    /// outputs are log-odds; `None` for other losses, whose outputs have to be calibrated.
    pub fn identity_for(loss: Loss, outputs: usize) -> Option<Self> {
        matches!(loss, Loss::Logistic | Loss::Multinomial).then_some(Calibration { scale: 1.0, outputs })
    }

    /// Whether the scale, which may come from a file, gives probabilities of this many outputs.
    pub fn is_usable(&self, outputs: usize) -> bool {
        self.scale > 0.0 && self.scale.is_finite() && self.outputs == outputs
    }

    /// The scale a.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The probability of each class (n x number of classes; two for one column) from outputs (n x C). They are
    /// strictly between 0 and 1, and each row sums to 1.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for outputs with another number of columns.
    pub fn probabilities(&self, outputs: &HostMatrix) -> Result<HostMatrix, ModelError> {
        if outputs.cols() != self.outputs {
            return Err(ModelError::Shape {
                what: "the outputs",
                expected: format!("{} columns, those that were calibrated", self.outputs),
                found: outputs.cols().to_string(),
            });
        }
        let mut logits = Logits::new(self.outputs);
        let n_classes = logits.p.len();
        let mut probabilities = HostMatrix::zeros(outputs.rows(), n_classes);
        for a in 0..outputs.rows() {
            let (_, p) = logits.of(outputs, a, self.scale);
            for (c, p) in p.iter().enumerate() {
                probabilities[(a, c)] = LEAST + (1.0 - n_classes as f64 * LEAST) * p;
            }
        }
        Ok(probabilities)
    }
}

/// The logits of the classes of a sample, and their probabilities.
struct Logits {
    q: Vec<f64>,
    p: Vec<f64>,
    /// Classes without an output of their own, whose logit is 0: the first of two that share one.
    implied: usize,
}

impl Logits {
    fn new(outputs: usize) -> Self {
        let implied = usize::from(outputs == 1);
        Logits { q: vec![0.0; outputs + implied], p: vec![0.0; outputs + implied], implied }
    }

    /// Those of row `a` of `outputs`, times `scale`.
    fn of(&mut self, outputs: &HostMatrix, a: usize, scale: f64) -> (&[f64], &[f64]) {
        for (c, q) in self.q[self.implied..].iter_mut().enumerate() {
            // The limit keeps the difference of two logits finite.
            *q = (scale * outputs[(a, c)]).clamp(-1e300, 1e300);
        }
        softmax(&self.q, &mut self.p);
        (&self.q, &self.p)
    }
}

fn check(outputs: &HostMatrix, classes: &[usize], weights: Option<&[f64]>) -> Result<(), ModelError> {
    let n = outputs.rows();
    let wrong =
        |what, expected: String, found: usize| Err(ModelError::Shape { what, expected, found: found.to_string() });
    if n == 0 || outputs.cols() == 0 {
        return Err(ModelError::Empty { what: "outputs" });
    }
    if classes.len() != n {
        return wrong("the classes", format!("{n} of them, one per sample"), classes.len());
    }
    let n_classes = outputs.cols().max(2);
    if let Some(&class) = classes.iter().find(|&&class| class >= n_classes) {
        return wrong("the classes", format!("numbers below {n_classes}"), class);
    }
    if let Some(at) = outputs.values().iter().position(|f| !f.is_finite()) {
        return Err(ModelError::NonFinite { what: "the outputs", row: at % n, column: at / n });
    }
    match weights {
        Some(weights) if weights.len() != n => {
            wrong("the weights", format!("{n} of them, one per sample"), weights.len())
        }
        _ => check_weights(weights.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Outputs (n x C) with a class each.
    fn cases() -> impl Strategy<Value = (HostMatrix, Vec<usize>)> {
        (1usize..5, 1usize..30).prop_flat_map(|(columns, n)| {
            let outputs = prop::collection::vec(-3.0..3.0, n * columns);
            let classes = prop::collection::vec(0..columns.max(2), n);
            (outputs, classes).prop_map(move |(f, classes)| (HostMatrix::from_vec(n, columns, f), classes))
        })
    }

    fn log_loss(probabilities: &HostMatrix, classes: &[usize]) -> f64 {
        classes.iter().enumerate().map(|(a, &class)| -probabilities[(a, class)].ln()).sum()
    }

    fn assert_valid(calibration: &Calibration, outputs: &HostMatrix) {
        assert!(calibration.is_usable(outputs.cols()), "{calibration:?}");
        let p = calibration.probabilities(outputs).unwrap();
        assert!(p.values().iter().all(|&p| p > 0.0 && p < 1.0), "{calibration:?}: {p:?}");
        for a in 0..p.rows() {
            let sum: f64 = (0..p.cols()).map(|c| p[(a, c)]).sum();
            assert!((sum - 1.0).abs() < 1e-14, "{sum}");
        }
    }

    proptest! {
        /// No other scale has a smaller sum of log loss and penalty.
        #[test]
        fn the_scale_is_the_best_one((f, classes) in cases()) {
            let calibration = Calibration::fit(&f, &classes, None).unwrap();
            assert_valid(&calibration, &f);
            let square: f64 = f.values().iter().map(|f| f * f).sum::<f64>() / f.values().len() as f64;
            let value = |scale: f64| {
                let p = Calibration { scale, outputs: f.cols() }.probabilities(&f).unwrap();
                log_loss(&p, &classes) + RIDGE * (scale * square.sqrt()).ln().powi(2)
            };
            let best = value(calibration.scale);
            for k in -60..=60 {
                let other = value(calibration.scale * 1.1f64.powi(k));
                // Probabilities keep a distance of 1e-15 from 0 and 1, which the fit does not know.
                prop_assert!(best <= other + 1e-9 * (1.0 + best), "{best} {other}");
            }
        }

        #[test]
        fn the_most_probable_class_is_that_of_the_largest_output((f, classes) in cases()) {
            let p = Calibration::fit(&f, &classes, None).unwrap().probabilities(&f).unwrap();
            for a in 0..f.rows() {
                let likely = (0..p.cols()).max_by(|&b, &c| p[(a, b)].total_cmp(&p[(a, c)])).unwrap();
                let expected = match f.cols() {
                    1 => usize::from(f[(a, 0)] > 0.0),
                    columns => (0..columns).max_by(|&b, &c| f[(a, b)].total_cmp(&f[(a, c)])).unwrap(),
                };
                // At either end of the range of probabilities two of them may be equal.
                prop_assert!(p[(a, likely)] == p[(a, expected)], "{p:?}");
            }
        }

        #[test]
        fn units_of_the_outputs_do_not_matter((f, classes) in cases(), exponent in -200.0..200.0) {
            let p = Calibration::fit(&f, &classes, None).unwrap().probabilities(&f).unwrap();
            let unit = 10f64.powf(exponent);
            let scaled = HostMatrix::from_fn(f.rows(), f.cols(), |a, c| unit * f[(a, c)]);
            let other = Calibration::fit(&scaled, &classes, None).unwrap().probabilities(&scaled).unwrap();
            for (p, other) in p.values().iter().zip(other.values()) {
                prop_assert!((p - other).abs() < 1e-6, "{p} {other}");
            }
        }
    }

    /// Each output occurs with every class, weighted by its probability: the minimiser of the log loss is known.
    #[test]
    fn the_scale_of_a_model_is_recovered() {
        for columns in [1, 3] {
            let n = 3000;
            let f = HostMatrix::from_fn(n, columns, |a, c| (1.0 + c as f64) * ((a * (7 + 4 * c)) as f64).sin() + 0.3);
            let truth = Calibration { scale: 2.5, outputs: columns };
            let p = truth.probabilities(&f).unwrap();
            let pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (0..p.cols()).map(move |class| (a, class))).collect();
            let outputs = HostMatrix::from_fn(pairs.len(), columns, |k, c| f[(pairs[k].0, c)]);
            let classes: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
            let weights: Vec<f64> = pairs.iter().map(|&pair| 1e-9 * p[pair]).collect();
            let found = Calibration::fit(&outputs, &classes, Some(&weights)).unwrap();
            assert!((found.scale - truth.scale).abs() < 1e-3, "{found:?}");
        }
    }

    #[test]
    fn degenerate_samples_give_a_finite_scale() {
        let column = |values: &[f64]| HostMatrix::from_vec(values.len(), 1, values.to_vec());
        for (f, classes) in [
            (column(&[0.3]), vec![1]),
            (column(&[0.0; 4]), vec![0, 1, 1, 1]),
            (column(&[0.1 + 0.2, 0.3, 0.3]), vec![1, 0, 0]),
            (column(&[-1.0, -0.5, 0.5, 1.0]), vec![0, 0, 1, 1]),
            (column(&[-1.0, -0.5, 0.5, 1.0]), vec![1, 1, 0, 0]),
            (column(&[-1.0, -0.5, 0.5, 1.0]), vec![0; 4]),
            (column(&[f64::MAX, -f64::MAX, 1.0]), vec![1, 0, 0]),
            (column(&[5e-324, -5e-324]), vec![1, 0]),
            (column(&[1e-6, 2e-6, 1e6]), vec![0, 1, 1]),
            (HostMatrix::zeros(2, 5), vec![3, 3]),
            (HostMatrix::from_fn(90, 30, |a, c| f64::from(u8::from(a % 30 == c))), (0..90).map(|a| a % 30).collect()),
        ] {
            let calibration = Calibration::fit(&f, &classes, None).unwrap();
            assert_valid(&calibration, &f);
            assert_valid(&calibration, &HostMatrix::from_fn(2, f.cols(), |a, c| [f64::MAX, -1e300][(a + c) % 2]));
        }
    }

    #[test]
    fn log_odds_are_used_as_they_are_and_wrong_arguments_are_errors() {
        let logistic = Calibration::identity_for(Loss::Logistic, 1).unwrap();
        let p = logistic.probabilities(&HostMatrix::from_vec(1, 1, vec![3f64.ln()])).unwrap();
        assert!((p[(0, 1)] - 0.75).abs() < 1e-14 && (p[(0, 0)] - 0.25).abs() < 1e-14);
        assert_eq!(Calibration::identity_for(Loss::Squared, 1), None);
        let f = HostMatrix::from_vec(2, 1, vec![1.0, f64::NAN]);
        assert!(matches!(Calibration::fit(&f, &[0, 1], None), Err(ModelError::NonFinite { row: 1, column: 0, .. })));
        let f = HostMatrix::zeros(2, 3);
        assert!(matches!(Calibration::fit(&f, &[0, 3], None), Err(ModelError::Shape { .. })));
        assert!(matches!(Calibration::fit(&f, &[0], None), Err(ModelError::Shape { .. })));
        assert!(matches!(Calibration::fit(&f, &[0, 1], Some(&[1.0, 0.0])), Err(ModelError::Weight { row: 1, .. })));
        assert!(Calibration::fit(&HostMatrix::zeros(0, 1), &[], None).is_err());
        assert!(logistic.probabilities(&f).is_err());
    }
}
