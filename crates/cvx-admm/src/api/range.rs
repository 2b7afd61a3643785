//! The ranges of the settings, as errors and the documentation state them.

pub(crate) const AT_LEAST_ONE: &str = "1 or more";
pub(crate) const POSITIVE: &str = "a positive number";
pub(crate) const NOT_NEGATIVE: &str = "a finite number that is 0 or larger";
pub(crate) const SECONDS: &str = "a number of seconds that is 0 or larger";
pub(crate) const THREADS: &str = "4096 or fewer";
/// A duration of more than a century would overflow the clock.
pub(crate) const TIME_LIMIT: &str = "a number of seconds from 0 to 4e9";
pub(crate) const OVER_RELAXATION: &str = "between 0 and 2";
pub(crate) const DUAL_STEP: &str = "between 0 and 1.618, and smaller than 2 / over_relaxation";
pub(crate) const CLASS_WEIGHTS: &str = "balanced, or positive numbers for classes of the labels, each named once";
pub(crate) const BETAS: &str = "from 1 to 10,000";
pub(crate) const SHARE: &str = "between 0 and 1";
pub(crate) const ENSEMBLE: &str = "from 1 to 100";
pub(crate) const BUDGET: &str = "a positive number of seconds, at most 4e9";
pub(crate) const ALL_FOLDS: &str = "800 or fewer, over all networks that are averaged";
pub(crate) const FOLDS: &str = "2 or more, and not more than there are samples";
