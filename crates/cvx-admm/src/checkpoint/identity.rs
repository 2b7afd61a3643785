//! The settings that identify a run. A checkpoint can be resumed only with the same ones.

use crate::api::error::NamedSetting;
use crate::api::settings::{Beta, Gates, Settings, ValidSettings};
use crate::problem::input::Problem;
use cvx_artifact::checksum_over;
use cvx_linalg::{FeaturePrecision, SampleSums};
use cvx_model::{Constraints, Loss, PatchSettings};
use std::fmt::Display;

/// The settings that the iterates depend on. Limits, threads and outputs may differ between the parts of a run. If the
/// precision of features is automatic, it is `precision`: that of the run, which the memory has decided.
pub(crate) fn identity(
    problem: &Problem,
    settings: &ValidSettings,
    precision: Option<FeaturePrecision>,
) -> Vec<NamedSetting> {
    let Settings { gates, beta, solver, rank, rho, sigma, .. } = &**settings;
    let (beta, beta_value) = match beta {
        Beta::Value(value) => ("beta", value),
        Beta::Fraction(fraction) => ("beta_fraction", fraction),
    };
    let gates = match gates {
        Gates::Auto => AUTOMATIC.to_string(),
        Gates::Kind(kind) => kind.name().to_string(),
        Gates::Patches(_) => "conv".to_string(),
        Gates::Given(gates) => checksum(gates.values()),
    };
    let loss = match problem.loss.loss() {
        Loss::Huber { delta } => format!("huber, delta {delta}"),
        loss => loss.name().to_string(),
    };
    let all = [
        ("activation", settings.activation.name().to_string()),
        ("patterns", settings.patterns.to_string()),
        ("gates", gates),
        (beta, beta_value.to_string()),
        ("solver", solver.name().to_string()),
        ("rank", given(*rank)),
        ("precision", settings.precision.name().to_string()),
        ("seed", settings.seed.to_string()),
        ("refine", settings.refine.to_string()),
        ("certify", settings.certify.name().to_string()),
        ("rho", given(*rho)),
        ("sigma", given(*sigma)),
        ("adapt_rho", settings.adapt_rho.to_string()),
        ("over_relaxation", settings.over_relaxation.to_string()),
        ("dual_step", settings.dual_step.to_string()),
        ("anderson_depth", settings.anderson_depth.to_string()),
        ("evaluate_every", settings.evaluate_every.to_string()),
        ("bias", settings.bias.to_string()),
        ("output_bias", settings.output_bias.to_string()),
        ("normalisation", problem.normalisation.name().to_string()),
        ("task", problem.targets.task.name().to_string()),
        ("loss", loss),
        (
            "weights",
            problem.loss.weights().map_or_else(|| "none".to_string(), |weights| spread(&problem.samples, weights)),
        ),
    ];
    // Last: the lists of other gates are compared up to here, and differ.
    let patches = of_patches(&settings.gates, precision);
    let all = all.into_iter().chain(patches).chain(of_constraints(&settings.constraints));
    all.map(|(name, value)| NamedSetting { name: name.to_string(), value }).collect()
}

/// The first setting that differs between a run that is `given` and one that was `saved`. What only one of them has is
/// "none" in the other.
pub(crate) fn difference(given: &[NamedSetting], saved: &[NamedSetting]) -> Option<(NamedSetting, NamedSetting)> {
    let none = |other: &NamedSetting| NamedSetting { name: other.name.clone(), value: "none".to_string() };
    (0..given.len().max(saved.len())).find_map(|at| match (given.get(at), saved.get(at)) {
        (Some(given), Some(saved)) => (given != saved).then(|| (given.clone(), saved.clone())),
        (Some(given), None) => Some((given.clone(), none(given))),
        (None, Some(saved)) => Some((none(saved), saved.clone())),
        (None, None) => None,
    })
}

/// The settings of gates of patches.
fn of_patches(gates: &Gates, automatic: Option<FeaturePrecision>) -> Vec<(&'static str, String)> {
    let Gates::Patches(settings) = gates else { return Vec::new() };
    let &PatchSettings { gates, side, stride, regions, mirrored, active, whitening, directions, precision } = settings;
    vec![
        ("patch_gates", gates.name().to_string()),
        ("patch", given(side)),
        ("stride", given(stride)),
        ("regions", given(regions)),
        ("flips", given(mirrored.map(yes_or_no))),
        ("active", active.to_string()),
        ("whitening", whitening.unwrap_or(0.0).to_string()),
        ("directions", directions.to_string()),
        (FEATURE_PRECISION, given(precision.or(automatic))),
    ]
}

/// The setting that a checkpoint decides if it is automatic.
pub(crate) const FEATURE_PRECISION: &str = "feature_precision";

/// The constraints, where there are any.
fn of_constraints(constraints: &Constraints) -> Option<(&'static str, String)> {
    let Constraints { trends, curvatures, interactions, nonnegative } = constraints;
    let trends = trends.iter().map(|(column, trend)| format!("{column} {trend}"));
    let curvatures = curvatures.iter().map(|(column, curvature)| format!("{column} {curvature}"));
    let sets = interactions.iter().flatten().map(|set| format!("{} together", set.join(" and ")));
    let own = interactions.iter().map(|_| "others apart".to_string());
    let all = trends.chain(curvatures).chain(sets).chain(own).chain(nonnegative.then(|| "non-negative".to_string()));
    (!constraints.is_empty()).then(|| ("constraints", all.collect::<Vec<_>>().join(", ")))
}

fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

const AUTOMATIC: &str = "automatic";

fn given<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| AUTOMATIC.to_string(), |value| value.to_string())
}

fn checksum(values: &[f64]) -> String {
    spread(SampleSums::all_here(), values)
}

/// The checksum of a value of each sample, of those here.
fn spread(samples: &SampleSums, values: &[f64]) -> String {
    format!("values of checksum {:08x}", checksum_over(samples, values))
}
