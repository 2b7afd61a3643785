//! What predictions obey, in words and along each constrained column.

use super::html::{facts, paragraph};
use super::picture::Picture;
use super::subject::Subject;
use super::understanding::{Outputs, dependence};
use crate::summary::run::obeyed;
use crate::understanding::constrained;
use anyhow::Result;

/// The names of the pictures.
pub const CONSTRAINTS: [&str; 8] = [
    "constraint-1",
    "constraint-2",
    "constraint-3",
    "constraint-4",
    "constraint-5",
    "constraint-6",
    "constraint-7",
    "constraint-8",
];

/// The section and its pictures; `None` for a network without constraints.
pub fn constraints(subject: &Subject) -> Result<Option<(String, Vec<Picture>)>> {
    let model = &subject.solution.model;
    if model.cones.is_none() {
        return Ok(None);
    }
    let (whose, data) = subject.shown();
    let kind = if model.task.classes().is_empty() { "prediction" } else { "score" };
    let outputs = Outputs { kind, names: &model.outputs() };
    let shown: Vec<usize> = (0..outputs.names.len()).collect();
    let columns = constrained(model, data, CONSTRAINTS.len(), subject.settings.seed)?;
    let draw = |(name, column)| dependence(name, &outputs, column, &shown);
    let pictures = CONSTRAINTS.into_iter().zip(&columns).map(draw).collect::<Result<Vec<_>>>()?;
    let mut body = facts(&obeyed(model));
    let mut words = format!("Every {kind} obeys this on all inputs, not only on the samples.");
    if model.output_range.is_some() {
        words.push_str(" Curvatures and sets of columns hold before it is clipped to the output range.");
    }
    body.push_str(&paragraph(match pictures.len() {
        0 => words,
        _ => format!("{words} The curves show it on {whose} samples."),
    }));
    Ok(Some((body, pictures)))
}
