//! Questions about a box: ranges, trends, another model.

use super::answered::Answered;
use crate::args::{BoxArg, ProveArgs};
use crate::number::rounded;
use crate::terminal::table::{facts, numbers};
use anyhow::{Result, bail, ensure};
use cvx_admm::Model;
use cvx_model::{Dataset, Trend};
use cvx_prove::{
    Answer, Budget, Outcome, OutputBounds, Shape, difference_bounds, inputs, monotone, output_bounds, same_as,
};
use serde_json::{Value, json};

/// Accuracy of a range, as a share of the width that intervals give.
const TOLERANCE: f64 = 1e-4;

/// Answers `--range`, `--monotone` and `--same-as`.
pub fn answer(args: &ProveArgs, model: &Model, data: &Dataset, budget: &Budget) -> Result<Answered> {
    if let Some(range) = &args.range {
        let shape = region(model, data, range)?;
        let bounds = output_bounds(model, shape, TOLERANCE, args.deployed, budget)?;
        return Ok(of_bounds("range", model, bounds));
    }
    let shape = region(model, data, &args.on)?;
    if let Some((column, trend)) = &args.monotone {
        let sign = if *trend == Trend::Increasing { 1.0 } else { -1.0 };
        let feature = inputs::feature(model, column)?;
        ensure!(
            model.outputs().len() == 1,
            "--monotone: the model has a score for each class, which cannot all rise: train with two classes"
        );
        return Ok(of_answer("monotone", model, monotone(model, shape, 0, feature, sign, budget)?));
    }
    let (Some(other), Some(within)) = (&args.same_as, args.within) else { bail!("no question is asked") };
    let other = Model::load(other)?;
    let answer = same_as(model, &other, shape.clone(), within, args.deployed, budget)?;
    let mut answered = of_answer("same-as", model, answer);
    if !answered.holds {
        let bounds = of_bounds("", model, difference_bounds(model, &other, shape, 1e-2, args.deployed, budget)?);
        answered.text = format!("{}\n{}", answered.text, bounds.text);
        answered.json["differences"] = bounds.json["outputs"].clone();
    }
    Ok(answered)
}

/// The box of an option: the range of the data, but for the columns that it names.
fn region(model: &Model, data: &Dataset, question: &BoxArg) -> Result<Shape> {
    let Shape::Box { mut lower, mut upper } = inputs::range_of(data) else { bail!("the range of data is a box") };
    for interval in &question.0 {
        let feature = inputs::feature(model, &interval.column)?;
        (lower[feature], upper[feature]) = (interval.low, interval.high);
    }
    Ok(Shape::Box { lower, upper })
}

fn of_bounds(question: &str, model: &Model, bounds: Vec<OutputBounds>) -> Answered {
    let names = model.outputs();
    let row = |(name, OutputBounds { low, high }): (&String, &OutputBounds)| {
        [name.clone(), rounded(low.bound), rounded(low.found), rounded(high.found), rounded(high.bound)].to_vec()
    };
    let rows = names.iter().zip(&bounds).map(row).collect();
    let header = ["output", "at least", "lowest found", "highest found", "at most"];
    let end = |end: &cvx_prove::End| json!({ "bound": end.bound, "found": end.found, "point": end.point, "nodes": end.nodes, "proved": end.theorem.is_some() });
    let output = |(name, bounds): (&String, &OutputBounds)| json!({ "output": name, "low": end(&bounds.low), "high": end(&bounds.high) });
    let outputs: Vec<Value> = names.iter().zip(&bounds).map(output).collect();
    let ends = || bounds.iter().flat_map(|bounds| [&bounds.low, &bounds.high]);
    let theorems: Vec<_> = ends().filter_map(|end| end.theorem.clone()).collect();
    let mut text = numbers(&header, rows);
    let holds = ends().all(|end| end.theorem.is_some());
    if !holds {
        text.push_str("\nA limit was reached: bounds without a proof are estimates.");
    }
    Answered { text, json: json!({ "question": question, "outputs": outputs }), theorems, holds, is_result: false }
}

fn of_answer(question: &str, model: &Model, answer: Answer) -> Answered {
    let Answer { outcome, theorems, nodes } = answer;
    let mut rows = vec![("answer", outcome.name().to_string()), ("nodes", nodes.to_string())];
    let mut json = json!({ "question": question, "outcome": outcome.name(), "nodes": nodes });
    let inputs = |point: &[f64]| {
        let names = model.transform.feature_names.as_deref();
        let shown = point.iter().enumerate().take(8).map(|(k, x)| match names {
            Some(names) => format!("{} = {x}", names[k]),
            None => x.to_string(),
        });
        let more = if point.len() > 8 { ", .." } else { "" };
        format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
    };
    match &outcome {
        Outcome::Proved => {}
        Outcome::Refuted { point, other } => {
            rows.push(("input", inputs(point)));
            json["point"] = json!(point);
            if let Some(other) = other {
                rows.push(("and", inputs(other)));
                json["other"] = json!(other);
            }
        }
        Outcome::Open { bound, best } => {
            rows.push(("bound", rounded(*bound)));
            rows.push(("best found", rounded(*best)));
            (json["bound"], json["best"]) = (json!(bound), json!(best));
        }
    }
    Answered { text: facts(&rows), json, theorems, holds: outcome == Outcome::Proved, is_result: false }
}
