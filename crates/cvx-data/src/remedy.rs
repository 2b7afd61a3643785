//! What to do about a text that is not what its place in a file requires.

use std::fmt;

/// What to do about a text that is not what its place in a file requires. Displayed as a clause in English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The text is wrong: correct or remove it.
    Correct,
    /// The value is missing: fill it in or remove the line.
    FillIn,
    /// A word where most values are numbers: correct it, name the column as the label column, or say that it holds
    /// categories.
    Encode,
    /// A number with a decimal comma: write a decimal point.
    DecimalPoint,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::Correct => "correct or remove it",
            Remedy::FillIn => "fill it in, or remove the line",
            Remedy::Encode => {
                "correct or remove it; if the column holds the labels, name it as the label column; if it holds \
                 categories, make it a categorical one"
            }
            Remedy::DecimalPoint => "write numbers with a decimal point, not a comma",
        })
    }
}
