//! What can be wrong with the data or the problem, said before any work starts.

use thiserror::Error;

/// An argument that cannot be worked with, named with its place.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ModelError {
    /// Nothing to work on.
    #[error("there are no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Two lengths that must agree do not.
    #[error("{what} has the wrong size: expected {expected}, found {found}")]
    Shape {
        /// The argument.
        what: &'static str,
        /// The size that would fit.
        expected: String,
        /// The size it has.
        found: String,
    },
    /// A NaN or an infinity, or a number too large for the chosen precision.
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
    /// Gates of image patches for samples that are no images.
    #[error("the gates '{gates}' are patches of images, but the samples are a table: choose another kind of gates")]
    NotImages {
        /// The kind of gates.
        gates: &'static str,
    },
    /// Labels are needed, and the data have none.
    #[error("the data have no labels: without them there is nothing to do but to predict")]
    NoLabels,
    /// Fewer than two classes in the training labels.
    #[error("the training labels hold a single class, '{}': a classifier needs samples of at least two", class.escape_debug())]
    SingleClass {
        /// The one class.
        class: String,
    },
    /// A two-class task with another number of classes.
    #[error("the task is binary, but the labels hold {found} classes: keep two of them, or choose the multiclass task")]
    NotBinary {
        /// Number of classes in the labels.
        found: usize,
    },
    /// A class that the data (or the model) do not know.
    #[error("unknown class '{}': the classes are {}", class.escape_debug(), known.join(", ").escape_debug())]
    UnknownClass {
        /// The name asked for.
        class: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Columns in another order, or others altogether.
    #[error("column {} of the features is '{}', but the model was trained on '{}' there: give the columns of the training \
             table in their order", column + 1, found.escape_debug(), expected.escape_debug())]
    FeatureName {
        /// Feature, from 0.
        column: usize,
        /// Its name in training.
        expected: String,
        /// Its name now.
        found: String,
    },
    /// A regression on class names.
    #[error("the label '{}' at row {} (counted from 1) is not a number: a regression needs numbers", label.escape_debug(), row + 1)]
    NotNumeric {
        /// The label.
        label: String,
        /// Row, from 0.
        row: usize,
    },
    /// Something that speaks of classes, where numbers are learnt.
    #[error("{what} needs classes, but the task is a regression: choose another, or the binary or multiclass task")]
    NeedsClasses {
        /// The loss or the weights.
        what: String,
    },
    /// A sample that counts nothing, or less.
    #[error("the weight of the sample at row {} (counted from 1) is {value}, but it must be a positive number", row + 1)]
    Weight {
        /// Row, from 0.
        row: usize,
        /// Its weight.
        value: f64,
    },
}
