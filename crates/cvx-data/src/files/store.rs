//! Where the files of a source are stored: on the disk or in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::Path;

use crate::error::DataError;
use crate::files::input::{INPUT, Input, ReadSeek};

/// Access to files by name, with a limit on their unpacked size.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    /// Content by name, `folder/file` for a file in a folder; `None` for the disk.
    memory: Option<&'a BTreeMap<String, Vec<u8>>>,
    /// What was read from standard input.
    input: Option<&'a Input>,
    /// Limit in bytes on the unpacked size of a compressed file.
    pub(crate) max_bytes: u64,
}

impl<'a> Store<'a> {
    pub(crate) fn disk(max_bytes: u64) -> Self {
        Store { memory: None, input: None, max_bytes }
    }

    pub(crate) fn memory(files: &'a BTreeMap<String, Vec<u8>>, max_bytes: u64) -> Self {
        Store { memory: Some(files), input: None, max_bytes }
    }

    /// The disk, and what was read from standard input.
    pub(crate) fn with_input(input: &'a Input, max_bytes: u64) -> Self {
        Store { memory: None, input: Some(input), max_bytes }
    }

    /// What was read from standard input, if that is the source of this name.
    pub(crate) fn input(&self, path: &Path) -> Option<&'a Input> {
        self.input.filter(|_| path == Path::new(INPUT))
    }

    /// Opens a file. Returns it with its length in bytes.
    pub(crate) fn open(&self, path: &Path) -> Result<(Box<dyn ReadSeek + 'a>, u64), DataError> {
        let unread = |error| DataError::read(path, 0, error);
        if let Some(files) = self.memory {
            let content = path.to_str().and_then(|name| files.get(name));
            let content = content.ok_or_else(|| unread(io::ErrorKind::NotFound.into()))?;
            return Ok((Box::new(Cursor::new(content)), content.len() as u64));
        }
        if let Some(content) = self.input(path) {
            return content.open().map_err(unread);
        }
        // Checked before opening: opening a named pipe would wait for its writer.
        let metadata = fs::metadata(path).map_err(unread)?;
        if !metadata.is_file() {
            return Err(unread(io::Error::other("not a regular file")));
        }
        Ok((Box::new(File::open(path).map_err(unread)?), metadata.len()))
    }

    pub(crate) fn has_file(&self, path: &Path) -> bool {
        match self.memory {
            Some(files) => path.to_str().is_some_and(|name| files.contains_key(name)),
            None => path.exists(),
        }
    }

    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        match self.memory {
            Some(files) => files.keys().any(|name| Path::new(name).ancestors().skip(1).any(|folder| folder == path)),
            None => path.is_dir(),
        }
    }

    /// The names of the entries of a folder. Names that are not Unicode are left out: no reader looks for one.
    pub(crate) fn names(&self, folder: &Path) -> Result<BTreeSet<String>, DataError> {
        let unread = |error| DataError::read(folder, 0, error);
        let mut names = BTreeSet::new();
        if let Some(files) = self.memory {
            let inside = files.keys().filter_map(|name| Path::new(name).strip_prefix(folder).ok());
            names.extend(inside.filter_map(|path| Some(path.iter().next()?.to_str()?.to_owned())));
            return Ok(names);
        }
        for entry in fs::read_dir(folder).map_err(unread)? {
            names.extend(entry.map_err(unread)?.file_name().into_string());
        }
        Ok(names)
    }
}
