//! Robustness of samples, and the radius of each.

use super::answered::Answered;
use crate::args::ProveArgs;
use crate::number::{percent, short};
use crate::reading::bar_target;
use crate::source;
use crate::terminal::table::facts;
use anyhow::{Context, Result};
use cvx_admm::Model;
use cvx_model::Dataset;
use cvx_prove::{Budget, Classifier, Norm, Outcome, ProveError, Question, Radius, Theorem};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::time::Instant;

/// Largest share by which the ends of a bisection differ.
const TOLERANCE: f64 = 0.01;

/// Doublings of the first radius.
const LARGEST: f64 = 1e6;

/// What was found about a sample.
struct Row {
    class: usize,
    right: Option<bool>,
    outcome: Option<Outcome>,
    radius: Option<Radius>,
    nodes: usize,
    seconds: f64,
    theorems: Vec<Theorem>,
}

/// Answers `--robust` and `--radius`.
pub fn answer(args: &ProveArgs, model: &Model, data: &Dataset, budget: &Budget) -> Result<Answered> {
    let classifier = Classifier::new(model, args.deployed)?;
    let expected = expected(args, model, data)?;
    let bar = bar(data.n_samples(), args.quiet);
    let began = Instant::now();
    let row = |a: usize| {
        let row = about(args, model, &classifier, &data.row(a), expected[a], budget).map_err(|error| error.at(a));
        bar.inc(1);
        row
    };
    let rows = (0..data.n_samples()).into_par_iter().map(row).collect::<Result<Vec<Row>, ProveError>>();
    bar.finish_and_clear();
    let mut rows = rows.with_context(|| source::reminder(&args.source))?;
    let theorems = rows.iter_mut().flat_map(|row| std::mem::take(&mut row.theorems)).collect();
    let text = facts(&summary(args, &rows, began.elapsed().as_secs_f64()));
    Ok(Answered { text, json: report(args, model, &rows), theorems, holds: true, is_result: false })
}

fn bar(count: usize, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count as u64), bar_target(quiet));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} of {len} samples, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The class of each sample by its label, if there are labels.
fn expected(args: &ProveArgs, model: &Model, data: &Dataset) -> Result<Vec<Option<usize>>> {
    let Some(labels) = data.labels() else { return Ok(vec![None; data.n_samples()]) };
    let targets = model.task.encode(labels).with_context(|| source::reminder(&args.source))?;
    let class = |a: usize| {
        let row: Vec<f64> = (0..targets.cols()).map(|c| targets[(a, c)]).collect();
        model.task.class_of(&row)
    };
    Ok((0..data.n_samples()).map(class).collect())
}

fn about(
    args: &ProveArgs,
    model: &Model,
    classifier: &Classifier,
    sample: &[f64],
    expected: Option<usize>,
    budget: &Budget,
) -> Result<Row, ProveError> {
    let began = Instant::now();
    let (mut outcome, mut radius, mut theorems) = (None, None, Vec::new());
    let near = question(args).near(model, sample);
    let (class, nodes) = if args.robust.is_some() {
        let found = classifier.certify(sample, None, &near, near.radius, budget)?;
        (outcome, theorems) = (Some(found.outcome), if args.proof.is_some() { found.theorems } else { Vec::new() });
        (found.class, found.nodes)
    } else {
        let found = classifier.radius(sample, None, &near, TOLERANCE, LARGEST * near.radius, budget)?;
        radius = Some(found);
        (classifier.class(sample)?, found.nodes)
    };
    let right = expected.map(|expected| expected == class);
    Ok(Row { class, right, outcome, radius, nodes, seconds: began.elapsed().as_secs_f64(), theorems })
}

/// Which inputs are near a sample.
fn question(args: &ProveArgs) -> Question {
    let norm = args.robust.map(|epsilon| epsilon.norm).or(args.radius).unwrap_or(Norm::Linf);
    Question { norm, radius: args.robust.map(|epsilon| epsilon.radius), values: args.values }
}

fn summary(args: &ProveArgs, rows: &[Row], seconds: f64) -> Vec<(&'static str, String)> {
    let n = rows.len();
    let count = |holds: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count();
    let share = |count: usize| format!("{count} ({})", percent(count as f64 / n as f64));
    let mut facts = vec![("samples", n.to_string())];
    let labelled = rows.iter().all(|row| row.right.is_some());
    if labelled {
        facts.push(("predicted right", share(count(&|row| row.right == Some(true)))));
    }
    if args.robust.is_some() {
        let named = |name: &'static str| count(&|row| row.outcome.as_ref().is_some_and(|o| o.name() == name));
        facts.push(("proved", share(named("proved"))));
        facts.push(("refuted", share(named("refuted"))));
        facts.push(("open", share(named("open"))));
        if labelled {
            let both = count(&|row| row.right == Some(true) && row.outcome == Some(Outcome::Proved));
            facts.push(("right and proved", share(both)));
        }
    }
    if args.radius.is_some() {
        let mut radii: Vec<f64> = rows.iter().filter_map(|row| row.radius.map(|radius| radius.proved)).collect();
        radii.sort_by(f64::total_cmp);
        for (name, place) in [("smallest radius", 0), ("median radius", n / 2), ("largest radius", n - 1)] {
            facts.push((name, short(radii[place])));
        }
    }
    let mut times: Vec<f64> = rows.iter().map(|row| 1e3 * row.seconds).collect();
    times.sort_by(f64::total_cmp);
    facts.push(("nodes", rows.iter().map(|row| row.nodes).sum::<usize>().to_string()));
    facts.push(("time a sample", format!("{:.2} ms in the median, at most {:.1} ms", times[n / 2], times[n - 1])));
    facts.push(("time", format!("{seconds:.2} s")));
    facts.push(("arithmetic", args.deployed.name().to_string()));
    facts
}

fn report(args: &ProveArgs, model: &Model, rows: &[Row]) -> Value {
    let classes = model.task.classes();
    let row = |(sample, row): (usize, &Row)| {
        let mut value = json!({
            "sample": sample,
            "class": classes.get(row.class),
            "right": row.right,
            "nodes": row.nodes,
            "seconds": row.seconds,
        });
        if let Some(outcome) = &row.outcome {
            value["outcome"] = json!(outcome.name());
            match outcome {
                Outcome::Refuted { point, .. } => value["point"] = json!(point),
                Outcome::Open { bound, best } => {
                    (value["bound"], value["best"]) = (json!(bound), json!(best));
                }
                Outcome::Proved => {}
            }
        }
        if let Some(Radius { proved, refuted, .. }) = row.radius {
            (value["radius"], value["refuted_radius"]) = (json!(proved), json!(refuted));
        }
        value
    };
    json!({
        "question": if args.robust.is_some() { "robust" } else { "radius" },
        "norm": question(args).norm.name(),
        "eps": args.robust.map(|epsilon| epsilon.radius),
        "values": args.values,
        "deployed": args.deployed.name(),
        "samples": rows.iter().enumerate().map(row).collect::<Vec<_>>(),
    })
}
