//! What is chosen for a column of a table.

/// What is chosen for a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Categories.
    Categorical,
    /// Numbers.
    Numeric,
    /// Dates.
    Dates,
    /// Left out.
    Drop,
    /// An identifier.
    Id,
}

impl Choice {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Categorical => "categorical",
            Choice::Numeric => "numeric",
            Choice::Dates => "dates",
            Choice::Drop => "drop",
            Choice::Id => "id",
        }
    }
}
