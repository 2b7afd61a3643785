//! `cvx info`.

use crate::Exit;
use crate::args::InfoArgs;
use crate::output::print;
use crate::table::{facts, loss, percent};
use anyhow::Result;
use cvx_admm::{FileError, Model};
use cvx_data::{LabelColumn, Request, open};
use cvx_model::{Activation, Dataset, FeatureKind, Labels};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most classes that are listed one by one.
const MOST_CLASSES: usize = 20;

/// Describes a model file, or else a data source.
pub fn run(args: &InfoArgs) -> Result<Exit> {
    let path = Path::new(&args.what);
    let is_model = path.extension().is_some_and(|ending| ending == "cvx") || begins_like_a_model(path);
    match is_model.then(|| Model::load(path)) {
        Some(Ok(model)) => print(facts(&describe_model(&model))),
        // Not a model at all: then it is data, and the readers say what is wrong with it.
        None | Some(Err(FileError::Magic { .. })) => {
            let label_column = args.label_column.clone().map_or(LabelColumn::Auto, LabelColumn::Column);
            let split = open(&args.what, &Request { label_column, ..Request::default() })?;
            let mut rows = describe_data("training samples", &split.train);
            if let Some(test) = &split.test {
                rows.extend(describe_data("test samples", test));
            }
            print(facts(&rows));
        }
        Some(Err(error)) => return Err(error.into()),
    }
    Ok(Exit::Done)
}

/// A look at the first bytes: a table of any size is not read through to see that it is no model.
fn begins_like_a_model(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = |mut file: File| file.read_exact(&mut start);
    // Only a file: to open a pipe would wait for its writer.
    path.is_file() && File::open(path).and_then(read).is_ok() && start == *b"\x89CVX"
}

fn describe_model(model: &Model) -> Vec<(&'static str, String)> {
    let (claim, provenance) = (&model.claim, &model.provenance);
    let mut rows = vec![
        (
            "task",
            match model.task.classes() {
                [] => model.task.name().to_string(),
                classes => format!("{}: {}", model.task.name(), classes.join(", ")),
            },
        ),
        (
            "features",
            format!(
                "{}, {:?} normalisation, bias {}",
                model.transform.n_inputs(),
                model.normalisation,
                model.transform.bias
            ),
        ),
        ("neurons", model.network.n_neurons().to_string()),
        (
            "activation",
            match model.network.activation() {
                Activation::Relu => "relu: a neuron is on where x'w >= 0".to_string(),
                Activation::Gated => "gated: a neuron is on where x'h >= 0 for the gate h that it keeps".to_string(),
            },
        ),
        ("loss", loss(claim)),
        ("beta", claim.beta.to_string()),
        ("training samples", claim.n_samples.to_string()),
        ("status", format!("{} after {} iterations", claim.status, provenance.iterations)),
        ("network objective", format!("{:.6}", claim.objective.network)),
        ("dual bound", format!("{:.6}", claim.objective.dual_bound)),
        ("relative gap", format!("{:.2e} ({} certificate)", claim.objective.relative_gap, claim.certify.name())),
    ];
    if let Some(accuracy) = claim.train_accuracy {
        rows.push(("training accuracy", percent(accuracy)));
    }
    rows.push((
        "made by",
        format!(
            "cvx {}, {} on {} in {}, seed {}",
            provenance.version, provenance.solver, provenance.device, provenance.precision, provenance.seed
        ),
    ));
    rows
}

fn describe_data(name: &'static str, data: &Dataset) -> Vec<(&'static str, String)> {
    let kind = match data.kind() {
        FeatureKind::Table => "columns of a table".to_string(),
        FeatureKind::Image { channels, height, width } => format!("pixels, {channels} x {height} x {width}"),
    };
    let (low, high) =
        (data.values().iter()).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    let labels = match data.labels() {
        None => "none".to_string(),
        Some(labels) => describe_labels(labels),
    };
    vec![
        (name, data.n_samples().to_string()),
        ("features", format!("{} {kind}, from {low} to {high}", data.n_features())),
        ("labels", labels),
    ]
}

fn describe_labels(labels: &Labels) -> String {
    let mut counts = BTreeMap::new();
    for row in 0..labels.len() {
        *counts.entry(labels.class_name(row)).or_insert(0usize) += 1;
    }
    if counts.len() > MOST_CLASSES {
        return format!("{} different values", counts.len());
    }
    let parts: Vec<String> = counts.iter().map(|(class, count)| format!("{class}: {count}")).collect();
    parts.join(", ")
}
