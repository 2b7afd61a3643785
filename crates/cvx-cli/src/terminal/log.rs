//! `--log json`: one JSON object per line on stderr.

use super::stream::note;
use crate::summary::patches::Layout;
use crate::summary::path::neurons;
use cvx_admm::{FileError, Iteration, Observer, Round, Scores, Settings, Summary};
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

/// Prints a line for each event of a run.
pub struct JsonLog {
    /// What gates of patches look at.
    layout: Option<Layout>,
}

impl JsonLog {
    /// The log of runs with gates of patches if there is a layout.
    pub fn new(layout: Option<Layout>) -> Self {
        JsonLog { layout }
    }
}

/// Prints one event with its fields.
pub fn event(name: &str, fields: impl Serialize) {
    let mut line = json!({ "event": name });
    // The fields are numbers and text, which always serialise.
    if let (Value::Object(line), Ok(Value::Object(fields))) = (&mut line, serde_json::to_value(fields)) {
        line.extend(fields);
    }
    note(line);
}

impl Observer for JsonLog {
    fn candidate(&mut self, settings: &Settings) {
        event("candidate", json!({ "network": neurons(settings) }));
    }

    fn begin(&mut self, summary: &Summary) {
        let shape = &summary.shape;
        let features = summary.features;
        event(
            "begin",
            json!({
                "task": summary.task, "samples": shape.n_samples, "folds": summary.folds, "features": shape.n_features,
                "patterns": shape.n_patterns, "targets": shape.n_targets, "beta": summary.beta, "gap": summary.gap,
                "solver": summary.solver.name(), "device": summary.device_name, "threads": summary.threads,
                "memory_bytes": summary.memory_bytes, "passed_over": summary.passed_over,
                "patches": self.layout, "feature_precision": features.map(|features| features.precision.name()),
                "features_stored": features.map(|features| features.stored),
                "feature_bytes": features.map(|features| features.bytes),
            }),
        );
    }

    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        event("iteration", record);
        ControlFlow::Continue(())
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        match written {
            Ok(path) => event("checkpoint", json!({ "path": path.display().to_string() })),
            Err(error) => event("checkpoint", json!({ "error": error.to_string() })),
        }
    }

    fn round(&mut self, round: &Round) {
        event("round", round);
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        event("point", json!({ "fraction": fraction, "relative_gap": relative_gap, "held_out": validation }));
    }
}
