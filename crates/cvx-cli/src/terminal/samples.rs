//! The description of a data source.

use super::table::{facts, rows};
use crate::summary::columns;
use crate::summary::samples::{COLUMNS, Description};

/// The facts, and a table of the columns if they are few.
pub fn description(description: &Description) -> String {
    let text = facts(&description.rows());
    match (description.table(), description.columns()) {
        (Some(table), _) => format!("{text}\n{}", rows(&columns::HEADER, table.clone())),
        (None, Some(columns)) => format!("{text}\n{}", rows(&COLUMNS, columns)),
        (None, None) => text,
    }
}
