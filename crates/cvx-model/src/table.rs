//! Columns of numbers and texts with missing values, as a reader finds them.

use crate::error::ModelError;

/// The index of a missing text.
pub const MISSING: u32 = u32::MAX;

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Finite numbers; NaN where the value is missing.
    Numbers(Vec<f64>),
    /// Texts by their index in a dictionary.
    Texts {
        /// `levels[index[row]]` is the text of a row; [`MISSING`] where it is missing.
        index: Vec<u32>,
        /// The distinct texts. Some of them may not occur.
        levels: Vec<String>,
    },
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Texts { index, .. } => index.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of missing values.
    pub fn n_missing(&self) -> usize {
        match self {
            Column::Numbers(values) => values.iter().filter(|value| value.is_nan()).count(),
            Column::Texts { index, .. } => index.iter().filter(|&&index| index == MISSING).count(),
        }
    }

    fn truncate(&mut self, n_rows: usize) {
        match self {
            Column::Numbers(values) => {
                values.truncate(n_rows);
                values.shrink_to_fit();
            }
            Column::Texts { index, .. } => {
                index.truncate(n_rows);
                index.shrink_to_fit();
            }
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Column::Numbers(values) => Column::Numbers(rows.iter().map(|&row| values[row]).collect()),
            Column::Texts { index, levels } => {
                Column::Texts { index: rows.iter().map(|&row| index[row]).collect(), levels: levels.clone() }
            }
        }
    }
}

/// Columns of equal length, with or without names.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    names: Option<Vec<String>>,
    numbers: Vec<usize>,
}

impl Table {
    /// A table of `columns`, and their names if they have any. A name may be empty, or occur several times.
    ///
    /// # Errors
    /// [`ModelError::Empty`] without a column or without a row, [`ModelError::Shape`] for lengths or indices that do
    /// not fit together, [`ModelError::NonFinite`] for an infinity.
    pub fn new(columns: Vec<Column>, names: Option<Vec<String>>) -> Result<Self, ModelError> {
        let n_rows = columns.first().ok_or(ModelError::Empty { what: "features" })?.len();
        if n_rows == 0 {
            return Err(ModelError::Empty { what: "samples" });
        }
        let wrong =
            |what, expected: String, found: usize| Err(ModelError::Shape { what, expected, found: found.to_string() });
        if let Some(names) = names.as_ref().filter(|names| names.len() != columns.len()) {
            return wrong("the header", format!("{} names, one per column", columns.len()), names.len());
        }
        for (at, column) in columns.iter().enumerate() {
            if column.len() != n_rows {
                return wrong("a column", format!("{n_rows} values, as in the first column"), column.len());
            }
            match column {
                Column::Numbers(values) => {
                    if let Some(row) = values.iter().position(|value| value.is_infinite()) {
                        return Err(ModelError::NonFinite { what: "x", row, column: at });
                    }
                }
                Column::Texts { index, levels } => {
                    let beyond = |&&index: &&u32| index != MISSING && index as usize >= levels.len();
                    if let Some(&index) = index.iter().find(beyond) {
                        return wrong("a column", format!("indices of {} texts", levels.len()), index as usize);
                    }
                }
            }
        }
        let numbers = (1..=columns.len()).collect();
        Ok(Table { columns, names, numbers })
    }

    /// The same columns with other numbers, such as those of a file of which a column is left out.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for another count of numbers.
    pub fn with_numbers(self, numbers: Vec<usize>) -> Result<Self, ModelError> {
        if numbers.len() != self.columns.len() {
            return Err(ModelError::Shape {
                what: "the numbers of columns",
                expected: format!("{} of them, one per column", self.columns.len()),
                found: numbers.len().to_string(),
            });
        }
        Ok(Table { numbers, ..self })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The names of the columns, if they have any.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The number by which each column is known, counted from 1.
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    /// The given rows, in the given order.
    ///
    /// # Errors
    /// [`ModelError::Empty`] if `rows` is empty, [`ModelError::Shape`] for a row out of range.
    pub fn select(&self, rows: &[usize]) -> Result<Self, ModelError> {
        if rows.is_empty() {
            return Err(ModelError::Empty { what: "samples" });
        }
        if let Some(row) = rows.iter().find(|&&row| row >= self.n_rows()) {
            return Err(ModelError::Shape {
                what: "rows",
                expected: format!("numbers below {}", self.n_rows()),
                found: row.to_string(),
            });
        }
        Ok(Table { columns: self.columns.iter().map(|column| column.select(rows)).collect(), ..self.clone_names() })
    }

    /// Keeps the first rows, and gives the memory of the others back.
    pub(crate) fn truncate(&mut self, n_rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(n_rows));
    }

    /// The names without the columns.
    fn clone_names(&self) -> Self {
        Table { columns: Vec::new(), names: self.names.clone(), numbers: self.numbers.clone() }
    }
}

/// A column in messages: its name, or `column 3` if it has none.
pub(crate) fn title(name: Option<&String>, number: usize) -> String {
    name.filter(|name| !name.trim().is_empty()).cloned().unwrap_or_else(|| format!("column {number}"))
}
