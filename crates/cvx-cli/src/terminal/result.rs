//! The results of runs and paths.

use super::classes::by_class;
use super::table::{facts, numbers};
use crate::summary;
use cvx_admm::{PathSolution, Settings, Solution};

/// The closing report of a training run; a `verbose` one has the certificate by target too.
pub fn closing(solution: &Solution, path: Option<&PathSolution>, verbose: bool) -> String {
    let mut text = facts(&summary::run::results(solution, path));
    text.push('\n');
    let targets = summary::run::targets(solution);
    if verbose && !targets.is_empty() {
        text.push_str(&format!("{}\n", numbers(&summary::run::targets_header(solution), targets)));
    }
    let held_out = path.filter(|_| solution.test.is_none()).and_then(summary::run::held_out_confusion);
    let confusion = match &held_out {
        Some(confusion) => Some(("held-out samples", confusion)),
        None => summary::run::confusion(solution),
    };
    if let Some((samples, confusion)) = confusion {
        text.push_str(&format!("{}\n", by_class(samples, confusion)));
    }
    text.push_str(&summary::run::words(solution).join("\n"));
    text
}

/// What was chosen and why, and a row for each beta that was tried.
pub fn path(path: &PathSolution, settings: &Settings) -> String {
    if path.points.is_empty() {
        return summary::path::NO_BETA.to_string();
    }
    let table = numbers(&summary::path::HEADER, summary::path::rows(path));
    format!("{}\n{table}", summary::path::choice(path, settings))
}
