//! The front door: from the name of a source to its samples.

use std::collections::BTreeMap;
use std::path::Path;

use cvx_model::{DataSplit, Dataset, Labels};

use crate::bytes::is_gz;
use crate::csv_table::Unusable;
use crate::error::DataError;
use crate::folder::Folder;
use crate::planted::Planted;
use crate::store::Store;
use crate::{cifar, csv_table, idx, images, libsvm, npz};

/// The sources there are, in words.
pub(crate) const KINDS: &str = "planted or planted:NxD, a folder of CIFAR-10 binary batches, a folder of IDX files, a folder with a folder of \
     PNG or JPEG images for each class, or a file that ends in .npz, .npy, .csv, .tsv, .svm or .libsvm, with or without .gz";

/// 16 GiB.
pub(crate) const MAX_BYTES: u64 = 16 << 30;

/// Which column of a table holds the labels; formats with a place of their own for labels ignore it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The column named `label`, `y`, `target` or `class` (in any case), else the last one.
    #[default]
    Auto,
    /// The column of this name, else of this number, counted from 1.
    Column(String),
    /// None: every column is a feature, as in data to predict.
    Absent,
}

/// How to read a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Another source of the same kind whose samples become the test set, in place of one that the first source
    /// may have.
    pub test: Option<String>,
    /// The label column of a table.
    pub label_column: LabelColumn,
    /// Labels have to be numbers: a name among them is an error with its line, not a class.
    pub numbers: bool,
    /// Seed of the samples of `planted`.
    pub seed: u64,
    /// Features that a sparse file (LIBSVM) has at least, where more are known than occur in it: those of a model that
    /// is to predict on it. Other formats ignore it.
    pub n_features: Option<usize>,
    /// The most bytes that a compressed file may unpack to, or the dense form of a sparse file may take: beyond it
    /// the file is refused before memory is asked for. 16 GiB by default.
    pub max_bytes: u64,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            test: None,
            label_column: LabelColumn::Auto,
            numbers: false,
            seed: 0,
            n_features: None,
            max_bytes: MAX_BYTES,
        }
    }
}

/// Reads the samples of a source.
///
/// | `source` | samples | labels |
/// |---|---|---|
/// | `planted`, `planted:NxD` | drawn, see [`Planted`] | 0 and 1 |
/// | folder with `data_batch_*.bin`, `test_batch.bin` or one of them | CIFAR-10 images, 3 x 32 x 32, in \[0, 1\] | names from `batches.meta.txt` or the standard ten |
/// | folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-..` (also `.idx3-`) | images, in \[0, 1\] | codes |
/// | folder with `CLASS/*.png`, or `train/CLASS/*.png` and `test/CLASS/*.png` (also `.jpg`, `.jpeg`) | images of one size, grey or RGB, channel first, in \[0, 1\] | names of the folders; none for images in the folder itself; each sample has the name of its file |
/// | `.npz` | `x_train`, `x_test` (or `X_train`, `X`, `x`); 2 axes, or 3 and 4 for images, channel first | `y_train`, `y_test` (or `y`): numbers, n or n x C, or text |
/// | `.npy` | one array, as above | none |
/// | `.csv`, `.tsv` | columns of numbers, parted by commas, semicolons or tabs as the first line has them; the header is optional | [`LabelColumn`]: numbers if all are, else names |
/// | `.svm`, `.libsvm` | `label index:value ..`, indices from 1; features that are left out are 0 | numbers |
///
/// Every file may end in `.gz`. The first line of a table is a header when none of its fields is a number, or when
/// one of them is a name that [`LabelColumn::Auto`] knows, with a number below it. Values are f64; nothing is normalised beyond the \[0, 1\] of image bytes.
///
/// # Errors
/// One of [`DataError`], with the file and the place in it. Test samples with another number of features than the
/// training samples are a [`DataError::Mismatch`].
pub fn open(source: &str, request: &Request) -> Result<DataSplit, DataError> {
    open_in(&Store::disk(request.max_bytes), source, request)
}

/// Reads the samples of a source as [`open`] does, from content in memory: what was fetched, unpacked or embedded.
///
/// `files` holds the content of each file by its name, `folder/name` for one in a folder; nothing is looked for on the disk.
///
/// ```
/// use cvx_data::{Request, open_in_memory};
///
/// let files = [("table.csv".to_string(), b"0.5,1.5,yes\n2.5,-1,no\n".to_vec())].into();
/// let split = open_in_memory(&files, "table.csv", &Request::default())?;
/// assert_eq!((split.train.n_samples(), split.train.n_features()), (2, 2));
/// # Ok::<(), cvx_data::DataError>(())
/// ```
///
/// # Errors
/// As [`open`].
pub fn open_in_memory(
    files: &BTreeMap<String, Vec<u8>>,
    source: &str,
    request: &Request,
) -> Result<DataSplit, DataError> {
    open_in(&Store::memory(files, request.max_bytes), source, request)
}

fn open_in(store: &Store, source: &str, request: &Request) -> Result<DataSplit, DataError> {
    let kind = Kind::of(source, store)?;
    let DataSplit { train, mut test } = kind.read(source, store, request, None)?;
    let mut test_source = source;
    if let Some(name) = &request.test {
        if kind == Kind::Planted {
            return Err(DataError::TestOfPlanted { name: name.clone() });
        }
        test = Some(kind.read(name, store, request, Some(&train))?.train);
        test_source = name;
    }
    match &test {
        Some(test) if test.n_features() != train.n_features() => Err(DataError::Mismatch {
            path: test_source.into(),
            what: "features in the test set",
            expected: train.n_features(),
            found: test.n_features(),
        }),
        _ => Ok(DataSplit { train, test }),
    }
}

/// The lines of a table that [`open`] would refuse, all of them counted, where it ends at the first. Of other
/// sources nothing is known: `None`.
///
/// # Errors
/// A table that cannot be read at all.
pub fn unusable_lines(source: &str, request: &Request) -> Result<Option<Unusable>, DataError> {
    let store = Store::disk(request.max_bytes);
    match Kind::of(source, &store)? {
        Kind::Csv => csv_table::unusable(Path::new(source), &request.label_column, &store).map(Some),
        _ => Ok(None),
    }
}

/// The extension in lower case, `.gz` aside.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let name = if is_gz(path) { Path::new(path.file_stem()?) } else { path };
    Some(name.extension()?.to_str()?.to_ascii_lowercase())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Planted,
    Cifar,
    Idx,
    Images,
    Npz,
    Npy,
    Csv,
    Libsvm,
}

impl Kind {
    fn of(source: &str, store: &Store) -> Result<Self, DataError> {
        let path = Path::new(source);
        if Planted::parse(source, 0).is_some() {
            return Ok(Kind::Planted);
        }
        if store.is_folder(path) {
            let folder = Folder::open(path, store)?;
            return if cifar::recognises(&folder) {
                Ok(Kind::Cifar)
            } else if idx::recognises(&folder) {
                Ok(Kind::Idx)
            } else if images::recognises(path, store)? {
                Ok(Kind::Images)
            } else {
                Err(folder.missing(
                    "data_batch_1.bin, train-images-idx3-ubyte, nor PNG or JPEG images in a folder for each class",
                ))
            };
        }
        match extension(path).as_deref() {
            Some("npz") => Ok(Kind::Npz),
            Some("npy") => Ok(Kind::Npy),
            Some("csv" | "tsv") => Ok(Kind::Csv),
            Some("svm" | "libsvm") => Ok(Kind::Libsvm),
            // A name that is no file of any kind; what begins like a built-in source was meant for one.
            _ if !source.is_empty() && !source.starts_with("planted") && !store.has_file(path) => {
                Err(DataError::NotFound { path: path.to_owned() })
            }
            _ => Err(DataError::UnknownSource { name: source.to_owned() }),
        }
    }

    /// Reads a source of this kind; `train` is there when it is read as a test set.
    fn read(
        self,
        source: &str,
        store: &Store,
        request: &Request,
        train: Option<&Dataset>,
    ) -> Result<DataSplit, DataError> {
        let path = Path::new(source);
        let like = train.and_then(Dataset::labels);
        let numbers = Labels::numbers(Vec::new());
        let texts_like = like.or(request.numbers.then_some(&numbers));
        let train = match self {
            Kind::Planted => {
                let planted = Planted::parse(source, request.seed).unwrap_or_default();
                return planted.generate();
            }
            Kind::Cifar => return cifar::read(&Folder::open(path, store)?, store),
            Kind::Idx => return idx::read(&Folder::open(path, store)?, store),
            Kind::Images => return images::read(path, store, like),
            Kind::Npz => return npz::read(path, store, texts_like),
            Kind::Npy => npz::read_features(path, store)?,
            Kind::Csv => csv_table::read(path, &request.label_column, store, texts_like)?,
            Kind::Libsvm => libsvm::read(path, store, train.map(Dataset::n_features).or(request.n_features))?,
        };
        Ok(DataSplit { train, test: None })
    }
}
