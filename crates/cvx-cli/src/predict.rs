//! `cvx predict`.

use crate::args::PredictArgs;
use crate::output::{self, note};
use crate::table::percent;
use crate::{Exit, source};
use anyhow::{Context, Result};
use cvx_admm::Model;
use cvx_model::accuracy;
use std::io::Write;

/// Predicts, prints or writes CSV, and scores where there are labels.
pub fn run(args: &PredictArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    if let Some(out) = &args.out {
        output::check_writable("--out", out)?;
    }
    let split = source::load(&args.source, None, !args.unlabelled, Some(model.transform.n_inputs()))?;
    let data = split.test.unwrap_or(split.train);
    let prediction = model.predict(&data).with_context(|| source::reminder(&args.source))?;
    let classes = model.classes(&prediction);

    let mut header: Vec<String> = classes.is_some().then(|| "class".to_string()).into_iter().collect();
    match model.task.classes() {
        // A column for each class: for two of them too, where the task was chosen to be multiclass.
        classes if classes.len() == prediction.cols() => {
            header.extend(classes.iter().map(|class| format!("score {class}")))
        }
        [_, positive] => header.push(format!("score {positive}")),
        _ => header.extend((0..prediction.cols()).map(|c| format!("prediction {c}"))),
    }
    let rows: Vec<Vec<String>> = (0..prediction.rows())
        .map(|row| {
            let class = classes.iter().map(|classes| classes[row].to_string());
            class.chain((0..prediction.cols()).map(|c| prediction[(row, c)].to_string())).collect()
        })
        .collect();
    // Before anything is written: labels that the model does not know are an error.
    let y = match data.labels().filter(|_| !args.unlabelled) {
        Some(labels) => Some(model.task.encode(labels).with_context(|| source::reminder(&args.source))?),
        None => None,
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(&header).chain(&rows) {
        table.write_record(row)?;
    }
    let table = table.into_inner()?;
    let written = match &args.out {
        Some(out) => output::write_whole(out, &table),
        // A reader that has seen enough (`| head`) is no error.
        None => {
            let _ = std::io::stdout().write_all(&table);
            Ok(())
        }
    };
    if let Some(y) = y.filter(|_| !args.quiet) {
        let loss = model.claim.loss.total(&prediction, &y);
        match accuracy(&model.task, &prediction, &y) {
            Some(accuracy) => {
                note(format_args!("{} samples: accuracy {}, loss {loss:.6}", y.rows(), percent(accuracy)))
            }
            None => note(format_args!("{} samples: loss {loss:.6}", y.rows())),
        }
    }
    Ok(match written {
        Ok(()) => Exit::Done,
        Err(error) => {
            output::complain(&error);
            Exit::Failed
        }
    })
}
