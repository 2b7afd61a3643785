//! The frame of the project's files: named sections, each with a checksum.
//!
//! ```text
//! 8 bytes   magic of the kind of file
//! u32       version
//! u32       number of sections
//! table     for each section its name (16 bytes of ASCII, filled up with zeros), u64 offset, u64 length, u32 CRC-32
//! u32       CRC-32 of all bytes before it
//! sections  in the order of the table, without gaps, to the end of the file
//! ```
//!
//! All numbers are little-endian. Every byte is covered by a checksum, and every length is compared with the available
//! bytes before it is used. A section holds one of:
//!
//! ```text
//! matrix    u64 rows, u64 columns, u64 width (4 or 8), then the values, column by column, as f32 or f64
//! words     u64 each
//! texts     for each text u64 length and UTF-8
//! bincode   structs of serde in fixed-width integers: settings and claims, no arrays
//! ```

use crate::file_error::FileError;
use crate::whole_file::write_whole;
use cvx_linalg::HostMatrix;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};

const NAME: usize = 16;
const ENTRY: usize = NAME + 8 + 8 + 4;
const FIXED: usize = 8 + 4 + 4;

/// Maximum number of sections in a file.
const MOST_SECTIONS: usize = 4096;

/// Number of bytes before the values of a matrix.
const MATRIX_HEAD: usize = 24;

/// A kind of file.
pub struct Kind {
    /// Its name in messages.
    pub noun: &'static str,
    /// The first bytes of every such file.
    pub magic: [u8; 8],
    /// The version of the format that is written.
    pub version: u32,
}

impl Kind {
    /// Reads all bytes of a file.
    ///
    /// # Errors
    /// [`FileError::Missing`] or [`FileError::Io`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        std::fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => FileError::Missing { path: path.into(), what: self.noun },
            _ => FileError::io(path, "read", source),
        })
    }

    /// The version of the format of a file of this kind.
    fn version_of(&self, bytes: &[u8], path: &Path) -> Result<u32, FileError> {
        let rest = bytes.strip_prefix(&self.magic);
        let rest = rest.ok_or_else(|| FileError::Magic { path: path.into(), what: self.noun })?;
        match rest.first_chunk() {
            Some(version) => Ok(u32::from_le_bytes(*version)),
            None => Err(self.damaged(path, "the file is cut off")),
        }
    }

    /// The error for a file with inconsistent content.
    pub fn damaged(&self, path: &Path, detail: impl Into<String>) -> FileError {
        FileError::Damaged { path: path.into(), what: self.noun, detail: detail.into() }
    }

    fn unreadable(&self, path: &Path, version: u32) -> FileError {
        FileError::Version { path: path.into(), what: self.noun, found: version, newest: self.version }
    }
}

fn bincode_config<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LIMIT>()
}

/// A file under construction. Section names have at most 16 ASCII characters and are unique.
pub struct Sections {
    kind: &'static Kind,
    /// Name and end of each section.
    table: Vec<(String, usize)>,
    payload: Vec<u8>,
}

impl Sections {
    /// A file without sections.
    pub fn new(kind: &'static Kind) -> Self {
        Sections { kind, table: Vec::new(), payload: Vec::new() }
    }

    /// Ends the section that was written since the last call.
    fn end(&mut self, name: &str) -> &mut Self {
        assert!(is_name(name.as_bytes()) && name.len() <= NAME, "the name of a section: {name}");
        assert!(self.table.iter().all(|(other, _)| other != name), "the section {name} comes twice");
        self.table.push((name.to_string(), self.payload.len()));
        self
    }

    /// Appends 64-bit words.
    pub fn words(&mut self, name: &str, words: &[u64]) -> &mut Self {
        self.payload.reserve_exact(8 * words.len());
        words.iter().for_each(|word| self.payload.extend_from_slice(&word.to_le_bytes()));
        self.end(name)
    }

    /// Appends texts in UTF-8.
    pub fn texts(&mut self, name: &str, texts: &[String]) -> &mut Self {
        for text in texts {
            self.payload.extend_from_slice(&(text.len() as u64).to_le_bytes());
            self.payload.extend_from_slice(text.as_bytes());
        }
        self.end(name)
    }

    /// Appends a matrix, as f32 if every value is exactly representable in f32, else as f64.
    pub fn matrix(&mut self, name: &str, matrix: &HostMatrix) -> &mut Self {
        let narrow = matrix.values().iter().all(|&value| f64::from(value as f32) == value);
        let width = if narrow { 4 } else { 8 };
        self.payload.reserve_exact(MATRIX_HEAD + width * matrix.values().len());
        for number in [matrix.rows(), matrix.cols(), width] {
            self.payload.extend_from_slice(&(number as u64).to_le_bytes());
        }
        for &value in matrix.values() {
            if narrow {
                self.payload.extend_from_slice(&(value as f32).to_le_bytes());
            } else {
                self.payload.extend_from_slice(&value.to_le_bytes());
            }
        }
        self.end(name)
    }

    /// Appends a struct of at most `LIMIT` bytes, which also limits the memory that a reader allocates for a claimed
    /// length.
    ///
    /// # Errors
    /// [`FileError::Unstorable`] if the struct is larger.
    pub fn bincode<const LIMIT: usize>(&mut self, name: &str, value: &impl Serialize) -> Result<&mut Self, FileError> {
        let unstorable = |detail| FileError::Unstorable { what: self.kind.noun, detail };
        let encoded = bincode::serde::encode_to_vec(value, bincode_config::<LIMIT>());
        let encoded = encoded.map_err(|error| unstorable(format!("its {name} is not a plain struct ({error})")))?;
        if encoded.len() > LIMIT {
            return Err(unstorable(format!("its {name} takes {} bytes, but at most {LIMIT} are read", encoded.len())));
        }
        self.payload.extend_from_slice(&encoded);
        Ok(self.end(name))
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`FileError::Io`]; a previous file is then unchanged.
    pub fn save(self, path: &Path) -> Result<(), FileError> {
        write_whole(path, &self.seal()).map_err(|source| FileError::io(path, "written", source))
    }

    /// The bytes of the file.
    pub fn seal(self) -> Vec<u8> {
        let Sections { kind, table, payload: mut bytes } = self;
        assert!(table.len() <= MOST_SECTIONS, "{} sections", table.len());
        let head = FIXED + ENTRY * table.len() + 4;
        let mut start = Vec::with_capacity(head);
        start.extend_from_slice(&kind.magic);
        start.extend_from_slice(&kind.version.to_le_bytes());
        start.extend_from_slice(&(table.len() as u32).to_le_bytes());
        let mut from = 0;
        for (name, to) in table {
            let mut padded = [0; NAME];
            padded[..name.len()].copy_from_slice(name.as_bytes());
            start.extend_from_slice(&padded);
            start.extend_from_slice(&((head + from) as u64).to_le_bytes());
            start.extend_from_slice(&((to - from) as u64).to_le_bytes());
            start.extend_from_slice(&crc32fast::hash(&bytes[from..to]).to_le_bytes());
            from = to;
        }
        start.extend_from_slice(&crc32fast::hash(&start).to_le_bytes());
        // Filled in place: a second copy would double the memory for a large file.
        bytes.reserve_exact(head);
        bytes.splice(0..0, start);
        bytes
    }
}

/// Letters, digits, dots and hyphens.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// A file with valid frame and checksums, and the sections that have not been read yet.
pub struct Parsed<'a> {
    kind: &'static Kind,
    path: PathBuf,
    /// The sections that have not been read.
    sections: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Parsed<'a> {
    /// Validates magic, version, table and all checksums; `path` is named in errors.
    ///
    /// # Errors
    /// [`FileError`], before any allocation beyond the table.
    pub fn open(bytes: &'a [u8], kind: &'static Kind, path: &Path) -> Result<Self, FileError> {
        match kind.version_of(bytes, path)? {
            version if version == kind.version => {}
            version => return Err(kind.unreadable(path, version)),
        }
        let sections = split(bytes).map_err(|detail| kind.damaged(path, detail))?;
        Ok(Parsed { kind, path: path.into(), sections })
    }

    /// Whether a section with this name exists and has not been read.
    pub fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|(other, _)| *other == name)
    }

    /// Returns the bytes of a section. Each section can be read once.
    ///
    /// # Errors
    /// [`FileError::Damaged`] if the section does not exist.
    pub fn bytes(&mut self, name: &str) -> Result<&'a [u8], FileError> {
        match self.sections.iter().position(|(other, _)| *other == name) {
            Some(at) => Ok(self.sections.remove(at).1),
            None => Err(self.damaged(format!("there is no section {name}"))),
        }
    }

    /// A section of 64-bit words.
    ///
    /// # Errors
    /// [`FileError::Damaged`] for a missing section, or for one that does not consist of whole words.
    pub fn words(&mut self, name: &str) -> Result<Vec<u64>, FileError> {
        match self.bytes(name)?.as_chunks() {
            (words, []) => Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect()),
            _ => Err(self.damaged(format!("the section {name} is not made of whole words"))),
        }
    }

    /// A section of `count` texts.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn texts(&mut self, name: &str, count: usize) -> Result<Vec<String>, FileError> {
        let bytes = self.bytes(name)?;
        read_texts(bytes, count).ok_or_else(|| self.damaged(format!("the section {name} does not hold {count} texts")))
    }

    /// A matrix, with the exact bits that were written.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn matrix(&mut self, name: &str) -> Result<HostMatrix, FileError> {
        let bytes = self.bytes(name)?;
        read_matrix(bytes).ok_or_else(|| self.damaged(format!("the section {name} is not a matrix of its size")))
    }

    /// A matrix without NaN or infinity.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn finite_matrix(&mut self, name: &str) -> Result<HostMatrix, FileError> {
        let matrix = self.matrix(name)?;
        if matrix.values().iter().all(|value| value.is_finite()) {
            return Ok(matrix);
        }
        Err(self.damaged(format!("a number in the section {name} is not finite")))
    }

    /// A struct of at most `LIMIT` bytes.
    ///
    /// # Errors
    /// [`FileError::Damaged`].
    pub fn bincode<T: DeserializeOwned, const LIMIT: usize>(&mut self, name: &str) -> Result<T, FileError> {
        let bytes = self.bytes(name)?;
        match bincode::serde::decode_from_slice(bytes, bincode_config::<LIMIT>()) {
            Ok((value, used)) if used == bytes.len() => Ok(value),
            Ok(_) => Err(self.damaged(format!("the section {name} has trailing bytes"))),
            Err(error) => Err(self.damaged(format!("the section {name} cannot be read ({error})"))),
        }
    }

    /// Checks that every section was read.
    ///
    /// # Errors
    /// [`FileError::Damaged`] with the name of an unread section.
    pub fn finish(self) -> Result<(), FileError> {
        match self.sections.first() {
            Some((name, _)) => Err(self.damaged(format!("the section {name} is unknown"))),
            None => Ok(()),
        }
    }

    /// The error for inconsistent content of this file.
    pub fn damaged(&self, detail: impl Into<String>) -> FileError {
        self.kind.damaged(&self.path, detail)
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(head)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(|number| u32::from_le_bytes(*number))
}

/// Converts a u64 to a length, if it fits a usize.
fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    take(bytes).and_then(|number| usize::try_from(u64::from_le_bytes(*number)).ok())
}

/// The sections by name, according to the table, after all checksums have been validated.
fn split(bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    const CUT: &str = "the file is cut off in its table of sections";
    let mut table = bytes.get(FIXED - 4..).ok_or(CUT)?;
    let count = take_u32(&mut table).ok_or(CUT)? as usize;
    if count > MOST_SECTIONS {
        return Err(format!("it claims {count} sections, at most {MOST_SECTIONS} are read"));
    }
    let mut end = FIXED + ENTRY * count;
    let (head, mut checksum) = bytes.split_at_checked(end).ok_or(CUT)?;
    if take_u32(&mut checksum).ok_or(CUT)? != crc32fast::hash(head) {
        return Err("the checksum of the table of sections does not match".into());
    }
    end += 4;
    let mut sections: Vec<(&str, &[u8])> = Vec::with_capacity(count);
    for index in 0..count {
        let name = take::<NAME>(&mut table).ok_or(CUT)?;
        let name = name.split_at(name.iter().position(|&byte| byte == 0).unwrap_or(NAME));
        let name = match (str::from_utf8(name.0), name.1.iter().all(|&byte| byte == 0)) {
            (Ok(text), true) if is_name(name.0) => text,
            _ => return Err(format!("section {index} has an unusable name")),
        };
        if sections.iter().any(|(other, _)| *other == name) {
            return Err(format!("the section {name} comes twice"));
        }
        let (offset, length) = (take_length(&mut table), take_length(&mut table));
        if offset != Some(end) {
            return Err(format!("the section {name} does not begin at byte {end}, where the one before ends"));
        }
        let to = length.and_then(|length| end.checked_add(length));
        let section = to.and_then(|to| bytes.get(end..to));
        let section = section.ok_or_else(|| format!("the section {name} is longer than the file"))?;
        if take_u32(&mut table).ok_or(CUT)? != crc32fast::hash(section) {
            return Err(format!("the checksum of the section {name} does not match"));
        }
        sections.push((name, section));
        end += section.len();
    }
    if end != bytes.len() {
        return Err(format!("{} bytes are left after the last section", bytes.len() - end));
    }
    Ok(sections)
}

fn read_texts(mut bytes: &[u8], count: usize) -> Option<Vec<String>> {
    // Each text has a length before it, so the bytes of all lengths must exist before any allocation for the texts.
    if bytes.len() / 8 < count {
        return None;
    }
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_length(&mut bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        texts.push(str::from_utf8(text).ok()?.to_owned());
        bytes = rest;
    }
    bytes.is_empty().then_some(texts)
}

fn read_matrix(mut bytes: &[u8]) -> Option<HostMatrix> {
    let (rows, cols) = (take_length(&mut bytes)?, take_length(&mut bytes)?);
    let width = take_length(&mut bytes)?;
    if rows.checked_mul(cols)?.checked_mul(width)? != bytes.len() {
        return None;
    }
    let values = match width {
        4 => bytes.as_chunks().0.iter().map(|value| f64::from(f32::from_le_bytes(*value))).collect(),
        8 => bytes.as_chunks().0.iter().map(|value| f64::from_le_bytes(*value)).collect(),
        _ => return None,
    };
    Some(HostMatrix::from_vec(rows, cols, values))
}

#[cfg(test)]
mod tests;
