//! `cvx info`.

use crate::args::{COVERAGE, InfoArgs};
use crate::exit::Exit;
use crate::number::{percent, short};
use crate::source::{self, begins_like_ours, located};
use crate::summary::columns;
use crate::summary::patches::Layout;
use crate::summary::run::{loss, obeyed};
use crate::summary::samples::Description;
use crate::summary::slopes;
use crate::terminal::samples;
use crate::terminal::stream::print;
use crate::terminal::table::{facts, numbers, rows};
use crate::{file, phrase};
use anyhow::{Result, bail};
use cvx_admm::{FileError, Model, Slopes};
use cvx_data::{LabelColumn, Request, Unusable, unusable_lines};
use cvx_export::metadata_value;
use cvx_model::{Activation, DataSplit};
use std::path::Path;
use std::time::Duration;

/// Describes a model file, or else a data source.
pub fn run(args: &InfoArgs) -> Result<Exit> {
    if let Some(path) = &args.json {
        file::check(&[("what is described", Path::new(&args.what))], &[("--json", path)])?;
    }
    let path = Path::new(&args.what);
    let (text, json) = match is_model(&args.what).then(|| Model::load(path)) {
        Some(Ok(model)) => {
            let mut slopes = Slopes::of(&model);
            if args.lipschitz {
                Slopes::tighten(&mut slopes, &model, Duration::from_secs_f64(args.time_limit));
                if let Some(reason) = without_bound(&model, &slopes) {
                    bail!("--lipschitz has no bound for '{}', because {reason}: leave it out", args.what);
                }
            }
            let mut text = facts(&describe_model(&model, &slopes));
            if let Some(columns) = model.transform.recipe.as_ref().and_then(columns::rows) {
                text.push_str(&format!("\n{}", rows(&columns::HEADER, columns)));
            }
            if let Some(columns) = slopes::rows(&slopes) {
                text.push_str(&format!("\n{}", numbers(&slopes::HEADER, columns)));
            }
            let mut json = metadata_value(&model);
            json["slopes"] = serde_json::to_value(slopes)?;
            (text, json.to_string())
        }
        None | Some(Err(FileError::Magic { .. })) if args.lipschitz => {
            bail!("--lipschitz is for a trained model, and '{}' is not one: leave it out", args.what);
        }
        // Not a model, so it is data; the readers report what is wrong with it.
        None | Some(Err(FileError::Magic { .. })) => {
            let label_column = args.label_column.clone().map_or(LabelColumn::Auto, LabelColumn::Column);
            let (header, columns) = (args.header.header, args.columns.choices());
            let request = Request { label_column, header, columns, ..Request::default() };
            let description = Description::new(&read(&located(&args.what)?, &request)?);
            (samples::description(&description), serde_json::to_string_pretty(&description)?)
        }
        Some(Err(error)) => return Err(error.into()),
    };
    if let Some(path) = &args.json {
        file::write_whole(path, format!("{json}\n").as_bytes())?;
    }
    if !args.json.as_deref().is_some_and(file::is_stdout) {
        print(text);
    }
    Ok(Exit::Done)
}

/// Whether this names a model file.
fn is_model(what: &str) -> bool {
    let path = Path::new(what);
    path.extension().is_some_and(|ending| ending == "cvx") || begins_like_ours(path)
}

/// Why an output has no semidefinite bound, if one has none.
fn without_bound(model: &Model, slopes: &[Slopes]) -> Option<String> {
    let has_none = |slopes: &&Slopes| slopes.lipschitz.is_none_or(|bounds| bounds.semidefinite.is_none());
    let neurons = model.network.n_neurons();
    Some(match slopes.iter().find(has_none)?.lipschitz {
        None => "the prediction jumps where a gate switches".to_string(),
        Some(_) if neurons > Slopes::MOST_NEURONS => {
            format!("it has {neurons} neurons, more than {}", Slopes::MOST_NEURONS)
        }
        Some(_) => "its slopes are too large for numbers".to_string(),
    })
}

/// Reads a source; if lines of a table cannot be used, the error names them.
fn read(source: &str, request: &Request) -> Result<DataSplit> {
    source::read(source, request, false).or_else(|error| {
        let lines = unusable_lines(source, request).ok().flatten();
        let Some(Unusable { count, first }) = lines.filter(|lines| lines.count > 1) else { return Err(error) };
        let more = if count > first.len() { "; .." } else { "" };
        let faults: Vec<String> = first.iter().map(phrase::data).collect();
        bail!("{count} lines cannot be used: {}{more}", faults.join("; "))
    })
}

fn neurons(model: &Model) -> String {
    let neurons = model.network.n_neurons();
    match model.parts.len() {
        1 => neurons.to_string(),
        parts => format!("{neurons}: the mean of {parts} networks; objective, bound and gap are of all together"),
    }
}

/// What predictions come with beside the outputs.
fn certainty(model: &Model) -> Option<(&'static str, String)> {
    if model.calibration.is_some() {
        return Some(("probabilities", "calibrated on held-out samples".to_string()));
    }
    let intervals = model.intervals.as_ref()?;
    let widths = (0..).map_while(|target| Some(short(intervals.half_width(COVERAGE, target).ok()?.value)));
    let widths: Vec<String> = widths.map(|width| format!("+- {width}")).collect();
    Some(("intervals", format!("{}, with a probability of {COVERAGE}", widths.join(", "))))
}

/// What a neuron does, and when.
fn activation(model: &Model) -> &'static str {
    match (model.network.activation(), &model.network.patches) {
        (Activation::Relu, _) => "relu: a neuron is on where x'w >= 0",
        (Activation::Gated, None) => "gated: a neuron is on where x'h >= 0 for the gate h that it keeps",
        (Activation::Gated, Some(_)) => {
            "gated: a neuron adds up the values of the patches p where g'p >= 0 for the gate g that it keeps"
        }
    }
}

/// The features, or the images with their patches and gates.
fn inputs(model: &Model) -> Vec<(&'static str, String)> {
    let (transform, normalisation) = (&model.transform, model.normalisation.name());
    let Some(patches) = &model.network.patches else {
        let bias = if transform.bias { "with a bias" } else { "no bias" };
        return vec![("features", format!("{}, {normalisation} normalisation, {bias}", transform.n_inputs()))];
    };
    let layout = Layout::of(patches);
    let values = patches.values.cols() - 1;
    vec![
        ("images", format!("{}, {normalisation} normalisation", layout.size())),
        ("patches", layout.words()),
        ("values", format!("{values} principal directions of a patch, and a 1")),
        ("contrast", short(patches.contrast)),
        ("features", format!("{} precision", patches.precision)),
        ("gates", model.network.distinct_gates().0.cols().to_string()),
    ]
}

fn describe_model(model: &Model, slopes: &[Slopes]) -> Vec<(&'static str, String)> {
    let (claim, provenance) = (&model.claim, &model.provenance);
    let mut rows = vec![(
        "task",
        match model.task.classes() {
            [] => model.task.name().to_string(),
            classes => format!("{}: {}", model.task.name(), classes.join(", ")),
        },
    )];
    rows.extend(inputs(model));
    rows.extend([
        ("neurons", neurons(model)),
        ("activation", activation(model).to_string()),
        ("loss", loss(claim)),
        ("beta", short(claim.beta)),
        ("training samples", claim.n_samples.to_string()),
        ("status", format!("{} after {} iterations", claim.status, provenance.iterations)),
        ("network objective", format!("{:.6}", claim.objective.network)),
        ("dual bound", format!("{:.6}", claim.objective.dual_bound)),
        ("relative gap", format!("{:.2e} ({} certificate)", claim.objective.relative_gap, claim.certify.name())),
    ]);
    rows.push(slopes::lipschitz(slopes));
    rows.extend(obeyed(model));
    rows.extend(certainty(model));
    if let Some(name) = &model.transform.label_name {
        rows.push(("label column", name.escape_debug().to_string()));
    }
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
