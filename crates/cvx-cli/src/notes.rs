//! What is said about tables beside the results: columns that are dropped or not used, rows that are left out.

use crate::args::{LogFormat, OutputArgs};
use crate::summary::columns::{dropped, listed};
use crate::terminal::log;
use crate::terminal::stream::note;
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
