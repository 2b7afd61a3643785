//! Tables of values parted by commas, semicolons or tabs: one sample per line, one column of labels.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use cvx_model::{Dataset, FeatureKind, Labels};

use crate::bytes::Bytes;
use crate::error::{DataError, excerpt};
use crate::labels::TextLabels;
use crate::source::{LabelColumn, extension};
use crate::store::Store;

/// Names that mark the label column, in any case; they also mark a header.
const LABEL_NAMES: [&str; 4] = ["label", "y", "target", "class"];

/// Texts that stand for a missing value, in any case.
const MISSING: [&str; 6] = ["na", "n/a", "null", "none", "?", "-"];

/// Bytes of a table that are looked at to find what parts its fields.
const HEAD: u64 = 1 << 16;

/// What to do about a field.
const CORRECT: &str = "correct or remove it";
const FILL: &str = "fill it in, or remove the line";
const ENCODE: &str = "correct or remove it; if the column holds the labels, say so (--label-column); if it holds categories, \
                      make it numbers: a column of 0 and 1 for each category";
const POINT: &str = "write numbers with a decimal point, not a comma";

/// Lines of a table that cannot be used.
#[derive(Debug, Default)]
pub struct Unusable {
    /// How many there are.
    pub count: usize,
    /// What is wrong with the first of them, a fault each.
    pub first: Vec<DataError>,
}

/// Most faults that are told one by one.
const MOST_FAULTS: usize = 10;

/// Reads one table. `like` holds the labels of the training set when a test set is read.
pub(crate) fn read(
    path: &Path,
    label_column: &LabelColumn,
    store: &Store,
    like: Option<&Labels>,
) -> Result<Dataset, DataError> {
    let push =
        |table: &mut Table, record: &ByteRecord| table.push(record).map_err(|fault| table.explain(record, fault));
    walk(path, label_column, store, push)?.finish(like)
}

/// Looks for all lines with missing fields and fields that are no numbers, where [`read`] ends at the first.
pub(crate) fn unusable(path: &Path, label_column: &LabelColumn, store: &Store) -> Result<Unusable, DataError> {
    let mut found = Unusable::default();
    walk(path, label_column, store, |table, record| {
        if let Err(fault) = table.push(record) {
            found.count += 1;
            if found.first.len() < MOST_FAULTS {
                found.first.push(table.explain(record, fault));
            }
        }
        table.values.clear();
        Ok(())
    })?;
    Ok(found)
}

/// Takes a table record by record.
fn walk<'a>(
    path: &'a Path,
    label_column: &LabelColumn,
    store: &'a Store<'a>,
    mut visit: impl FnMut(&mut Table<'a>, &ByteRecord) -> Result<(), DataError>,
) -> Result<Table<'a>, DataError> {
    let mut bytes = Bytes::open(path, store)?;
    let mut head = Vec::new();
    bytes.by_ref().take(HEAD).read_to_end(&mut head).map_err(|error| DataError::read(path, 0, error))?;
    let delimiter = if extension(path).as_deref() == Some("tsv") { b'\t' } else { delimiter_of(&head) };
    // Ragged lines are found below, with the right line number.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(Cursor::new(head).chain(bytes));
    let mut next = |record: &mut ByteRecord| {
        reader.read_byte_record(record).map_err(|error| DataError::read(path, reader.position().byte(), error.into()))
    };
    let (mut first, mut record) = (ByteRecord::new(), ByteRecord::new());
    next(&mut first)?;
    let mut more = next(&mut record)?;

    let mut table = Table::new(path, store, delimiter, &first, &record);
    table.label = table.find_label(label_column)?;
    if table.names.is_none() && !first.is_empty() {
        visit(&mut table, &first)?;
    }
    while more {
        visit(&mut table, &record)?;
        more = next(&mut record)?;
    }
    Ok(table)
}

/// What is wrong with a record.
enum Fault {
    /// The number of its fields.
    Ragged,
    /// A field, by its column, what it should be, and what to do about it.
    Field(usize, &'static str, &'static str),
}

/// A table as it grows.
struct Table<'a> {
    path: &'a Path,
    store: &'a Store<'a>,
    delimiter: u8,
    n_columns: usize,
    /// The header, where there is one.
    names: Option<Vec<String>>,
    /// The column of the labels, counted from 0.
    label: Option<usize>,
    n_samples: usize,
    values: Vec<f64>,
    labels: TextLabels,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, store: &'a Store<'a>, delimiter: u8, first: &ByteRecord, second: &ByteRecord) -> Self {
        let name = |field| String::from_utf8_lossy(field).trim().to_owned();
        Table {
            path,
            store,
            delimiter,
            n_columns: first.len(),
            names: is_header(first, second).then(|| first.iter().map(name).collect()),
            label: None,
            n_samples: 0,
            values: Vec::new(),
            labels: TextLabels::default(),
        }
    }

    fn find_label(&self, wanted: &LabelColumn) -> Result<Option<usize>, DataError> {
        let names = self.names.as_deref().unwrap_or_default();
        match wanted {
            LabelColumn::Absent => Ok(None),
            LabelColumn::Auto => {
                let named = names.iter().position(|name| is_label_name(name));
                Ok(Some(named.unwrap_or(self.n_columns.saturating_sub(1))))
            }
            LabelColumn::Column(column) => {
                let numbers = 1..=self.n_columns;
                let named = names.iter().position(|name| name == column.trim());
                let numbered = column.trim().parse().ok().filter(|number| numbers.contains(number));
                match named.or(numbered.map(|number| number - 1)) {
                    Some(index) => Ok(Some(index)),
                    None => Err(DataError::UnknownColumn {
                        path: self.path.to_owned(),
                        column: column.clone(),
                        known: match &self.names {
                            Some(names) => names.clone(),
                            None => numbers.map(|number| number.to_string()).collect(),
                        },
                    }),
                }
            }
        }
    }

    /// Appends one sample.
    fn push(&mut self, record: &ByteRecord) -> Result<(), Fault> {
        if record.len() != self.n_columns {
            return Err(Fault::Ragged);
        }
        let start = start_of(record);
        for (column, field) in record.iter().enumerate() {
            let text = std::str::from_utf8(field).unwrap_or("").trim();
            if Some(column) == self.label {
                match text {
                    "" if field.trim_ascii().is_empty() => return Err(Fault::Field(column, "a label", FILL)),
                    "" => return Err(Fault::Field(column, "a label in UTF-8", CORRECT)),
                    // Where fields are not parted by commas, this is no name but the number of another country.
                    _ if self.delimiter != b',' && is_decimal_comma(text) => {
                        return Err(Fault::Field(column, "a label", POINT));
                    }
                    _ => self.labels.push(text, start),
                }
            } else {
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => self.values.push(value),
                    Ok(_) => return Err(Fault::Field(column, "a finite number", CORRECT)),
                    Err(_) => return Err(Fault::Field(column, "a number", remedy(text))),
                }
            }
        }
        self.n_samples += 1;
        Ok(())
    }

    fn explain(&self, record: &ByteRecord, fault: Fault) -> DataError {
        let start = start_of(record);
        match fault {
            Fault::Field(column, expected, remedy) => {
                self.bad_text(start, column, record.get(column).unwrap_or_default(), expected, remedy)
            }
            Fault::Ragged => match self.line_at(start) {
                Ok(line) => DataError::Ragged {
                    path: self.path.to_owned(),
                    line,
                    expected: self.n_columns,
                    found: record.len(),
                },
                Err(error) => error,
            },
        }
    }

    fn finish(mut self, like: Option<&Labels>) -> Result<Dataset, DataError> {
        if self.n_samples == 0 {
            return Err(DataError::Empty { path: self.path.to_owned(), what: "samples" });
        }
        let texts = std::mem::take(&mut self.labels);
        let labels = self.label.map(|column| self.finish_labels(texts, column, like)).transpose()?;
        let n_features = self.n_columns - usize::from(labels.is_some());
        if n_features == 0 {
            return Err(DataError::Empty {
                path: self.path.to_owned(),
                what: "features beside the label (columns are parted by commas, semicolons or tabs)",
            });
        }
        let features = |names: Vec<String>| {
            let others = names.into_iter().enumerate().filter(|(column, _)| Some(*column) != self.label);
            others.map(|(_, name)| name).collect()
        };
        Dataset::new(n_features, self.values, labels, FeatureKind::Table)
            .and_then(|data| match self.names.map(features) {
                Some(names) => data.with_feature_names(names),
                None => Ok(data),
            })
            .map_err(|error| DataError::Unusable { path: self.path.to_owned(), error })
    }

    fn finish_labels(&self, texts: TextLabels, column: usize, like: Option<&Labels>) -> Result<Labels, DataError> {
        let non_finite = texts.first_non_finite();
        let labels = texts
            .finish(like)
            .map_err(|error| self.bad_text(error.place, column, error.text.as_bytes(), "a number", CORRECT))?;
        match (&labels, non_finite) {
            // Among names, a text like `nan` or `inf` is one of them.
            (Labels::Numbers { .. }, Some((text, place))) => {
                Err(self.bad_text(place, column, text.as_bytes(), "a finite number", CORRECT))
            }
            _ => Ok(labels),
        }
    }

    fn bad_text(
        &self,
        start: u64,
        column: usize,
        text: &[u8],
        expected: &'static str,
        remedy: &'static str,
    ) -> DataError {
        let name = self.names.as_ref().and_then(|names| names.get(column));
        match self.line_at(start) {
            Ok(line) => DataError::BadText {
                path: self.path.to_owned(),
                line,
                place: match name {
                    Some(name) => format!("column {} ('{}')", column + 1, excerpt(name.as_bytes())),
                    None => format!("column {}", column + 1),
                },
                text: excerpt(text.trim_ascii()),
                expected,
                remedy,
            },
            Err(error) => error,
        }
    }

    /// The line of the record at or after byte `start`.
    ///
    /// The line that the csv crate gives is that of the end of the record before, which blank lines and the
    /// second byte of CR LF put one off: so the lines are counted again once there is an error to report.
    fn line_at(&self, start: u64) -> Result<u64, DataError> {
        let mut line = 1;
        for (offset, byte) in BufReader::new(Bytes::open(self.path, self.store)?).bytes().enumerate() {
            let byte = byte.map_err(|error| DataError::read(self.path, offset as u64, error))?;
            if offset as u64 >= start && byte != b'\r' && byte != b'\n' {
                break;
            }
            line += u64::from(byte == b'\n');
        }
        Ok(line)
    }
}

/// The byte at which a record begins.
fn start_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, |position| position.byte())
}

/// A first line is a header when none of its fields is a number, or when it names the label column above a number.
///
/// The number below tells the header `0,1,y` from the sample `0,1,y` of a table with the classes `y` and `n`.
fn is_header(first: &ByteRecord, second: &ByteRecord) -> bool {
    let names_label = |column: usize, field| {
        is_label_name(&String::from_utf8_lossy(field)) && second.get(column).is_some_and(is_number)
    };
    !first.iter().any(is_number) || first.iter().enumerate().any(|(column, field)| names_label(column, field))
}

/// What parts the fields of a table: a tab or a semicolon where the first line has no commas but those within numbers.
fn delimiter_of(head: &[u8]) -> u8 {
    let mut lines = head.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let line = lines.next().unwrap_or_default();
    let mut quoted = false;
    let (mut commas, mut tabs, mut semicolons) = (0, 0, 0);
    for (at, byte) in line.iter().enumerate() {
        let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'\t' => tabs += 1,
            b';' => semicolons += 1,
            b',' if !(is_digit(at.wrapping_sub(1)) && is_digit(at + 1)) => commas += 1,
            _ => {}
        }
    }
    match (commas, tabs.max(semicolons)) {
        (0, 1..) if tabs >= semicolons => b'\t',
        (0, 1..) => b';',
        _ => b',',
    }
}

/// What to do about a text that should be a number.
fn remedy(text: &str) -> &'static str {
    match text.chars().next() {
        None => FILL,
        Some(_) if MISSING.contains(&text.to_lowercase().as_str()) => FILL,
        Some(first) if first.is_alphabetic() => ENCODE,
        _ if is_decimal_comma(text) => POINT,
        _ => CORRECT,
    }
}

/// Whether a text is a number but for its comma.
fn is_decimal_comma(text: &str) -> bool {
    text.contains(',') && text.replacen(',', ".", 1).parse::<f64>().is_ok()
}

fn is_number(field: &[u8]) -> bool {
    std::str::from_utf8(field).is_ok_and(|text| text.trim().parse::<f64>().is_ok())
}

fn is_label_name(name: &str) -> bool {
    LABEL_NAMES.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}
