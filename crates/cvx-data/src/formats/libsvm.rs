//! LIBSVM files: one sample per line as `label index:value ..`, with ascending indices from 1; `#` begins a comment.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use cvx_model::{Dataset, FeatureKind, Labels};

use crate::error::{DataError, excerpt};
use crate::files::bytes::{Bytes, reserve};
use crate::files::store::Store;
use crate::remedy::Remedy;
use crate::share::Share;

/// Reads one file into a dense data set of the samples that are kept.
///
/// The number of features is the largest index, or `n_features` if that is larger: the last features of a training set
/// need not occur in the samples of a test set.
pub(crate) fn read(path: &Path, store: &Store, n_features: Option<usize>, share: &Share) -> Result<Dataset, DataError> {
    let width = |lines: &Lines| lines.largest.max(n_features.unwrap_or(0));
    let (lines, n_features, values) = if share.is_all() {
        let mut entries = Vec::new();
        let lines = scan(path, store, &(0..usize::MAX), |row, column, value| entries.push((row, column, value)))?;
        let width = width(&lines);
        let mut values = zeros(path, lines.labels.len(), width, store.max_bytes)?;
        entries.into_iter().for_each(|(row, column, value)| values[row * width + column] = value);
        (lines, width, values)
    } else {
        let all = scan(path, store, &(0..0), |_, _, _| {})?;
        let (kept, width) = (share.rows(all.n_samples)?, width(&all));
        let mut values = zeros(path, kept.len(), width, store.max_bytes)?;
        let lines = scan(path, store, &kept, |row, column, value| {
            // Every one has a place, unless the file has changed.
            if let Some(place) = values.get_mut(row * width + column) {
                *place = value;
            }
        })?;
        (lines, width, values)
    };
    Dataset::new(n_features, values, Some(Labels::numbers(lines.labels)), FeatureKind::Table)
        .map_err(|error| DataError::Unusable { path: path.to_owned(), error })
}

/// What the lines of a file have.
#[derive(Default)]
struct Lines {
    n_samples: usize,
    /// The labels of the samples that are kept.
    labels: Vec<f64>,
    /// The largest index of all samples.
    largest: usize,
}

/// Reads all lines, of which there is one with a sample at least. `keep` gets the entries of the samples that are kept:
/// row among these, column, value.
fn scan(
    path: &Path,
    store: &Store,
    kept: &Range<usize>,
    mut keep: impl FnMut(usize, usize, f64),
) -> Result<Lines, DataError> {
    let mut lines = BufReader::new(Bytes::open(path, store)?);
    let mut found = Lines::default();
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
        let label = number(label).ok_or_else(|| bad("label".to_owned(), label, "a finite number"))?;
        let (row, is_kept) = (found.labels.len(), kept.contains(&found.n_samples));
        found.n_samples += 1;
        if is_kept {
            found.labels.push(label);
        }
        let mut before = 0;
        for (position, word) in words.enumerate() {
            let (index, value) = pair(word).filter(|(index, _)| *index > before).ok_or_else(|| {
                bad(
                    format!("entry {}", position + 1),
                    word,
                    "index:value with ascending indices from 1 and a finite value",
                )
            })?;
            if is_kept {
                keep(row, index - 1, value);
            }
            before = index;
        }
        found.largest = found.largest.max(before);
    }
    if found.n_samples == 0 {
        return Err(DataError::Empty { path: path.to_owned(), what: "samples" });
    }
    Ok(found)
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn pair(word: &[u8]) -> Option<(usize, f64)> {
    let (index, value) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some((index.parse().ok()?, number(value.as_bytes())?))
}

/// A row-major array of zeros.
///
/// The size is limited, because a large index in a small file could make it huge.
fn zeros(path: &Path, rows: usize, columns: usize, max_bytes: u64) -> Result<Vec<f64>, DataError> {
    let count = rows
        .checked_mul(columns)
        .filter(|&count| count as u128 * size_of::<f64>() as u128 <= u128::from(max_bytes))
        .ok_or_else(|| DataError::TooLarge { path: path.to_owned(), limit: max_bytes })?;
    let mut values = reserve(path, count)?;
    values.resize(count, 0.0);
    Ok(values)
}
