//! The networks of a mean, one by one.

use super::html::{paragraph, table};
use crate::number::gap;
use cvx_admm::{Model, Part};

/// Most parts that are listed.
const MOST: usize = 100;

/// The parts of a mean of networks; `None` for a single network.
pub fn parts(model: &Model) -> Option<String> {
    let count = model.parts.len();
    if count < 2 {
        return None;
    }
    let row = |(k, part): (usize, &Part)| {
        vec![
            (k + 1).to_string(),
            part.held_out.len().to_string(),
            format!("{:.4}", part.beta),
            part.neurons.to_string(),
            digits(part.objective.network),
            digits(part.objective.dual_bound),
            gap(part.objective.relative_gap),
        ]
    };
    let rows: Vec<Vec<String>> = model.parts.iter().take(MOST).enumerate().map(row).collect();
    let header = ["network", "held-out samples", "beta", "neurons", "objective", "dual bound", "relative gap"];
    let more = if count > MOST { format!(" The first {MOST} are listed.") } else { String::new() };
    Some(format!(
        "{}{}",
        table(&header.map(String::from), &rows, None),
        paragraph(format!(
            "The network is the mean of these {count} networks. Each is trained on the samples that it does not hold \
             out, and has a certificate of its own.{more}"
        ))
    ))
}

/// Seven digits or more, so that an objective differs from its bound.
fn digits(value: f64) -> String {
    if value.abs() < 1e6 { format!("{value:.6}") } else { format!("{value:.6e}") }
}
