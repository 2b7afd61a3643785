//! What the network has learned, in pictures: the columns that it uses, and how predictions depend on them.

use super::html::{paragraph, table};
use super::picture::Picture;
use super::subject::Subject;
use crate::number::{counted, short};
use crate::understanding::{Basis, ColumnDependence, Findings, Place, Understanding};
use anyhow::Result;
use cvx_figures::{Panel, Point, Scale, Series};
use cvx_model::Labels;
use std::collections::BTreeMap;

/// Most columns whose importance is drawn.
const MOST_BARS: usize = 15;

/// Most outputs that are drawn, each as a curve.
const MOST_OUTPUTS: usize = 6;

/// Most characters of a name at an axis.
const MOST_CHARACTERS: usize = 22;

/// Days of a year of the Gregorian calendar.
const YEAR: f64 = 365.2425;

/// The names of the pictures of dependence.
pub const DEPENDENCE: [&str; 6] =
    ["dependence-1", "dependence-2", "dependence-3", "dependence-4", "dependence-5", "dependence-6"];

/// The outputs of a network.
pub struct Outputs<'a> {
    /// What they are, such as `prediction`.
    pub kind: &'a str,
    /// The class or the target of each.
    pub names: &'a [String],
}

/// The section and its pictures.
pub fn understanding(subject: &Subject) -> Result<(String, Vec<Picture>)> {
    let findings = match subject.understanding {
        Understanding::Found(findings) => findings,
        Understanding::LeftOut { left_out } => {
            return Ok((paragraph(format!("Importance and dependence were left out: {left_out}.")), Vec::new()));
        }
    };
    let mut body = paragraph(words(findings));
    let mut pictures = vec![importance(findings)?];
    let shown = drawn(subject, findings);
    let outputs = Outputs { kind: findings.output_kind, names: &findings.outputs };
    for (name, column) in DEPENDENCE.into_iter().zip(&findings.dependence) {
        pictures.push(dependence(name, &outputs, column, &shown)?);
    }
    if shown.len() < findings.outputs.len() {
        body.push_str(&paragraph(format!("The curves are those of the {} most frequent classes.", shown.len())));
    }
    body.push_str(&rows(findings));
    Ok((body, pictures))
}

/// Which samples and networks these are.
fn words(findings: &Findings) -> String {
    let samples = match findings.samples {
        Basis::Test => format!("{}, which training did not use", counted(findings.n_samples, "test sample")),
        Basis::HeldOut => format!(
            "{}, each predicted by the networks that did not see it in training",
            counted(findings.n_samples, "training sample")
        ),
        Basis::Training => format!(
            "{} that the network was trained on: what it has learned by heart counts, too",
            counted(findings.n_samples, "training sample")
        ),
    };
    format!(
        "Computed on {samples}. The {} on them is {}. The pictures describe the network, not the world: columns \
         that say the same share their importance, and a dependence need not be a cause.",
        findings.error_name,
        short(findings.error)
    )
}

fn importance(findings: &Findings) -> Result<Picture> {
    let shown = || findings.importance.iter().take(MOST_BARS);
    let mark = |(bar, found): (usize, &crate::understanding::ColumnImportance)| Point {
        x: found.mean,
        y: bar as f64,
        error: Some((found.mean - found.deviation, found.mean + found.deviation)),
    };
    let panel = Panel {
        title: "Importance of columns".to_string(),
        x_label: format!("rise of the {} when the column is permuted", findings.error_name),
        y_label: String::new(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: shown().map(|found| short_name(&found.column)).collect(),
        series: vec![
            Series::Part { label: "mean".to_string(), lengths: shown().map(|found| found.mean.max(0.0)).collect() },
            Series::Cloud { label: "± deviation".to_string(), points: shown().enumerate().map(mark).collect() },
        ],
    };
    let (all, drawn) = (findings.importance.len(), shown().count());
    let which = if drawn < all { format!("The {drawn} largest of {all}. ") } else { String::new() };
    let caption = format!(
        "{which}The values of one column are permuted among the samples {}: a column without which the predictions \
         become worse is important. Bars are means, with one standard deviation over the permutations.",
        counted(findings.repeats, "time")
    );
    Picture::of_panels("importance", &caption, &[panel], 1)
}

/// The outputs that are drawn: all, or the most frequent classes.
fn drawn(subject: &Subject, findings: &Findings) -> Vec<usize> {
    let all = findings.outputs.len();
    if all <= MOST_OUTPUTS {
        return (0..all).collect();
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let labels = subject.split.train.labels();
    let names = labels.into_iter().flat_map(|labels: &Labels| (0..labels.len()).map(|row| labels.class_name(row)));
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let count = |output: &usize| counts.get(&findings.outputs[*output]).copied().unwrap_or(0);
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by_key(|output| std::cmp::Reverse(count(output)));
    order.truncate(MOST_OUTPUTS);
    order
}

/// The dependence on one column: curves over numbers, marks for levels.
pub fn dependence(
    name: &'static str,
    outputs: &Outputs,
    column: &ColumnDependence,
    shown: &[usize],
) -> Result<Picture> {
    let numbers: Vec<(usize, f64)> = (column.values.iter().enumerate())
        .filter_map(|(at, value)| match value {
            Place::Number(number) => Some((at, *number)),
            Place::Level(_) => None,
        })
        .collect();
    let kind = outputs.kind;
    let what = match outputs.names {
        [one] => format!("{kind} of {one}"),
        _ => kind.to_string(),
    };
    let panel = if numbers.is_empty() {
        levels(outputs, column, shown, &what)
    } else {
        curves(outputs, column, shown, what.clone(), &numbers)
    };
    let where_to = if numbers.is_empty() { "this level" } else { "this value" };
    let mut caption = format!("Mean {what} if every sample had {where_to} of {}.", column.column);
    if shown.len() == 1 {
        caption.push_str(" Grey: single samples.");
    }
    if !numbers.is_empty() {
        let (few, levels) = (numbers.len() < column.values.len(), column.values.len() < 20);
        caption.push_str(if levels { "" } else { " Markers are at quantiles: where they are dense, samples are." });
        caption.push_str(if few { " The dashed line is where the value is missing." } else { "" });
    }
    Picture::of_panels(name, &caption, &[panel], 1)
}

/// The name of an output's series.
fn label(outputs: &Outputs, output: usize) -> String {
    if outputs.names.len() == 1 { "mean".to_string() } else { short_name(&outputs.names[output]) }
}

fn curves(
    outputs: &Outputs,
    column: &ColumnDependence,
    shown: &[usize],
    what: String,
    numbers: &[(usize, f64)],
) -> Panel {
    let dates = column.holds == "dates";
    let x = |number: f64| if dates { 1970.0 + number / YEAR } else { number };
    let along = |y: &dyn Fn(usize) -> f64| -> Vec<Point> {
        numbers.iter().map(|&(at, number)| Point { x: x(number), y: y(at), error: None }).collect()
    };
    let mut series = Vec::new();
    if let [output] = shown {
        let samples = column.curves.iter().map(|curve| along(&|at| curve[at][*output])).collect();
        series.push(Series::Faint { label: "samples".to_string(), curves: samples });
    }
    for &output in shown {
        series.push(Series::Curve { label: label(outputs, output), points: along(&|at| column.mean[at][output]) });
    }
    let missing = column.values.iter().position(|value| matches!(value, Place::Level(_)));
    if let (Some(at), [output]) = (missing, shown) {
        series.push(Series::Level { label: "missing".to_string(), y: column.mean[at][*output] });
    }
    Panel {
        title: column.column.clone(),
        x_label: if dates { "year".to_string() } else { column.column.clone() },
        y_label: what,
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: Vec::new(),
        series,
    }
}

/// Levels from the largest mean down.
fn levels(outputs: &Outputs, column: &ColumnDependence, shown: &[usize], what: &str) -> Panel {
    let mut order: Vec<usize> = (0..column.values.len()).collect();
    if let [output, ..] = shown {
        order.sort_by(|&a, &b| column.mean[b][*output].total_cmp(&column.mean[a][*output]));
    }
    let marks = |x: &dyn Fn(usize) -> f64| -> Vec<Point> {
        order.iter().enumerate().map(|(bar, &at)| Point { x: x(at), y: bar as f64, error: None }).collect()
    };
    let mut series = Vec::new();
    if let [output] = shown {
        let samples = column.curves.iter().map(|curve| marks(&|at| curve[at][*output])).collect();
        series.push(Series::Faint { label: "samples".to_string(), curves: samples });
    }
    for &output in shown {
        series.push(Series::Cloud { label: label(outputs, output), points: marks(&|at| column.mean[at][output]) });
    }
    let name = |&at: &usize| match &column.values[at] {
        Place::Level(level) => short_name(level),
        Place::Number(number) => number.to_string(),
    };
    Panel {
        title: column.column.clone(),
        x_label: what.to_string(),
        y_label: String::new(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: order.iter().map(name).collect(),
        series,
    }
}

/// A name that leaves room for the axes.
fn short_name(name: &str) -> String {
    if name.chars().count() <= MOST_CHARACTERS {
        return name.to_string();
    }
    name.chars().take(MOST_CHARACTERS - 1).chain(['…']).collect()
}

/// The importance of every column as numbers.
fn rows(findings: &Findings) -> String {
    let header = ["column", &format!("rise of the {}", findings.error_name), "standard deviation"].map(String::from);
    let cells = |name: String, mean: f64, deviation: f64| vec![name, format!("{mean:.5}"), format!("{deviation:.5}")];
    let mut rows: Vec<Vec<String>> =
        findings.importance.iter().map(|found| cells(found.column.clone(), found.mean, found.deviation)).collect();
    if let Some(others) = &findings.others {
        rows.push(cells(format!("the other {} together", others.columns), others.mean, others.deviation));
    }
    format!("<details><summary>The importance of every column</summary>\n{}</details>\n", table(&header, &rows, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: Vec<Place>, mean: &[f64]) -> ColumnDependence {
        let curve: Vec<Vec<f64>> = mean.iter().map(|mean| vec![mean / 2.0]).collect();
        let mean = mean.iter().map(|&mean| vec![mean]).collect();
        ColumnDependence { column: "c".to_string(), holds: "numbers", values, mean, curves: vec![curve] }
    }

    #[test]
    fn a_missing_number_is_a_level_and_no_point_of_the_curve() {
        let values = vec![Place::Number(1.0), Place::Number(2.0), Place::Level("missing".to_string())];
        let (names, found) = (["yes".to_string()], column(values, &[0.1, 0.2, 0.7]));
        let outputs = Outputs { kind: "probability", names: &names };
        let numbers = [(0, 1.0), (1, 2.0)];
        let panel = curves(&outputs, &found, &[0], "p".to_string(), &numbers);
        let [Series::Faint { curves, .. }, Series::Curve { points, .. }, Series::Level { y, .. }] = &panel.series[..]
        else {
            panic!("three series")
        };
        assert_eq!((curves[0].len(), points.len(), *y), (2, 2, 0.7));
        assert_eq!((points[1].x, points[1].y, curves[0][1].y), (2.0, 0.2, 0.1));
    }

    #[test]
    fn levels_are_rows_from_the_largest_mean_down() {
        let values = ["a", "b", "c"].map(|level| Place::Level(level.to_string())).to_vec();
        let (names, found) = (["yes".to_string()], column(values, &[0.1, 0.7, 0.2]));
        let outputs = Outputs { kind: "probability", names: &names };
        let panel = levels(&outputs, &found, &[0], "p");
        assert_eq!(panel.bars, ["b", "c", "a"]);
        let Series::Cloud { points, .. } = &panel.series[1] else { panic!("marks") };
        assert_eq!(
            points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>(),
            [(0.7, 0.0), (0.2, 1.0), (0.1, 2.0)]
        );
    }

    #[test]
    fn names_have_a_longest_length() {
        assert_eq!(short_name("short"), "short");
        let long = short_name(&"ä".repeat(40));
        assert_eq!(long.chars().count(), MOST_CHARACTERS);
        assert!(long.ends_with('…'));
    }
}
