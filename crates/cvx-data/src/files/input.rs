//! Standard input: all its bytes, and the format that they look like.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::DataError;

/// The source that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// How errors call it.
pub(crate) const INPUT: &str = "standard input";

/// Number of bytes that are looked at for lines of LIBSVM.
const HEAD: usize = 1 << 16;

/// A format of bytes without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Npz,
    Npy,
    Libsvm,
    Csv,
}

/// Reads standard input to its end, unpacked if it is compressed.
pub(crate) fn read(max_bytes: u64) -> Result<Vec<u8>, DataError> {
    let bytes = limited(io::stdin().lock(), max_bytes)?;
    if bytes.starts_with(b"\x1f\x8b") { limited(MultiGzDecoder::new(&bytes[..]), max_bytes) } else { Ok(bytes) }
}

fn limited(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>, DataError> {
    let path = Path::new(INPUT);
    let mut bytes = Vec::new();
    let read = reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| DataError::read(path, bytes.len() as u64, error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(DataError::TooLarge { path: path.to_owned(), limit: max_bytes });
    }
    Ok(bytes)
}

impl Looks {
    /// The format that the bytes look like; a table if they look like nothing else.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"PK\x03\x04") {
            return Looks::Npz;
        }
        if bytes.starts_with(b"\x93NUMPY") {
            return Looks::Npy;
        }
        // The first line with more than a label tells.
        let lines = bytes[..bytes.len().min(HEAD)].split(|&byte| byte == b'\n');
        let entries = lines.map(|line| {
            let words = line.split(|&byte| byte == b'#').next().unwrap_or_default().split(u8::is_ascii_whitespace);
            words.filter(|word| !word.is_empty()).skip(1).collect::<Vec<_>>()
        });
        match entries.into_iter().find(|entries| !entries.is_empty()) {
            Some(entries) if entries.iter().all(|word| is_entry(word)) => Looks::Libsvm,
            _ => Looks::Csv,
        }
    }
}

/// Whether a word looks like `index:value`.
fn is_entry(word: &[u8]) -> bool {
    let pair = std::str::from_utf8(word).ok().and_then(|word| word.split_once(':'));
    pair.is_some_and(|(index, value)| index.parse::<usize>().is_ok() && value.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::Looks;

    #[test]
    fn bytes_look_like_their_format() {
        for (bytes, expected) in [
            (&b"PK\x03\x04.."[..], Looks::Npz),
            (b"\x93NUMPY..", Looks::Npy),
            (b"1 1:2 3:4 # one\n", Looks::Libsvm),
            (b"# none\n+1\n\n-1 5:0.5\n", Looks::Libsvm),
            (b"a,b c\n1,2\n", Looks::Csv),
            (b"1\t2:3x\n", Looks::Csv),
            (b"1\n2\n", Looks::Csv),
            (b"", Looks::Csv),
        ] {
            assert_eq!(Looks::of(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
