//! The files of a figure.

use std::path::{Path, PathBuf};

/// The endings of the files of a figure.
pub const ENDINGS: [&str; 2] = [".svg", ".png"];

/// The path `stem` with `ending` appended. A dot in the stem is kept, with all that follows it.
pub fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
