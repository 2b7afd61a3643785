//! `--spec`.

use super::answered::Answered;
use crate::args::ProveArgs;
use anyhow::{Context, Result, bail};
use cvx_admm::Model;
use cvx_prove::{Budget, Decision, Property, Prover, decide, predict};
use serde_json::json;
use std::path::Path;

/// Decides a property of a model or of another program's network.
pub fn answer(args: &ProveArgs, path: &Path, budget: &Budget) -> Result<Answered> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--spec {}: cannot be read", path.display()))?;
    let property = Property::parse(&text).with_context(|| format!("--spec {}", path.display()))?;
    let decision = match (&args.network, &args.model) {
        (Some(network), _) => {
            let network = unnamed(network);
            let place = || format!("--network {}", network.display());
            let bytes = std::fs::read(network).with_context(|| format!("{}: cannot be read", place()))?;
            let imported = cvx_export::import(&bytes).with_context(place)?;
            let prover = Prover::of_network(&imported.network, &imported.transform, imported.roundings)?;
            let evaluate = |x: &[f64]| imported.evaluate(x);
            decide(&prover, &property, &evaluate, imported.output_range, args.deployed, budget)?
        }
        (None, Some(path)) => {
            let model = Model::load(path)?;
            let evaluate = |x: &[f64]| predict(&model, x).ok();
            decide(&Prover::new(&model)?, &property, &evaluate, model.output_range, args.deployed, budget)?
        }
        (None, None) => bail!("a model is needed for this question"),
    };
    Ok(report(decision))
}

/// The file of `f=net.onnx`, the form of VNN-LIB 2.0.
fn unnamed(network: &Path) -> &Path {
    let after = network.to_str().and_then(|text| text.split_once('=')).map(|(_, file)| Path::new(file));
    after.filter(|_| !network.exists()).unwrap_or(network)
}

fn report(decision: Decision) -> Answered {
    let word = match &decision {
        Decision::Sat { .. } => "sat",
        Decision::Unsat(_) => "unsat",
        Decision::Unknown => "unknown",
        Decision::Timeout => "timeout",
    };
    let mut json = json!({ "question": "spec", "answer": word });
    let mut text = word.to_string();
    if let Decision::Sat { input, outputs } = &decision {
        (json["input"], json["outputs"]) = (json!(input), json!(outputs));
        let named = |name: &'static str, values: &[f64]| {
            values.iter().enumerate().map(|(k, x)| format!("({name}_{k} {x})")).collect::<Vec<_>>()
        };
        text.push_str(&format!("\n({})", [named("X", input), named("Y", outputs)].concat().join("\n ")));
    }
    let theorems = match decision {
        Decision::Unsat(theorems) => theorems,
        _ => Vec::new(),
    };
    Answered { text, json, theorems, holds: true, is_result: true }
}
