//! The settings that identify a run. A checkpoint can be resumed only with the same ones.

use crate::api::error::NamedSetting;
use crate::api::listing::{checksum_of, listed, none};
use crate::api::settings::ValidSettings;
use crate::problem::input::Problem;
use cvx_linalg::FeaturePrecision;

/// The settings that the iterates depend on. Limits, threads and outputs may differ between the parts of a run. If the
/// precision of features is automatic, it is `precision`: that of the run, which the memory has decided.
pub(crate) fn identity(
    problem: &Problem,
    settings: &ValidSettings,
    precision: Option<FeaturePrecision>,
) -> Vec<NamedSetting> {
    let weights = problem.loss.weights().map_or_else(none, |weights| checksum_of(&problem.samples, weights));
    let resolved = [problem.normalisation.name(), problem.targets.task.name(), &weights];
    listed(settings, resolved.map(String::from), precision)
}
