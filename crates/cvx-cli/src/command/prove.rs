//! `cvx prove`.

mod answered;
mod boxes;
mod samples;
mod spec;

use crate::args::ProveArgs;
use crate::exit::Exit;
use crate::terminal::stream::note;
use crate::{file, notes, source};
use anyhow::{Result, bail, ensure};
use cvx_admm::Model;
use cvx_model::Dataset;
use cvx_prove::Budget;
use std::path::Path;
use std::time::Duration;

/// Seconds for a sample or a question.
const TIME_LIMIT: f64 = 60.0;

/// Answers the question of the arguments.
pub fn run(args: &ProveArgs) -> Result<Exit> {
    let mut read = vec![("--data", Path::new(&args.source.data))];
    read.extend(args.model.as_deref().map(|path| ("the model", path)));
    read.extend(args.same_as.as_deref().map(|path| ("--same-as", path)));
    read.extend(args.spec.as_deref().map(|path| ("--spec", path)));
    let written = [("--proof", args.proof.as_deref()), ("--json", args.json.as_deref())];
    let written: Vec<_> = written.iter().filter_map(|(option, path)| Some((*option, (*path)?))).collect();
    file::check(&read, &written)?;
    let budget = budget(args)?;
    if let Some(spec) = &args.spec {
        return spec::answer(args, spec, &budget)?.finish(args);
    }
    let Some(path) = &args.model else { bail!("a model is needed for this question") };
    let model = Model::load(path)?;
    let data = samples_of(args, &model)?;
    let answered = if args.robust.is_some() || args.radius.is_some() {
        samples::answer(args, &model, &data, &budget)?
    } else {
        boxes::answer(args, &model, &data, &budget)?
    };
    answered.finish(args)
}

fn budget(args: &ProveArgs) -> Result<Budget> {
    let seconds = args.time_limit.unwrap_or(TIME_LIMIT);
    ensure!(seconds > 0.0, "--time-limit is 0, but it must be a positive number");
    ensure!(args.nodes > 0, "--nodes is 0, but it must be 1 or more");
    Ok(Budget { nodes: args.nodes, time: Some(Duration::from_secs_f64(seconds)) })
}

/// The samples of the arguments: the test samples, if there are some.
fn samples_of(args: &ProveArgs, model: &Model) -> Result<Dataset> {
    ensure!(!args.source.data.is_empty(), "--data is needed: its samples, or the range of its columns");
    let split = source::load(&args.source, true, source::request_for(model), args.quiet)?;
    let data = split.test.unwrap_or(split.train);
    let data = match args.source.limit {
        Some(limit) => data.limit(limit)?,
        None => data,
    };
    if !args.quiet {
        notes::of_table(&data, model.transform.label_name.as_deref()).into_iter().for_each(note);
    }
    Ok(data)
}
