//! From the name of a source to its samples.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cvx_model::{DataSplit, Dataset, Labels};

use crate::error::DataError;
use crate::files::folder::Folder;
use crate::files::input::{self, INPUT, Looks, STDIN};
use crate::files::store::Store;
use crate::formats::csv_table::{Manner, Reading, Unusable};
use crate::formats::{cifar, csv_table, idx, images, libsvm, npz};
use crate::name::extension;
use crate::planted::Planted;
use crate::request::Request;
use crate::share::{Over, Share};

/// Reads the samples of a source. Features are f64; only the bytes of images are scaled, to \[0, 1\].
///
/// The name of the source selects its format:
///
/// * `planted`, `planted:NxD`: samples of [`Planted`], with the labels 0 and 1.
/// * A folder with `data_batch_*.bin`, `test_batch.bin` or both: CIFAR-10 images, 3 x 32 x 32. The labels are names
///   from `batches.meta.txt`, otherwise the ten standard names.
/// * A folder with `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and with `t10k-..` for the test set
///   (`.idx3-` and `.idx1-` are read too): grey images. The labels are numbers.
/// * A folder with `CLASS/*.png`, or with `train/CLASS/*.png` and `test/CLASS/*.png` (also `.jpg`, `.jpeg`): images of
///   one size, grey or RGB, channel first. The labels are the names of the folders; images directly in the folder have
///   no labels. Each sample has the name of its file.
/// * `.npz`: the arrays `x_train` and `x_test` (or `X_train`, `X`, `x`), of two axes, or of three or four for images,
///   channel first. The labels are `y_train` and `y_test` (or `y`): n or n x C numbers, or n texts.
/// * `.npy`: one array of features, as above, without labels.
/// * `.csv`, `.tsv`: columns of numbers and texts, separated by commas, semicolons or tabs; the first line decides
///   which. The header is optional. [`LabelColumn`](crate::LabelColumn) selects the labels, which are numbers if all of
///   them are, otherwise names; rows without a label are left out. A [`Recipe`](cvx_model::Recipe) makes features of
///   the columns: that of the request, or one that is fitted to the training table. Empty fields, `?`, `NA`, `N/A`,
///   `NaN` and `null` are missing values. A text in a column of more than 30 different texts, of which most are
///   numbers, is an error.
/// * `.svm`, `.libsvm`: lines of `label index:value ..` with indices from 1; omitted features are 0. The labels are
///   numbers.
///
/// * `-`: standard input, whose first bytes tell whether it is one of the files above.
///
/// Every file may be compressed and end in `.gz`. Unless the request says so, the first line of a table is a header if
/// none of its fields is a number and either a column below is numeric or no field recurs in its column, or if one of
/// them is a name that [`LabelColumn::Auto`](crate::LabelColumn::Auto) knows, with a number below.
///
/// # Errors
/// [`DataError`] with the file and the place in it. Test samples with another number of features than the training
/// samples are a [`DataError::Mismatch`].
pub fn open(source: &str, request: &Request) -> Result<DataSplit, DataError> {
    open_watched(source, request, &|_| {})
}

/// Reads the samples of a source as [`open`] does, and tells `watch` how far it has come: after every megabyte of a
/// table (`.csv`, `.tsv`), from its beginning where it has to be read twice. Other formats are not watched.
///
/// # Errors
/// Those of [`open`].
pub fn open_watched(source: &str, request: &Request, watch: &dyn Fn(Reading)) -> Result<DataSplit, DataError> {
    open_shared(source, request, watch, &Share::all())
}

/// Reads the training samples that are on this rank, and all test samples; else as [`open_watched`] does. `over` is
/// asked once, with the number of all training samples, and says where they are. The samples are those rows of all, and
/// their recipe, labels and number of features are those of all; no more of them is held.
///
/// Every rank has to read the same source, at the same time: they agree on the recipe of a table.
///
/// # Errors
/// Those of [`open`], and [`DataError::Ranks`] for that of `over`, or if the ranks cannot go on together.
pub fn open_over(source: &str, request: &Request, watch: &dyn Fn(Reading), over: Over) -> Result<DataSplit, DataError> {
    open_shared(source, request, watch, &Share::here(over))
}

fn open_shared(
    source: &str,
    request: &Request,
    watch: &dyn Fn(Reading),
    share: &Share,
) -> Result<DataSplit, DataError> {
    let is_input = |name: &str| name == STDIN;
    if !is_input(source) && !request.test.as_deref().is_some_and(is_input) {
        return open_in(&Store::disk(request.max_bytes), source, request, watch, share);
    }
    let input = input::read(request.max_bytes)?;
    let name = |name: &str| if is_input(name) { INPUT.to_string() } else { name.to_string() };
    let request = Request { test: request.test.as_deref().map(name), ..request.clone() };
    open_in(&Store::with_input(&input, request.max_bytes), &name(source), &request, watch, share)
}

/// Reads the samples of a source as [`open`] does, but from files in memory.
///
/// `files` maps the name of each file, `folder/name` for a file in a folder, to its content. The disk is not accessed.
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
/// Those of [`open`].
pub fn open_in_memory(
    files: &BTreeMap<String, Vec<u8>>,
    source: &str,
    request: &Request,
) -> Result<DataSplit, DataError> {
    open_in(&Store::memory(files, request.max_bytes), source, request, &|_| {}, &Share::all())
}

fn open_in(
    store: &Store,
    source: &str,
    request: &Request,
    watch: &dyn Fn(Reading),
    share: &Share,
) -> Result<DataSplit, DataError> {
    let kind = Kind::of(source, store)?;
    let DataSplit { train, mut test } = kind.read(source, store, request, None, watch, share)?;
    let unusable = |error| DataError::Unusable { path: source.into(), error };
    let train = train.over(share.samples()).map_err(unusable)?;
    let mut test_source = source;
    if let Some(name) = &request.test {
        if kind == Kind::Planted {
            return Err(DataError::TestOfPlanted { name: name.clone() });
        }
        test = Some(kind.read(name, store, request, Some(&train), watch, &Share::all())?.train);
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

/// Counts all lines of a table that cannot be used, where [`open`] stops at the first. `None` for other sources,
/// and for standard input, which can be read only once.
///
/// # Errors
/// [`DataError`] if the source does not exist or cannot be read at all.
pub fn unusable_lines(source: &str, request: &Request) -> Result<Option<Unusable>, DataError> {
    let store = Store::disk(request.max_bytes);
    if source == STDIN {
        return Ok(None);
    }
    match Kind::of(source, &store)? {
        Kind::Csv => {
            let recipe = request.recipe.clone().map(Arc::new);
            let manner =
                Manner { request, recipe, label_name: request.label_name.as_deref(), like: None, watch: &|_| {} };
            csv_table::unusable(Path::new(source), &store, &manner).map(Some)
        }
        _ => Ok(None),
    }
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
        if let Some(input) = store.input(path) {
            return Ok(match Looks::of(&input.head().map_err(|error| DataError::read(path, 0, error))?) {
                Looks::Npz => Kind::Npz,
                Looks::Npy => Kind::Npy,
                Looks::Libsvm => Kind::Libsvm,
                Looks::Csv => Kind::Csv,
            });
        }
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
            // A name that begins with `planted` is a misspelt built-in source, not a missing file.
            _ if !source.is_empty() && !source.starts_with("planted") && !store.has_file(path) => {
                Err(DataError::NotFound { path: path.to_owned() })
            }
            _ => Err(DataError::UnknownSource { name: source.to_owned() }),
        }
    }

    /// Reads a source of this kind. For a test set, `train` is its training set.
    fn read(
        self,
        source: &str,
        store: &Store,
        request: &Request,
        train: Option<&Dataset>,
        watch: &dyn Fn(Reading),
        share: &Share,
    ) -> Result<DataSplit, DataError> {
        let path = Path::new(source);
        let like = train.and_then(Dataset::labels);
        let numbers = Labels::numbers(Vec::new());
        let texts_like = like.or(request.numbers.then_some(&numbers));
        let train = match self {
            Kind::Planted => {
                let planted = Planted::parse(source, request.seed).unwrap_or_default();
                return planted.generate_for(share);
            }
            Kind::Cifar => return cifar::read(&Folder::open(path, store)?, store, share),
            Kind::Idx => return idx::read(&Folder::open(path, store)?, store, share),
            Kind::Images => return images::read(path, store, like, share),
            Kind::Npz => return npz::read(path, store, texts_like, share),
            Kind::Npy => npz::read_features(path, store, share)?,
            Kind::Csv => {
                let given = || request.recipe.clone().map(Arc::new);
                let manner = Manner {
                    request,
                    recipe: train.and_then(Dataset::recipe).cloned().or_else(given),
                    label_name: train.and_then(Dataset::label_name).or(request.label_name.as_deref()),
                    like: texts_like,
                    watch,
                };
                csv_table::read(path, store, &manner, share)?
            }
            Kind::Libsvm => libsvm::read(path, store, train.map(Dataset::n_features).or(request.n_features), share)?,
        };
        Ok(DataSplit { train, test: None })
    }
}
