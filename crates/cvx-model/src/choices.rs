//! What the user says about the columns of a table.

use crate::choice::Choice;
use crate::error::ModelError;

/// Columns that are treated as the user says, by name or by number from 1. All others are treated by what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnChoices {
    /// Categories, also where they are written as numbers.
    pub categorical: Vec<String>,
    /// Numbers: any other text is an error.
    pub numeric: Vec<String>,
    /// Dates, `2024-03-31` or with a time of day; they become days since 1970.
    pub dates: Vec<String>,
    /// Columns that are left out.
    pub drop: Vec<String>,
    /// Identifiers of the samples, which are left out too.
    pub ids: Vec<String>,
}

impl ColumnChoices {
    /// Every column that is named, with its choice.
    fn each(&self) -> impl Iterator<Item = (&str, Choice)> {
        let lists = [
            (&self.categorical, Choice::Categorical),
            (&self.numeric, Choice::Numeric),
            (&self.dates, Choice::Dates),
            (&self.drop, Choice::Drop),
            (&self.ids, Choice::Id),
        ];
        lists.into_iter().flat_map(|(columns, choice)| columns.iter().map(move |column| (column.as_str(), choice)))
    }

    /// The choice for each column, if there is one, of a table with these names, if it has names, and numbers.
    ///
    /// # Errors
    /// [`ModelError::UnknownColumn`] for a column that the table does not have, [`ModelError::ColumnChoice`] for two
    /// choices for one column.
    pub fn resolve(&self, names: Option<&[String]>, numbers: &[usize]) -> Result<Vec<Option<Choice>>, ModelError> {
        let mut found = vec![None; numbers.len()];
        for (column, choice) in self.each() {
            let named = names.into_iter().flatten().position(|name| name == column.trim());
            let numbered = || {
                let number: usize = column.trim().parse().ok()?;
                numbers.iter().position(|&other| other == number)
            };
            let Some(at) = named.or_else(numbered) else {
                let known = names.map_or_else(|| numbers.iter().map(usize::to_string).collect(), <[String]>::to_vec);
                return Err(ModelError::UnknownColumn { column: column.to_string(), known });
            };
            if let Some(other) = found[at].filter(|other| *other != choice) {
                return Err(ModelError::ColumnChoice { column: column.to_string(), choices: [other, choice] });
            }
            found[at] = Some(choice);
        }
        Ok(found)
    }
}
