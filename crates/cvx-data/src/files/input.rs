//! Standard input: all its bytes, and the format that they look like.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::DataError;

/// The source that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// How errors call it.
pub(crate) const INPUT: &str = "standard input";

/// Number of bytes that are looked at for lines of LIBSVM.
const HEAD: u64 = 1 << 16;

/// Most bytes that are kept in memory.
const MEMORY: usize = 64 << 20;

/// Number of bytes that are written at a time.
const CHUNK: usize = 1 << 16;

/// What can be read from any position.
pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// What standard input had, which readers read more than once.
pub(crate) enum Input {
    /// Less than [`MEMORY`] bytes, or all of them where no file can be made.
    Memory(Vec<u8>),
    /// A file without a name, which ends with the program.
    Disk(File),
}

impl Input {
    /// A reader of all bytes, and their number.
    pub(crate) fn open(&self) -> io::Result<(Box<dyn ReadSeek + '_>, u64)> {
        Ok(match self {
            Input::Memory(bytes) => (Box::new(Cursor::new(bytes)), bytes.len() as u64),
            Input::Disk(file) => {
                let length = file.metadata()?.len();
                (Box::new(Shared { file, length, position: 0 }), length)
            }
        })
    }

    /// The first bytes.
    pub(crate) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.open()?.0.take(HEAD).read_to_end(&mut head)?;
        Ok(head)
    }
}

/// One of the readers of a file, which share its position: each has its own.
struct Shared<'a> {
    file: &'a File,
    length: u64,
    position: u64,
}

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.position))?;
        let count = self.file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Shared<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A format of bytes without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Npz,
    Npy,
    Libsvm,
    Csv,
}

/// Reads standard input to its end, unpacked if it is compressed.
pub(crate) fn read(max_bytes: u64) -> Result<Input, DataError> {
    unpacked(io::stdin().lock(), MEMORY, max_bytes)
}

fn unpacked(mut reader: impl Read, memory: usize, max_bytes: u64) -> Result<Input, DataError> {
    let mut start = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut start).map_err(|error| unread(0, error))?;
    let is_packed = start == b"\x1f\x8b";
    let whole = Cursor::new(start).chain(reader);
    if is_packed { kept(MultiGzDecoder::new(whole), memory, max_bytes) } else { kept(whole, memory, max_bytes) }
}

/// All bytes of the reader: the first `memory` of them in memory, and if there are more, all in a file.
fn kept(mut reader: impl Read, memory: usize, max_bytes: u64) -> Result<Input, DataError> {
    let limit = |length: u64| match length > max_bytes {
        true => Err(DataError::TooLarge { path: INPUT.into(), limit: max_bytes }),
        false => Ok(()),
    };
    let mut bytes = Vec::new();
    let read = reader.by_ref().take((memory as u64).min(max_bytes.saturating_add(1))).read_to_end(&mut bytes);
    read.map_err(|error| unread(bytes.len() as u64, error))?;
    limit(bytes.len() as u64)?;
    if bytes.len() < memory {
        return Ok(Input::Memory(bytes));
    }
    let Ok(mut file) = tempfile::tempfile() else {
        let read = reader.take((max_bytes - bytes.len() as u64).saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| unread(bytes.len() as u64, error))?;
        limit(bytes.len() as u64)?;
        return Ok(Input::Memory(bytes));
    };
    let mut length = 0;
    let mut chunk = &bytes[..];
    let mut buffer = vec![0; CHUNK];
    loop {
        file.write_all(chunk).map_err(|error| {
            let reason = format!("{error}, in a temporary file (the variable TMPDIR says where)");
            unread(length, io::Error::new(error.kind(), reason))
        })?;
        length += chunk.len() as u64;
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Input::Disk(file)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(unread(length, error)),
        };
        limit(length + count as u64)?;
        chunk = &buffer[..count];
    }
}

fn unread(offset: u64, error: io::Error) -> DataError {
    DataError::read(Path::new(INPUT), offset, error)
}

impl Looks {
    /// The format that the first bytes look like; a table if they look like nothing else.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"PK\x03\x04") {
            return Looks::Npz;
        }
        if bytes.starts_with(b"\x93NUMPY") {
            return Looks::Npy;
        }
        // The first line with more than a label tells.
        let lines = bytes.split(|&byte| byte == b'\n');
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
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    #[test]
    fn what_does_not_fit_into_memory_is_read_from_a_file() {
        let bytes: Vec<u8> =
            (0..200_000_u32).map(|k| (k.wrapping_mul(2_654_435_761).wrapping_mul(k) >> 24) as u8).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&bytes).unwrap();
        let packed = encoder.finish().unwrap();
        for (source, memory) in [(&bytes, 1 << 20), (&packed, 1 << 20), (&bytes, 1 << 16), (&packed, 1 << 16)] {
            let input = unpacked(&source[..], memory, 200_000).unwrap();
            assert_eq!(matches!(input, Input::Disk(_)), memory < bytes.len());
            assert_eq!(input.head().unwrap(), bytes[..1 << 16]);
            // Two readers, each with its own position.
            let ((mut one, length), (mut two, _)) = (input.open().unwrap(), input.open().unwrap());
            assert_eq!(length, 200_000);
            let (mut first, mut rest) = (vec![0; 150_000], Vec::new());
            one.read_exact(&mut first).unwrap();
            assert_eq!(two.seek(SeekFrom::End(-7)).unwrap(), 199_993);
            assert!(two.seek(SeekFrom::Current(-200_000)).is_err());
            assert_eq!(two.read_to_end(&mut Vec::new()).unwrap(), 7);
            one.read_to_end(&mut rest).unwrap();
            assert_eq!([first, rest].concat(), bytes);
            for (source, limit) in [(source, 199_999), (source, 1)] {
                let error = unpacked(&source[..], memory, limit).map(|_| ()).unwrap_err();
                assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
            }
        }
        assert!(matches!(unpacked(&b""[..], 1 << 16, 10), Ok(Input::Memory(bytes)) if bytes.is_empty()));
        let error = unpacked(&packed[..1000], 1 << 16, 1 << 20).map(|_| ()).unwrap_err();
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    }

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
