//! Tables of values separated by commas, semicolons or tabs: one sample per line, one column of labels.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder};
use cvx_model::{Choice, ColumnKind, Dataset, Labels, ModelError, Recipe, Table};

use crate::error::{DataError, excerpt};
use crate::files::bytes::Bytes;
use crate::files::store::Store;
use crate::formats::csv_column::{Builder, Expected};
use crate::formats::csv_head::{clean, delimiter_of, is_decimal_comma, is_header, is_label_name, is_missing, records};
use crate::formats::csv_labels::{BadLabel, LabelBuilder};
use crate::name::extension;
use crate::remedy::Remedy;
use crate::request::{Header, LabelColumn, Request};
use crate::share::Share;

/// Number of bytes that are searched for delimiter and header.
const HEAD: u64 = 1 << 16;

/// Bytes between two reports of progress.
const STRIDE: u64 = 1 << 20;

/// How far the reading of a table has come.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The table.
    pub path: &'a Path,
    /// Rows that are read.
    pub rows: usize,
    /// Bytes of text that are read, unpacked.
    pub bytes: u64,
    /// Bytes of the whole text.
    pub length: u64,
}

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

/// How a table is read: as the user requests it, and as the training table was, if there is one.
pub(crate) struct Manner<'a> {
    pub(crate) request: &'a Request,
    /// How the columns become features; by default it follows from this table.
    pub(crate) recipe: Option<Arc<Recipe>>,
    /// The name of the labels of the training table.
    pub(crate) label_name: Option<&'a str>,
    /// The labels of the training table.
    pub(crate) like: Option<&'a Labels>,
    /// Is told about every megabyte.
    pub(crate) watch: &'a dyn Fn(Reading),
}

/// Reads the rows of one table that are kept. What its columns are follows from all rows.
pub(crate) fn read(path: &Path, store: &Store, manner: &Manner, share: &Share) -> Result<Dataset, DataError> {
    let mut sheet = Sheet::open(path, store, manner)?;
    sheet.scan(share, Err)?;
    let (expected, is_faulty) = sheet.judge();
    if is_faulty {
        // The columns are known, the lines are not: the first of them is looked for.
        sheet.lines.each(|record| match sheet.fault(record, &expected) {
            Some(fault) => Err(sheet.lines.explain(record, fault)),
            None => Ok(()),
        })?;
    }
    sheet.finish(manner, share)
}

/// Finds every line with missing fields or with fields that are not numbers. [`read`] stops at the first.
pub(crate) fn unusable(path: &Path, store: &Store, manner: &Manner) -> Result<Unusable, DataError> {
    let mut sheet = Sheet::open(path, store, manner)?;
    sheet.scan(&Share::all(), |_| Ok(()))?;
    let (expected, _) = sheet.judge();
    let mut found = Unusable::default();
    sheet.lines.each(|record| {
        if let Some(fault) = sheet.fault(record, &expected) {
            found.count += 1;
            if found.first.len() < MAX_REPORTED {
                found.first.push(sheet.lines.explain(record, fault));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// What is wrong with a record.
enum Fault {
    /// Its number of fields.
    Ragged,
    /// One field: its column (from 0), what is expected there, and the remedy.
    Field(usize, &'static str, Remedy),
}

/// The records of a file.
struct Lines<'a> {
    path: &'a Path,
    store: &'a Store<'a>,
    delimiter: u8,
    n_columns: usize,
    /// Hardly fewer than the records, by the length of the first of them.
    n_records: usize,
    /// The header, if there is one.
    names: Option<Vec<String>>,
    watch: &'a dyn Fn(Reading),
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path, store: &'a Store<'a>, manner: &Manner<'a>) -> Result<Self, DataError> {
        let mut head = Vec::new();
        let bytes = Bytes::open(path, store)?;
        let length = bytes.len();
        let is_whole = length <= HEAD;
        bytes.take(HEAD).read_to_end(&mut head).map_err(|error| DataError::read(path, 0, error))?;
        let delimiter = if extension(path).as_deref() == Some("tsv") { b'\t' } else { delimiter_of(&head) };
        let records = records(&head, delimiter, is_whole);
        let first = records.first().cloned().unwrap_or_default();
        let has_names = match manner.request.header {
            Header::Auto => is_header(&records),
            Header::Yes => true,
            Header::No => false,
        };
        let name = |field| clean(field).map_or_else(|| String::from_utf8_lossy(field).into_owned(), str::to_owned);
        let names = has_names.then(|| first.iter().map(name).collect());
        let record = match &records[..] {
            [.., last] if records.len() > 1 => start_of(last) / (records.len() as u64 - 1),
            _ => head.len() as u64,
        };
        // A record has a byte for each field at least: what is reserved is in proportion to the text.
        let record = record.max(first.len() as u64).max(1);
        let n_records = usize::try_from(length / record).unwrap_or(usize::MAX);
        // Room that is not used takes no memory, and columns that outgrow theirs are copied.
        let n_records = n_records.saturating_add(n_records / 8);
        Ok(Lines { path, store, delimiter, n_columns: first.len(), n_records, names, watch: manner.watch })
    }

    /// Visits the records below the header one by one.
    fn each(&self, mut visit: impl FnMut(&ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
        let bytes = Bytes::open(self.path, self.store)?;
        let (path, length) = (self.path, bytes.len());
        // Lines with another number of fields are found by `fault`, and reported with the right line number.
        let mut reader = ReaderBuilder::new()
            .has_headers(self.names.is_some())
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(bytes);
        let mut record = ByteRecord::new();
        let mut next = STRIDE;
        for rows in 0.. {
            if start_of(&record) >= next {
                next = start_of(&record) + STRIDE;
                (self.watch)(Reading { path, rows, bytes: start_of(&record), length });
            }
            match reader.read_byte_record(&mut record) {
                Ok(true) => visit(&record)?,
                Ok(false) => return Ok(()),
                Err(error) => return Err(DataError::read(self.path, reader.position().byte(), error.into())),
            }
        }
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

    /// An error of the columns as a whole.
    fn unusable(&self, error: ModelError, share: &Share) -> DataError {
        let path = self.path.to_owned();
        match error {
            ModelError::UnknownColumn { column, known } => DataError::UnknownColumn { path, column, known },
            error => share.unusable(&path, error),
        }
    }
}

/// A table while it is read.
struct Sheet<'a> {
    lines: Lines<'a>,
    /// The column of the labels, counted from 0.
    label: Option<usize>,
    /// The columns of the features, counted from 0.
    places: Vec<usize>,
    /// What each of them must be, where that is known.
    known: Vec<Option<Expected>>,
    columns: Vec<Builder>,
    labels: LabelBuilder,
    /// Number of all samples.
    n_samples: usize,
    unlabelled: usize,
    /// Whether rows without a label are samples too.
    every_row: bool,
    /// Whether the training table has decided what the columns are.
    is_trained: bool,
}

impl<'a> Sheet<'a> {
    fn open(path: &'a Path, store: &'a Store<'a>, manner: &Manner<'a>) -> Result<Self, DataError> {
        let lines = Lines::open(path, store, manner)?;
        let label = find_label(&lines, manner)?;
        let places: Vec<usize> = (0..lines.n_columns).filter(|column| Some(*column) != label).collect();
        let names: Option<Vec<String>> =
            lines.names.as_ref().map(|names| places.iter().map(|&column| names[column].clone()).collect());
        let numbers: Vec<usize> = places.iter().map(|column| column + 1).collect();
        let kinds = match manner.recipe.as_ref().map(|recipe| recipe.kinds(names.as_deref(), &numbers)) {
            // A column that the recipe has no use for is not used.
            Some(Ok(kinds)) => kinds.into_iter().map(|kind| (None, kind.or(Some(&ColumnKind::Unused)))).collect(),
            Some(Err(ModelError::Shape { .. })) => {
                return Err(DataError::Mismatch {
                    path: path.to_owned(),
                    what: "columns of features, as in training",
                    expected: manner.recipe.as_ref().map_or(0, |recipe| recipe.columns().len()),
                    found: places.len(),
                });
            }
            Some(Err(error)) => return Err(lines.unusable(error, &Share::all())),
            None => {
                let choices = manner.request.columns.resolve(names.as_deref(), &numbers);
                let choices = choices.map_err(|error| lines.unusable(error, &Share::all()))?;
                choices.into_iter().map(|choice| (choice, None)).collect::<Vec<_>>()
            }
        };
        // A date may look like a number.
        let is_date = |kind: &(Option<Choice>, Option<&ColumnKind>)| {
            matches!(kind, (Some(Choice::Dates), _) | (_, Some(ColumnKind::Dates(_))))
        };
        Ok(Sheet {
            columns: kinds.iter().map(|kind| Builder::new(is_date(kind), lines.n_records)).collect(),
            known: kinds.into_iter().map(|(choice, kind)| Expected::of(choice, kind)).collect(),
            lines,
            label,
            places,
            labels: LabelBuilder::new(matches!(manner.like, Some(Labels::Names { .. }))),
            n_samples: 0,
            unlabelled: 0,
            every_row: manner.request.every_row,
            is_trained: manner.recipe.is_some(),
        })
    }

    /// Reads all lines; `fail` decides about those that cannot be used whatever the columns are. Where some samples are
    /// kept, their number has to be known first: the lines are read twice.
    fn scan(&mut self, share: &Share, fail: impl Fn(DataError) -> Result<(), DataError>) -> Result<(), DataError> {
        let Sheet { lines, label, places, columns, labels, n_samples, unlabelled, every_row, .. } = self;
        let at_once = share.is_all();
        lines.each(|record| {
            if let Some(fault) = always_wrong(lines, *label, record) {
                return fail(lines.explain(record, fault));
            }
            match label.and_then(|column| clean(&record[column])) {
                Some(text) if is_missing(text) => *unlabelled += 1,
                Some(text) => labels.push(text, start_of(record), at_once),
                None => {}
            }
            if is_sample(*label, *every_row, record) {
                *n_samples += 1;
                for (column, &place) in columns.iter_mut().zip(&*places) {
                    column.push(clean(&record[place]).unwrap_or_default(), at_once);
                }
            }
            Ok(())
        })?;
        let kept = share.rows(*n_samples)?;
        let again: Vec<usize> = (0..columns.len()).filter(|&at| !at_once || columns[at].is_incomplete()).collect();
        let label_again = label.filter(|_| !at_once || labels.is_incomplete());
        if again.is_empty() && label_again.is_none() {
            return Ok(());
        }
        again.iter().for_each(|&at| columns[at] = columns[at].again(kept.len()));
        if label_again.is_some() {
            *labels = labels.again();
        }
        let mut row = 0;
        lines.each(|record| {
            if always_wrong(lines, *label, record).is_some() {
                return Ok(());
            }
            let is_kept = kept.contains(&row);
            if let Some(text) = label_again.and_then(|column| clean(&record[column])).filter(|text| !is_missing(text)) {
                labels.push(text, start_of(record), is_kept);
            }
            if is_sample(*label, *every_row, record) {
                row += 1;
                for &at in &again {
                    // Numbers of rows that are not kept have been looked at.
                    if is_kept || columns[at].is_texts() {
                        columns[at].push(clean(&record[places[at]]).unwrap_or_default(), is_kept);
                    }
                }
            }
            Ok(())
        })
    }

    /// What the columns must be, and whether a field of one of them is not.
    fn judge(&self) -> (Vec<Expected>, bool) {
        let judged: Vec<(Expected, bool)> =
            self.columns.iter().zip(&self.known).map(|(column, known)| column.judge(*known)).collect();
        let is_faulty = judged.iter().any(|(_, is_faulty)| *is_faulty);
        (judged.into_iter().map(|(expected, _)| expected).collect(), is_faulty)
    }

    /// What is wrong with a record, given what each column must be.
    fn fault(&self, record: &ByteRecord, expected: &[Expected]) -> Option<Fault> {
        let always = always_wrong(&self.lines, self.label, record);
        if always.is_some() || !is_sample(self.label, self.every_row, record) {
            return always;
        }
        self.places.iter().zip(expected).find_map(|(&column, expected)| {
            let text = clean(&record[column])?;
            match (expected, text.parse::<f64>()) {
                (Expected::Anything | Expected::Nothing, _) => None,
                (Expected::Number, _) if is_missing(text) => None,
                (_, Ok(number)) if number.is_finite() => None,
                (_, Ok(number)) if number.is_infinite() => {
                    Some(Fault::Field(column, "a finite number", Remedy::Correct))
                }
                _ => Some(Fault::Field(column, "a number", remedy(text, self.is_trained))),
            }
        })
    }

    fn finish(mut self, manner: &Manner, share: &Share) -> Result<Dataset, DataError> {
        let empty = |what| DataError::Empty { path: self.lines.path.to_owned(), what };
        if self.places.is_empty() && self.label.is_some() {
            return Err(empty("features beside the label (columns are separated by commas, semicolons or tabs)"));
        }
        if self.n_samples == 0 {
            return Err(empty(if self.unlabelled > 0 { "rows with a label" } else { "samples" }));
        }
        let builder = std::mem::replace(&mut self.labels, LabelBuilder::new(false));
        let labels = match self.label.filter(|_| !self.every_row || self.unlabelled == 0) {
            Some(column) => Some(builder.finish(manner.like).map_err(|BadLabel { text, place, expected }| {
                self.lines.bad_text(place, column, text.as_bytes(), expected, Remedy::Correct)
            })?),
            None => None,
        };
        let Sheet { lines, label, places, columns, unlabelled, .. } = self;
        let names = lines.names.as_ref().map(|names| places.iter().map(|&column| names[column].clone()).collect());
        let label_name = label.and_then(|column| lines.names.as_ref().map(|names| names[column].clone()));
        let unusable = |error| lines.unusable(error, share);
        let table = Table::new(columns.into_iter().map(Builder::finish).collect(), names)
            .and_then(|table| table.with_numbers(places.iter().map(|column| column + 1).collect()))
            .map_err(unusable)?;
        let recipe = match &manner.recipe {
            Some(recipe) => Arc::clone(recipe),
            None => {
                let recipe = Recipe::over(share.samples(), &table, &manner.request.columns);
                share.samples().check()?;
                Arc::new(recipe.map_err(unusable)?)
            }
        };
        let bytes = table.n_rows() as u128 * recipe.features().len() as u128 * size_of::<f64>() as u128;
        if bytes > u128::from(manner.request.max_bytes) {
            return Err(DataError::TooLarge { path: lines.path.to_owned(), limit: manner.request.max_bytes });
        }
        let data = Dataset::encode(table, recipe, labels).map_err(unusable)?;
        Ok(data.with_label_name(label_name).with_unlabelled(unlabelled))
    }
}

/// What is wrong with a record whatever its columns hold.
fn always_wrong(lines: &Lines, label: Option<usize>, record: &ByteRecord) -> Option<Fault> {
    if record.len() != lines.n_columns {
        return Some(Fault::Ragged);
    }
    record.iter().enumerate().find_map(|(column, field)| match clean(field) {
        None if Some(column) == label => Some(Fault::Field(column, "a label in UTF-8", Remedy::Correct)),
        None => Some(Fault::Field(column, "text in UTF-8", Remedy::Correct)),
        // With another delimiter, this is a number with a decimal comma, not a name.
        Some(text) if Some(column) == label && lines.delimiter != b',' && is_decimal_comma(text) => {
            Some(Fault::Field(column, "a label", Remedy::DecimalPoint))
        }
        Some(_) => None,
    })
}

/// Whether a record is a sample: it has a label, or needs none.
fn is_sample(label: Option<usize>, every_row: bool, record: &ByteRecord) -> bool {
    every_row || !label.and_then(|column| clean(&record[column])).is_some_and(is_missing)
}

/// The column of the labels, counted from 0.
fn find_label(lines: &Lines, manner: &Manner) -> Result<Option<usize>, DataError> {
    let names = lines.names.as_deref().unwrap_or_default();
    let find = |wanted: &str| names.iter().position(|name| name == wanted);
    let column = match &manner.request.label_column {
        LabelColumn::Absent => return Ok(None),
        LabelColumn::Auto => return Ok(automatic_label(lines, manner)),
        LabelColumn::Column(column) => column,
    };
    let numbers = 1..=lines.n_columns;
    let numbered = column.trim().parse().ok().filter(|number| numbers.contains(number));
    match find(column.trim()).or(numbered.map(|number| number - 1)) {
        Some(index) => Ok(Some(index)),
        None => Err(DataError::UnknownColumn {
            path: lines.path.to_owned(),
            column: column.clone(),
            known: match &lines.names {
                Some(names) => names.clone(),
                None => numbers.map(|number| number.to_string()).collect(),
            },
        }),
    }
}

/// The label column of the training table, if this one has it, or else the column that looks like one.
fn automatic_label(lines: &Lines, manner: &Manner) -> Option<usize> {
    let recipe = manner.recipe.as_deref();
    let is_feature = |name: &str| {
        recipe.is_some_and(|recipe| recipe.columns().iter().any(|source| source.name.as_deref() == Some(name)))
    };
    let is_used = |column: &&usize| {
        recipe.is_some_and(|recipe| recipe.columns().iter().any(|source| source.number == **column + 1))
    };
    let last = lines.n_columns.saturating_sub(1);
    match (&lines.names, recipe) {
        (Some(names), _) => {
            // Of several columns of this name, the one that was not among the features.
            let same = |wanted: &str| (0..names.len()).filter(|&column| names[column] == wanted).collect::<Vec<_>>();
            let same = manner.label_name.map(same).unwrap_or_default();
            let trained = same.iter().find(|column| !is_used(column)).or(same.first()).copied();
            let named = || names.iter().position(|name| is_label_name(name) && !is_feature(name));
            // All columns of the training table are known by name, so none of the others has to be the label.
            let fallback = (!recipe.is_some_and(Recipe::is_named)).then_some(last);
            trained.or_else(named).or(fallback)
        }
        // One column more than the features: the one that was not among them.
        (None, Some(recipe)) if recipe.columns().len() == last => {
            Some((0..last).find(|column| !is_used(&column)).unwrap_or(last))
        }
        (None, Some(recipe)) if recipe.columns().len() == lines.n_columns && manner.request.every_row => None,
        _ => Some(last),
    }
}

/// The byte at which a record begins.
fn start_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, |position| position.byte())
}

/// The remedy for a text that should be a number, where the column may be one of categories or where training has
/// decided that it is not.
fn remedy(text: &str, is_trained: bool) -> Remedy {
    match text.chars().next() {
        _ if is_missing(text) => Remedy::FillIn,
        Some(first) if first.is_alphabetic() && !is_trained => Remedy::Encode,
        _ if is_decimal_comma(text) => Remedy::DecimalPoint,
        _ => Remedy::Correct,
    }
}
