//! The description of a data source.

use super::table::{facts, rows};
use crate::summary::samples::{COLUMNS, Description};

/// The facts, and a table of the columns if they are few.
pub fn description(description: &Description) -> String {
    let text = facts(&description.rows());
    match description.columns() {
        Some(columns) => format!("{text}\n{}", rows(&COLUMNS, columns)),
        None => text,
    }
}
