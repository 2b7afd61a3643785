//! Predictions over the plane for two features.

use super::picture::Picture;
use anyhow::Result;
use cvx_admm::Model;
use cvx_figures::{Panel, Point, Rectangle, SHADE_COUNT, Scale, Series};
use cvx_model::{Dataset, FeatureKind, Labels, Task};

/// Cells of the plane along x and y.
const CELLS: (usize, usize) = (150, 120);

/// Most samples that are drawn.
const MOST: usize = 1200;

/// The predictions over the plane with the training samples on top, for two features.
pub fn regions(model: &Model, train: &Dataset) -> Result<Option<Picture>> {
    if train.n_features() != 2 || matches!(model.task, Task::Regression { columns } if columns > 1) {
        return Ok(None);
    }
    let side = |feature: usize| {
        let values = (0..train.n_samples()).map(|row| train.get(row, feature));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let margin = if high > low { 0.05 * (high - low) } else { 0.5 };
        (low - margin, high + margin)
    };
    let (x, y) = (side(0), side(1));
    let at = |(low, high): (f64, f64), cell: usize, of: usize, place: f64| {
        low + (high - low) * (cell as f64 + place) / of as f64
    };
    let middles = (0..CELLS.1).flat_map(|row| (0..CELLS.0).map(move |column| (column, row)));
    let values = middles.flat_map(|(column, row)| [at(x, column, CELLS.0, 0.5), at(y, row, CELLS.1, 0.5)]).collect();
    // A plane that exceeds the largest number has no picture.
    let Ok(plane) = Dataset::new(2, values, None, FeatureKind::Table) else { return Ok(None) };
    let prediction = model.predict(&plane)?;
    let key = Key::new(model, train);
    let mut series: Vec<Series> = (0..key.labels.len())
        .map(|label| Series::Region {
            label: key.labels[label].clone(),
            shade: key.shade(label),
            rectangles: Vec::new(),
        })
        .collect();
    for row in 0..CELLS.1 {
        // Neighbours of equal colour are one rectangle.
        let mut begin = 0;
        let looks: Vec<(usize, u32)> = (0..CELLS.0)
            .map(|column| {
                let cell = row * CELLS.0 + column;
                key.look(&(0..prediction.cols()).map(|target| prediction[(cell, target)]).collect::<Vec<_>>())
            })
            .collect();
        for run in looks.chunk_by(|a, b| a == b) {
            let (label, tenths) = run[0];
            if let Series::Region { rectangles, .. } = &mut series[label] {
                rectangles.push(Rectangle {
                    x: (at(x, begin, CELLS.0, 0.0), at(x, begin + run.len(), CELLS.0, 0.0)),
                    y: (at(y, row, CELLS.1, 0.0), at(y, row, CELLS.1, 1.0)),
                    opacity: f64::from(tenths) / 10.0,
                });
            }
            begin += run.len();
        }
    }
    series.extend(key.clouds(train));
    let names = train.feature_names().map_or(["first feature".to_string(), "second feature".to_string()], |names| {
        [names[0].clone(), names[1].clone()]
    });
    let [x_label, y_label] = names;
    let title = "Predictions over the plane".to_string();
    let (x_scale, y_scale) = (Scale::Linear, Scale::Linear);
    let panel = Panel { title, x_label, y_label, x_scale, y_scale, bars: Vec::new(), series };
    let caption = match model.task {
        Task::Regression { .. } => {
            "Colour is what the network predicts; a dot is a training sample in the colour of its target."
        }
        _ => {
            "Colour is the predicted class, stronger for a larger margin; a dot is a training sample in the colour of \
             its class."
        }
    };
    Ok(Some(Picture::of_panels("regions", caption, &[panel], 1)?))
}

/// The meaning of the colours.
struct Key<'a> {
    task: &'a Task,
    labels: Vec<String>,
    /// Ends of the targets of a regression.
    range: (f64, f64),
}

impl<'a> Key<'a> {
    fn new(model: &'a Model, train: &Dataset) -> Self {
        let task = &model.task;
        if !task.classes().is_empty() {
            return Key { task, labels: task.classes().to_vec(), range: (0.0, 0.0) };
        }
        let targets = match train.labels() {
            Some(Labels::Numbers { values, .. }) => &values[..],
            _ => &[],
        };
        let ends = targets.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &y| (low.min(y), high.max(y)));
        let range = if ends.0 <= ends.1 { ends } else { (0.0, 0.0) };
        let end = |step: usize| range.0 + (range.1 - range.0) * step as f64 / SHADE_COUNT as f64;
        let labels = (0..SHADE_COUNT).map(|shade| format!("{:.3} to {:.3}", end(shade), end(shade + 1)));
        Key { task, labels: labels.collect(), range }
    }

    fn shade(&self, label: usize) -> Option<usize> {
        self.task.classes().is_empty().then_some(label)
    }

    /// The label of a prediction and its opacity in tenths.
    fn look(&self, prediction: &[f64]) -> (usize, u32) {
        let Some(class) = self.task.class_of(prediction) else { return (self.shade_of(prediction[0]), 10) };
        let sureness = match prediction {
            [one] => one.abs(),
            many => {
                let others = (0..many.len()).filter(|&other| other != class).map(|other| many[other]);
                (many[class] - others.fold(f64::NEG_INFINITY, f64::max)) / 2.0
            }
        };
        // Three steps up to the target of +-1; more could not be told apart.
        (class, 2 + (sureness * 3.0).clamp(0.0, 3.0) as u32)
    }

    fn shade_of(&self, value: f64) -> usize {
        let (low, high) = self.range;
        let place = if high > low { (value - low) / (high - low) } else { 0.5 };
        ((place * SHADE_COUNT as f64).max(0.0) as usize).min(SHADE_COUNT - 1)
    }

    /// The samples, by label.
    fn clouds(&self, data: &Dataset) -> Vec<Series> {
        let Some(labels) = data.labels() else { return Vec::new() };
        let mut points = vec![Vec::new(); self.labels.len()];
        for row in drawn(data.n_samples()) {
            let label = match (labels, self.task.classes()) {
                (Labels::Numbers { columns, values }, []) => Some(self.shade_of(values[row * columns])),
                (labels, classes) => classes.iter().position(|class| *class == labels.class_name(row)),
            };
            if let Some(label) = label {
                let at = data.row(row);
                points[label].push(Point { x: at[0], y: at[1], error: None });
            }
        }
        let clouds = self.labels.iter().zip(points).filter(|(_, points)| !points.is_empty());
        clouds.map(|(label, points)| Series::Cloud { label: label.clone(), points }).collect()
    }
}

/// Rows in equal steps, or all rows if there are few.
pub fn drawn(n_samples: usize) -> impl Iterator<Item = usize> {
    (0..n_samples).step_by(n_samples.div_ceil(MOST).max(1))
}
