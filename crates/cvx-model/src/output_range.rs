//! The interval that predictions are clipped to.

use crate::error::ModelError;
use cvx_linalg::HostMatrix;
use serde::{Deserialize, Serialize};

/// Predictions are clipped to this interval. If all targets lie in it, clipping never increases a loss that grows with
/// the distance from the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputRange {
    low: f64,
    high: f64,
}

impl OutputRange {
    /// The interval from `low` to `high`, in the units of the targets.
    ///
    /// # Errors
    /// [`ModelError::EmptyRange`] unless both ends are finite and `low` is below `high`.
    pub fn new(low: f64, high: f64) -> Result<Self, ModelError> {
        let range = OutputRange { low, high };
        if range.is_usable() { Ok(range) } else { Err(ModelError::EmptyRange { low, high }) }
    }

    /// Whether the ends are finite and in order; a file may hold others.
    pub fn is_usable(self) -> bool {
        self.low.is_finite() && self.high.is_finite() && self.low < self.high
    }

    /// The smallest prediction.
    pub fn low(self) -> f64 {
        self.low
    }

    /// The largest prediction.
    pub fn high(self) -> f64 {
        self.high
    }

    /// Whether the interval contains `value`.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Moves every entry into the interval; a NaN stays one.
    pub fn clip(self, predictions: &mut HostMatrix) {
        predictions.values_mut().iter_mut().for_each(|value| *value = value.clamp(self.low, self.high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_to_the_nearest_end_and_refuses_an_empty_interval() {
        let range = OutputRange::new(-1.0, 2.0).unwrap();
        let mut predictions = HostMatrix::from_vec(4, 1, vec![-5.0, -1.0, 0.25, 7.0]);
        range.clip(&mut predictions);
        assert_eq!(predictions.values(), [-1.0, -1.0, 0.25, 2.0]);
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(matches!(OutputRange::new(low, high), Err(ModelError::EmptyRange { .. })), "{low}, {high}");
        }
    }
}
