//! The files of the workspace, read into memory.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders without files of the project.
const SKIPPED: [&str; 7] = [".git", "target", "book", "shared", "node_modules", ".venv", "__pycache__"];

/// Extensions of files whose text is read; of other files only the name is known.
const TEXT: [&str; 13] = ["rs", "toml", "md", "sh", "py", "cu", "cuh", "cpp", "h", "txt", "yml", "json", "jsonl"];

/// Every file by its path from the root, with `/` between the parts.
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the tree below `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Tree { files: BTreeMap::new() };
        tree.add_folder(root, "")?;
        Ok(tree)
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("{}: cannot be listed", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (path, key) = (entry.path(), format!("{prefix}{name}"));
            // Links are not followed: they may lead out of the tree, or back into it.
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.add_folder(&path, &format!("{key}/"))?;
            } else if kind.is_file() {
                let bytes = if is_text(&key) {
                    fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?
                } else {
                    Vec::new()
                };
                self.files.insert(key, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }

    /// A tree of these files.
    #[cfg(test)]
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Tree { files: files.into_iter().map(|(path, text)| (path.to_string(), text.to_string())).collect() }
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Path and text of every file.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.entry(path).map(|(_, text)| text)
    }

    /// Path and text of one file, for as long as the tree lives.
    pub fn entry(&self, path: &str) -> Option<(&str, &str)> {
        self.files.get_key_value(path).map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether there is a file or a folder of that path.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }
}

/// Whether the text of a file is read.
pub fn is_text(path: &str) -> bool {
    let scripts = path.starts_with(".ci/") || path.starts_with(".cargo/");
    scripts || path.rsplit_once('.').is_some_and(|(_, ending)| TEXT.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_if_a_file_is_in_it() {
        let tree = Tree::of([("docs/math.md", ""), ("README.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/") && tree.has("docs/math.md") && tree.has(""));
        assert!(!tree.has("doc") && !tree.has("docs/mat"));
    }
}
