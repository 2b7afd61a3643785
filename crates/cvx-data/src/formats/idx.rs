//! IDX files, the format of MNIST: big-endian sizes, then one byte per pixel or label.

use std::path::PathBuf;

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, Values};

use crate::error::DataError;
use crate::files::bytes::Bytes;
use crate::files::folder::Folder;
use crate::files::store::Store;
use crate::share::Share;

/// Type code of unsigned bytes, in the third byte of the file.
const UNSIGNED_BYTE: u8 = 0x08;

/// Whether the folder holds IDX files of training images.
pub(crate) fn recognises(folder: &Folder) -> bool {
    images(folder, "train").is_some()
}

/// Reads `train-images` with `train-labels`, and the `t10k-` files if present. Pixels count from 0 to 1.
pub(crate) fn read(folder: &Folder, store: &Store, share: &Share) -> Result<DataSplit, DataError> {
    let train = images(folder, "train").ok_or_else(|| folder.missing("train-images-idx3-ubyte"))?;
    Ok(DataSplit {
        train: read_part(folder, "train", train, store, share)?,
        test: match images(folder, "t10k") {
            Some(path) => Some(read_part(folder, "t10k", path, store, &Share::all())?),
            None => None,
        },
    })
}

fn images(folder: &Folder, part: &str) -> Option<PathBuf> {
    find(folder, &format!("{part}-images"), "idx3-ubyte")
}

/// Finds a file under either usual name: `train-images-idx3-ubyte` or `train-images.idx3-ubyte`.
fn find(folder: &Folder, stem: &str, suffix: &str) -> Option<PathBuf> {
    ["-", "."].iter().find_map(|separator| folder.find(&format!("{stem}{separator}{suffix}")))
}

fn read_part(folder: &Folder, part: &str, images: PathBuf, store: &Store, share: &Share) -> Result<Dataset, DataError> {
    let stem = format!("{part}-labels");
    let labels = find(folder, &stem, "idx1-ubyte").ok_or_else(|| folder.missing(format!("{stem}-idx1-ubyte")))?;

    let mut bytes = Bytes::open(&images, store)?;
    let [n_samples, height, width] = read_header(&mut bytes, "an IDX file of images", "0x00000803")?;
    let first = |byte: &[u8]| Ok(byte.first().copied().unwrap_or(0));
    let rows = share.rows(n_samples)?;
    let pixels = bytes.rows(&[n_samples, height, width], 1, false, &rows, first)?;

    let mut bytes = Bytes::open(&labels, store)?;
    let [n_labels] = read_header(&mut bytes, "an IDX file of labels", "0x00000801")?;
    let codes = bytes.rows(&[n_labels], 1, false, &rows, |byte| Ok(number(byte)))?;
    if n_labels != n_samples {
        return Err(DataError::Mismatch { path: labels, what: "labels", expected: n_samples, found: n_labels });
    }
    let kind = FeatureKind::Image { channels: 1, height, width };
    // The product does not overflow: that many pixels were read.
    Dataset::of(height * width, Values::pixels(pixels), Some(Labels::numbers(codes)), kind)
        .map_err(|error| DataError::Unusable { path: images, error })
}

fn number(byte: &[u8]) -> f64 {
    byte.first().copied().map_or(0.0, f64::from)
}

/// Checks the magic number of a file with `AXES` axes and reads the lengths of the axes.
fn read_header<const AXES: usize>(
    bytes: &mut Bytes,
    format: &'static str,
    expected: &'static str,
) -> Result<[usize; AXES], DataError> {
    let magic: [u8; 4] = bytes.array()?;
    match magic {
        [0, 0, UNSIGNED_BYTE, axes] if usize::from(axes) == AXES => {}
        [0, 0, code @ (0x09 | 0x0b..=0x0e), _] => {
            return Err(DataError::UnsupportedType { path: bytes.path().to_owned(), dtype: format!("0x{code:02x}") });
        }
        _ => {
            return Err(DataError::WrongMagic {
                path: bytes.path().to_owned(),
                format,
                expected,
                found: format!("0x{:08x}", u32::from_be_bytes(magic)),
            });
        }
    }
    let mut shape = [0; AXES];
    for length in &mut shape {
        *length = usize::try_from(u32::from_be_bytes(bytes.array()?)).unwrap_or(usize::MAX);
    }
    Ok(shape)
}
