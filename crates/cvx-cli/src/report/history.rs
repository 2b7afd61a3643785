//! The iterations of a run.

use cvx_admm::Iteration;
use serde::ser::{Error, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Serialises iterations with their scores as `train_loss`, `train_accuracy`, `test_loss` and `test_accuracy`.
pub fn serialize<S: Serializer>(history: &&[Iteration], serializer: S) -> Result<S::Ok, S::Error> {
    let rows: Result<Vec<_>, _> = history.iter().map(row).collect();
    rows.map_err(S::Error::custom)?.serialize(serializer)
}

fn row(record: &Iteration) -> serde_json::Result<Map<String, Value>> {
    let Iteration { train, test, .. } = record;
    let Value::Object(mut row) = serde_json::to_value(record)? else { return Ok(Map::new()) };
    for (part, scores) in [("train", train), ("test", test)] {
        row.remove(part);
        row.insert(format!("{part}_loss"), json!(scores.map(|scores| scores.loss)));
        row.insert(format!("{part}_accuracy"), json!(scores.and_then(|scores| scores.accuracy)));
    }
    Ok(row)
}
