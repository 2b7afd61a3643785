//! Samples, settings and machine of a run, and the command that repeats it.

use super::html::{escape, facts, paragraph, section};
use super::subject::Subject;
use crate::number::{bytes, short};
use crate::process::{peak_memory_bytes, processor};
use crate::shell;
use crate::summary::patches::{Layout, features};
use crate::summary::run::loss;
use crate::summary::samples::Description;
use cvx_admm::{Beta, ClassWeights, Gates, Settings, Solution};

/// Samples, settings, machine and command.
pub fn about(subject: &Subject) -> String {
    let Subject { solution, settings, split, source, .. } = subject;
    let mut samples = vec![("source", source.data.clone())];
    if !source.classes.is_empty() {
        samples.push(("classes", source.classes.join(", ")));
    }
    samples.extend(Description::new(split).facts());
    let mut body = section("Samples", &facts(&samples));
    body.push_str(&section("Settings", &facts(&rows(settings, solution))));
    body.push_str(&section("Machine", &facts(&machine(solution))));
    let command = shell::command(std::env::args_os());
    let mut again = format!("<pre><code>{}</code></pre>\n", escape(&command));
    again.push_str(&paragraph(format!(
        "cvx {}; the scaled training samples and targets have the CRC-32 {:08x}. The same command on the same samples \
         and machine gives the same network bit for bit, on any number of threads, unless a time limit, a budget or an \
         interrupt ends it.",
        solution.model.provenance.version, solution.model.claim.fingerprint
    )));
    body.push_str(&section("To have it again", &again));
    body
}

fn rows(settings: &Settings, solution: &Solution) -> Vec<(&'static str, String)> {
    let beta = match settings.beta {
        Beta::Value(_) => String::new(),
        Beta::Fraction(fraction) => {
            format!(": {} of the value from which on the zero network is optimal", short(fraction))
        }
    };
    let gates = match &settings.gates {
        Gates::Auto => "by the samples".to_string(),
        Gates::Kind(kind) => kind.name().to_string(),
        Gates::Patches(patches) => format!("conv: {} of patches", patches.gates.name()),
        Gates::Given(gates) => format!("given, {}", gates.cols()),
    };
    let weights = match &settings.class_weights {
        ClassWeights::None => "none".to_string(),
        ClassWeights::Balanced => "balanced".to_string(),
        ClassWeights::Named(named) => {
            named.iter().map(|(class, weight)| format!("{class}={weight}")).collect::<Vec<_>>().join(", ")
        }
    };
    let limit = settings.time_limit.map_or("none".to_string(), |limit| format!("{limit} s"));
    let mut rows = vec![
        ("activation", settings.activation.name().to_string()),
        ("patterns", settings.patterns.to_string()),
        ("gates", gates),
        ("class weights", weights),
        ("certificate", settings.certify.name().to_string()),
        ("gap to stop at", settings.gap.to_string()),
        ("most iterations", settings.max_iterations.to_string()),
        ("time limit", limit),
        ("precision", settings.precision.name().to_string()),
        ("seed", settings.seed.to_string()),
        ("bias column", if solution.model.transform.bias { "yes" } else { "no" }.to_string()),
        ("pruning", if settings.prune { "yes" } else { "no" }.to_string()),
        ("most rounds of refinement", settings.refine.to_string()),
    ];
    let (summary, info) = (&solution.summary, &solution.info);
    rows.insert(0, ("loss", loss(&solution.model.claim)));
    rows.extend(patches(settings, solution));
    rows.extend([
        ("beta", format!("{:.6}{beta}", solution.beta)),
        ("patterns used", format!("{}, {} merged", summary.shape.n_patterns, summary.merged_patterns)),
        ("normalisation", solution.model.normalisation.name().to_string()),
        ("solver", summary.solver.name().to_string()),
        ("sigma", format!("{:.4e}", solution.sigma)),
        ("rho at the end", format!("{:.4e}, changed {} times", solution.rho, info.penalty_changes)),
    ]);
    rows
}

/// The settings of gates of patches; none for other gates.
fn patches(settings: &Settings, solution: &Solution) -> Vec<(&'static str, String)> {
    let (Gates::Patches(given), Some(patches)) = (&settings.gates, &solution.model.network.patches) else {
        return Vec::new();
    };
    let whitening = given.whitening.map_or("none".to_string(), |share| format!("{share} of the mean variance added"));
    let mut rows = vec![
        ("patches", Layout::of(patches).words()),
        ("gates are on for", format!("{} of training patches", given.active)),
        ("whitening", whitening),
        ("values of a patch", format!("{} principal directions and a 1", patches.values.cols() - 1)),
        ("contrast", short(patches.contrast)),
        ("features of a gate", patches.block_rows().to_string()),
    ];
    rows.extend(solution.summary.features.map(|found| ("features", features(found))));
    rows
}

fn machine(solution: &Solution) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("written", chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string()),
        ("program", format!("cvx {}", env!("CARGO_PKG_VERSION"))),
        ("system", format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH)),
    ];
    if let Some(processor) = processor() {
        rows.push(("processor", processor));
    }
    let summary = &solution.summary;
    rows.push(("device", format!("{}, {} threads", summary.device_name, summary.threads)));
    if let Some(peak) = peak_memory_bytes() {
        rows.push(("largest memory", bytes(peak)));
    }
    rows
}
