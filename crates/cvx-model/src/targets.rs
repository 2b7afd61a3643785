//! Targets: labels encoded as numbers, and predictions decoded to classes.

use crate::dataset::Labels;
use crate::error::ModelError;
use cvx_linalg::{HostMatrix, SampleSums, named};
use serde::{Deserialize, Serialize};

/// Integer labels with more distinct values than this are a regression.
const MOST_CLASSES: usize = 50;

/// With more distinct values than this, integers are classes only if each occurs at least so often: counts and grades
/// have rare values at their ends, codes of classes do not.
const FEW_CLASSES: usize = 20;
const CLASS_SAMPLES: usize = 10;

/// The choice of the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskChoice {
    /// Names are classes, and so are integers with at most 20 distinct values, or with at most 50 of which each occurs
    /// at least ten times. Other numbers are a regression.
    #[default]
    Auto,
    /// Two classes.
    Binary,
    /// Any number of classes, with one target for each class.
    Multiclass,
    /// Numbers.
    Regression,
}

named!(
    TaskChoice, "task":
    Auto = "auto", Binary = "binary", Multiclass = "multiclass", Regression = "regression"
);

/// The learning task, which determines how labels are encoded as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Two classes, encoded as -1 and +1.
    Binary {
        /// The classes: first that of -1, then that of +1.
        classes: [String; 2],
        /// Index of the more frequent class, which is the class of a prediction of exactly 0.
        majority: usize,
    },
    /// One column per class: +1 for its samples, -1 for the others. The predicted class has the largest value.
    Multiclass {
        /// The classes, in the order of the columns.
        classes: Vec<String>,
        /// Index of the most frequent class, which is the class of a row of equal predictions.
        majority: usize,
    },
    /// Numbers, used without encoding.
    Regression {
        /// Number of targets per sample.
        columns: usize,
    },
}

impl Task {
    /// `binary`, `multiclass` or `regression`.
    pub fn name(&self) -> &'static str {
        match self {
            Task::Binary { .. } => "binary",
            Task::Multiclass { .. } => "multiclass",
            Task::Regression { .. } => "regression",
        }
    }

    /// Number of columns C of the targets.
    pub fn n_targets(&self) -> usize {
        match self {
            Task::Binary { .. } => 1,
            Task::Multiclass { classes, .. } => classes.len(),
            Task::Regression { columns } => *columns,
        }
    }

    /// The classes; none for a regression.
    pub fn classes(&self) -> &[String] {
        match self {
            Task::Binary { classes, .. } => classes,
            Task::Multiclass { classes, .. } => classes,
            Task::Regression { .. } => &[],
        }
    }

    /// The class of one row of predictions (C numbers), as an index into [`classes`](Task::classes).
    pub fn class_of(&self, prediction: &[f64]) -> Option<usize> {
        match self {
            Task::Binary { majority, .. } => Some(match prediction[0] {
                value if value > 0.0 => 1,
                value if value < 0.0 => 0,
                _ => *majority,
            }),
            Task::Multiclass { majority, .. } => {
                let best = (0..prediction.len()).reduce(|a, b| if prediction[b] > prediction[a] { b } else { a })?;
                let tied = prediction.iter().all(|&value| value == prediction[best]);
                Some(if tied { *majority } else { best })
            }
            Task::Regression { .. } => None,
        }
    }

    /// The targets of `labels` in this task (n x C).
    ///
    /// # Errors
    /// [`ModelError::UnknownClass`] for a class that the task does not have, [`ModelError::NotNumeric`] or
    /// [`ModelError::Shape`] for labels that a regression cannot use.
    pub fn encode(&self, labels: &Labels) -> Result<HostMatrix, ModelError> {
        let n = labels.len();
        match self {
            Task::Regression { columns } => match labels {
                Labels::Numbers { columns: found, values } if found == columns => {
                    Ok(HostMatrix::from_fn(n, *columns, |row, column| values[row * columns + column]))
                }
                Labels::Numbers { columns: found, .. } => Err(ModelError::Shape {
                    what: "y",
                    expected: format!("{columns} numbers per sample"),
                    found: found.to_string(),
                }),
                Labels::Names { .. } => {
                    let row = (0..n).find(|&row| labels.class_name(row).parse::<f64>().is_err()).unwrap_or(0);
                    Err(ModelError::NotNumeric { label: labels.class_name(row), row })
                }
            },
            Task::Binary { .. } | Task::Multiclass { .. } => {
                let classes = self.classes();
                let mut index = Vec::with_capacity(n);
                for row in 0..n {
                    let name = labels.class_name(row);
                    let found = classes.iter().position(|class| *class == name);
                    index.push(found.ok_or_else(|| ModelError::UnknownClass { class: name, known: classes.to_vec() })?);
                }
                Ok(match self {
                    Task::Binary { .. } => HostMatrix::from_fn(n, 1, |row, _| 2.0 * index[row] as f64 - 1.0),
                    _ => HostMatrix::from_fn(n, classes.len(), |row, c| if index[row] == c { 1.0 } else { -1.0 }),
                })
            }
        }
    }
}

/// The task and the targets of the training samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// The task.
    pub task: Task,
    /// Targets y (n x C).
    pub y: HostMatrix,
}

impl Targets {
    /// Determines the task from the training labels and encodes them.
    ///
    /// Classes are ordered by value if they are numbers, otherwise by name. The first of two classes is -1.
    ///
    /// # Errors
    /// [`ModelError::SingleClass`], [`ModelError::NotBinary`], [`ModelError::NotNumeric`], [`ModelError::Shape`] for
    /// labels that do not fit the choice.
    pub fn new(labels: &Labels, choice: TaskChoice) -> Result<Self, ModelError> {
        Targets::over(SampleSums::all_here(), labels, choice)
    }

    /// [`new`](Targets::new) where these labels are those of some samples, and the task is that of all.
    ///
    /// # Errors
    /// Those of [`new`](Targets::new).
    pub fn over(samples: &SampleSums, labels: &Labels, choice: TaskChoice) -> Result<Self, ModelError> {
        if labels.is_empty() {
            return Err(ModelError::Empty { what: "labels" });
        }
        let regression = match (choice, labels) {
            (TaskChoice::Regression, _) => true,
            (TaskChoice::Auto, Labels::Numbers { columns, values }) => {
                let mut sorted: Vec<f64> = values.clone();
                sorted.sort_by(f64::total_cmp);
                let fractional = samples.any(sorted.iter().any(|value| value.fract() != 0.0));
                let counts = counts_over(samples, sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())));
                let rare = counts.iter().any(|&count| count < CLASS_SAMPLES);
                let many = counts.len() > MOST_CLASSES || counts.len() > FEW_CLASSES && rare;
                *columns > 1 || many || fractional
            }
            _ => false,
        };
        let task = if regression {
            Task::Regression {
                columns: match labels {
                    Labels::Numbers { columns, .. } => *columns,
                    Labels::Names { .. } => 1,
                },
            }
        } else {
            classification(samples, labels, choice)?
        };
        let y = task.encode(labels)?;
        Ok(Targets { task, y })
    }
}

/// How often each value occurs, from the sorted values here; of more values than there can be classes, one more is
/// enough.
fn counts_over(samples: &SampleSums, here: impl Iterator<Item = (f64, usize)>) -> Vec<usize> {
    let mut row: Vec<f64> = here.take(MOST_CLASSES + 1).flat_map(|(value, count)| [value, count as f64]).collect();
    row.resize(2 * (MOST_CLASSES + 1), 0.0);
    let all = samples.gather(row);
    let mut found: Vec<(f64, usize)> =
        all.iter().flat_map(|row| row.chunks_exact(2)).map(|pair| (pair[0], pair[1] as usize)).collect();
    found.retain(|(_, count)| *count > 0);
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.chunk_by(|a, b| a.0 == b.0).map(|run| run.iter().map(|(_, count)| count).sum()).collect()
}

fn classification(samples: &SampleSums, labels: &Labels, choice: TaskChoice) -> Result<Task, ModelError> {
    if let Labels::Numbers { columns, .. } = labels
        && *columns != 1
    {
        return Err(ModelError::Shape {
            what: "y",
            expected: "one class per sample".to_string(),
            found: format!("{columns} numbers per sample"),
        });
    }
    let mut names: Vec<String> = (0..labels.len()).map(|row| labels.class_name(row)).collect();
    names.sort();
    let here: Vec<(String, usize)> = names.chunk_by(|a, b| a == b).map(|run| (run[0].clone(), run.len())).collect();
    let mut classes = samples.texts(here.iter().map(|(name, _)| name.clone()).collect()).concat();
    classes.sort();
    classes.dedup();
    // Numbers first, by value. Comparing numbers with texts as texts would not give a consistent order.
    classes.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        (a, b) => a.is_err().cmp(&b.is_err()),
    });
    let count = |class: &String| here.iter().find(|(name, _)| name == class).map_or(0.0, |(_, count)| *count as f64);
    // Of whole numbers, so that the order of the ranks does not matter.
    let counts = samples.gather(classes.iter().map(count).collect());
    let counts: Vec<f64> = (0..classes.len()).map(|c| counts.iter().map(|row| row[c]).sum()).collect();
    let majority = (0..counts.len()).fold(0, |best, c| if counts[c] > counts[best] { c } else { best });
    match (<[String; 2]>::try_from(classes), choice) {
        (Ok(classes), TaskChoice::Auto | TaskChoice::Binary) => Ok(Task::Binary { classes, majority }),
        (Ok(classes), _) => Ok(Task::Multiclass { classes: classes.into(), majority }),
        (Err(classes), _) if classes.len() == 1 => {
            Err(ModelError::SingleClass { class: classes.into_iter().next().unwrap_or_default() })
        }
        (Err(classes), TaskChoice::Binary) => Err(ModelError::NotBinary { found: classes.len() }),
        (Err(classes), _) => Ok(Task::Multiclass { classes, majority }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Labels {
        Labels::Names {
            index: (0..names.len() as u32).collect(),
            names: names.iter().map(|name| name.to_string()).collect(),
        }
    }

    #[test]
    fn r9_labels_of_any_spelling_become_signs_and_come_back() {
        for (labels, expected) in [
            (Labels::numbers(vec![0.0, 1.0, 1.0]), ["0", "1"]),
            (Labels::numbers(vec![1.0, 2.0, 2.0]), ["1", "2"]),
            (named(&["cat", "dog", "dog"]), ["cat", "dog"]),
        ] {
            let targets = Targets::new(&labels, TaskChoice::Auto).unwrap();
            assert_eq!(targets.y.values(), [-1.0, 1.0, 1.0]);
            assert_eq!(targets.task.classes(), expected);
            assert_eq!(targets.task.class_of(&[-0.1]), Some(0));
            assert_eq!(targets.task.class_of(&[0.0]), Some(1), "a zero network predicts the majority");
        }
    }

    #[test]
    fn r3_one_class_and_wrong_tasks_are_errors() {
        let one = Targets::new(&Labels::numbers(vec![3.0; 4]), TaskChoice::Auto);
        assert_eq!(one, Err(ModelError::SingleClass { class: "3".into() }));
        let three = named(&["a", "b", "c"]);
        assert_eq!(Targets::new(&three, TaskChoice::Binary), Err(ModelError::NotBinary { found: 3 }));
        let text = Targets::new(&three, TaskChoice::Regression);
        assert!(matches!(text, Err(ModelError::NotNumeric { .. })));
        let one_of_them = Targets::new(&named(&["1.5", "2", "b"]), TaskChoice::Regression);
        assert_eq!(one_of_them, Err(ModelError::NotNumeric { label: "b".into(), row: 2 }));
    }

    #[test]
    fn several_classes_are_one_against_the_rest_in_numeric_order() {
        let targets = Targets::new(&Labels::numbers(vec![10.0, 2.0, 1.0]), TaskChoice::Auto).unwrap();
        assert_eq!(targets.task.classes(), ["1", "2", "10"]);
        assert_eq!(targets.y.values(), [-1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0]);
        assert_eq!(targets.task.class_of(&[0.1, 0.5, 0.2]), Some(1));
        assert_eq!(targets.task.class_of(&[0.0, 0.0, 0.0]), Some(0));
    }

    #[test]
    fn classes_that_are_partly_numbers_are_each_one_class() {
        let targets = Targets::new(&named(&["2", "1b", "10", "1.0", "1", "cat"]), TaskChoice::Auto).unwrap();
        assert_eq!(targets.task.classes(), ["1", "1.0", "2", "10", "1b", "cat"]);
        let rows: Vec<String> =
            (0..300).map(|row| ["2", "10", "1b", "x", "1", "1.0", "cat"][row * 5 % 7].into()).collect();
        let names = Labels::Names { index: (0..300).collect(), names: rows };
        assert_eq!(Targets::new(&names, TaskChoice::Auto).unwrap().task.classes().len(), 7);
    }

    #[test]
    fn many_whole_numbers_are_classes_only_if_none_is_rare() {
        let numbers = |distinct: usize, each: usize| {
            let labels = Labels::numbers((0..distinct * each).map(|row| (row % distinct) as f64).collect());
            Targets::new(&labels, TaskChoice::Auto).unwrap().task.classes().len()
        };
        assert_eq!([numbers(20, 1), numbers(26, 10), numbers(50, 12)], [20, 26, 50]);
        assert_eq!([numbers(21, 9), numbers(51, 100)], [0, 0]);
    }

    #[test]
    fn fractions_are_a_regression_and_classes_of_the_model_are_kept() {
        let targets = Targets::new(&Labels::numbers(vec![0.5, 1.0]), TaskChoice::Auto).unwrap();
        assert_eq!(targets.task, Task::Regression { columns: 1 });
        let binary = Targets::new(&Labels::numbers(vec![0.0, 1.0]), TaskChoice::Auto).unwrap().task;
        let error = binary.encode(&Labels::numbers(vec![7.0])).unwrap_err();
        assert!(matches!(error, ModelError::UnknownClass { .. }));
    }
}
