//! The course of a run, and the time of its phases.

use super::html::paragraph;
use super::picture::Picture;
use anyhow::Result;
use cvx_admm::{Iteration, PhaseSeconds, Solution};
use cvx_figures::{Panel, Point, Scale, Series};

/// Ratio of the largest and the smallest value above which an axis is logarithmic.
const WIDE: f64 = 20.0;

/// The curves of the quantities that this run has evaluated, and what they are curves of. Of several networks, those of
/// the first: each was trained by itself.
pub fn curves(solution: &Solution, n_test: Option<usize>) -> Result<(String, Vec<Picture>)> {
    let parts = &solution.model.parts;
    let history = if parts.len() > 1 { first_run(&solution.info.history) } else { &solution.info.history };
    let held_out = parts.first().map_or(0, |part| part.held_out.len());
    let mut pictures = Vec::new();
    let mut add = |name, caption: &str, panel: Panel| -> Result<()> {
        // A run that ended in its set-up has no points.
        let has_points =
            panel.series.iter().any(|series| matches!(series, Series::Curve { points, .. } if !points.is_empty()));
        if has_points {
            pictures.push(Picture::of_panels(name, caption, &[panel], 1)?);
        }
        Ok(())
    };
    let objective = vec![
        curve("network", history, |record| record.network),
        curve("dual bound", history, |record| record.dual_bound),
    ];
    let caption = "Objective of each iterate's network, and the best lower bound so far. The best network is returned, \
                   after pruning.";
    add("objective", caption, over_time("Objective and bound", "objective", objective))?;

    let gap = vec![
        curve("relative gap", history, |record| record.relative_gap),
        Series::Level { label: "asked for".to_string(), y: solution.summary.gap },
    ];
    let mut panel = over_time("Relative gap", "best network and best bound so far", gap);
    panel.y_scale = Scale::Log;
    add(
        "gap",
        "How far apart best network and best bound are, over the network's objective. A gap of 0 is not on the \
         logarithmic axis.",
        panel,
    )?;

    let has_accuracy = solution.train.accuracy.is_some();
    let n_train = solution.summary.shape.n_samples - held_out;
    let score = |scores: Option<cvx_admm::Scores>, n: usize| {
        scores.and_then(|scores| if has_accuracy { scores.accuracy } else { Some(scores.loss / n as f64) })
    };
    let mut scores = vec![curve("training", history, |record| score(record.train, n_train))];
    // The test samples of the run of a fold are those that it held out.
    let others = if held_out > 0 { Some(("held out", held_out)) } else { n_test.map(|n_test| ("test", n_test)) };
    if let Some((label, n)) = others {
        scores.push(curve(label, history, |record| score(record.test, n)));
    }
    let (title, what) = if has_accuracy { ("Accuracy", "share of samples") } else { ("Loss", "mean over samples") };
    let mut panel = over_time(title, what, scores);
    if has_accuracy {
        panel.y_scale = Scale::Linear;
    }
    add("scores", "Of each iterate's network.", panel)?;

    if solution.info.rounds.len() > 1 {
        pictures.push(rounds(solution)?);
    }
    pictures.push(phases(&solution.info.seconds)?);
    let words = match parts.len() {
        0 | 1 => String::new(),
        count => paragraph(format!(
            "The curves are those of the first of {count} networks at the chosen beta, and the times those of all."
        )),
    };
    Ok((words, pictures))
}

/// The iterations before the count starts again.
fn first_run(history: &[Iteration]) -> &[Iteration] {
    history.chunk_by(|one, next| one.iteration < next.iteration).next().unwrap_or(history)
}

fn curve(label: &str, history: &[Iteration], y: impl Fn(&Iteration) -> Option<f64>) -> Series {
    let points = history.iter().filter_map(|record| Some(Point { x: record.seconds, y: y(record)?, error: None }));
    Series::Curve { label: label.to_string(), points: points.collect() }
}

/// A panel against the seconds of the run.
fn over_time(title: &str, y_label: &str, series: Vec<Series>) -> Panel {
    let points = || {
        series.iter().flat_map(|series| match series {
            Series::Curve { points, .. } => &points[..],
            _ => &[],
        })
    };
    let scale = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, 0f64), |(low, high), value| (low.min(value), high.max(value)));
        if low > 0.0 && high > WIDE * low { Scale::Log } else { Scale::Linear }
    };
    let (x_scale, y_scale) = (scale(&mut points().map(|point| point.x)), scale(&mut points().map(|point| point.y)));
    Panel {
        title: title.to_string(),
        x_label: "seconds since the samples were read".to_string(),
        y_label: y_label.to_string(),
        x_scale,
        y_scale,
        bars: Vec::new(),
        series,
    }
}

/// The result of each round of a refined run.
fn rounds(solution: &Solution) -> Result<Picture> {
    let panel = |title: &str, series: Vec<Series>| Panel {
        title: title.to_string(),
        x_label: "round".to_string(),
        y_label: "at the end of the round".to_string(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: Vec::new(),
        series,
    };
    let curve = |label: &str, y: &dyn Fn(&cvx_admm::Round) -> f64| Series::Curve {
        label: label.to_string(),
        points: (solution.info.rounds.iter().enumerate())
            .map(|(round, record)| Point { x: round as f64, y: y(record), error: None })
            .collect(),
    };
    let panels = [
        panel(
            "Objective by round",
            vec![curve("network", &|round| round.network), curve("dual bound", &|round| round.dual_bound)],
        ),
        panel(
            "Size by round",
            vec![curve("neurons", &|round| round.neurons as f64), curve("patterns", &|round| round.patterns as f64)],
        ),
    ];
    let caption = "Refinement: round 0 has the sampled patterns, and in each later one the neurons have become gates.";
    Picture::of_panels("refinement", caption, &panels, panels.len())
}

/// The seconds of each phase as one bar.
fn phases(seconds: &PhaseSeconds) -> Result<Picture> {
    let PhaseSeconds { setup, u, v, s, dual, certificate, total } = *seconds;
    let rest = (total - setup - u - v - s - dual - certificate).max(0.0);
    let parts = [
        ("set-up", setup),
        ("u", u),
        ("v", v),
        ("s", s),
        ("dual", dual),
        ("certificate", certificate),
        ("other", rest),
    ];
    let series = parts.map(|(label, length)| Series::Part { label: label.to_string(), lengths: vec![length] });
    let panel = Panel {
        title: "Where the time went".to_string(),
        x_label: "seconds".to_string(),
        y_label: String::new(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        bars: vec!["run".to_string()],
        series: series.into(),
    };
    let caption = format!(
        "Of {total:.2} seconds. Set-up is transform, patterns and factorisations; u, v, s and dual are the steps of an \
         iteration; other is the rest, including pruning."
    );
    let mut picture = Picture::of_panels("phases", &caption, &[panel], 1)?;
    // One bar reads better across the page than on axes.
    let bars = parts.iter().enumerate().filter(|(_, (_, length))| *length > 0.0).map(|(index, (_, length))| {
        let share = 100.0 * length / total.max(f64::MIN_POSITIVE);
        format!("<span style=\"flex-grow:{share:.3};background:var(--figure-{index})\"></span>")
    });
    let entries = parts.iter().enumerate().map(|(index, (label, length))| {
        let share = 100.0 * length / total.max(f64::MIN_POSITIVE);
        format!("<li><i style=\"background:var(--figure-{index})\"></i>{label} {length:.2} s ({share:.0} %)</li>")
    });
    picture.body = format!(
        "<h3>Where the time went</h3>\n<div class=\"bar\">{}</div>\n<ul class=\"legend\">{}</ul>\n",
        bars.collect::<String>(),
        entries.collect::<String>()
    );
    Ok(picture)
}
