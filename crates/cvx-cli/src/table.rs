//! Tables on stdout.

use crate::by_class::by_class;
use comfy_table::{Table, presets};
use cvx_admm::{Certify, Claim, PathPoint, PathSolution, Scores, Settings, Solution, Status};
use cvx_model::{Activation, Confusion, Loss};

/// Relative difference that rounding explains: what is closer than this is equal.
const ROUNDING: f64 = 1e-12;

/// Relative residual of an exact u-update from which on it is worth a row.
const LOUD_RESIDUAL: f64 = 1e-2;

/// A two-column table.
pub fn facts<S: AsRef<str>>(rows: &[(S, String)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    for (name, value) in rows {
        table.add_row([name.as_ref(), value]);
    }
    table.to_string()
}

/// 0.8725 as 87.25 %.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// 1 neuron, 2 neurons.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// 1.23e-4, or 0.
pub fn gap(gap: f64) -> String {
    if gap == 0.0 { "0".to_string() } else { format!("{gap:.2e}") }
}

fn scores(scores: &Scores) -> String {
    match scores.accuracy {
        Some(accuracy) => format!("accuracy {}, loss {:.6}", percent(accuracy), scores.loss),
        None => format!("loss {:.6}", scores.loss),
    }
}

/// What was minimised, as huber with delta 1, weighted.
pub fn loss(claim: &Claim) -> String {
    let weighted = if claim.weights.is_some() { ", weighted" } else { "" };
    match claim.loss {
        Loss::Huber { delta } => format!("huber with delta {delta}{weighted}"),
        loss => format!("{}{weighted}", loss.name()),
    }
}

/// The closing report of a training run.
pub fn closing(solution: &Solution, settings: &Settings) -> String {
    let mut text = facts(&results(solution, settings));
    text.push('\n');
    if let Some((samples, confusion)) = judged(solution) {
        text.push_str(&format!("{}\n", by_class(samples, confusion)));
    }
    text.push_str(&words(solution, settings).join("\n"));
    text
}

/// The samples whose classes are counted, and the count: those of the test where there are any.
pub fn judged(solution: &Solution) -> Option<(&'static str, &Confusion)> {
    match &solution.test_confusion {
        Some(confusion) => Some(("test samples", confusion)),
        None => solution.train_confusion.as_ref().map(|confusion| ("training samples", confusion)),
    }
}

/// What the certificate says, and what there is to be done; a sentence or two each.
pub fn words(solution: &Solution, settings: &Settings) -> Vec<String> {
    let mut words = vec![meaning(solution, settings)];
    if let Some(failure) = &solution.info.failure {
        words.push(format!("The run was cut short: {failure}."));
    }
    if !solution.status.advice().is_empty() {
        words.push(format!("{}: {}.", solution.status, solution.status.advice()));
    }
    words
}

/// The rows of the closing report.
pub fn results(solution: &Solution, settings: &Settings) -> Vec<(&'static str, String)> {
    let (objective, seconds) = (&solution.objective, &solution.info.seconds);
    let phases = format!(
        "{:.2} s: set-up {:.2}, u {:.2}, v {:.2}, s {:.2}, dual {:.2}, certificate {:.2}",
        seconds.total, seconds.setup, seconds.u, seconds.v, seconds.s, seconds.dual, seconds.certificate
    );
    let mut rows = vec![
        ("status", format!("{} after {}", solution.status, counted(solution.info.history.len(), "iteration"))),
        ("loss", loss(&solution.model.claim)),
        ("network objective", format!("{:.6}", objective.network)),
        ("dual bound", format!("{:.6}", objective.dual_bound)),
    ];
    if let (Certify::Sampled, Some(primal)) = (settings.certify, objective.sampled_primal) {
        rows.push(("sampled primal", format!("{primal:.6}")));
    }
    if let [first, .., last] = &solution.info.rounds[..] {
        let text = format!(
            "from {:.6}, where the {} sampled patterns were left, to {:.6} with {} after {}",
            first.network,
            first.patterns,
            last.network,
            last.patterns,
            counted(solution.info.rounds.len() - 1, "round")
        );
        rows.push(("refinement", text));
    }
    rows.push(("relative gap", format!("{} ({} certificate)", gap(objective.relative_gap), settings.certify.name())));
    rows.push(("training samples", scores(&solution.train)));
    if let Some(test) = &solution.test {
        rows.push(("test samples", scores(test)));
    }
    let (neurons, gated) = (solution.model.network.n_neurons(), is_gated(solution));
    let mut network = counted(neurons, if gated { "gated neuron" } else { "neuron" });
    if solution.pruned > 0 {
        network.push_str(&format!(", {} pruned", solution.pruned));
    }
    if !gated {
        network.push_str(&format!(", cones violated by at most {:.1e}", solution.cone_violation));
    }
    rows.push(("network", network));
    // An iterative solver is as exact as it was asked to be.
    let exact = solution.summary.solver.is_direct();
    if let Some(residual) = solution.info.linear_residual.filter(|&residual| exact && residual > LOUD_RESIDUAL) {
        let text = format!("{residual:.1e}: the u-update is inexact; --precision f64 may take fewer iterations");
        rows.push(("linear residual", text));
    }
    rows.push(("seconds", phases));
    rows
}

/// The columns of a path's table.
pub const PATH_HEADER: [&str; 10] =
    ["", "beta", "fraction", "objective", "gap", "neurons", "training", "held out", "iterations", "seconds"];

/// A row for each beta of a path, and which was chosen, if the path came that far.
pub fn path(path: &PathSolution) -> String {
    if path.points.is_empty() {
        return "The path ended before its first beta.".to_string();
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(PATH_HEADER);
    table.add_rows(path_rows(path));
    match choice(path) {
        Some(choice) => format!("{table}\n{choice}"),
        None => table.to_string(),
    }
}

/// A row for each beta under [`PATH_HEADER`].
pub fn path_rows(path: &PathSolution) -> Vec<Vec<String>> {
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

/// What a path has chosen, if it came that far.
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
        "{chosen_from}: beta at {:.2e} of its largest value ({:.4} for all samples), error {:.4} +- {:.4} on the held-out samples; {:.1} s for the path.{at_the_end}",
        chosen.fraction, all.beta, chosen.error, chosen.standard_error, path.seconds
    ))
}

fn is_gated(solution: &Solution) -> bool {
    solution.model.network.activation() == Activation::Gated
}

/// What the certificate says, in words; it speaks of the sampled programme, never of all networks.
fn meaning(solution: &Solution, settings: &Settings) -> String {
    let objective = &solution.objective;
    let (above, rounding) = (objective.network - objective.dual_bound, ROUNDING * objective.dual_bound);
    match settings.certify {
        _ if solution.model.network.n_neurons() == 0 && solution.status != Status::Optimal => {
            "Nothing was learned yet: this is the zero network.".to_string()
        }
        _ if solution.beta == 0.0 => {
            "Without a penalty (beta = 0) there is hardly a bound to prove: a small --beta gives the network a certificate."
                .to_string()
        }
        Certify::Network if above < -rounding => {
            "This network is better than every point of the convex programme over the sampled patterns.".to_string()
        }
        Certify::Network if above <= rounding => {
            "This network attains the optimum of the convex programme over the sampled patterns.".to_string()
        }
        // A point of the programme itself, where no cone is to be left.
        Certify::Network if is_gated(solution) => format!(
            "This network is within {} of the best point of the convex programme over the sampled patterns.",
            percent(objective.relative_gap)
        ),
        Certify::Network => format!(
            "This network is within {} of, or better than, the best point of the convex programme over the sampled \
             patterns.",
            percent(objective.relative_gap)
        ),
        Certify::Sampled if solution.status == Status::Optimal => format!(
            "The optimum of the convex programme over the sampled patterns lies between the dual bound and the {}, \
             {:.1e} apart.",
            // No row shows a sampled primal that is not better than the zero network.
            objective.sampled_primal.map_or("objective of the zero network", |_| "sampled primal"),
            objective.relative_gap
        ),
        Certify::Sampled => {
            "The optimum of the convex programme over the sampled patterns is at least the dual bound.".to_string()
        }
    }
}
