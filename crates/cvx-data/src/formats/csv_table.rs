//! Tables of values separated by commas, semicolons or tabs: one sample per line, one column of labels.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use cvx_model::{Dataset, FeatureKind, Labels};

use crate::error::{DataError, excerpt};
use crate::files::bytes::Bytes;
use crate::files::store::Store;
use crate::formats::text_labels::TextLabels;
use crate::name::extension;
use crate::remedy::Remedy;
use crate::request::LabelColumn;

/// Names of the label column, in any case. They also identify a header.
const LABEL_NAMES: [&str; 4] = ["label", "y", "target", "class"];

/// Texts that denote a missing value, in any case.
const MISSING: [&str; 6] = ["na", "n/a", "null", "none", "?", "-"];

/// Number of bytes that are searched for the delimiter of a table.
const HEAD: u64 = 1 << 16;

/// Lines of a table that cannot be used.
#[derive(Debug, Default)]
pub struct Unusable {
    /// Number of these lines.
    pub count: usize,
    /// The errors of the first ten of them, one error per line.
    pub first: Vec<DataError>,
}

/// Largest number of errors in [`Unusable::first`].
const MAX_REPORTED: usize = 10;

/// Reads one table. For a test set, `like` holds the labels of the training set.
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

/// Finds every line with missing fields or with fields that are not numbers. [`read`] stops at the first.
pub(crate) fn unusable(path: &Path, label_column: &LabelColumn, store: &Store) -> Result<Unusable, DataError> {
    let mut found = Unusable::default();
    walk(path, label_column, store, |table, record| {
        if let Err(fault) = table.push(record) {
            found.count += 1;
            if found.first.len() < MAX_REPORTED {
                found.first.push(table.explain(record, fault));
            }
        }
        table.values.clear();
        Ok(())
    })?;
    Ok(found)
}

/// Visits the records of a table one by one.
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
    // Lines with another number of fields are found by `push`, and reported with the right line number.
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
    /// Its number of fields.
    Ragged,
    /// One field: its column (from 0), what is expected there, and the remedy.
    Field(usize, &'static str, Remedy),
}

/// A table while it is read.
struct Table<'a> {
    path: &'a Path,
    store: &'a Store<'a>,
    delimiter: u8,
    n_columns: usize,
    /// The header, if there is one.
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
                    "" if field.trim_ascii().is_empty() => return Err(Fault::Field(column, "a label", Remedy::FillIn)),
                    "" => return Err(Fault::Field(column, "a label in UTF-8", Remedy::Correct)),
                    // With another delimiter, this is a number with a decimal comma, not a name.
                    _ if self.delimiter != b',' && is_decimal_comma(text) => {
                        return Err(Fault::Field(column, "a label", Remedy::DecimalPoint));
                    }
                    _ => self.labels.push(text, start),
                }
            } else {
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => self.values.push(value),
                    Ok(_) => return Err(Fault::Field(column, "a finite number", Remedy::Correct)),
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
                what: "features beside the label (columns are separated by commas, semicolons or tabs)",
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
            .map_err(|error| self.bad_text(error.place, column, error.text.as_bytes(), "a number", Remedy::Correct))?;
        match (&labels, non_finite) {
            // Among class names, `nan` and `inf` are class names.
            (Labels::Numbers { .. }, Some((text, place))) => {
                Err(self.bad_text(place, column, text.as_bytes(), "a finite number", Remedy::Correct))
            }
            _ => Ok(labels),
        }
    }

    fn bad_text(&self, start: u64, column: usize, text: &[u8], expected: &'static str, remedy: Remedy) -> DataError {
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

    /// The line, from 1, of the record at or after byte `start`.
    ///
    /// The csv crate gives the line where the previous record ends, which is wrong after blank lines and between
    /// the bytes of CR LF. Therefore the lines are counted again when there is an error to report.
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

/// A first line is a header if none of its fields is a number, or if it names the label column above a number.
///
/// That number distinguishes the header `0,1,y` from the sample `0,1,y` of a table with the classes `y` and `n`.
fn is_header(first: &ByteRecord, second: &ByteRecord) -> bool {
    let names_label = |column: usize, field| {
        is_label_name(&String::from_utf8_lossy(field)) && second.get(column).is_some_and(is_number)
    };
    !first.iter().any(is_number) || first.iter().enumerate().any(|(column, field)| names_label(column, field))
}

/// The delimiter of a table: a tab or a semicolon if the first line has no commas except within numbers.
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

/// The remedy for a text that should be a number.
fn remedy(text: &str) -> Remedy {
    match text.chars().next() {
        None => Remedy::FillIn,
        Some(_) if MISSING.contains(&text.to_lowercase().as_str()) => Remedy::FillIn,
        Some(first) if first.is_alphabetic() => Remedy::Encode,
        _ if is_decimal_comma(text) => Remedy::DecimalPoint,
        _ => Remedy::Correct,
    }
}

/// Whether a text is a number with a decimal comma.
fn is_decimal_comma(text: &str) -> bool {
    text.contains(',') && text.replacen(',', ".", 1).parse::<f64>().is_ok()
}

fn is_number(field: &[u8]) -> bool {
    std::str::from_utf8(field).is_ok_and(|text| text.trim().parse::<f64>().is_ok())
}

fn is_label_name(name: &str) -> bool {
    LABEL_NAMES.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}
