//! Tables with borders.

use comfy_table::{CellAlignment, Table, presets};

/// A table of names and values.
pub fn facts<S: AsRef<str>>(rows: &[(S, String)]) -> String {
    let mut table = bordered();
    for (name, value) in rows {
        table.add_row([name.as_ref(), value]);
    }
    table.to_string()
}

/// A table with a header.
pub fn rows(header: &[impl AsRef<str>], rows: Vec<Vec<String>>) -> String {
    with_header(header, rows).to_string()
}

/// A table with a header, whose columns but the first are numbers, aligned to the right.
pub fn numbers(header: &[impl AsRef<str>], rows: Vec<Vec<String>>) -> String {
    let mut table = with_header(header, rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn with_header(header: &[impl AsRef<str>], rows: Vec<Vec<String>>) -> Table {
    let mut table = bordered();
    table.set_header(header.iter().map(AsRef::as_ref));
    table.add_rows(rows);
    table
}

fn bordered() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table
}
