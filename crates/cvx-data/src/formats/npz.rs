//! NumPy archives and single arrays as data sets and matrices.

use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, ModelError, Values};
use zip::{CompressionMethod, ZipArchive};

use crate::error::DataError;
use crate::files::bytes::{Bytes, MAX_RATIO, reserve};
use crate::files::input::ReadSeek;
use crate::files::store::Store;
use crate::formats::npy::{self, Array, Items};
use crate::name::{extension, is_gz};
use crate::request::MAX_BYTES;
use crate::share::Share;

/// Names of training features, training labels, test features and test labels, in each usual spelling.
const KEYS: [[&str; 4]; 4] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["X_train", "y_train", "X_test", "y_test"],
    ["X", "y", "X_test", "y_test"],
    ["x", "y", "x_test", "y_test"],
];

/// [`KEYS`] in words.
const EXPECTED: &str = "x_train, X_train, X or x, with labels under y_train or y";

/// Reads the training and test arrays of an archive. `like` holds the labels of the training set when the
/// archive is read as a test set.
pub(crate) fn read(path: &Path, store: &Store, like: Option<&Labels>, share: &Share) -> Result<DataSplit, DataError> {
    let mut archive = Archive::open(path, store)?;
    let [x_train, y_train, x_test, y_test] =
        KEYS.into_iter().find(|[x, ..]| archive.has(x)).ok_or_else(|| archive.unknown(EXPECTED))?;
    let train = archive.dataset(x_train, y_train, like, share)?;
    let test = match archive.has(x_test) {
        true => Some(archive.dataset(x_test, y_test, train.labels(), &Share::all())?),
        false => None,
    };
    Ok(DataSplit { train, test })
}

/// Reads a single array of features.
pub(crate) fn read_features(path: &Path, store: &Store, share: &Share) -> Result<Dataset, DataError> {
    let x = npy::read(&mut Bytes::open(path, store)?, share)?;
    dataset(path, x, None, share)
}

/// Reads a matrix of finite numbers: an `.npy` file (also `.npy.gz`), or one array of an `.npz` archive.
///
/// `key` names the array of an archive, `gates` by default; it is ignored for a single array. Returns the number of
/// rows, the number of columns and the values in row-major order.
///
/// # Errors
/// [`DataError::UnknownSource`] for another extension, [`DataError::UnknownKey`] if the archive has no such array,
/// [`DataError::WrongShape`] unless there are two axes, [`DataError::Unusable`] for a NaN or an infinity with its
/// place, and the errors of an unreadable or damaged file.
pub fn read_matrix(path: &Path, key: Option<&str>) -> Result<(usize, usize, Vec<f64>), DataError> {
    let store = Store::disk(MAX_BYTES);
    let (place, array) = match extension(path).as_deref() {
        Some("npy") => (path.to_owned(), npy::read(&mut Bytes::open(path, &store)?, &Share::all())?),
        Some("npz") => {
            let mut archive = Archive::open(path, &store)?;
            let key = key.unwrap_or("gates");
            if !archive.has(key) {
                return Err(archive.unknown(key));
            }
            (archive.place(key), archive.array(key, &Share::all())?)
        }
        _ => {
            return Err(DataError::UnknownSource { name: path.display().to_string() });
        }
    };
    let values = numbers(&place, array.items)?.into_doubles();
    let &[rows, columns] = array.shape.as_slice() else {
        return Err(DataError::WrongShape { path: place, expected: "a matrix of two axes", found: array.shape });
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(DataError::Unusable {
            path: place,
            error: ModelError::NonFinite { what: "the matrix", row: at / columns, column: at % columns },
        }),
        None => Ok((rows, columns, values)),
    }
}

/// A zip archive of arrays.
struct Archive<'a> {
    path: PathBuf,
    zip: ZipArchive<Box<dyn ReadSeek + 'a>>,
    len: u64,
    max_bytes: u64,
}

impl<'a> Archive<'a> {
    fn open(path: &Path, store: &Store<'a>) -> Result<Self, DataError> {
        let mut bytes = Bytes::open(path, store)?;
        let len = bytes.len();
        let mut magic = [0; 2];
        bytes.fill(&mut magic)?;
        if magic != *b"PK" {
            return Err(DataError::WrongMagic {
                path: path.to_owned(),
                format: "an archive of NumPy arrays",
                expected: "0x504b",
                found: format!("0x{:04x}", u16::from_be_bytes(magic)),
            });
        }
        let reader: Box<dyn ReadSeek + 'a> = if is_gz(path) {
            let mut content = reserve(path, usize::try_from(len).unwrap_or(usize::MAX))?;
            content.extend(magic);
            bytes.read_to_end(&mut content).map_err(|error| DataError::read(path, 0, error))?;
            Box::new(Cursor::new(content))
        } else {
            Box::new(BufReader::new(store.open(path)?.0))
        };
        let zip = ZipArchive::new(reader).map_err(|error| DataError::read(path, 0, error.into()))?;
        Ok(Archive { path: path.to_owned(), zip, len, max_bytes: store.max_bytes })
    }

    fn has(&self, key: &str) -> bool {
        self.zip.index_for_name(&format!("{key}.npy")).is_some()
    }

    fn place(&self, key: &str) -> PathBuf {
        self.path.join(format!("{key}.npy"))
    }

    fn unknown(&self, key: &str) -> DataError {
        let mut known: Vec<String> = self
            .zip
            .file_names_raw()
            .map(|name| String::from_utf8_lossy(name.strip_suffix(b".npy").unwrap_or(name)).into_owned())
            .collect();
        known.sort();
        DataError::UnknownKey { path: self.path.clone(), key: key.to_owned(), known }
    }

    fn array(&mut self, key: &str, share: &Share) -> Result<Array, DataError> {
        let place = self.place(key);
        let entry =
            self.zip.by_name(&format!("{key}.npy")).map_err(|error| DataError::read(&place, 0, error.into()))?;
        // The sizes come from the archive: they are compared with each other and with the file before use.
        let (packed, unpacked) = (entry.compressed_size(), entry.size());
        let most = match entry.compression() {
            CompressionMethod::Stored => packed,
            _ => packed.saturating_mul(MAX_RATIO),
        };
        if packed > self.len || unpacked > most {
            return Err(DataError::Malformed {
                path: place,
                offset: 0,
                reason: format!(
                    "the entry claims {unpacked} bytes from {packed} compressed bytes, in an archive of {}",
                    self.len
                ),
            });
        }
        if unpacked > self.max_bytes {
            return Err(DataError::TooLarge { path: place, limit: self.max_bytes });
        }
        // An entry is read to its end even where it is not packed: only so is its checksum compared.
        npy::read(&mut Bytes::new(place, Box::new(entry), unpacked), share)
    }

    /// The samples of array `x` with the labels of array `y`, if present.
    fn dataset(&mut self, x: &str, y: &str, like: Option<&Labels>, share: &Share) -> Result<Dataset, DataError> {
        let features = self.array(x, share)?;
        let labels = if self.has(y) {
            let n_samples = features.shape.first().copied().unwrap_or(0);
            let array = self.array(y, share)?;
            Some(labels(&self.place(y), array, n_samples, like)?)
        } else {
            None
        };
        dataset(&self.place(x), features, labels, share)
    }
}

/// The first axis counts samples. Arrays of three or four axes are images, channel first.
fn dataset(path: &Path, x: Array, labels: Option<Labels>, share: &Share) -> Result<Dataset, DataError> {
    let (n_features, kind) = match *x.shape.as_slice() {
        [_, columns] => (columns, FeatureKind::Table),
        [_, height, width] => (height * width, image(1, height, width)),
        [_, channels, height, width] => (channels * height * width, image(channels, height, width)),
        _ => {
            return Err(DataError::WrongShape {
                path: path.to_owned(),
                expected: "samples x features, or images as samples x (channels x) height x width",
                found: x.shape,
            });
        }
    };
    let values = numbers(path, x.items)?;
    Dataset::of(n_features, values, labels, kind).map_err(|error| share.unusable(path, error))
}

fn image(channels: usize, height: usize, width: usize) -> FeatureKind {
    FeatureKind::Image { channels, height, width }
}

fn numbers(path: &Path, items: Items) -> Result<Values, DataError> {
    match items {
        Items::Numbers(values) => Ok(values),
        Items::Texts(_) => Err(DataError::UnsupportedType { path: path.to_owned(), dtype: "text".to_owned() }),
    }
}

/// The labels of `n_samples` samples: one or several numbers per sample, or one name per sample.
fn labels(path: &Path, y: Array, n_samples: usize, like: Option<&Labels>) -> Result<Labels, DataError> {
    let (rows, columns) = match (y.shape.as_slice(), &y.items) {
        (&[rows], _) | (&[rows, 1], _) => (rows, 1),
        (&[rows, columns], Items::Numbers(_)) => (rows, columns),
        _ => {
            return Err(DataError::WrongShape {
                path: path.to_owned(),
                expected: "one label per sample, or samples x targets",
                found: y.shape,
            });
        }
    };
    if rows != n_samples {
        return Err(DataError::Mismatch { path: path.to_owned(), what: "labels", expected: n_samples, found: rows });
    }
    match y.items {
        Items::Numbers(values) => Ok(Labels::Numbers { columns, values: values.into_doubles() }),
        Items::Texts(texts) => texts.finish(like).map_err(|error| DataError::Unusable {
            path: path.to_owned(),
            error: ModelError::NotNumeric {
                label: error.text,
                row: usize::try_from(error.place).unwrap_or(usize::MAX),
            },
        }),
    }
}
