//! A folder of files that make up one data set, each of them plain or with `.gz`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The names in a folder, without `.gz`.
pub(crate) struct Folder {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(path).map_err(|error| DataError::read(path, 0, error))? {
            let entry = entry.map_err(|error| DataError::read(path, 0, error))?;
            // A name that is no Unicode is none of those looked for.
            if let Ok(name) = entry.file_name().into_string() {
                names.insert(name.strip_suffix(".gz").unwrap_or(&name).to_owned());
            }
        }
        Ok(Folder { path: path.to_owned(), names })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names in order; a file that is there both plain and compressed counts once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The file of that name, or else the same with `.gz`.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        if !self.names.contains(name) {
            return None;
        }
        let plain = self.path.join(name);
        Some(if plain.exists() { plain } else { self.path.join(format!("{name}.gz")) })
    }

    /// The error that says which file is not there.
    pub(crate) fn missing(&self, expected: impl Into<String>) -> DataError {
        DataError::MissingFile { path: self.path.clone(), expected: expected.into() }
    }
}
