//! What is said beside the results: columns that are dropped or not used, rows that are left out, how beta is chosen.

use crate::args::{LogFormat, OutputArgs};
use crate::summary::columns::{dropped, listed};
use crate::summary::path::{held_out, neurons};
use crate::terminal::log;
use crate::terminal::stream::note;
use cvx_admm::Plan;
use cvx_model::{DataSplit, Dataset, TableNotes};
use serde_json::json;

/// Says it about the samples of a run.
pub fn of_training(split: &DataSplit, output: &OutputArgs) {
    let mut notes: Vec<String> = split.train.recipe().and_then(|recipe| dropped(recipe)).into_iter().collect();
    notes.extend(of_table(&split.train, None));
    if let Some(test) = &split.test {
        notes.extend(of_table(test, None).into_iter().map(|text| format!("The test samples: {text}")));
    }
    for text in notes {
        match output.log {
            _ if output.quiet => {}
            LogFormat::Text => note(text),
            LogFormat::Json => log::event("data", json!({ "note": text })),
        }
    }
}

/// Says how beta will be chosen.
pub fn of_choice(plan: &Plan, output: &OutputArgs) {
    let Plan { settings, path } = plan;
    let (held_out, betas) = (held_out(path.validation), path.betas);
    match output.log {
        _ if output.quiet => {}
        LogFormat::Text => {
            note(format_args!("Beta is chosen by {held_out} among at most {betas} values: {}", neurons(settings)));
        }
        LogFormat::Json => log::event("choice", json!({ "held_out": held_out, "betas": betas })),
    }
}

/// What there is to say about samples for a model with labels of this name.
pub fn of_table(data: &Dataset, label_name: Option<&str>) -> Vec<String> {
    let TableNotes { unlabelled, ignored, unknown } = data.notes();
    let mut notes = Vec::new();
    if *unlabelled > 0 {
        let rows = if *unlabelled == 1 { "1 row has".to_string() } else { format!("{unlabelled} rows have") };
        let result = if data.labels().is_some() { "left out" } else { "no prediction is scored" };
        notes.push(format!("{rows} no label: {result}"));
    }
    let ignored: Vec<String> = ignored.iter().filter(|name| Some(name.as_str()) != label_name).cloned().collect();
    if !ignored.is_empty() {
        notes.push(format!("Not used, because the model was trained without: {}", listed(&ignored)));
    }
    for level in unknown {
        let rows = if level.rows == 1 { "1 row".to_string() } else { format!("{} rows", level.rows) };
        notes.push(format!(
            "{}: {rows} with a category that was not in training, such as '{}'",
            level.column.escape_debug(),
            level.level.escape_debug()
        ));
    }
    notes
}
