//! Predicted numbers on the page: their errors in the units of the targets, and against the targets.

use super::html::{paragraph, table};
use super::picture::Picture;
use super::regions::drawn;
use super::subject::Subject;
use crate::number::short;
use anyhow::Result;
use cvx_admm::{Predictions, Quality};
use cvx_figures::{Panel, Point, Scale, Series};
use cvx_model::{Intervals, TargetScores, Task};

/// Most targets that have a panel.
const MOST_TARGETS: usize = 4;

/// The coverage of the intervals.
const COVERAGE: f64 = 0.9;

/// The errors on each kind of samples, and the width of intervals; `None` for classes.
pub fn errors(subject: &Subject) -> Option<String> {
    let Subject { solution, qualities, .. } = subject;
    let mut rows = Vec::new();
    let found = [&qualities.train, &qualities.held_out, &qualities.test];
    for ((name, predictions), quality) in samples(subject).into_iter().zip(found) {
        let (Some(predictions), Some(Quality::Numbers(scores))) = (predictions, quality) else { continue };
        let n = predictions.outputs.rows();
        match &scores.targets[..] {
            [one] => rows.push(row(name.to_string(), n, one)),
            many => {
                rows.extend(many.iter().enumerate().map(|(c, one)| row(format!("{name}, target {c}"), n, one)));
                rows.push(row(format!("{name}, mean"), n, &scores.mean));
            }
        }
    }
    if rows.is_empty() {
        return None;
    }
    let header = ["", "samples", "RMSE", "MAE", "R2", "RMSE of the training mean"].map(String::from);
    let mut body = table(&header, &rows, None);
    let held_out = if qualities.held_out.is_some() {
        " Held-out samples are predicted by the networks of the folds that did not see them."
    } else {
        ""
    };
    body.push_str(&paragraph(format!(
        "RMSE and MAE are in the units of the target. The last column is the RMSE of predicting the mean of the \
         training targets for every sample.{held_out}"
    )));
    if let Some(intervals) = &solution.model.intervals {
        widths(intervals).iter().for_each(|line| body.push_str(&paragraph(line)));
    }
    Some(body)
}

fn row(name: String, n: usize, scores: &TargetScores) -> Vec<String> {
    let TargetScores { rmse, mae, r2, reference_rmse } = *scores;
    let r2 = r2.map_or("-".to_string(), |r2| format!("{r2:.4}"));
    vec![name, n.to_string(), short(rmse), short(mae), r2, short(reference_rmse)]
}

/// How wide intervals are, in words.
fn widths(intervals: &Intervals) -> Vec<String> {
    let line = |target: usize| {
        let width = intervals.half_width(COVERAGE, target).ok()?;
        let of = if intervals.targets() > 1 { format!(" of target {target}") } else { String::new() };
        let (per_cent, value, m) = (100.0 * COVERAGE, short(width.value), intervals.samples());
        Some(if width.promised {
            format!(
                "{per_cent:.0} % interval{of}: the prediction +- {value}. For samples like the training samples, it \
                 contains the target with a probability of about {per_cent:.0} %, judging by the errors on {m} \
                 held-out samples."
            )
        } else {
            format!(
                "{m} held-out samples are too few for a {per_cent:.0} % interval{of}: their largest error is {value}."
            )
        })
    };
    (0..intervals.targets().min(MOST_TARGETS)).filter_map(line).collect()
}

/// The samples of a run with their predictions.
fn samples<'a>(subject: &'a Subject) -> [(&'static str, Option<&'a Predictions>); 3] {
    let held_out = subject.path.map(|path| &path.held_out.predictions).filter(|found| found.outputs.rows() > 0);
    [
        ("training", Some(&subject.solution.train_predictions)),
        ("held out", held_out),
        ("test", subject.solution.test_predictions.as_ref()),
    ]
}

/// Predictions of a regression against the targets. Training samples are drawn where there are no others.
pub fn predictions(subject: &Subject) -> Result<Option<Picture>> {
    let Task::Regression { columns } = subject.solution.model.task else { return Ok(None) };
    let mut samples: Vec<_> = samples(subject).into_iter().filter_map(|(name, found)| Some((name, found?))).collect();
    if samples.len() > 1 {
        samples.remove(0);
    }
    let panel = |target: usize| {
        let mut ends = (f64::INFINITY, f64::NEG_INFINITY);
        let mut series = Vec::new();
        for (label, Predictions { outputs, targets }) in &samples {
            let point = |row: usize| Point { x: targets[(row, target)], y: outputs[(row, target)], error: None };
            let points: Vec<Point> = drawn(outputs.rows()).map(point).collect();
            ends = points.iter().fold(ends, |(low, high), point| (low.min(point.x), high.max(point.x)));
            series.push(Series::Cloud { label: label.to_string(), points });
        }
        // A curve of many points is drawn without markers.
        let at = |step: usize| ends.0 + (ends.1 - ends.0) * step as f64 / 99.0;
        let points = (0..100).map(|step| Point { x: at(step), y: at(step), error: None }).collect();
        series.push(Series::Curve { label: "exact".to_string(), points });
        Panel {
            title: if columns == 1 { "Predictions".to_string() } else { format!("Predictions of target {target}") },
            x_label: "target".to_string(),
            y_label: "prediction".to_string(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            bars: Vec::new(),
            series,
        }
    };
    let panels: Vec<Panel> = (0..columns.min(MOST_TARGETS)).map(panel).collect();
    let names: Vec<String> = samples.iter().map(|(name, _)| name.replace(' ', "-")).collect();
    let caption = format!("A dot is a {} sample; on the line the prediction is the target.", names.join(" or "));
    Ok(Some(Picture::of_panels("predictions", &caption, &panels, 2)?))
}
