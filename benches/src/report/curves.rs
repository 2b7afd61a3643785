//! Figure 1 (losses and accuracies) and Figure 4 (objective and bound), against iterations and seconds.

use super::group::{Field, Group};
use super::picture::Picture;
use crate::row::{Goal, Row, TracePoint};
use anyhow::Result;
use cvx_figures::{Panel, Scale, Series, write};
use std::path::Path;

/// A quantity of Figure 1.
struct Quantity {
    title: &'static str,
    y_label: &'static str,
    scale: Scale,
    /// What the value is a sum over.
    samples: fn(&Row) -> usize,
    value: fn(&TracePoint) -> Option<f64>,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        title: "Training loss",
        y_label: "1/2 (f - y)² per sample",
        scale: Scale::Log,
        samples: |row| row.n_samples,
        value: |point| point.train_loss,
    },
    Quantity {
        title: "Test loss",
        y_label: "1/2 (f - y)² per sample",
        scale: Scale::Log,
        samples: |row| row.n_test,
        value: |point| point.test_loss,
    },
    Quantity {
        title: "Training accuracy",
        y_label: "share in the right class",
        scale: Scale::Linear,
        samples: |_| 1,
        value: |point| point.train_accuracy,
    },
    Quantity {
        title: "Test accuracy",
        y_label: "share in the right class",
        scale: Scale::Linear,
        samples: |_| 1,
        value: |point| point.test_accuracy,
    },
];

/// Figure 1, once for each goal.
pub fn progress(field: &Field, out: &Path) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for goal in field.goals() {
        let groups = field.groups_with_best_adam(goal);
        let mut panels = Vec::new();
        for (x_label, x) in [("iteration, or epoch of Adam", iteration as fn(&TracePoint) -> f64), ("seconds", seconds)]
        {
            for Quantity { title, y_label, scale, samples, value } in &QUANTITIES {
                let y = |row: &Row, point: &TracePoint| value(point).map(|value| value / samples(row) as f64);
                panels.push(panel(title, x_label, y_label, *scale, curves(&groups, x, y)));
            }
        }
        let name = format!("figure-1-{}", name(goal));
        let title = format!("{}: {}", title(goal), problem(&field.rows[0]));
        write(&title, &panels, QUANTITIES.len(), &out.join(&name))?;
        pictures
            .push(Picture { name: format!("{name}.png"), caption: format!("Figure 1, {}", title_of_caption(goal)) });
    }
    Ok(pictures)
}

/// Figure 4, for the goal that has one objective.
pub fn objective(field: &Field, out: &Path) -> Result<Vec<Picture>> {
    let groups = field.groups_with_best_adam(Goal::Objective);
    let Some(first) = groups.first().map(|group| group.rows[0]) else { return Ok(Vec::new()) };
    let value = |_: &Row, point: &TracePoint| point.objective;
    let bound = |_: &Row, point: &TracePoint| point.dual_bound.filter(|&bound| bound > 0.0);
    let level = best_bound(field).map(|y| Series::Level { label: "best certified bound".to_string(), y });
    let mut objectives = curves(&groups, seconds, value);
    objectives.extend(level);
    let level = best_bound(field).map(|y| Series::Level { label: "best certified bound".to_string(), y });
    let mut bounds = curves(&groups, seconds, bound);
    bounds.extend(level);
    let panels = [
        panel("Objective", "seconds", "of the network, with its weight decay", Scale::Log, objectives),
        panel("Bound", "seconds", "below every point of the sampled convex programme", Scale::Log, bounds),
    ];
    let title = format!("Objective against time, beta = {}: {}", first.beta, problem(first));
    write(&title, &panels, panels.len(), &out.join("figure-4"))?;
    let caption = "Figure 4, the objective against time and the certified lower bound".to_string();
    Ok(vec![Picture { name: "figure-4.png".to_string(), caption }])
}

/// The best bound of each seed's programme, averaged over the seeds.
fn best_bound(field: &Field) -> Option<f64> {
    let rows = || field.rows.iter().filter(|row| row.goal == Goal::Objective && row.outcome.verified);
    let mut seeds: Vec<u64> = rows().map(|row| row.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let best =
        |&seed: &u64| rows().filter(|row| row.seed == seed).filter_map(|row| row.outcome.dual_bound).reduce(f64::max);
    let bounds: Vec<f64> = seeds.iter().filter_map(best).collect();
    (!bounds.is_empty()).then(|| bounds.iter().sum::<f64>() / bounds.len() as f64)
}

fn iteration(point: &TracePoint) -> f64 {
    point.iteration
}

fn seconds(point: &TracePoint) -> f64 {
    point.seconds
}

/// A curve for each group that has points.
fn curves(groups: &[Group], x: fn(&TracePoint) -> f64, y: impl Fn(&Row, &TracePoint) -> Option<f64>) -> Vec<Series> {
    let curve = |group: &Group| {
        let points = group.curve(x, |point| y(group.rows[0], point));
        (!points.is_empty()).then(|| Series::Curve { label: group.label.clone(), points })
    };
    groups.iter().filter_map(curve).collect()
}

fn panel(title: &str, x_label: &str, y_label: &str, y_scale: Scale, series: Vec<Series>) -> Panel {
    let [title, x_label, y_label] = [title, x_label, y_label].map(String::from);
    Panel { title, x_label, y_label, x_scale: Scale::Log, y_scale, bars: Vec::new(), series }
}

/// n, d and P of a row, for a title.
pub fn problem(row: &Row) -> String {
    format!("{}, n = {}, d = {}, {} neurons at most", row.data, row.n_samples, row.n_features, row.width)
}

/// The goal in a file's name.
pub fn name(goal: Goal) -> &'static str {
    match goal {
        Goal::Accuracy => "accuracy",
        Goal::Objective => "objective",
    }
}

/// The goal as a heading.
pub fn title(goal: Goal) -> &'static str {
    match goal {
        Goal::Accuracy => "To 97 % training accuracy",
        Goal::Objective => "To the optimum of the regularised objective",
    }
}

fn title_of_caption(goal: Goal) -> &'static str {
    match goal {
        Goal::Accuracy => "until 97 % of the training samples are classified correctly; each curve ends there",
        Goal::Objective => "to the optimum of the regularised objective",
    }
}
