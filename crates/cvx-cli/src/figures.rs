//! The figure of a path.

use cvx_admm::{PathPoint, PathSolution};
use cvx_figures::{Panel, Point, Scale, Series};

/// Accuracy (or loss), objective and number of neurons against beta.
pub fn path_panels(path: &PathSolution) -> [Panel; 3] {
    let curve = |label: &str, y: &dyn Fn(&PathPoint) -> f64, error: &dyn Fn(&PathPoint) -> f64| Series::Curve {
        label: label.to_string(),
        points: (path.points.iter())
            .map(|point| {
                let (y, error) = (y(point), error(point));
                Point { x: point.fraction, y, error: (error > 0.0).then_some((y - error, y + error)) }
            })
            .collect(),
    };
    let chosen = path.points.get(path.chosen);
    let at = |y: &dyn Fn(&PathPoint) -> f64| Series::Curve {
        label: "chosen".to_string(),
        points: chosen.iter().map(|point| Point { x: point.fraction, y: y(point), error: None }).collect(),
    };
    let none = |_: &PathPoint| 0.0;
    let panel = |title: &str, y_label: &str, y_scale: Scale, series: Vec<Series>| Panel {
        title: title.to_string(),
        x_label: "beta over its largest value".to_string(),
        y_label: y_label.to_string(),
        x_scale: Scale::Log,
        y_scale,
        bars: Vec::new(),
        series,
    };
    let right = |point: &PathPoint| 1.0 - point.error;
    let train_right = |point: &PathPoint| point.train.accuracy.unwrap_or_default();
    let scores = if path.points.iter().any(|point| point.validation.accuracy.is_some()) {
        vec![
            curve("training", &train_right, &none),
            curve("held out", &right, &|point| point.standard_error),
            at(&right),
        ]
    } else {
        vec![curve("held out", &|point| point.error, &|point| point.standard_error), at(&|point| point.error)]
    };
    [
        panel("Samples", if scores.len() == 3 { "accuracy" } else { "mean loss" }, Scale::Linear, scores),
        panel(
            "Objective",
            "network, and bound over sampled patterns (log)",
            Scale::Log,
            vec![
                curve("network", &|point| point.objective.network, &none),
                curve("bound", &|point| point.objective.dual_bound, &none),
                at(&|point| point.objective.network),
            ],
        ),
        panel(
            "Neurons",
            "number",
            Scale::Linear,
            vec![curve("neurons", &|point| point.neurons, &none), at(&|point| point.neurons)],
        ),
    ]
}
