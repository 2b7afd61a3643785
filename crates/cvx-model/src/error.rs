//! Errors in the data or the problem, reported before any work starts.

use crate::choice::Choice;
use thiserror::Error;

/// An invalid argument, with its location.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ModelError {
    /// An argument is empty.
    #[error("there are no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Two lengths that must agree are different.
    #[error("{what} has the wrong size: expected {expected}, found {found}")]
    Shape {
        /// The argument.
        what: &'static str,
        /// The expected size.
        expected: String,
        /// The actual size.
        found: String,
    },
    /// A NaN, an infinity, or a number too large for the chosen precision.
    #[error("{what} is not a finite number at row {}, column {} (counted from 1): remove or replace it", row + 1, column + 1)]
    NonFinite {
        /// The argument.
        what: &'static str,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// A number outside its range.
    #[error("{name} is {value}, but it must be {range}")]
    OutOfRange {
        /// The argument.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The numbers that are allowed.
        range: &'static str,
    },
    /// Gates of image patches were requested for samples that are not images.
    #[error("the gates '{gates}' are patches of images, but the samples are a table: choose another kind of gates")]
    NotImages {
        /// The kind of gates.
        gates: &'static str,
    },
    /// Labels are required, but the data have none.
    #[error("the data have no labels: only prediction works without labels")]
    NoLabels,
    /// The training labels have fewer than two classes.
    #[error("the training labels hold a single class, '{}': a classifier needs samples of at least two", class.escape_debug())]
    SingleClass {
        /// The one class.
        class: String,
    },
    /// A binary task was requested for a different number of classes.
    #[error("the task is binary, but the labels hold {found} classes: keep two of them, or choose the multiclass task")]
    NotBinary {
        /// Number of classes in the labels.
        found: usize,
    },
    /// A class is unknown to the data or the model.
    #[error("unknown class '{}': the classes are {}", class.escape_debug(), known.join(", ").escape_debug())]
    UnknownClass {
        /// The requested class.
        class: String,
        /// The known classes.
        known: Vec<String>,
    },
    /// The columns have another order, or are different columns.
    #[error("column {} of the features is '{}', but the model was trained on '{}' there: give the columns of the training \
             table in their order", column + 1, found.escape_debug(), expected.escape_debug())]
    FeatureName {
        /// Feature, from 0.
        column: usize,
        /// Its name in the training data.
        expected: String,
        /// Its name in the given data.
        found: String,
    },
    /// A regression was requested for class names.
    #[error("the label '{}' at row {} (counted from 1) is not a number: a regression needs numbers", label.escape_debug(), row + 1)]
    NotNumeric {
        /// The label.
        label: String,
        /// Row, from 0.
        row: usize,
    },
    /// A setting that requires classes was used for a regression.
    #[error("{what} needs classes, but the task is a regression: choose another, or the binary or multiclass task")]
    NeedsClasses {
        /// The loss or the weights.
        what: String,
    },
    /// A loss of the predictions for all classes was chosen for two classes, which have one prediction.
    #[error(
        "the {loss} loss needs a prediction for each class, but two classes have a single one: choose the {instead} loss"
    )]
    TwoClasses {
        /// The loss.
        loss: &'static str,
        /// The loss that does the same for two classes.
        instead: &'static str,
    },
    /// A sample weight is not positive.
    #[error("the weight of the sample at row {} (counted from 1) is {value}, but it must be a positive number", row + 1)]
    Weight {
        /// Row, from 0.
        row: usize,
        /// Its weight.
        value: f64,
    },
    /// A table does not have a column that is asked for.
    #[error("there is no column '{}': the columns are {}, numbered from 1", column.escape_debug(), list(known))]
    UnknownColumn {
        /// The requested column.
        column: String,
        /// The columns of the table.
        known: Vec<String>,
    },
    /// Two different things are asked for one column.
    #[error("the column '{}' is asked for as {} and as {}: choose one", column.escape_debug(), choices[0].name(), choices[1].name())]
    ColumnChoice {
        /// The column.
        column: String,
        /// The two choices.
        choices: [Choice; 2],
    },
    /// A column cannot have the constraint that is asked for it.
    #[error("the column '{}' cannot be {constraint}: {obstacle}", column.escape_debug())]
    ConstrainedColumn {
        /// The column.
        column: String,
        /// What it should be.
        constraint: &'static str,
        /// Why it cannot.
        obstacle: String,
    },
    /// Two constraints contradict each other.
    #[error("the column '{}' is to be {} and {}: choose one", column.escape_debug(), constraints[0], constraints[1])]
    ConstraintConflict {
        /// The column.
        column: String,
        /// The two constraints.
        constraints: [&'static str; 2],
    },
    /// A constraint that has no meaning for the task or the neurons.
    #[error("{constraint} cannot be had here: {why}")]
    Unconstrainable {
        /// The constraint.
        constraint: &'static str,
        /// Why it cannot be had.
        why: &'static str,
    },
    /// A given gate lies in the cone of no block.
    #[error("gate {} (counted from 1) lies outside the cones of the constraints, so that no neuron could use it: its \
             entries must have the signs of the weights of a neuron", gate + 1)]
    GateOutsideCones {
        /// Gate, from 0.
        gate: usize,
    },
    /// Too few gates are drawn for the groups of columns that may interact.
    #[error("{gates} gates are too few for {groups} groups of columns: draw at least {}", 2 * groups)]
    TooFewGates {
        /// Number of gates.
        gates: usize,
        /// Number of groups.
        groups: usize,
    },
    /// The output range is not an interval.
    #[error("the output range from {low} to {high} is not an interval of numbers")]
    EmptyRange {
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// A text in a column of numbers or dates.
    #[error("row {} (counted from 1) of the column '{}' is '{}', which is not {expected}: {remedy}",
        row + 1, column.escape_debug(), short(text))]
    BadValue {
        /// Row, from 0.
        row: usize,
        /// The column.
        column: String,
        /// The text.
        text: String,
        /// What is expected.
        expected: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A value is missing, and nothing is known to take its place.
    #[error("row {} (counted from 1) of the column '{}' is missing, and the model has no value in its place: fill it in, \
             or remove the row", row + 1, column.escape_debug())]
    MissingValue {
        /// Row, from 0.
        row: usize,
        /// The column.
        column: String,
    },
    /// Columns of the training table are not in this one.
    #[error("the table lacks {} that the model was trained on: {}",
        if columns.len() == 1 { "a column".to_string() } else { format!("{} columns", columns.len()) }, list(columns))]
    MissingColumns {
        /// Their names.
        columns: Vec<String>,
    },
    /// Every column of a table was dropped.
    #[error("no column is left to learn from: {}", list(dropped))]
    NothingLeft {
        /// Each column with the reason.
        dropped: Vec<String>,
    },
}

/// The first 20 names, and the number of all names if there are more.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| short(name)).collect();
    match names.len() {
        0..=20 => shown.join(", "),
        all => format!("{}, .. ({all} in all)", shown.join(", ")),
    }
}

/// The beginning of a text, with control characters escaped.
fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    shown
}
