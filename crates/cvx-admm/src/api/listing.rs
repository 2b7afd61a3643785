//! The settings of a run by their names, as texts that are compared: with those of a checkpoint, and between ranks.

use crate::api::error::NamedSetting;
use crate::api::settings::{Beta, Gates, Settings};
use crate::api::weights::ClassWeights;
use cvx_artifact::checksum_over;
use cvx_linalg::{FeaturePrecision, SampleSums};
use cvx_model::{Constraints, Loss, PatchSettings};
use std::fmt::Display;

/// The settings of a run as they were given, by which ranks see that they were started alike: those that the result
/// depends on. Threads, memory and time may differ.
pub(crate) fn as_given(settings: &Settings) -> Vec<NamedSetting> {
    let normalisation = given(settings.normalisation.map(|kind| kind.name()));
    let weights = match &settings.class_weights {
        ClassWeights::None => none(),
        ClassWeights::Balanced => "balanced".to_string(),
        ClassWeights::Named(named) => {
            named.iter().map(|(class, weight)| format!("{class}={weight}")).collect::<Vec<_>>().join(",")
        }
    };
    let resolved = [normalisation, settings.task.name().to_string(), weights];
    let range = settings.output_range.map_or_else(none, |range| format!("{},{}", range.low(), range.high()));
    let more = [
        ("max_iterations", settings.max_iterations.to_string()),
        ("gap", settings.gap.to_string()),
        ("prune", settings.prune.to_string()),
        ("keep_iterates", settings.keep_iterates.to_string()),
        ("output_range", range),
        // The first rank writes them, of what all send.
        ("checkpoint", settings.checkpoint.as_ref().map_or_else(none, |_| "a file".to_string())),
    ];
    listed(settings, resolved, None).into_iter().chain(more.map(named)).collect()
}

/// The settings by name, with what the samples resolve: normalisation, task and weights.
pub(crate) fn listed(
    settings: &Settings,
    [normalisation, task, weights]: [String; 3],
    precision: Option<FeaturePrecision>,
) -> Vec<NamedSetting> {
    let Settings { gates, beta, solver, rank, rho, sigma, .. } = settings;
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
    let loss = match settings.loss {
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
        ("normalisation", normalisation),
        ("task", task),
        ("loss", loss),
        ("weights", weights),
    ];
    // Last: the lists of other gates are compared up to here, and differ.
    let patches = of_patches(&settings.gates, precision);
    all.into_iter().chain(patches).chain(of_constraints(&settings.constraints)).map(named).collect()
}

/// A setting by its name.
pub(crate) fn named((name, value): (&str, String)) -> NamedSetting {
    NamedSetting { name: name.to_string(), value }
}

/// The value of a setting that is not there.
pub(crate) fn none() -> String {
    NONE.to_string()
}

/// The first setting that differs between a run that is `given` and one that was `saved`. What only one of them has is
/// "none" in the other.
pub(crate) fn difference(given: &[NamedSetting], saved: &[NamedSetting]) -> Option<(NamedSetting, NamedSetting)> {
    let none = |other: &NamedSetting| NamedSetting { name: other.name.clone(), value: none() };
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

/// What is not there.
pub(crate) const NONE: &str = "none";

/// What is left to the library.
pub(crate) const AUTOMATIC: &str = "automatic";

fn given<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| AUTOMATIC.to_string(), |value| value.to_string())
}

fn checksum(values: &[f64]) -> String {
    checksum_of(SampleSums::all_here(), values)
}

/// The checksum of a value of each sample, of those here.
pub(crate) fn checksum_of(samples: &SampleSums, values: &[f64]) -> String {
    format!("values of checksum {:08x}", checksum_over(samples, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::{describe_path_settings, describe_settings};
    use crate::path::settings::PathSettings;

    /// Settings that ranks may have to themselves.
    const OWN: [&str; 4] = ["device", "memory_budget", "threads", "time_limit"];

    /// A setting that is added has to be compared between ranks, or to be one of theirs.
    #[test]
    fn ranks_compare_every_setting_that_shapes_a_result() {
        let listed = as_given(&Settings::default()).into_iter().chain(PathSettings::default().as_given());
        let listed: Vec<String> = listed.map(|setting| setting.name).collect();
        let described = describe_settings().into_iter().chain(describe_path_settings());
        for name in described.map(|setting| setting.name) {
            let other = match name {
                "beta" => "beta_fraction",
                "class_weights" => "weights",
                "ratio" => "beta_ratio",
                "constraints" => continue,
                name => name,
            };
            assert!(listed.iter().any(|listed| listed == other) != OWN.contains(&name), "{name}");
        }
    }
}
