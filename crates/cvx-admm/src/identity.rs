//! What makes two runs the same, in the words of the command line.

use crate::settings::{Beta, Gates, Settings, SolverChoice, ValidSettings};
use crate::train::Problem;
use cvx_model::Loss;
use std::fmt::Display;

/// The settings that the iterates depend on, each with its value. Limits, threads and what is written may change from one part of a run
/// to the next.
pub(crate) fn identity(problem: &Problem, settings: &ValidSettings) -> Vec<(String, String)> {
    let Settings { gates, beta, solver, rank, rho, sigma, .. } = &**settings;
    let (beta, beta_value) = match beta {
        Beta::Value(value) => ("--beta", value),
        Beta::Fraction(fraction) => ("--beta-fraction", fraction),
    };
    let gates = match gates {
        Gates::Auto => "not given".to_string(),
        Gates::Kind(kind) => kind.name().to_string(),
        Gates::Given(gates) => checksum(gates.values()),
    };
    let solver = match solver {
        SolverChoice::Auto => "auto",
        SolverChoice::Kind(kind) => kind.name(),
    };
    let loss = match problem.loss.loss() {
        Loss::Huber { delta } => format!("huber --huber-delta {delta}"),
        loss => loss.name().to_string(),
    };
    let all = [
        ("--activation", settings.activation.name().to_string()),
        ("--patterns", settings.patterns.to_string()),
        ("--gates", gates),
        (beta, beta_value.to_string()),
        ("--solver", solver.to_string()),
        ("--rank", given(*rank)),
        ("the solvers of the original", settings.original_solvers.to_string()),
        ("--precision", settings.precision.name().to_string()),
        ("--seed", settings.seed.to_string()),
        ("--refine", settings.refine.to_string()),
        ("--certify", settings.certify.name().to_string()),
        ("--rho", given(*rho)),
        ("--sigma", given(*sigma)),
        ("adaptation of rho", settings.adapt_rho.to_string()),
        ("over-relaxation", settings.over_relaxation.to_string()),
        ("dual step", settings.dual_step.to_string()),
        ("memory of the acceleration", settings.anderson_memory.to_string()),
        ("iterations between certificates", settings.judge_every.to_string()),
        ("scaled rows", settings.scale_rows.to_string()),
        (if settings.bias { "--bias" } else { "--no-bias" }, String::new()),
        ("--normalize", problem.normalisation.name().to_string()),
        ("--task", problem.targets.task.name().to_string()),
        ("--loss", loss),
        ("weights of samples", problem.loss.weights().map_or_else(|| "not given".to_string(), checksum)),
    ];
    all.map(|(name, value)| (name.to_string(), value)).into()
}

/// A setting with its value, as a message has it.
pub(crate) fn phrase((name, value): &(String, String)) -> String {
    format!("{name} {value}").trim_end().to_string()
}

fn given<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "not given".to_string(), |value| value.to_string())
}

fn checksum(values: &[f64]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    format!("of checksum {:08x}", crc32fast::hash(&bytes))
}
