//! Prediction intervals from the residuals of held-out samples.

use crate::error::ModelError;
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};

/// Most residuals that are kept for one target.
const MOST: usize = 1001;

/// Intervals f(x) +- width for new samples, from the absolute residuals |f - y| of m held-out samples (split conformal
/// prediction, Lei et al., 2018).
///
/// If the held-out samples and a new one are exchangeable, its y is within the k-th smallest of the m residuals with
/// probability at least k / (m + 1). Of more than 1001 residuals only 1001 are kept; an interval is then that of the
/// next larger residual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// m.
    samples: usize,
    /// For each target, residuals in ascending order.
    quantiles: Vec<Vec<f64>>,
}

/// Half of the width of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfWidth {
    /// The interval is f - value to f + value, in the units of the target.
    pub value: f64,
    /// Whether there are enough residuals for the coverage: coverage <= m / (m + 1). If not, the value is that of the
    /// largest residual, and the coverage is lower.
    pub promised: bool,
}

impl Intervals {
    /// From predictions and targets y (both m x C) of samples that the network was not trained on.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without samples or targets, [`ModelError::Shape`] for sizes that differ,
    /// [`ModelError::NonFinite`] for a residual.
    pub fn new(prediction: &HostMatrix, y: &HostMatrix) -> Result<Self, ModelError> {
        let m = y.rows();
        if y.values().is_empty() {
            return Err(ModelError::Empty { what: "held-out samples" });
        }
        if (prediction.rows(), prediction.cols()) != (m, y.cols()) {
            return Err(ModelError::Shape {
                what: "the prediction",
                expected: format!("{m} x {}", y.cols()),
                found: format!("{} x {}", prediction.rows(), prediction.cols()),
            });
        }
        let mut quantiles = Vec::with_capacity(y.cols());
        for column in 0..y.cols() {
            let mut residuals: Vec<f64> =
                prediction.col(column).iter().zip(y.col(column)).map(|(f, y)| (f - y).abs()).collect();
            if let Some(row) = residuals.iter().position(|residual| !residual.is_finite()) {
                return Err(ModelError::NonFinite { what: "the residual", row, column });
            }
            residuals.sort_by(f64::total_cmp);
            quantiles.push((0..m.min(MOST)).map(|j| residuals[rank(j, m) - 1]).collect());
        }
        Ok(Intervals { samples: m, quantiles })
    }

    /// Number of held-out samples m.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Number of targets C.
    pub fn targets(&self) -> usize {
        self.quantiles.len()
    }

    /// Whether the residuals, which may come from a file, are those of m samples.
    pub fn is_usable(&self) -> bool {
        let usable = |residuals: &Vec<f64>| {
            residuals.len() == self.samples.min(MOST)
                && residuals.iter().all(|residual| *residual >= 0.0 && residual.is_finite())
                && residuals.is_sorted()
        };
        self.samples > 0 && !self.quantiles.is_empty() && self.quantiles.iter().all(usable)
    }

    /// The half-width of the intervals of a target that contain y with this probability: the residual of rank
    /// ceil((m + 1) coverage). It increases with the coverage.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a coverage that is not between 0 and 1, [`ModelError::Shape`] for an unknown
    /// target.
    pub fn half_width(&self, coverage: f64, target: usize) -> Result<HalfWidth, ModelError> {
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(ModelError::OutOfRange { name: "coverage", value: coverage, range: "between 0 and 1" });
        }
        let unknown = || ModelError::Shape {
            what: "the target",
            expected: format!("a number below {}", self.quantiles.len()),
            found: target.to_string(),
        };
        let quantiles = self.quantiles.get(target).ok_or_else(unknown)?;
        // The product is rounded: without the margin, a whole number could become the next one.
        let wanted = ((self.samples + 1) as f64 * coverage * (1.0 - 4.0 * f64::EPSILON)).ceil() as usize;
        let kept = (0..quantiles.len()).find(|&j| rank(j, self.samples) >= wanted);
        let value = kept.map_or(quantiles.last(), |j| quantiles.get(j)).ok_or_else(unknown)?;
        Ok(HalfWidth { value: *value, promised: wanted <= self.samples })
    }
}

/// The rank, from 1, of the j-th of the residuals that are kept of m. The first and the last are kept.
fn rank(j: usize, m: usize) -> usize {
    1 + if m <= MOST { j } else { (j * (m - 1)).div_ceil(MOST - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn intervals(residuals: &[f64]) -> Intervals {
        let n = residuals.len();
        Intervals::new(&HostMatrix::zeros(n, 1), &HostMatrix::from_vec(n, 1, residuals.to_vec())).unwrap()
    }

    proptest! {
        /// The definition, on all residuals. Kept ones are at least as large, by at most a thousandth of the ranks.
        #[test]
        fn the_width_is_the_residual_of_the_conformal_rank(m in 1usize..4000, coverage in 0.001..0.999) {
            let residuals: Vec<f64> = (0..m).map(|a| 1.0 + (a * 7919 % m) as f64).collect();
            let mut sorted = residuals.clone();
            sorted.sort_by(f64::total_cmp);
            let wanted = f64::ceil((m + 1) as f64 * coverage) as usize;
            let width = intervals(&residuals).half_width(coverage, 0).unwrap();
            let exact = sorted[wanted.min(m) - 1];
            prop_assert_eq!(width.promised, wanted <= m);
            let slack = if m <= MOST { 0.0 } else { 4.0 };
            prop_assert!(width.value >= exact && width.value <= exact + slack);
            let wider = intervals(&residuals).half_width(coverage + 0.0009, 0).unwrap();
            prop_assert!(wider.value >= width.value && (width.promised || !wider.promised));
        }
    }

    /// Over draws of the held-out samples and a new one, the coverage is at least what is promised, and at most
    /// 1 / (m + 1) more.
    #[test]
    fn exchangeable_samples_are_covered() {
        let mut rng = Pcg64::seed_from_u64(5);
        for (m, coverage) in [(19, 0.9), (30, 0.8), (9, 0.9)] {
            let draws = 20_000;
            let mut covered = 0.0;
            for _ in 0..draws {
                let residuals: Vec<f64> = (0..m).map(|_| rng.random::<f64>().powi(3)).collect();
                let width = intervals(&residuals).half_width(coverage, 0).unwrap();
                assert!(width.promised);
                covered += f64::from(u8::from(rng.random::<f64>().powi(3) <= width.value)) / f64::from(draws);
            }
            assert!(covered > coverage - 0.01 && covered < coverage + 1.0 / f64::from(m + 1) + 0.01, "{m} {covered}");
        }
    }

    #[test]
    fn whole_ranks_are_exact_and_too_few_residuals_promise_nothing() {
        let hundred = intervals(&(1..=99).map(f64::from).collect::<Vec<_>>());
        for percent in 1..=99 {
            let width = hundred.half_width(f64::from(percent) / 100.0, 0).unwrap();
            assert_eq!(width, HalfWidth { value: f64::from(percent), promised: true });
        }
        assert_eq!(hundred.half_width(0.995, 0).unwrap(), HalfWidth { value: 99.0, promised: false });
        assert_eq!(intervals(&[-2.0]).half_width(0.5, 0).unwrap(), HalfWidth { value: 2.0, promised: true });
        assert_eq!(intervals(&[2.0]).half_width(0.51, 0).unwrap(), HalfWidth { value: 2.0, promised: false });
        assert_eq!(intervals(&vec![1.0; 5000]).quantiles[0].len(), MOST);
    }

    #[test]
    fn arguments_that_do_not_fit_are_errors() {
        let one = intervals(&[1.0]);
        assert!(matches!(one.half_width(0.5, 1), Err(ModelError::Shape { .. })));
        for coverage in [0.0, 1.0, f64::NAN] {
            assert!(matches!(one.half_width(coverage, 0), Err(ModelError::OutOfRange { .. })));
        }
        let y = HostMatrix::from_vec(2, 1, vec![0.0, f64::INFINITY]);
        assert!(matches!(Intervals::new(&HostMatrix::zeros(2, 1), &y), Err(ModelError::NonFinite { row: 1, .. })));
        assert!(matches!(Intervals::new(&HostMatrix::zeros(1, 1), &y), Err(ModelError::Shape { .. })));
        let none = HostMatrix::zeros(0, 1);
        assert!(matches!(Intervals::new(&none, &none), Err(ModelError::Empty { .. })));
    }
}
