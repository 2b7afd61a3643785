//! What a data source holds, and what `cvx train` would do with it.

use super::columns::{self, SourceColumn};
use super::path::{held_out, neurons};
use crate::number::rounded;
use crate::phrase;
use cvx_admm::{PathSettings, Settings, Validation, Wishes, automatic};
use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, Normalisation, Targets, Task, TaskChoice};
use serde::Serialize;
use std::collections::HashMap;

/// Most classes, and most columns, that are listed one by one.
const MOST_LISTED: usize = 30;

/// The header of a table of columns.
pub const COLUMNS: [&str; 5] = ["column", "least", "mean", "largest", ""];

/// The description of a source; its fields are the keys of its JSON.
#[derive(Serialize)]
pub struct Description {
    train: Part,
    test: Option<Part>,
    /// The columns of a table as they are read.
    table: Option<Vec<SourceColumn>>,
    #[serde(skip)]
    table_rows: Option<Vec<Vec<String>>>,
    /// The column of the labels, if it has a name.
    label_name: Option<String>,
    /// Rows that are left out because they have no label.
    unlabelled: usize,
    /// `None` if nothing can be learned from these samples.
    by_default: Option<Plan>,
    /// What is wrong with them.
    problem: Option<String>,
}

/// The training or the test samples.
#[derive(Serialize)]
struct Part {
    n_samples: usize,
    n_features: usize,
    /// Channels, height and width of images.
    image: Option<[usize; 3]>,
    low: f64,
    high: f64,
    /// Features without spread, counted from 0.
    constant: Vec<usize>,
    /// The features of a table, one by one.
    columns: Option<Vec<Column>>,
    /// Samples of each class.
    classes: Option<Vec<Class>>,
    /// The numbers to learn.
    targets: Option<Vec<Column>>,
}

#[derive(Serialize)]
struct Column {
    name: Option<String>,
    low: f64,
    high: f64,
    mean: f64,
}

#[derive(Serialize)]
struct Class {
    name: String,
    count: usize,
}

/// What `cvx train` would do by default.
#[derive(Serialize)]
struct Plan {
    task: &'static str,
    normalisation: &'static str,
    loss: &'static str,
    activation: &'static str,
    patterns: usize,
    /// Parts that are held out in turn to choose beta.
    folds: Option<usize>,
    /// Share of the samples that is held out once instead.
    share: Option<f64>,
    #[serde(skip)]
    network: String,
}

impl Description {
    pub fn new(split: &DataSplit) -> Self {
        let targets = match split.train.labels() {
            Some(labels) => Targets::new(labels, TaskChoice::Auto).map_err(|error| phrase::model(&error)),
            None => Err("the samples have no labels".to_string()),
        };
        let task = targets.as_ref().ok().map(|targets| &targets.task);
        let by_default = task.and_then(|task| Plan::new(&split.train, task));
        // Test labels that the training samples lack cannot be scored.
        let unknown = match (task, split.test.as_ref().and_then(Dataset::labels)) {
            (Some(task), Some(labels)) => {
                task.encode(labels).err().map(|error| format!("the test samples: {}", phrase::model(&error)))
            }
            _ => None,
        };
        Description {
            train: Part::new(&split.train, task),
            test: split.test.as_ref().map(|test| Part::new(test, task)),
            table: split.train.recipe().map(|recipe| columns::columns(recipe)),
            table_rows: split.train.recipe().and_then(|recipe| columns::rows(recipe)),
            label_name: split.train.label_name().map(str::to_string),
            unlabelled: split.train.notes().unlabelled,
            by_default,
            problem: targets.as_ref().err().cloned().or(unknown),
        }
    }

    /// Names and values of what the samples are.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.train.rows("training samples");
        if let Some(name) = &self.label_name {
            rows.push(("label column", name.escape_debug().to_string()));
        }
        if self.unlabelled > 0 {
            rows.push(("rows without a label", format!("{}, left out", self.unlabelled)));
        }
        rows.extend(self.test.iter().flat_map(|test| test.rows("test samples")));
        rows
    }

    /// [`facts`](Self::facts), and what `cvx train` would do by default.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.facts();
        if let Some(plan) = &self.by_default {
            let Plan { task, normalisation, loss, network, .. } = plan;
            let text = format!("task {task}, normalisation {normalisation}, {loss} loss: see cvx train -h");
            rows.extend([("cvx train would take", text), ("", network.clone())]);
        }
        if let Some(problem) = &self.problem {
            rows.push(("but", problem.clone()));
        }
        rows
    }

    /// The columns of a table as they are read, and what they become, unless there are too many to list.
    pub fn table(&self) -> Option<&Vec<Vec<String>>> {
        self.table_rows.as_ref()
    }

    /// The features of a table one by one, unless there are too many to list.
    pub fn columns(&self) -> Option<Vec<Vec<String>>> {
        let columns = self.train.columns.as_ref().filter(|columns| columns.len() <= MOST_LISTED)?;
        Some(columns.iter().enumerate().map(|(k, column)| column.row(k)).collect())
    }
}

impl Plan {
    /// `None` for samples without any settings that fit.
    fn new(data: &Dataset, task: &Task) -> Option<Self> {
        let given = (Settings::default(), PathSettings::default(), Wishes::default());
        let cvx_admm::Plan { settings, path, beside } = automatic(data, &given.0, &given.1, &given.2).ok()?;
        let repeated = matches!(path.validation, Validation::Folds(_)) && path.ensemble > 1;
        let splits = if repeated { format!("{} splits of ", path.ensemble) } else { String::new() };
        let chosen = format!("{}, beta chosen by {splits}{}", neurons(&settings), held_out(path.validation));
        let compared =
            beside.map_or(String::new(), |other| format!(", or {} if these are better there", neurons(&other)));
        Some(Plan {
            task: task.name(),
            normalisation: Normalisation::default_for(data.kind()).name(),
            loss: settings.loss.name(),
            activation: settings.activation.name(),
            patterns: settings.patterns,
            folds: if let Validation::Folds(folds) = path.validation { Some(folds) } else { None },
            share: if let Validation::Share(share) = path.validation { Some(share) } else { None },
            network: chosen + &compared,
        })
    }
}

impl Column {
    /// The cells under [`COLUMNS`], of column `k` from 0.
    fn row(&self, k: usize) -> Vec<String> {
        let name = self.name.clone().unwrap_or_else(|| (k + 1).to_string());
        let note = if self.low == self.high { "constant" } else { "" };
        vec![name, self.low.to_string(), rounded(self.mean), self.high.to_string(), note.to_string()]
    }
}

impl Part {
    fn new(data: &Dataset, task: Option<&Task>) -> Self {
        let names = data.feature_names();
        let columns =
            columns([data.n_samples(), data.n_features()], |look| data.for_each_row(|_, row| look(row)), names);
        let is_table = data.kind() == FeatureKind::Table;
        Part {
            n_samples: data.n_samples(),
            n_features: data.n_features(),
            image: match data.kind() {
                FeatureKind::Image { channels, height, width } => Some([channels, height, width]),
                FeatureKind::Table => None,
            },
            low: columns.iter().fold(f64::INFINITY, |low, column| low.min(column.low)),
            high: columns.iter().fold(f64::NEG_INFINITY, |high, column| high.max(column.high)),
            constant: (0..columns.len()).filter(|&k| columns[k].low == columns[k].high).collect(),
            columns: is_table.then_some(columns),
            classes: match (task, data.labels()) {
                (Some(Task::Regression { .. }), _) | (_, None) => None,
                (task, Some(labels)) => Some(classes(task.map_or(&[], Task::classes), labels)),
            },
            targets: match (task, data.labels()) {
                (Some(Task::Regression { .. }), Some(Labels::Numbers { columns: count, values })) => {
                    let rows = values.len() / count;
                    Some(self::columns([rows, *count], |look| values.chunks(*count).for_each(look), None))
                }
                _ => None,
            },
        }
    }

    fn rows(&self, name: &'static str) -> Vec<(&'static str, String)> {
        let kind = match self.image {
            Some([channels, height, width]) => format!("pixels, {channels} x {height} x {width}"),
            None => format!("column{} of a table", if self.n_features == 1 { "" } else { "s" }),
        };
        let mut rows = vec![
            (name, self.n_samples.to_string()),
            ("features", format!("{} {kind}, from {} to {}", self.n_features, self.low, self.high)),
        ];
        if !self.constant.is_empty() {
            rows.push(("constant features", self.name_constants()));
        }
        let labels = match (&self.classes, &self.targets) {
            (Some(classes), _) if classes.len() > MOST_LISTED => format!("{} different values", classes.len()),
            (Some(classes), _) => {
                let counts: Vec<String> =
                    classes.iter().map(|class| format!("{}: {}", class.name, class.count)).collect();
                counts.join(", ")
            }
            (None, Some(targets)) => {
                let range =
                    |target: &Column| format!("from {} to {}, mean {}", target.low, target.high, rounded(target.mean));
                let ranges: Vec<String> = targets.iter().take(MOST_LISTED).map(range).collect();
                ranges.join("; ")
            }
            (None, None) => "none".to_string(),
        };
        rows.push(("labels", labels));
        rows
    }

    /// Constant features by name, or by number from 1.
    fn name_constants(&self) -> String {
        let name = |&k: &usize| {
            let named = self.columns.as_ref().and_then(|columns| columns[k].name.clone());
            named.unwrap_or_else(|| (k + 1).to_string())
        };
        let shown: Vec<String> = self.constant.iter().take(MOST_LISTED).map(name).collect();
        let more = if self.constant.len() > shown.len() { ", .." } else { "" };
        format!("{}: {}{more}", self.constant.len(), shown.join(", "))
    }
}

/// Range and mean of each of `count` columns, where `each` shows every row.
fn columns(
    [rows, count]: [usize; 2],
    each: impl FnOnce(&mut dyn FnMut(&[f64])),
    names: Option<&[String]>,
) -> Vec<Column> {
    let column = |k: usize| Column {
        name: names.map(|names| names[k].clone()),
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
        mean: 0.0,
    };
    let mut columns: Vec<Column> = (0..count).map(column).collect();
    each(&mut |row| {
        for (column, &value) in columns.iter_mut().zip(row) {
            column.low = column.low.min(value);
            column.high = column.high.max(value);
            column.mean += value / rows as f64;
        }
    });
    columns
}

/// How often each class occurs: those of the task in its order, then others.
fn classes(known: &[String], labels: &Labels) -> Vec<Class> {
    let mut classes: Vec<Class> = known.iter().map(|name| Class { name: name.clone(), count: 0 }).collect();
    let mut position: HashMap<String, usize> = known.iter().cloned().zip(0..).collect();
    for row in 0..labels.len() {
        let name = labels.class_name(row);
        let at = *position.entry(name).or_insert_with_key(|name| {
            classes.push(Class { name: name.clone(), count: 0 });
            classes.len() - 1
        });
        classes[at].count += 1;
    }
    classes
}
