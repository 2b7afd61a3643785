//! A path in words.

use crate::number::{counted, percent, short};
use cvx_admm::{Beside, Gates, PathPoint, PathSolution, Settings, Validation};
use cvx_model::Activation;

/// A path without a point.
pub const NO_BETA: &str = "The path ended before its first beta.";

/// The columns of a path's table.
pub const HEADER: [&str; 9] =
    ["", "beta", "fraction", "gap", "neurons", "training", "held out", "mean loss", "seconds"];

/// A row for each beta under [`HEADER`]: accuracies of classes, mean losses of numbers.
pub fn rows(path: &PathSolution) -> Vec<Vec<String>> {
    let samples = path.solution.model.claim.n_samples as f64;
    // The training loss is of the samples of a fold, which are those that it does not hold out.
    let train = |point: &PathPoint| {
        let held_out = if point.error > 0.0 { point.validation.loss / point.error } else { 0.0 };
        point.train.accuracy.map_or(short(point.train.loss / (samples - held_out / path.folds as f64)), percent)
    };
    let row = |(k, point): (usize, &PathPoint)| {
        vec![
            if k == path.chosen { "*" } else { "" }.to_string(),
            short(point.beta),
            format!("{:.2e}", point.fraction),
            format!("{:.1e}", point.objective.relative_gap),
            format!("{:.0}", point.neurons),
            train(point),
            point.validation.accuracy.map_or(short(point.error), percent),
            format!("{} +- {}", short(point.mean_loss), short(point.mean_loss_error)),
            format!("{:.1}", point.seconds),
        ]
    };
    path.points.iter().enumerate().map(row).collect()
}

/// What a path chose, and why.
pub fn choice(path: &PathSolution, settings: &Settings) -> String {
    let Some(chosen) = path.points.get(path.chosen) else { return NO_BETA.to_string() };
    let accuracy =
        chosen.validation.accuracy.map_or(String::new(), |accuracy| format!(", accuracy {}", percent(accuracy)));
    let held_out = match path.folds {
        1 => counted(path.held_out.rows.len(), "held-out sample"),
        folds => format!("the held-out samples of {}", counted(folds, "fold")),
    };
    let least = path.points.iter().all(|point| chosen.mean_loss <= point.mean_loss);
    let reason = match path.points.len() {
        1 => format!("the only value, evaluated on {held_out}"),
        tried if least => format!("the least mean loss of {tried} values on {held_out}"),
        tried => format!("the largest of {tried} values within a standard error of the least mean loss on {held_out}"),
    };
    let mut lines = vec![
        format!("Chosen: beta at {} of its largest value.", short(chosen.fraction)),
        format!("Reason: {reason}: {} +- {}{accuracy}.", short(chosen.mean_loss), short(chosen.mean_loss_error)),
        format!("{}; {:.1} s for the choice.", network(path, settings), path.seconds),
    ];
    if let Some(Beside { settings, point }) = &path.beside {
        let accuracy =
            point.validation.accuracy.map_or(String::new(), |accuracy| format!(", accuracy {}", percent(accuracy)));
        let loss = format!("{} +- {}", short(point.mean_loss), short(point.mean_loss_error));
        lines.push(format!("Compared with: {}, mean loss {loss}{accuracy}.", neurons(settings)));
    }
    if let Some(status) = path.cut_short {
        lines.push(format!("The path was cut short ({status}): the network is the mean of the folds as they were."));
    } else if path.chosen + 1 == path.points.len() && path.points.len() > 1 {
        lines.push(
            "That is the smallest beta that was tried, and a smaller one may be better: raise --budget if it is given, \
             or let cvx path try smaller ones with --beta-ratio."
                .into(),
        );
    }
    lines.join("\n")
}

/// The samples that choose a beta.
pub fn held_out(validation: Validation) -> String {
    match validation {
        Validation::Auto => "held-out samples".to_string(),
        Validation::Folds(folds) => counted(folds, "fold"),
        Validation::Share(share) => format!("a held-out share of {share}"),
    }
}

/// The neurons and their gates.
pub fn neurons(settings: &Settings) -> String {
    let kind = match settings.activation {
        Activation::Gated => "gated neurons",
        Activation::Relu => "ReLU neurons",
    };
    let gates = match &settings.gates {
        Gates::Kind(kind) => format!("{} {} gates", settings.patterns, kind.name()),
        Gates::Auto => format!("{} gates", settings.patterns),
        Gates::Patches(_) => format!("{} gates of patches", settings.patterns),
        Gates::Given(gates) => format!("{} given gates", gates.cols()),
    };
    format!("{kind} on {gates}")
}

/// What the network is.
fn network(path: &PathSolution, settings: &Settings) -> String {
    let parts = path.solution.model.parts.len();
    let how = if parts > 1 { format!("the mean of {parts} networks") } else { "one network".to_string() };
    format!("Network: {}, {how}", neurons(settings))
}
