//! Probabilities from the outputs of a network: a scale and an offset per column, fitted to held-out samples.

mod problem;

use crate::dataset::check_weights;
use crate::error::ModelError;
use crate::loss::Loss;
use cvx_linalg::HostMatrix;
use problem::{Problem, softmax};
use serde::{Deserialize, Serialize};

/// Outputs whose spread is below this share of their magnitude are constant up to rounding.
const CONSTANT: f64 = 1e-12;

/// Smallest probability: it keeps every logarithm finite.
const LEAST: f64 = 1e-15;

/// Smallest magnitude of outputs that are not taken for zeros: it keeps the scale finite.
const SMALLEST: f64 = 1e-250;

/// Probabilities of the classes from the outputs f (n x C) of a network. One column stands for two classes,
///
/// $$ p_1 = \frac{1}{1 + e^{-(a f + b)}}, \qquad \text{otherwise} \quad p_c \propto e^{a f_c + b_c}, $$
///
/// with a > 0: the scale keeps the order of the outputs of a column (Platt, 1999; vector scaling of Guo et al., 2017,
/// with one scale).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    scale: f64,
    offsets: Vec<f64>,
}

impl Calibration {
    /// Fits a and b to the `outputs` (n x C) of held-out samples of the given `classes`: they minimise the log loss
    /// plus a small penalty on log a and b. The class of one column is 0 or 1, otherwise it is the index of a column.
    /// Only the ratios of the weights matter.
    ///
    /// The parameters are finite for all outputs, also where the classes are separated, only one occurs, or the outputs
    /// are constant. The units of the outputs do not matter.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without samples or columns, [`ModelError::Shape`] for lengths that differ or an unknown
    /// class, [`ModelError::NonFinite`] for an output, [`ModelError::Weight`] for a weight that is not positive.
    pub fn fit(outputs: &HostMatrix, classes: &[usize], weights: Option<&[f64]>) -> Result<Self, ModelError> {
        check(outputs, classes, weights)?;
        let (n, columns) = (outputs.rows(), outputs.cols());
        let mean_weight = weights.map_or(1.0, |weights| weights.iter().map(|weight| weight / n as f64).sum::<f64>());
        let weight = |a: usize| weights.map_or(1.0, |weights| weights[a] / mean_weight);
        // Magnitude and spread are separate factors, so that no square overflows.
        let largest = outputs.values().iter().fold(0.0, |largest: f64, f| largest.max(f.abs()));
        let unit = if largest > SMALLEST { largest } else { 1.0 };
        let mut centred = HostMatrix::from_fn(n, columns, |a, c| outputs[(a, c)] / unit);
        let mut centres = vec![0.0; columns];
        let mut squares = 0.0;
        for (c, centre) in centres.iter_mut().enumerate() {
            let column = centred.col_mut(c);
            *centre = column.iter().enumerate().map(|(a, f)| weight(a) * f).sum::<f64>() / n as f64;
            column.iter_mut().for_each(|f| *f -= *centre);
            squares += column.iter().enumerate().map(|(a, f)| weight(a) * f * f).sum::<f64>();
        }
        let spread = (squares / (n * columns) as f64).sqrt();
        let spread = if spread > CONSTANT { spread } else { 1.0 };
        centred.values_mut().iter_mut().for_each(|f| *f /= spread);

        let problem = Problem { f: &centred, classes, weights: (0..n).map(weight).collect() };
        let parameters = problem.minimise();
        let scale = parameters[0].exp() / spread;
        let offsets = centres.iter().zip(&parameters[1..]).map(|(centre, b)| b - scale * centre).collect();
        Ok(Calibration { scale: scale / unit, offsets })
    }

    /// a = 1 and b = 0 for a network of this many `columns` that was trained with the logistic or the multinomial loss,
    /// whose outputs are log-odds; `None` for other losses, whose outputs have to be calibrated.
    pub fn identity_for(loss: Loss, columns: usize) -> Option<Self> {
        let log_odds = matches!(loss, Loss::Logistic | Loss::Multinomial);
        log_odds.then(|| Calibration { scale: 1.0, offsets: vec![0.0; columns] })
    }

    /// Whether the parameters, which may come from a file, give probabilities.
    pub fn is_usable(&self) -> bool {
        self.scale > 0.0 && self.scale.is_finite() && self.offsets.iter().all(|offset| offset.is_finite())
    }

    /// The scale a.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The offset b of each column.
    pub fn offsets(&self) -> &[f64] {
        &self.offsets
    }

    /// The probability of each class (n x number of classes; two for one column) from outputs (n x C). They are
    /// strictly between 0 and 1, and each row sums to 1.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for outputs with another number of columns.
    pub fn probabilities(&self, outputs: &HostMatrix) -> Result<HostMatrix, ModelError> {
        if outputs.cols() != self.offsets.len() {
            return Err(ModelError::Shape {
                what: "the outputs",
                expected: format!("{} columns, those that were calibrated", self.offsets.len()),
                found: outputs.cols().to_string(),
            });
        }
        let implied = usize::from(self.offsets.len() == 1);
        let n_classes = self.offsets.len() + implied;
        let mut probabilities = HostMatrix::zeros(outputs.rows(), n_classes);
        let mut logits = vec![0.0; n_classes];
        for a in 0..outputs.rows() {
            for (c, b) in self.offsets.iter().enumerate() {
                // The limit keeps the difference of two logits finite.
                logits[c + implied] = (self.scale * outputs[(a, c)] + b).clamp(-1e300, 1e300);
            }
            logits[..implied].fill(0.0);
            softmax(&mut logits);
            for (c, p) in logits.iter().enumerate() {
                probabilities[(a, c)] = LEAST + (1.0 - n_classes as f64 * LEAST) * p;
            }
        }
        Ok(probabilities)
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
    use super::problem::tests::cases;
    use super::*;
    use proptest::prelude::*;

    fn log_loss(probabilities: &HostMatrix, classes: &[usize]) -> f64 {
        classes.iter().enumerate().map(|(a, &class)| -probabilities[(a, class)].ln()).sum()
    }

    fn assert_valid(calibration: &Calibration, outputs: &HostMatrix) {
        assert!(calibration.scale() > 0.0 && calibration.scale().is_finite(), "{calibration:?}");
        assert!(calibration.offsets().iter().all(|b| b.is_finite()), "{calibration:?}");
        let p = calibration.probabilities(outputs).unwrap();
        assert!(p.values().iter().all(|&p| p > 0.0 && p < 1.0), "{calibration:?}: {p:?}");
        for a in 0..p.rows() {
            let sum: f64 = (0..p.cols()).map(|c| p[(a, c)]).sum();
            assert!((sum - 1.0).abs() < 1e-14, "{sum}");
        }
    }

    proptest! {
        /// The constant probabilities of the class frequencies are those of a scale of 0. The scale of a minimiser is
        /// positive, so that the penalty and the rest of the scale are the slack.
        #[test]
        fn the_fit_is_valid_and_not_worse_than_the_class_frequencies((f, classes) in cases()) {
            let calibration = Calibration::fit(&f, &classes, None).unwrap();
            assert_valid(&calibration, &f);
            let n = f.rows() as f64;
            let frequencies: f64 = (0..f.cols().max(2)).map(|class| {
                let count = classes.iter().filter(|&&other| other == class).count() as f64;
                if count > 0.0 { -count * (count / n).ln() } else { 0.0 }
            }).sum();
            let loss = log_loss(&calibration.probabilities(&f).unwrap(), &classes);
            prop_assert!(loss <= frequencies + 0.5 + 0.01 * n, "{loss} {frequencies}");
        }

        #[test]
        fn units_and_shifts_of_the_outputs_do_not_matter((f, classes) in cases(), exponent in -200.0..200.0) {
            let p = Calibration::fit(&f, &classes, None).unwrap().probabilities(&f).unwrap();
            let unit = 10f64.powf(exponent);
            let scaled = HostMatrix::from_fn(f.rows(), f.cols(), |a, c| unit * (f[(a, c)] + c as f64));
            let other = Calibration::fit(&scaled, &classes, None).unwrap().probabilities(&scaled).unwrap();
            for (p, other) in p.values().iter().zip(other.values()) {
                prop_assert!((p - other).abs() < 1e-6, "{p} {other}");
            }
        }
    }

    /// Each output occurs with every class, weighted by its probability: the minimiser of the log loss is known.
    #[test]
    fn the_parameters_of_a_model_are_recovered() {
        for columns in [1, 3] {
            let n = 3000;
            let f = HostMatrix::from_fn(n, columns, |a, c| (1.0 + c as f64) * ((a * (7 + 4 * c)) as f64).sin() + 0.3);
            let truth = Calibration { scale: 2.5, offsets: [-0.7, 0.4, 0.1][..columns].to_vec() };
            let p = truth.probabilities(&f).unwrap();
            let pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (0..p.cols()).map(move |class| (a, class))).collect();
            let outputs = HostMatrix::from_fn(pairs.len(), columns, |k, c| f[(pairs[k].0, c)]);
            let classes: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
            let weights: Vec<f64> = pairs.iter().map(|&pair| 1e-9 * p[pair]).collect();
            let found = Calibration::fit(&outputs, &classes, Some(&weights)).unwrap();
            assert!((found.scale - truth.scale).abs() < 1e-3, "{found:?}");
            let difference = |calibration: &Calibration, c: usize| calibration.offsets[c] - calibration.offsets[0];
            assert!((1..columns).all(|c| (difference(&found, c) - difference(&truth, c)).abs() < 1e-3), "{found:?}");
            assert!(columns > 1 || (found.offsets[0] - truth.offsets[0]).abs() < 1e-3, "{found:?}");
        }
    }

    #[test]
    fn degenerate_samples_give_finite_parameters() {
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
        let constant = Calibration::fit(&column(&[2.0; 8]), &[0, 1, 1, 1, 0, 1, 1, 1], None).unwrap();
        let p = constant.probabilities(&column(&[2.0])).unwrap();
        assert!((p[(0, 1)] - 0.75).abs() < 0.01, "the share of the class, {p:?}");
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
