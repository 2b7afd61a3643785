//! The page that `--report` writes: a run, its course and its results in one self-contained file.

mod about;
mod classes;
mod colours;
mod constraints;
mod curves;
mod evidence;
mod folder;
mod gates;
mod html;
mod neurons;
mod numbers;
mod parts;
mod picture;
mod probabilities;
mod regions;
mod subject;
mod understanding;

pub use subject::Subject;

use crate::figures::path_panels;
use crate::number::{counted, gap, percent, short};
use crate::summary;
use crate::summary::patches::Layout;
use anyhow::Result;
use cvx_admm::insight::PatchNetwork;
use cvx_admm::{Model, PathSolution, Quality, Settings, Status};
use cvx_figures::ENDINGS;
use cvx_model::{DataSplit, Dataset};
use html::{escape, paragraph, section};
use picture::Picture;
use std::path::Path;

/// Every picture that a report can have, beside those of single columns.
const PICTURES: [&str; 14] = [
    "calibration",
    "roc",
    "predictions",
    "regions",
    "importance",
    "neurons",
    "gates",
    "evidence",
    "path",
    "objective",
    "gap",
    "scores",
    "phases",
    "refinement",
];

/// What a browser may load for the page: its own styles, in elements and attributes, and images inside the page. No
/// script runs, and nothing is sent or fetched, even if markup got into the page.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Checks that the report can be written, before the work.
pub fn check(folder: &Path) -> Result<()> {
    folder::check(folder, &known())
}

fn known() -> Vec<String> {
    PICTURES
        .iter()
        .chain(&understanding::DEPENDENCE)
        .chain(&constraints::CONSTRAINTS)
        .flat_map(|name| ENDINGS.map(|ending| format!("{name}{ending}")))
        .collect()
}

/// Writes the page and its pictures.
pub fn write(folder: &Path, subject: &Subject) -> Result<()> {
    let title = format!("cvx: {}", subject.source.data);
    let mut pictures = Vec::new();
    let mut body = heading(subject);
    let Subject { solution, settings, path, split, .. } = *subject;
    let model = &solution.model;
    let mut add = |body: &mut String, title: &str, class: &str, mut text: String, found: Vec<Picture>| {
        let figures: String = found.iter().map(Picture::html).collect();
        if !found.is_empty() {
            text.push_str(&format!("<div class=\"{class}\">\n{figures}</div>\n"));
        }
        if !text.is_empty() {
            body.push_str(&section(title, &text));
        }
        pictures.extend(found);
    };
    let results = html::facts(&summary::run::results(solution, path));
    add(&mut body, "Result", "figures", results, Vec::new());
    if let Some(text) = classes::classes(subject) {
        add(&mut body, "Classes", "figures", text, Vec::new());
    }
    if let Some((text, found)) = probabilities::probabilities(subject)? {
        add(&mut body, "Probabilities", "figures", text, found);
    }
    let drawn = [numbers::predictions(subject)?, regions::regions(model, &split.train)?];
    let drawn = drawn.into_iter().flatten().collect();
    add(&mut body, "Predictions", "figures", numbers::errors(subject).unwrap_or_default(), drawn);
    if let Some((text, found)) = constraints::constraints(subject)? {
        add(&mut body, "Constraints", "figures", text, found);
    }
    let (text, found) = understanding::understanding(subject)?;
    add(&mut body, "What the network has learned", "figures", text, found);
    add(&mut body, "Neurons", "whole", String::new(), neurons::neurons(model)?.into_iter().collect());
    if let (Some(patches), Some(network)) = (&model.network.patches, PatchNetwork::new(&model.network)) {
        let drawn = [gates::gates(subject, &network, patches)?, evidence::evidence(subject, &network, patches)?];
        add(&mut body, "Gates of patches", "whole", String::new(), drawn.into_iter().flatten().collect());
    }
    if let Some(path) = path {
        let (text, found) = choice(path, settings)?;
        add(&mut body, "Choice of beta", "whole", text, found);
    }
    add(&mut body, "Networks of the mean", "figures", parts::parts(model).unwrap_or_default(), Vec::new());
    let (text, found) = curves::curves(solution, split.test.as_ref().map(Dataset::n_samples))?;
    add(&mut body, "Course", "figures", text, found);
    let columns = model.transform.recipe.as_ref().and_then(summary::columns::rows);
    let columns = columns.map(|rows| html::texts(&summary::columns::HEADER.map(String::from), &rows));
    add(&mut body, "Table", "figures", columns.unwrap_or_default(), Vec::new());
    body.push_str(&about::about(subject));
    let files: Vec<(String, Vec<u8>)> = pictures
        .into_iter()
        .flat_map(|Picture { name, files, .. }| files.map(|(ending, bytes)| (format!("{name}{ending}"), bytes)))
        .collect();
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    folder::write(folder, &page(&title, &names, &body), &files, &known())
}

fn page(title: &str, files: &[String], body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\" />\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\" />\n\
         <meta name=\"generator\" content=\"cvx {}\" />\n{}\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n\
         <meta name=\"color-scheme\" content=\"light dark\" />\n\
         <title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        folder::list(files),
        escape(title),
        cvx_figures::STYLE,
        include_str!("page/style.css"),
    )
}

/// Title, status, scores and the meaning of the certificate.
fn heading(subject: &Subject) -> String {
    let Subject { solution, split, source, path, qualities, .. } = subject;
    let title = escape(&source.data);
    let shape = &solution.summary.shape;
    let lead = format!(
        "{}, {}{}; {} in {:.2} s",
        solution.model.task.name(),
        training_samples(&solution.model, shape.n_samples),
        test_samples(&solution.model, split),
        counted(solution.info.history.len(), "iteration"),
        solution.info.seconds.total,
    );
    let mut tiles = vec![("status".to_string(), solution.status.to_string())];
    let held_out = path.filter(|_| qualities.held_out.is_some());
    let rows = held_out.map_or(0, |path| path.held_out.predictions.targets.rows());
    let held_out = held_out.map(|path| summary::run::held_out_scores(solution, path));
    for (name, scores, quality, n) in [
        ("test", solution.test, &qualities.test, split.test.as_ref().map_or(0, Dataset::n_samples)),
        ("held-out", held_out, &qualities.held_out, rows),
        ("training", Some(solution.train), &qualities.train, shape.n_samples),
    ] {
        tiles.extend(scores.map(|scores| match (quality, scores.accuracy) {
            (Some(Quality::Numbers(numbers)), _) => (format!("{name} RMSE"), short(numbers.mean.rmse)),
            (_, Some(accuracy)) => (format!("{name} accuracy"), percent(accuracy)),
            _ => (format!("{name} mean loss"), format!("{:.4}", scores.loss / n as f64)),
        }));
    }
    tiles.push(("relative gap".to_string(), gap(solution.objective.relative_gap)));
    tiles.push(("neurons".to_string(), solution.model.network.n_neurons().to_string()));
    let tiles = tiles.into_iter().map(|(name, value)| {
        let class = match (name.as_str(), solution.status) {
            ("status", Status::Optimal) => " class=\"good\"",
            ("status", _) => " class=\"fair\"",
            _ => "",
        };
        format!("<div{class}><b>{}</b><span>{}</span></div>\n", escape(value), escape(name))
    });
    let words: String = summary::run::words(solution).iter().map(paragraph).collect();
    format!(
        "<header>\n<h1>{title}</h1>\n{}<div class=\"tiles\">\n{}</div>\n\
         <div class=\"words\">{words}</div>\n</header>\n",
        paragraph(lead),
        tiles.collect::<String>()
    )
}

/// How many test samples there are, after a comma.
fn test_samples(model: &Model, split: &DataSplit) -> String {
    let what = if model.network.patches.is_some() { "test image" } else { "test sample" };
    split.test.as_ref().map_or(String::new(), |test| format!(", {}", counted(test.n_samples(), what)))
}

/// How many training samples there are, and of what.
fn training_samples(model: &Model, count: usize) -> String {
    match &model.network.patches {
        Some(patches) => format!("{} of {}", counted(count, "training image"), Layout::of(patches).size()),
        None => format!("{} of {} features", counted(count, "training sample"), model.transform.n_inputs()),
    }
}

fn choice(path: &PathSolution, settings: &Settings) -> Result<(String, Vec<Picture>)> {
    if path.points.is_empty() {
        return Ok((paragraph(summary::path::NO_BETA), Vec::new()));
    }
    let panels = path_panels(path);
    let caption = "Along the path, from strong to weak regularisation from right to left; bars are standard errors.";
    let picture = Picture::of_panels("path", caption, &panels, panels.len())?;
    let mut body = summary::path::choice(path, settings).lines().map(paragraph).collect::<String>();
    let rows = html::table(&summary::path::HEADER.map(String::from), &summary::path::rows(path), Some(path.chosen));
    body.push_str(&format!("<details><summary>Every beta</summary>\n{rows}</details>\n"));
    Ok((body, vec![picture]))
}
