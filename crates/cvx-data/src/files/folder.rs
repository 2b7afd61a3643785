//! A folder whose files make up one data set. Each file may be compressed (`.gz`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::files::store::Store;

/// The names of the files in a folder.
pub(crate) struct Folder {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    pub(crate) fn open(path: &Path, store: &Store) -> Result<Self, DataError> {
        Ok(Folder { path: path.to_owned(), names: store.names(path)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names in order, without `.gz`. A file that is present both plain and compressed counts once.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.names.iter().map(|name| name.strip_suffix(".gz").unwrap_or(name)).collect()
    }

    /// The path of the file of that name, otherwise of its compressed form (`.gz`).
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        let packed = format!("{name}.gz");
        let found = [name, &packed].into_iter().find(|&name| self.names.contains(name))?;
        Some(self.path.join(found))
    }

    /// The error for a missing file.
    pub(crate) fn missing(&self, expected: impl Into<String>) -> DataError {
        DataError::MissingFile { path: self.path.clone(), expected: expected.into() }
    }
}
