//! The iterations of a run.

use cvx_admm::{Info, Iteration, IterationTargets};
use serde::ser::{Error, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Serialises the iterations with their scores as `train_loss`, `train_accuracy`, `test_loss` and `test_accuracy`, and
/// with their values by target.
pub fn serialize<S: Serializer>(info: &&Info, serializer: S) -> Result<S::Ok, S::Error> {
    // Both lists are in the order of the iterations.
    let mut by_target = info.history_by_target.iter().peekable();
    let rows: Result<Vec<_>, _> = (info.history.iter())
        .map(|record| row(record, by_target.next_if(|targets| targets.iteration == record.iteration)))
        .collect();
    rows.map_err(S::Error::custom)?.serialize(serializer)
}

fn row(record: &Iteration, targets: Option<&IterationTargets>) -> serde_json::Result<Map<String, Value>> {
    let Iteration { train, test, .. } = record;
    let Value::Object(mut row) = serde_json::to_value(record)? else { return Ok(Map::new()) };
    for (part, scores) in [("train", train), ("test", test)] {
        row.remove(part);
        row.insert(format!("{part}_loss"), json!(scores.map(|scores| scores.loss)));
        row.insert(format!("{part}_accuracy"), json!(scores.and_then(|scores| scores.accuracy)));
    }
    let by_target = targets.map(|IterationTargets { network, dual_bound, relative_gap, .. }| {
        json!({ "network": network, "dual_bound": dual_bound, "relative_gap": relative_gap })
    });
    row.insert("targets".to_string(), json!(by_target));
    Ok(row)
}
