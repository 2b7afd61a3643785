//! CIFAR-10 binary batches: records of one label byte and 3 x 32 x 32 pixel bytes, channel by channel.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, Values};

use crate::error::DataError;
use crate::files::bytes::{Bytes, reserve};
use crate::files::folder::Folder;
use crate::files::store::Store;
use crate::share::Share;

const CHANNELS: usize = 3;
const SIDE: usize = 32;
const PIXELS: usize = CHANNELS * SIDE * SIDE;
const RECORD: usize = 1 + PIXELS;

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Whether the folder holds CIFAR-10 batches, judging by the names of its files.
pub(crate) fn recognises(folder: &Folder) -> bool {
    !batches(folder).is_empty() || folder.find("test_batch.bin").is_some()
}

/// Reads `data_batch_*.bin` as training samples and `test_batch.bin`, if present, as test samples. Pixels count from
/// 0 to 1.
///
/// A test batch without training batches becomes the training set of the split, because prediction needs no other.
pub(crate) fn read(folder: &Folder, store: &Store, share: &Share) -> Result<DataSplit, DataError> {
    let names = match folder.find("batches.meta.txt") {
        Some(path) => class_names(&path, store)?,
        None => CLASSES.map(String::from).to_vec(),
    };
    let (train, test) = match (batches(folder), folder.find("test_batch.bin")) {
        (train, None) if train.is_empty() => return Err(folder.missing("data_batch_1.bin or test_batch.bin")),
        (train, Some(test)) if train.is_empty() => (vec![test], None),
        split => split,
    };
    Ok(DataSplit {
        train: read_batches(folder, &train, &names, store, share)?,
        test: test.map(|path| read_batches(folder, &[path], &names, store, &Share::all())).transpose()?,
    })
}

/// The training batches, in the order of their numbers.
fn batches(folder: &Folder) -> Vec<PathBuf> {
    let mut names: Vec<&str> =
        folder.names().into_iter().filter(|name| name.starts_with("data_batch_") && name.ends_with(".bin")).collect();
    names.sort_by_key(|name| (name.len(), *name));
    names.into_iter().filter_map(|name| folder.find(name)).collect()
}

/// Reads class names, one per line.
fn class_names(path: &Path, store: &Store) -> Result<Vec<String>, DataError> {
    let bytes = Bytes::open(path, store)?;
    let mut names = Vec::new();
    for line in BufReader::new(bytes).lines() {
        let line = line.map_err(|error| DataError::read(path, 0, error))?;
        if !line.trim().is_empty() {
            names.push(line.trim().to_owned());
        }
    }
    if names.is_empty() {
        return Err(DataError::Empty { path: path.to_owned(), what: "class names" });
    }
    Ok(names)
}

fn read_batches(
    folder: &Folder,
    paths: &[PathBuf],
    names: &[String],
    store: &Store,
    share: &Share,
) -> Result<Dataset, DataError> {
    let files = paths.iter().map(|path| Bytes::open(path, store)).collect::<Result<Vec<_>, _>>()?;
    let mut n_samples = 0;
    for bytes in &files {
        n_samples += count_records(bytes)?;
    }
    let kept = share.rows(n_samples)?;
    let mut index = reserve(folder.path(), kept.len())?;
    let mut levels = reserve(folder.path(), kept.len().saturating_mul(PIXELS))?;
    let mut samples = 0..;
    let mut record = [0; RECORD];
    for mut bytes in files {
        while bytes.offset() < bytes.len() {
            let offset = bytes.offset();
            bytes.fill(&mut record)?;
            let [label, pixels @ ..] = &record;
            if usize::from(*label) >= names.len() {
                return Err(DataError::UnknownLabel {
                    path: bytes.path().to_owned(),
                    offset,
                    label: *label,
                    classes: names.len(),
                });
            }
            if samples.next().is_some_and(|sample| !kept.contains(&sample)) {
                continue;
            }
            index.push(u32::from(*label));
            levels.extend_from_slice(pixels);
        }
    }
    let labels = Labels::Names { index, names: names.to_vec() };
    let kind = FeatureKind::Image { channels: CHANNELS, height: SIDE, width: SIDE };
    Dataset::of(PIXELS, Values::pixels(levels), Some(labels), kind)
        .map_err(|error| DataError::Unusable { path: folder.path().to_owned(), error })
}

/// The number of records, which must be complete.
fn count_records(bytes: &Bytes) -> Result<usize, DataError> {
    let record = RECORD as u64;
    let whole = bytes.len() / record;
    if !bytes.len().is_multiple_of(record) {
        return Err(DataError::Truncated {
            path: bytes.path().to_owned(),
            offset: whole * record,
            expected: (whole + 1) * record,
            found: bytes.len(),
        });
    }
    Ok(usize::try_from(whole).unwrap_or(usize::MAX))
}
