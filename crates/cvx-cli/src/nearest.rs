//! Suggestions for misspelt names.

use std::path::Path;

/// Least similarity of two names, from 0 to 1: two letters in seven may differ.
const LIKENESS: f64 = 0.7;

/// The name among `names` that is most similar to `name`, as the end of a message; empty if none is similar. The
/// endings of files are compared apart: a common one does not make them similar.
pub fn hint<S: AsRef<str>>(name: &str, names: impl IntoIterator<Item = S>) -> String {
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_string();
    let likeness = |other: &S| {
        let other = other.as_ref();
        let [whole, stems] = [(name.to_string(), other.to_string()), (stem(name), stem(other))]
            .map(|(a, b)| strsim::normalized_damerau_levenshtein(&a, &b));
        whole.min(stems)
    };
    let nearest = names.into_iter().map(|other| (likeness(&other), other)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, other)) if likeness >= LIKENESS => format!("; did you mean '{}'?", other.as_ref()),
        _ => String::new(),
    }
}

/// The names in the folder of `path`.
pub fn beside(path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// [`hint`] for a file in the folder of `path`.
pub fn file(path: &Path) -> String {
    hint(&path.file_name().unwrap_or_default().to_string_lossy(), beside(path))
}
