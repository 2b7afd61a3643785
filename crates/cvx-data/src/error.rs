//! What can be wrong with a data source, said with the place in it and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use cvx_model::ModelError;
use thiserror::Error;

use crate::source::KINDS;

/// A data source that cannot be read, or a file that cannot be written.
///
/// Lines are counted from 1, bytes from 0. The bytes of a `.gz` file are those of its unpacked content. An array
/// inside an `.npz` is named like a file in a folder: `data.npz/x_train.npy`.
#[derive(Debug, Error)]
pub enum DataError {
    /// The name of the source says nothing about how to read it.
    #[error("'{name}' is not a data source: give {KINDS}")]
    UnknownSource {
        /// What was asked for.
        name: String,
    },
    /// `planted` was given a test source, but it has a test set of its own.
    #[error("{name}: the planted data draw their own test set: leave the test source out")]
    TestOfPlanted {
        /// What was asked for.
        name: String,
    },
    /// No such file or folder.
    #[error("{}: there is no such file or folder: check the name", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder lacks one of the files that make up the data set.
    #[error("{}: the folder has no {expected} (files may end in .gz): check that it is the right one, and whole", path.display())]
    MissingFile {
        /// The folder.
        path: PathBuf,
        /// The file that would do.
        expected: String,
    },
    /// The system refused to read the file.
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
    /// The compressed content does not unpack.
    #[error("{}: the compressed content is damaged or cut short at byte {offset}: fetch the file again", path.display())]
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
    #[error("{}: takes more than {limit} bytes once unpacked: raise the limit if the source can be trusted", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The memory for the values is not there.
    #[error("{}: needs {bytes} bytes of memory, which are not free: use fewer samples", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: u128,
    },
    /// The file has no content of the kind that is needed.
    #[error("{}: there are no {what} in it: give at least one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The content ends too early.
    #[error("{}: cut short at byte {offset}: expected {expected} bytes, found {found}: fetch the file again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the part begins that is not whole.
        offset: u64,
        /// Bytes that the whole content should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The content goes on after its end.
    #[error("{}: should end at byte {offset}, but has {found} bytes: fetch the file again", path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Where it should end.
        offset: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The first bytes are not those of the format.
    #[error("{}: starts with {found} at byte 0, not with {expected}: it is not {format}", path.display())]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// The format that was expected.
        format: &'static str,
        /// Its first bytes.
        expected: &'static str,
        /// The first bytes found, in hexadecimal.
        found: String,
    },
    /// A header or an item that breaks the rules of its format.
    #[error("{}: malformed at byte {offset}: {reason}: write the file again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// The rule that is broken.
        reason: String,
    },
    /// A CIFAR-10 record with a label that has no name.
    #[error("{}: label {label} at byte {offset}, but there are {classes} classes: fetch the file again", path.display())]
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
    /// An image that cannot be decoded, or is not like the others.
    #[error("{}: this image cannot be used: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line with another number of fields than the lines before.
    #[error("{} line {line}: expected {expected} fields, found {found}: complete or remove the line", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Line.
        line: u64,
        /// Fields of the first line.
        expected: usize,
        /// Fields of this one.
        found: usize,
    },
    /// Text that is not what its place asks for.
    #[error("{} line {line}, {place}: {}: {remedy}", path.display(),
        if text.is_empty() { format!("the field is empty, and should be {expected}") } else { format!("'{text}' is not {expected}") })]
    BadText {
        /// The file.
        path: PathBuf,
        /// Line.
        line: u64,
        /// The column, or what it stands for.
        place: String,
        /// The beginning of the text.
        text: String,
        /// What would be right.
        expected: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A label column that the table does not have.
    #[error("{}: there is no column '{column}': the columns are {}, numbered from 1", path.display(), list(known))]
    UnknownColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// An array that the archive does not hold.
    #[error("{}: there is no array {key}: the arrays are {}", path.display(), list(known))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The array asked for, or those that would do.
        key: String,
        /// The arrays there are.
        known: Vec<String>,
    },
    /// An array of a type that cannot be read.
    #[error(
        "{}: its type '{dtype}' is not supported: save it as float32, float64, an integer type, bool or text",
        path.display()
    )]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// NumPy's name of the type, or the code in an IDX file.
        dtype: String,
    },
    /// An array with the wrong number of axes.
    #[error("{}: expected {expected}, found the shape {found:?}: reshape the array", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// What would fit.
        expected: &'static str,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// Two parts of a data set that do not fit together.
    #[error("{}: expected {expected} {what}, found {found}: check that the files belong together", path.display())]
    Mismatch {
        /// The file that does not fit.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// The number that would fit.
        expected: usize,
        /// The number there is.
        found: usize,
    },
    /// The values were read, but make no data set: no feature, a setting out of range, a NaN or an infinity (in a
    /// text file those are a [`BadText`](DataError::BadText)).
    #[error("{}: the data cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason, with row and column where there are any.
        #[source]
        error: ModelError,
    },
}

impl DataError {
    /// Sorts an error of reading into missing, damaged (said by a decoder) and unreadable (said by the system).
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

/// The first of the names, and how many there are where that is not all.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| excerpt(name.as_bytes())).collect();
    match names.len() {
        0..=20 => shown.join(", "),
        all => format!("{}, .. ({all} in all)", shown.join(", ")),
    }
}

/// The beginning of a text from a file, fit for one line of a terminal.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text.get(..160).unwrap_or(text));
    let mut short: String = shown.chars().take(40).flat_map(char::escape_debug).collect();
    if shown.chars().count() > 40 || text.len() > 160 {
        short.push_str("...");
    }
    short
}
