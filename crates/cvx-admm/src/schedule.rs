//! When the certificate is evaluated: it costs as much as an iteration or two.

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
    /// When the gap may have been reached, by its ratio to a [`Sign`] of it at the last evaluation: what a path needs.
    Predicted {
        /// The gap to reach.
        gap: f64,
        /// Gap over sign at the last evaluation.
        rate: Option<f64>,
        /// Iterations since then.
        silence: usize,
    },
}

/// What an iteration says of the gap at no cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sign {
    /// The largest relative residual, which falls as the gap does.
    Residual(f64),
    /// The gap itself, by numbers of the iteration's precision.
    Gap(f64),
}

impl Sign {
    fn size(self) -> f64 {
        let (Sign::Residual(size) | Sign::Gap(size)) = self;
        size
    }
}

impl Schedule {
    /// Evaluations of which nothing is known yet, to find out when this gap is reached.
    pub fn until(gap: f64) -> Self {
        Schedule::Predicted { gap, rate: None, silence: 0 }
    }

    /// Whether it goes by signs.
    pub fn predicts(&self) -> bool {
        matches!(self, Schedule::Predicted { .. })
    }

    /// Whether this iteration is to be judged.
    pub fn is_due(&mut self, iteration: usize, sign: Sign) -> bool {
        match self {
            Schedule::Regular { every } => iteration <= JUDGED_FIRST || iteration.is_multiple_of(*every),
            Schedule::Predicted { gap, rate, silence } => {
                *silence += 1;
                let reached = |rate: f64| rate * sign.size() <= *gap;
                *silence >= LONGEST_SILENCE
                    || match (*rate, sign) {
                        (Some(rate), _) => reached(rate),
                        (None, Sign::Gap(_)) => reached(1.0),
                        (None, Sign::Residual(_)) => *silence >= FIRST,
                    }
            }
        }
    }

    /// What the evaluation of this iteration said.
    pub fn learn(&mut self, found: f64, sign: Sign) {
        if let Schedule::Predicted { rate, silence, .. } = self {
            *rate = (sign.size() > 0.0).then(|| found / sign.size()).filter(|rate| *rate > 0.0 && rate.is_finite());
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

    #[test]
    fn a_record_has_the_first_five_and_every_so_many() {
        let mut schedule = Schedule::Regular { every: 5 };
        let due: Vec<usize> = (1..=16).filter(|&k| schedule.is_due(k, Sign::Residual(1.0))).collect();
        assert_eq!(due, [1, 2, 3, 4, 5, 10, 15]);
    }

    #[test]
    fn a_path_asks_when_the_gap_may_be_there() {
        let mut schedule = Schedule::until(1e-2);
        let first = (1..).find(|&k| schedule.is_due(k, Sign::Residual(1.0))).unwrap();
        assert_eq!(first, FIRST);
        schedule.learn(0.1, Sign::Residual(1.0));
        // A tenth of the residual is a tenth of the gap.
        assert!(!schedule.is_due(6, Sign::Residual(0.2)));
        assert!(schedule.is_due(7, Sign::Residual(0.09)));
        schedule.learn(0.011, Sign::Residual(0.09));
        let asked = (8..).find(|&k| schedule.is_due(k, Sign::Residual(0.09))).unwrap();
        assert_eq!(asked, 7 + LONGEST_SILENCE, "a residual that does not fall is no reason to be silent for ever");
    }

    #[test]
    fn a_gap_is_believed_from_the_first_iteration_and_corrected_by_what_was_found() {
        let mut schedule = Schedule::until(1e-2);
        assert!(!schedule.is_due(1, Sign::Gap(0.011)));
        assert!(schedule.is_due(2, Sign::Gap(0.009)));
        schedule.learn(0.018, Sign::Gap(0.009));
        assert!(!schedule.is_due(3, Sign::Gap(0.006)));
        assert!(schedule.is_due(4, Sign::Gap(0.004)));
        // Infinite or 0: nothing to learn.
        for (found, sign) in [(f64::INFINITY, 0.01), (0.0, 0.01), (0.01, 0.0)] {
            schedule.learn(found, Sign::Gap(sign));
            assert!(schedule.is_due(5, Sign::Gap(0.009)) && !schedule.is_due(6, Sign::Gap(0.02)), "{found}, {sign}");
        }
    }
}
