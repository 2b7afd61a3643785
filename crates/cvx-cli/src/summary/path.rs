//! A path in words.

use crate::number::percent;
use cvx_admm::{PathPoint, PathSolution, Scores};

/// A path without a point.
pub const NO_BETA: &str = "The path ended before its first beta.";

/// The columns of a path's table.
pub const HEADER: [&str; 10] =
    ["", "beta", "fraction", "objective", "gap", "neurons", "training", "held out", "iterations", "seconds"];

/// A row for each beta under [`HEADER`].
pub fn rows(path: &PathSolution) -> Vec<Vec<String>> {
    let score = |scores: &Scores| scores.accuracy.map_or(format!("{:.4}", scores.loss), percent);
    let row = |(k, point): (usize, &PathPoint)| {
        vec![
            if path.solution.is_some() && k == path.chosen { "*" } else { "" }.to_string(),
            format!("{:.4}", point.beta),
            format!("{:.2e}", point.fraction),
            format!("{:.4}", point.objective.network),
            format!("{:.1e}", point.objective.relative_gap),
            format!("{:.0}", point.neurons),
            score(&point.train),
            score(&point.validation),
            point.iterations.to_string(),
            format!("{:.1}", point.seconds),
        ]
    };
    path.points.iter().enumerate().map(row).collect()
}

/// The beta that a path chose, if the path reached its end.
pub fn choice(path: &PathSolution) -> Option<String> {
    let all = path.solution.as_ref()?;
    let chosen = path.points.get(path.chosen)?;
    let at_the_end = if path.chosen + 1 == path.points.len() && path.points.len() > 1 {
        "\nThat is the smallest of the path: a smaller --beta-ratio may be better."
    } else {
        ""
    };
    let chosen_from = if path.points.len() > 1 { "Chosen" } else { "One beta alone, so nothing to choose from" };
    Some(format!(
        "{chosen_from}: beta at {:.2e} of its largest value ({:.4} for all samples), error {:.4} +- {:.4} on the \
         held-out samples; {:.1} s for the path.{at_the_end}",
        chosen.fraction, all.beta, chosen.error, chosen.standard_error, path.seconds
    ))
}
