//! Errors of data sources: each one names the place and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use cvx_model::{ModelError, RankError};
use thiserror::Error;

use crate::name::SOURCES;
use crate::remedy::Remedy;

/// A data source that cannot be read.
///
/// Lines are counted from 1, bytes from 0. Offsets in a `.gz` file refer to its unpacked content. An array inside an
/// `.npz` archive is named like a file in a folder: `data.npz/x_train.npy`.
#[derive(Debug, Error)]
pub enum DataError {
    /// The name is not that of a known kind of source.
    #[error("'{name}' is not a data source: give {SOURCES}")]
    UnknownSource {
        /// What was asked for.
        name: String,
    },
    /// A test source was given for `planted`, which draws its own test set.
    #[error("{name}: planted data have their own test set: leave the test source out")]
    TestOfPlanted {
        /// What was asked for.
        name: String,
    },
    /// The file or folder does not exist.
    #[error("{}: there is no such file or folder: check the name", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder lacks a file of the data set.
    #[error(
        "{}: the folder has no {expected} (files may end in .gz): check that it is the right one and complete",
        path.display()
    )]
    MissingFile {
        /// The folder.
        path: PathBuf,
        /// The name of the missing file, or of several of which one is enough.
        expected: String,
    },
    /// The operating system cannot read the file.
    #[error("{}: cannot be read at byte {offset}: check that it is a file and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// The reason.
        #[source]
        error: io::Error,
    },
    /// The compressed content is damaged.
    #[error(
        "{}: the compressed content is damaged or cut short at byte {offset}: fetch the file again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset in the unpacked content.
        offset: u64,
        /// The reason.
        #[source]
        error: io::Error,
    },
    /// The content would unpack to more than [`Request::max_bytes`](crate::Request::max_bytes).
    #[error(
        "{}: takes more than {limit} bytes when unpacked: raise the limit if the source can be trusted",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is not enough memory for the values.
    #[error("{}: needs {bytes} bytes of memory, which are not available: use fewer samples", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes needed.
        bytes: u128,
    },
    /// The file or folder holds nothing of the kind that is needed.
    #[error("{}: there are no {what} in it: give at least one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The content ends before it should.
    #[error(
        "{}: cut short at byte {offset}: expected {expected} bytes, found {found}: fetch the file again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the incomplete part begins.
        offset: u64,
        /// Length in bytes that the content should have.
        expected: u64,
        /// Length in bytes that it has.
        found: u64,
    },
    /// The content continues after its end.
    #[error("{}: should end at byte {offset}, but has {found} bytes: fetch the file again", path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Where it should end.
        offset: u64,
        /// Length in bytes that it has.
        found: u64,
    },
    /// The file does not begin with the magic bytes of its format.
    #[error("{}: starts with {found} at byte 0, not with {expected}: it is not {format}", path.display())]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// The format that was expected.
        format: &'static str,
        /// The magic bytes of that format, in hexadecimal.
        expected: &'static str,
        /// The first bytes found, in hexadecimal.
        found: String,
    },
    /// A header or an item breaks a rule of its format.
    #[error("{}: malformed at byte {offset}: {reason}: write the file again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A CIFAR-10 record has a label without a class name.
    #[error(
        "{}: label {label} at byte {offset}, but there are {classes} classes: fetch the file again",
        path.display()
    )]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The label byte.
        label: u8,
        /// Number of class names.
        classes: usize,
    },
    /// An image cannot be decoded, or its size or colour differs from the first one.
    #[error("{}: this image cannot be used: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line has another number of fields than the first one.
    #[error("{} line {line}: expected {expected} fields, found {found}: complete or remove the line", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Line.
        line: u64,
        /// Number of fields of the first line.
        expected: usize,
        /// Number of fields of this line.
        found: usize,
    },
    /// A text is not what its place requires.
    #[error("{} line {line}, {place}: {}: {remedy}", path.display(),
        if text.is_empty() { format!("the field is empty, and should be {expected}") }
        else { format!("'{text}' is not {expected}") })]
    BadText {
        /// The file.
        path: PathBuf,
        /// Line.
        line: u64,
        /// The column with its name, or the label or entry of a sparse line.
        place: String,
        /// The beginning of the text; empty for a missing value.
        text: String,
        /// What is expected there.
        expected: &'static str,
        /// What to do about it.
        remedy: Remedy,
    },
    /// The table does not have the requested label column.
    #[error("{}: there is no column '{column}': the columns are {}, numbered from 1", path.display(), list(known))]
    UnknownColumn {
        /// The file.
        path: PathBuf,
        /// The requested column.
        column: String,
        /// The columns of the table.
        known: Vec<String>,
    },
    /// The archive does not hold the requested array.
    #[error("{}: there is no array {key}: the arrays are {}", path.display(), list(known))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The requested array, or several of which one is enough.
        key: String,
        /// The arrays of the archive.
        known: Vec<String>,
    },
    /// The type of an array is not supported.
    #[error(
        "{}: its type '{dtype}' is not supported: save it as float32, float64, an integer type, bool or text",
        path.display()
    )]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The type as NumPy writes it, or its code in an IDX file.
        dtype: String,
    },
    /// An array has the wrong number of axes.
    #[error("{}: expected {expected}, found the shape {found:?}: reshape the array", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The shapes that are accepted.
        expected: &'static str,
        /// The shape of the array.
        found: Vec<usize>,
    },
    /// Two parts of a data set do not fit together.
    #[error("{}: expected {expected} {what}, found {found}: check that the files belong together", path.display())]
    Mismatch {
        /// The file that does not fit.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// The ranks that share the samples cannot do so.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// The values were read but do not make a data set: no feature, a setting out of range, a NaN or an infinity. In a
    /// text file, a NaN or an infinity is a [`BadText`](DataError::BadText).
    #[error("{}: the data cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason, with row and column if it concerns one value.
        #[source]
        error: ModelError,
    },
}

impl DataError {
    /// Classifies an I/O error as missing, damaged (reported by a decoder) or unreadable (reported by the system).
    pub(crate) fn read(path: &Path, offset: u64, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => DataError::NotFound { path },
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Unsupported => DataError::Damaged { path, offset, error },
            _ => DataError::Unreadable { path, offset, error },
        }
    }
}

/// The first 20 names, and the number of all names if there are more.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| excerpt(name.as_bytes())).collect();
    match names.len() {
        0..=20 => shown.join(", "),
        all => format!("{}, .. ({all} in all)", shown.join(", ")),
    }
}

/// The beginning of a text from a file, with control characters escaped: safe for one line of a terminal.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text.get(..160).unwrap_or(text));
    let mut short: String = shown.chars().take(40).flat_map(char::escape_debug).collect();
    if shown.chars().count() > 40 || text.len() > 160 {
        short.push_str("...");
    }
    short
}
