//! `cvx predict`.

use crate::args::{COVERAGE, PredictArgs};
use crate::exit::Exit;
use crate::file::STDOUT;
use crate::report::{PredictionReport, ScoresReport, to_json};
use crate::summary::quality;
use crate::terminal::classes::by_class;
use crate::terminal::stream::note;
use crate::{file, notes, source};
use anyhow::{Context, Result, ensure};
use cvx_admm::{Model, Predictions, Scores};
use cvx_data::DataError;
use cvx_linalg::HostMatrix;
use cvx_model::{Confusion, Dataset, FeatureKind, HalfWidth, accuracy};
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
    let out = args.out.as_deref().unwrap_or(Path::new(STDOUT));
    let written = [("--out", Some(out)), ("--json", args.json.as_deref())];
    let written: Vec<_> = written.iter().filter_map(|(option, path)| Some((*option, (*path)?))).collect();
    file::check(&read, &written)?;
    let coverage = coverage(&model, args.interval)?;
    let n_inputs = model.transform.n_inputs();
    let mut request = source::request_for(&model);
    // Ignored labels may be anything.
    request.numbers &= !args.unlabelled;
    request.every_row = true;
    let split = source::load(&args.source, !args.unlabelled, request, args.quiet).map_err(|error| {
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
    let widths = half_widths(&model, coverage, prediction.cols())?;
    if widths.iter().any(|width| !width.promised) && !args.quiet {
        note("Too few held-out samples for this --interval: the intervals are as wide as the largest error on them");
    }
    let beside = beside(&model, &prediction, &widths)?;
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
    let written = file::write_whole(out, &table);
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
        note(format_args!(
            "{} samples: {}",
            prediction.rows(),
            quality::words(&scores, quality.as_ref(), "their mean")
        ));
        if let Some(confusion) = &confusion {
            note(by_class("samples", confusion));
        }
    }
    if written.is_ok() && !file::is_stdout(out) && !args.quiet {
        note(format_args!("The predictions are in {}", out.display()));
    }
    Ok(Exit::of([Some(written), Some(reported)]))
}

/// The probability of the intervals around predictions; `None` for no intervals.
fn coverage(model: &Model, given: Option<f64>) -> Result<Option<f64>> {
    let Some(coverage) = given else { return Ok(model.intervals.as_ref().map(|_| COVERAGE)) };
    ensure!((0.0..1.0).contains(&coverage), "--interval is {coverage}, but it must be 0, or a number between 0 and 1");
    ensure!(
        coverage == 0.0 || model.intervals.is_some(),
        "--interval: this model has no intervals: leave the option out, or train a regression without --beta"
    );
    Ok(Some(coverage).filter(|&coverage| coverage > 0.0))
}

/// Half of the width of the intervals of each target; empty for no intervals.
fn half_widths(model: &Model, coverage: Option<f64>, targets: usize) -> Result<Vec<HalfWidth>> {
    let (Some(intervals), Some(coverage)) = (&model.intervals, coverage) else { return Ok(Vec::new()) };
    Ok((0..targets).map(|target| intervals.half_width(coverage, target)).collect::<Result<_, _>>()?)
}

/// Columns beside the outputs: the probability of each class, or the ends of the interval of each target.
fn beside(model: &Model, prediction: &HostMatrix, widths: &[HalfWidth]) -> Result<Vec<(String, Vec<f64>)>> {
    let mut columns = Vec::new();
    if let Some(probabilities) = model.probabilities(prediction)? {
        let column = |(c, class): (usize, &String)| (format!("probability {class}"), probabilities.col(c).to_vec());
        columns.extend(model.task.classes().iter().enumerate().map(column));
    }
    for (c, width) in widths.iter().enumerate() {
        let suffix = if widths.len() > 1 { format!(" {c}") } else { String::new() };
        for (name, by) in [("low", -width.value), ("high", width.value)] {
            columns.push((format!("{name}{suffix}"), prediction.col(c).iter().map(|f| f + by).collect()));
        }
    }
    Ok(columns)
}
