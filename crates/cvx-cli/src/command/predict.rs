//! `cvx predict`.

use crate::args::PredictArgs;
use crate::exit::Exit;
use crate::report::{PredictionReport, ScoresReport, to_json};
use crate::summary::quality;
use crate::terminal::classes::by_class;
use crate::terminal::stream::note;
use crate::{file, notes, source};
use anyhow::{Context, Result};
use cvx_admm::{Model, Predictions, Scores};
use cvx_data::DataError;
use cvx_linalg::HostMatrix;
use cvx_model::{Confusion, Dataset, FeatureKind, accuracy};
use std::io::Write;
use std::path::Path;

/// The remedy if the table seems to have a label column.
const EVERY_COLUMN: &str =
    "--unlabelled takes every column for a feature: leave it out if the table has a label column";

/// The remedy if it seems to have none.
const ONE_COLUMN: &str = "the last column, or one named label, y, target or class, was taken for the label: \
                          give --unlabelled if the table has none";

/// How to predict samples whose labels the model does not know.
fn without_labels(data: &Dataset) -> &'static str {
    match data.kind() {
        FeatureKind::Table => ": to predict such samples, leave the label column out and give --unlabelled",
        FeatureKind::Image { .. } => ": --unlabelled ignores labels",
    }
}

/// Predicts, prints or writes CSV, and scores if there are labels.
pub fn run(args: &PredictArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let read = [("the model", args.model.as_path()), ("--data", Path::new(&args.source.data))];
    let written = [("--out", &args.out), ("--json", &args.json)];
    let written: Vec<_> = written.iter().filter_map(|(option, path)| Some((*option, path.as_deref()?))).collect();
    file::check(&read, &written)?;
    let n_inputs = model.transform.n_inputs();
    let mut request = source::request_for(&model);
    // Ignored labels may be anything.
    request.numbers &= !args.unlabelled;
    request.every_row = true;
    let split = source::load(&args.source, !args.unlabelled, request).map_err(|error| {
        match error.downcast_ref() {
            // Most likely a label that is not a number.
            Some(DataError::BadText { .. } | DataError::Mismatch { .. }) if args.unlabelled => {
                error.context(EVERY_COLUMN)
            }
            Some(DataError::Mismatch { .. }) => error.context(ONE_COLUMN),
            _ => error,
        }
    })?;
    let data = split.test.unwrap_or(split.train);
    if !args.quiet {
        notes::of_table(&data, model.transform.label_name.as_deref()).into_iter().for_each(note);
    }
    let prediction = model.predict(&data).with_context(|| {
        let hint = match data.n_features() {
            n if args.unlabelled && n == n_inputs + 1 => format!(": {EVERY_COLUMN}"),
            n if data.labels().is_some() && n + 1 == n_inputs => format!(": {ONE_COLUMN}"),
            _ => String::new(),
        };
        format!("{}{hint}", source::reminder(&args.source))
    })?;
    let classes = model.classes(&prediction);

    let files = data.sample_names();
    let first = [files.map(|_| "file"), classes.as_ref().map(|_| "class")];
    let mut header: Vec<String> = first.into_iter().flatten().map(String::from).collect();
    match model.task.classes() {
        // A column for each class, also for two classes if the task was chosen to be multiclass.
        classes if classes.len() == prediction.cols() => {
            header.extend(classes.iter().map(|class| format!("score {class}")))
        }
        [_, positive] => header.push(format!("score {positive}")),
        _ if prediction.cols() == 1 => header.push("prediction".to_string()),
        _ => header.extend((0..prediction.cols()).map(|c| format!("prediction {c}"))),
    }
    let beside = beside(&model, &prediction, args.interval)?;
    header.extend(beside.iter().map(|(name, _)| name.clone()));
    let rows: Vec<Vec<String>> = (0..prediction.rows())
        .map(|row| {
            let file = files.iter().map(|files| files[row].clone());
            let class = classes.iter().map(|classes| classes[row].to_string());
            let scores = (0..prediction.cols()).map(|c| prediction[(row, c)].to_string());
            let beside = beside.iter().map(|(_, values)| values[row].to_string());
            file.chain(class).chain(scores).chain(beside).collect()
        })
        .collect();
    // Labels that the model does not know are an error, before anything is written.
    let y = match data.labels().filter(|_| !args.unlabelled) {
        Some(labels) => Some(
            model
                .task
                .encode(labels)
                .with_context(|| format!("{}{}", source::reminder(&args.source), without_labels(&data)))?,
        ),
        None => None,
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(&header).chain(&rows) {
        table.write_record(row)?;
    }
    let table = table.into_inner()?;
    let written = match &args.out {
        Some(out) => file::write_whole(out, &table),
        // A reader that has gone away (`| head`) is no error.
        None => {
            let _ = std::io::stdout().write_all(&table);
            Ok(())
        }
    };
    let task = &model.task;
    let scores = y
        .as_ref()
        .map(|y| Scores { loss: model.claim.loss.total(&prediction, y), accuracy: accuracy(task, &prediction, y) });
    let confusion = y.as_ref().and_then(|y| Confusion::new(task, &prediction, y));
    let predictions = y.map(|y| Predictions { outputs: prediction.clone(), targets: y });
    // The training samples are not at hand: numbers are compared with the mean of these samples.
    let quality = (predictions.as_ref())
        .and_then(|predictions| quality::of_predictions(&model, predictions, &predictions.target_means()));
    let all = scores.map(|scores| ScoresReport::new(scores, quality.as_ref(), confusion.as_ref()));
    let report = || to_json(&PredictionReport::new(task, prediction.rows(), all));
    let reported = args.json.as_deref().map_or(Ok(()), |path| file::write_whole(path, &report()?));
    if let Some(scores) = scores.filter(|_| !args.quiet) {
        note(format_args!("{} samples: {}", prediction.rows(), quality::words(&scores, quality.as_ref())));
        if let Some(confusion) = &confusion {
            note(by_class("samples", confusion));
        }
    }
    if let (Some(out), Ok(()), false) = (&args.out, &written, args.quiet) {
        note(format_args!("The predictions are in {}", out.display()));
    }
    Ok(Exit::of([Some(written), Some(reported)]))
}

/// Columns beside the outputs: the probability of each class, or the ends of the interval of each target.
fn beside(model: &Model, prediction: &HostMatrix, coverage: f64) -> Result<Vec<(String, Vec<f64>)>> {
    let mut columns = Vec::new();
    if let Some(probabilities) = model.probabilities(prediction)? {
        let column = |(c, class): (usize, &String)| (format!("probability {class}"), probabilities.col(c).to_vec());
        columns.extend(model.task.classes().iter().enumerate().map(column));
    }
    if let Some(intervals) = model.intervals.as_ref().filter(|_| coverage != 0.0) {
        for c in 0..prediction.cols() {
            let width = intervals.half_width(coverage, c).context("--interval")?.value;
            let suffix = if prediction.cols() > 1 { format!(" {c}") } else { String::new() };
            for (name, sign) in [("low", -1.0), ("high", 1.0)] {
                columns.push((format!("{name}{suffix}"), prediction.col(c).iter().map(|f| f + sign * width).collect()));
            }
        }
    }
    Ok(columns)
}
