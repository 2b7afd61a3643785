//! LIBSVM files: one sample per line as `label index:value ..`, with ascending indices from 1; `#` begins a comment.

use std::io::{BufRead, BufReader};
use std::path::Path;

use cvx_model::{Dataset, FeatureKind, Labels};

use crate::error::{DataError, excerpt};
use crate::files::bytes::{Bytes, reserve};
use crate::files::store::Store;
use crate::remedy::Remedy;

/// Reads one file into a dense data set.
///
/// The number of features is the largest index, or `n_features` if that is larger: the last features of a training set
/// need not occur in the samples of a test set.
pub(crate) fn read(path: &Path, store: &Store, n_features: Option<usize>) -> Result<Dataset, DataError> {
    let mut lines = BufReader::new(Bytes::open(path, store)?);
    let mut labels = Vec::new();
    let mut entries = Vec::new();
    let mut largest = n_features.unwrap_or(0);
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let start = lines.get_ref().offset();
        let length = lines.read_until(b'\n', &mut buffer).map_err(|error| DataError::read(path, start, error))?;
        if length == 0 {
            break;
        }
        let text = buffer.split(|&byte| byte == b'#').next().unwrap_or_default();
        let bad = |place: String, text: &[u8], expected| DataError::BadText {
            path: path.to_owned(),
            line,
            place,
            text: excerpt(text),
            expected,
            remedy: Remedy::Correct,
        };
        let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(label) = words.next() else { continue };
        let row = labels.len();
        labels.push(number(label).ok_or_else(|| bad("label".to_owned(), label, "a finite number"))?);
        let mut before = 0;
        for (position, word) in words.enumerate() {
            let (index, value) = pair(word).filter(|(index, _)| *index > before).ok_or_else(|| {
                bad(
                    format!("entry {}", position + 1),
                    word,
                    "index:value with ascending indices from 1 and a finite value",
                )
            })?;
            entries.push((row, index - 1, value));
            before = index;
        }
        largest = largest.max(before);
    }
    if labels.is_empty() {
        return Err(DataError::Empty { path: path.to_owned(), what: "samples" });
    }
    let values = densify(path, labels.len(), largest, &entries, store.max_bytes)?;
    Dataset::new(largest, values, Some(Labels::numbers(labels)), FeatureKind::Table)
        .map_err(|error| DataError::Unusable { path: path.to_owned(), error })
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn pair(word: &[u8]) -> Option<(usize, f64)> {
    let (index, value) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some((index.parse().ok()?, number(value.as_bytes())?))
}

/// Writes the entries (row, column, value) into a row-major array of zeros.
///
/// The size is limited, because a large index in a small file could make it huge.
fn densify(
    path: &Path,
    rows: usize,
    columns: usize,
    entries: &[(usize, usize, f64)],
    max_bytes: u64,
) -> Result<Vec<f64>, DataError> {
    let count = rows
        .checked_mul(columns)
        .filter(|&count| count as u128 * size_of::<f64>() as u128 <= u128::from(max_bytes))
        .ok_or_else(|| DataError::TooLarge { path: path.to_owned(), limit: max_bytes })?;
    let mut values = reserve(path, count)?;
    values.resize(count, 0.0);
    for &(row, column, value) in entries {
        values[row * columns + column] = value;
    }
    Ok(values)
}
