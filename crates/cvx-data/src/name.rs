//! Names of sources: which ones there are, and what the name of a file says about its content.

use std::path::Path;

/// The sources that can be read, in words.
pub(crate) const SOURCES: &str = "planted or planted:NxD, a folder of CIFAR-10 binary batches, a folder of IDX files, \
     a folder with a folder of PNG or JPEG images for each class, or a file that ends in .npz, .npy, .csv, .tsv, .svm \
     or .libsvm, with or without .gz, or - for standard input";

/// The extension in lower case, without `.gz`.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let name = if is_gz(path) { Path::new(path.file_stem()?) } else { path };
    Some(name.extension()?.to_str()?.to_ascii_lowercase())
}

/// Whether the name says that the content is compressed.
pub(crate) fn is_gz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}
