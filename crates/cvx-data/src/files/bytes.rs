//! The bytes of a file, decompressed if its name ends in `.gz`, with a known length.

use std::io::{self, BufReader, Read, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::DataError;
use crate::files::input::ReadSeek;
use crate::files::store::Store;
use crate::name::is_gz;

/// Size of a read buffer in bytes.
const CHUNK: usize = 1 << 16;

/// Largest number of bytes that one byte of deflated content can unpack to.
pub(crate) const MAX_RATIO: u64 = 1032;

/// A stream of bytes whose length is known before any of them is stored.
pub(crate) struct Bytes<'a> {
    path: PathBuf,
    reader: Reader<'a>,
    len: u64,
    offset: u64,
}

enum Reader<'a> {
    /// Unpacked while it is read.
    Stream(Box<dyn Read + 'a>),
    /// Stored as it is.
    Stored(Box<dyn ReadSeek + 'a>),
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Reader::Stream(reader) => reader.read(buffer),
            Reader::Stored(reader) => reader.read(buffer),
        }
    }
}

impl<'a> Bytes<'a> {
    /// Opens a file, which must not be empty.
    ///
    /// Compressed content is unpacked twice. The first pass only counts the bytes: it refuses damaged content and
    /// decompression bombs, those of more than [`max_bytes`](Store::max_bytes), before anything is stored.
    pub(crate) fn open(path: &Path, store: &Store<'a>) -> Result<Self, DataError> {
        let (file, len) = store.open(path)?;
        let (reader, len) = if is_gz(path) {
            let unpacked = |file| MultiGzDecoder::new(BufReader::new(file));
            let len = count(path, unpacked(file), store.max_bytes)?;
            (Reader::Stream(Box::new(unpacked(store.open(path)?.0))), len)
        } else {
            (Reader::Stored(file), len)
        };
        if len == 0 {
            return Err(DataError::Empty { path: path.to_owned(), what: "bytes" });
        }
        Ok(Bytes { path: path.to_owned(), reader, len, offset: 0 })
    }

    /// Wraps a stream that should hold `len` bytes.
    pub(crate) fn new(path: PathBuf, reader: Box<dyn Read + 'a>, len: u64) -> Self {
        Bytes { path, reader: Reader::Stream(reader), len, offset: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the whole content in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Number of bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills the buffer with the next bytes.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), DataError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.reader.read(rest) {
                Ok(0) => {
                    let found = self.offset + filled as u64;
                    return Err(DataError::Truncated {
                        path: self.path.clone(),
                        offset: self.offset,
                        expected: self.len.max(self.offset + buffer.len() as u64),
                        found,
                    });
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DataError::read(&self.path, self.offset + filled as u64, error)),
            }
        }
        self.offset += filled as u64;
        Ok(())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DataError> {
        let mut buffer = [0; N];
        self.fill(&mut buffer)?;
        Ok(buffer)
    }

    /// Passes over the next `count` bytes: without reading them where the file is stored as it is.
    fn skip(&mut self, count: u64) -> Result<(), DataError> {
        let passed = match &mut self.reader {
            Reader::Stream(reader) => io::copy(&mut reader.take(count), &mut io::sink()),
            Reader::Stored(reader) => {
                let by = i64::try_from(count).map_err(|_| io::ErrorKind::InvalidInput.into());
                by.and_then(|by| reader.seek(SeekFrom::Current(by))).map(|_| count)
            }
        };
        let passed = passed.map_err(|error| DataError::read(&self.path, self.offset, error))?;
        if passed < count {
            return Err(DataError::Truncated {
                path: self.path.clone(),
                offset: self.offset,
                expected: self.offset + count,
                found: self.offset + passed,
            });
        }
        self.offset += count;
        Ok(())
    }

    /// These rows, by the first axis, of the rest of the content, which is an array of items of `size` bytes each and
    /// must end with the content. In column-major order (`by_columns`), the first index is the fastest.
    ///
    /// The length is compared with the size of the content before memory is allocated.
    pub(crate) fn rows<T>(
        &mut self,
        shape: &[usize],
        size: usize,
        by_columns: bool,
        rows: &Range<usize>,
        mut convert: impl FnMut(&[u8]) -> Result<T, String>,
    ) -> Result<Vec<T>, DataError> {
        let count = self.expect_items(shape, size)?;
        let n_rows = shape.first().copied().unwrap_or(1);
        // Where all rows are kept, and in row-major order, they are one run of items; else one in every column.
        let (run, width) = if by_columns && rows.len() < n_rows { (n_rows, 1) } else { (count, count / n_rows) };
        let kept = rows.start.min(n_rows) * width..rows.end.min(n_rows) * width;
        let mut items = reserve(&self.path, kept.len() * (count / run))?;
        let mut buffer = vec![0; size * (CHUNK / size).clamp(1, kept.len().max(1))];
        for _ in 0..count / run {
            self.skip((kept.start * size) as u64)?;
            let mut left = kept.len() * size;
            while left > 0 {
                let start = self.offset;
                let length = left.min(buffer.len());
                let chunk = &mut buffer[..length];
                self.fill(chunk)?;
                left -= chunk.len();
                for (index, item) in chunk.chunks_exact(size).enumerate() {
                    items.push(convert(item).map_err(|reason| DataError::Malformed {
                        path: self.path.clone(),
                        offset: start + (index * size) as u64,
                        reason,
                    })?);
                }
            }
            self.skip(((run - kept.end) * size) as u64)?;
        }
        self.expect_end()?;
        Ok(items)
    }

    /// The number of items of an array that must fill the rest of the content exactly.
    fn expect_items(&self, shape: &[usize], size: usize) -> Result<usize, DataError> {
        let path = || self.path.clone();
        if size == 0 || shape.contains(&0) {
            return Err(DataError::Empty { path: path(), what: "values" });
        }
        let count = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        let end =
            count.and_then(|count| count.checked_mul(size)).and_then(|bytes| self.offset.checked_add(bytes as u64));
        match (count, end) {
            (Some(count), Some(end)) if end == self.len => Ok(count),
            (_, Some(end)) if end < self.len => {
                Err(DataError::TrailingBytes { path: path(), offset: end, found: self.len })
            }
            (_, Some(end)) => {
                Err(DataError::Truncated { path: path(), offset: self.offset, expected: end, found: self.len })
            }
            _ => Err(DataError::Malformed {
                path: path(),
                offset: self.offset,
                reason: format!("the shape {shape:?} is too large for any file"),
            }),
        }
    }

    /// Checks that no byte is left. Reading the end also makes an archive compare its checksum.
    fn expect_end(&mut self) -> Result<(), DataError> {
        match io::copy(&mut self.reader.by_ref().take(1), &mut io::sink()) {
            Ok(0) => Ok(()),
            Ok(_) => {
                Err(DataError::TrailingBytes { path: self.path.clone(), offset: self.offset, found: self.offset + 1 })
            }
            Err(error) => Err(DataError::read(&self.path, self.offset, error)),
        }
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Allocates memory for `count` items.
pub(crate) fn reserve<T>(path: &Path, count: usize) -> Result<Vec<T>, DataError> {
    let mut items = Vec::new();
    match items.try_reserve_exact(count) {
        Ok(()) => Ok(items),
        Err(_) => Err(DataError::OutOfMemory { path: path.to_owned(), bytes: count as u128 * size_of::<T>() as u128 }),
    }
}

/// The length of a stream in bytes, or an error as soon as it exceeds `max_bytes`.
fn count(path: &Path, mut reader: impl Read, max_bytes: u64) -> Result<u64, DataError> {
    let mut buffer = vec![0; CHUNK];
    let mut len = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(len),
            Ok(count) => len += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DataError::read(path, len, error)),
        }
        if len > max_bytes {
            return Err(DataError::TooLarge { path: path.to_owned(), limit: max_bytes });
        }
    }
}
