//! The schedule of the certificate, whose evaluation costs as much as one or two iterations.

/// Each of the first iterations from zero is evaluated, since most progress is there.
const EVALUATED_FIRST: usize = 5;

/// Maximum number of iterations between two evaluations.
const LONGEST_SILENCE: usize = 10;

/// Iterations before the first evaluation if the indicator is a residual, whose ratio to the gap is not known yet.
const FIRST: usize = 5;

/// A schedule of evaluations.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// The first five iterations of all rounds, and then at regular intervals: for the record of a run.
    Regular {
        /// Iterations between two evaluations.
        every: usize,
    },
    /// When the gap may have been reached, by its ratio to an [`Indicator`] at the last evaluation: for a path.
    WhenReached {
        /// The target gap.
        gap: f64,
        /// Ratio of gap to indicator at the last evaluation.
        rate: Option<f64>,
        /// Iterations since the last evaluation.
        silence: usize,
    },
}

/// An estimate of the gap that costs nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Indicator {
    /// The largest relative residual, which falls with the gap.
    Residual(f64),
    /// The gap itself, from values in the precision of the iteration.
    Gap(f64),
}

impl Indicator {
    fn size(self) -> f64 {
        let (Indicator::Residual(size) | Indicator::Gap(size)) = self;
        size
    }
}

impl Schedule {
    /// A schedule that detects when this gap is reached.
    pub fn until(gap: f64) -> Self {
        Schedule::WhenReached { gap, rate: None, silence: 0 }
    }

    /// Whether the schedule uses indicators.
    pub fn uses_indicators(&self) -> bool {
        matches!(self, Schedule::WhenReached { .. })
    }

    /// Whether this iteration is evaluated; `earlier` ones were those of other patterns.
    pub fn is_due(&mut self, iteration: usize, earlier: usize, indicator: Indicator) -> bool {
        match self {
            Schedule::Regular { every } => earlier + iteration <= EVALUATED_FIRST || iteration.is_multiple_of(*every),
            Schedule::WhenReached { gap, rate, silence } => {
                *silence += 1;
                let reached = |rate: f64| rate * indicator.size() <= *gap;
                *silence >= LONGEST_SILENCE
                    || match (*rate, indicator) {
                        (Some(rate), _) => reached(rate),
                        (None, Indicator::Gap(_)) => reached(1.0),
                        (None, Indicator::Residual(_)) => *silence >= FIRST,
                    }
            }
        }
    }

    /// Records the gap from the evaluation of this iteration.
    pub fn learn(&mut self, found: f64, indicator: Indicator) {
        if let Schedule::WhenReached { rate, silence, .. } = self {
            *rate = (indicator.size() > 0.0)
                .then(|| found / indicator.size())
                .filter(|rate| *rate > 0.0 && rate.is_finite());
            *silence = 0;
        }
    }

    /// Starts another programme.
    pub fn restart(&mut self) {
        if let Schedule::WhenReached { silence, .. } = self {
            *silence = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_first_five_and_every_so_many() {
        let mut schedule = Schedule::Regular { every: 5 };
        let due: Vec<usize> = (1..=16).filter(|&k| schedule.is_due(k, 0, Indicator::Residual(1.0))).collect();
        assert_eq!(due, [1, 2, 3, 4, 5, 10, 15]);
    }

    #[test]
    fn a_path_asks_when_the_gap_may_be_there() {
        let mut schedule = Schedule::until(1e-2);
        let first = (1..).find(|&k| schedule.is_due(k, 0, Indicator::Residual(1.0))).unwrap();
        assert_eq!(first, FIRST);
        schedule.learn(0.1, Indicator::Residual(1.0));
        // A residual that falls to a tenth means a gap that falls to a tenth.
        assert!(!schedule.is_due(6, 0, Indicator::Residual(0.2)));
        assert!(schedule.is_due(7, 0, Indicator::Residual(0.09)));
        schedule.learn(0.011, Indicator::Residual(0.09));
        let asked = (8..).find(|&k| schedule.is_due(k, 0, Indicator::Residual(0.09))).unwrap();
        assert_eq!(asked, 7 + LONGEST_SILENCE, "a residual that does not fall is no reason to be silent for ever");
    }

    #[test]
    fn a_gap_is_believed_from_the_first_iteration_and_corrected_by_what_was_found() {
        let mut schedule = Schedule::until(1e-2);
        assert!(!schedule.is_due(1, 0, Indicator::Gap(0.011)));
        assert!(schedule.is_due(2, 0, Indicator::Gap(0.009)));
        schedule.learn(0.018, Indicator::Gap(0.009));
        assert!(!schedule.is_due(3, 0, Indicator::Gap(0.006)));
        assert!(schedule.is_due(4, 0, Indicator::Gap(0.004)));
        // Infinite or 0: no information.
        for (found, sign) in [(f64::INFINITY, 0.01), (0.0, 0.01), (0.01, 0.0)] {
            schedule.learn(found, Indicator::Gap(sign));
            assert!(
                schedule.is_due(5, 0, Indicator::Gap(0.009)) && !schedule.is_due(6, 0, Indicator::Gap(0.02)),
                "{found}, {sign}"
            );
        }
    }
}
