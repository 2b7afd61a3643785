//! When the certificate is evaluated: it costs as much as an iteration or two.

use crate::penalty::Residuals;

/// The first iterations from zero are all judged: most progress is there.
const JUDGED_FIRST: usize = 5;

/// Iterations after which a prediction is put to the test in any case.
const LONGEST_SILENCE: usize = 10;

/// Iterations before the first evaluation where nothing is known yet.
const FIRST: usize = 5;

/// A plan of evaluations.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// The first five, and every so many: a record of the run.
    Regular {
        /// Iterations between two evaluations.
        every: usize,
    },
    /// When the gap may have been reached, by its ratio to the residuals at the last evaluation: what a path needs.
    Predicted {
        /// The gap to reach.
        gap: f64,
        /// Gap over residual at the last evaluation.
        rate: Option<f64>,
        /// Iterations since then.
        silence: usize,
    },
}

impl Schedule {
    /// Evaluations of which nothing is known yet, to find out when this gap is reached.
    pub fn until(gap: f64) -> Self {
        Schedule::Predicted { gap, rate: None, silence: 0 }
    }

    /// Whether this iteration is to be judged.
    pub fn is_due(&mut self, iteration: usize, residuals: &Residuals) -> bool {
        match self {
            Schedule::Regular { every } => iteration <= JUDGED_FIRST || iteration.is_multiple_of(*every),
            Schedule::Predicted { gap, rate, silence } => {
                *silence += 1;
                *silence >= LONGEST_SILENCE || rate.map_or(*silence >= FIRST, |rate| rate * residuals.largest() <= *gap)
            }
        }
    }

    /// What the evaluation of this iteration said.
    pub fn learn(&mut self, found: f64, residuals: &Residuals) {
        if let Schedule::Predicted { rate, silence, .. } = self {
            let largest = residuals.largest();
            *rate = (largest > 0.0).then(|| found / largest).filter(|rate| *rate > 0.0);
            *silence = 0;
        }
    }

    /// Another programme begins.
    pub fn restart(&mut self) {
        if let Schedule::Predicted { silence, .. } = self {
            *silence = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residuals(size: f64) -> Residuals {
        Residuals { primal: size, change: 0.5 * size, primal_scale: 1.0, dual_scale: 1.0 }
    }

    #[test]
    fn a_record_has_the_first_five_and_every_so_many() {
        let mut schedule = Schedule::Regular { every: 5 };
        let due: Vec<usize> = (1..=16).filter(|&k| schedule.is_due(k, &residuals(1.0))).collect();
        assert_eq!(due, [1, 2, 3, 4, 5, 10, 15]);
    }

    #[test]
    fn a_path_asks_when_the_gap_may_be_there() {
        let mut schedule = Schedule::until(1e-2);
        let first = (1..).find(|&k| schedule.is_due(k, &residuals(1.0))).unwrap();
        assert_eq!(first, FIRST);
        schedule.learn(0.1, &residuals(1.0));
        // A tenth of the residual is a tenth of the gap.
        assert!(!schedule.is_due(6, &residuals(0.2)));
        assert!(schedule.is_due(7, &residuals(0.09)));
        schedule.learn(0.011, &residuals(0.09));
        let asked = (8..).find(|&k| schedule.is_due(k, &residuals(0.09))).unwrap();
        assert_eq!(asked, 7 + LONGEST_SILENCE, "a residual that does not fall is no reason to be silent for ever");
    }
}
