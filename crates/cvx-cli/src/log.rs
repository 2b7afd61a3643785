//! `--log json`: the course of a run as one JSON object a line, on stderr.

use crate::output::note;
use cvx_admm::{FileError, Iteration, Observer, Round, Scores, Summary};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

/// Writes a line for everything that an observer is told.
pub struct JsonLog;

/// One line.
pub fn event(name: &str, fields: Value) {
    let mut line = json!({ "event": name });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    note(line);
}

fn scores(scores: Option<Scores>) -> Value {
    scores.map_or(Value::Null, |scores| json!({ "loss": scores.loss, "accuracy": scores.accuracy }))
}

impl Observer for JsonLog {
    fn begin(&mut self, summary: &Summary) {
        let shape = &summary.shape;
        event(
            "begin",
            json!({
                "task": summary.task, "samples": shape.n_samples, "features": shape.n_features,
                "patterns": shape.n_patterns, "targets": shape.n_targets, "beta": summary.beta, "gap": summary.gap,
                "solver": summary.solver.name(), "device": summary.device_name, "threads": summary.threads,
                "memory_bytes": summary.memory_bytes, "passed_over": summary.passed_over,
            }),
        );
    }

    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        event(
            "iteration",
            json!({
                "iteration": record.iteration, "seconds": record.seconds, "network": record.network,
                "dual_bound": record.dual_bound, "relative_gap": record.relative_gap, "train": scores(record.train),
                "test": scores(record.test), "primal_residual": record.primal_residual,
                "dual_residual": record.dual_residual, "rho": record.rho, "inner_iterations": record.inner_iterations,
            }),
        );
        ControlFlow::Continue(())
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        match written {
            Ok(path) => event("checkpoint", json!({ "path": path.display().to_string() })),
            Err(error) => event("checkpoint", json!({ "error": error.to_string() })),
        }
    }

    fn round(&mut self, round: &Round) {
        event(
            "round",
            json!({
                "patterns": round.patterns, "neurons": round.neurons, "network": round.network,
                "dual_bound": round.dual_bound, "iterations": round.iterations, "seconds": round.seconds,
            }),
        );
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        let held_out = scores(Some(*validation));
        event("point", json!({ "fraction": fraction, "relative_gap": relative_gap, "held_out": held_out }));
    }
}
