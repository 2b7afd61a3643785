//! Folders of images: one folder for each class, which holds PNG or JPEG files of one size.

use std::fmt;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, Values};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits};
use rayon::prelude::*;

use crate::error::DataError;
use crate::files::bytes::{Bytes, MAX_RATIO, reserve};
use crate::files::store::Store;
use crate::formats::text_labels::TextLabels;
use crate::name::extension;
use crate::share::Share;

/// Limit in bytes on an image file and on the memory of its decoder.
const MAX_IMAGE: u64 = 256 << 20;

/// Files that are decoded on all threads before the first error among them is looked for.
const BATCH: usize = 256;

/// Largest number of bytes of pixels per byte of a PNG: one bit of its deflated content may stand for three bytes of a
/// palette.
const MAX_PNG_RATIO: u64 = MAX_RATIO * 24;

/// The same for JPEG, where 8 x 8 pixels of three bytes take at least one bit.
const MAX_JPEG_RATIO: u64 = 8 * 8 * 3 * 8;

/// Whether the folder holds images, folders of images, or the parts `train` and `test`.
pub(crate) fn recognises(path: &Path, store: &Store) -> Result<bool, DataError> {
    for entry in list(path, store)? {
        let within = if store.is_folder(&entry) { list(&entry, store)? } else { Vec::new() };
        if is_image(&entry, store) || within.iter().any(|inner| is_image(inner, store)) {
            return Ok(true);
        }
    }
    Ok(part(path, "train", store).or(part(path, "test", store)).is_some())
}

/// Reads `CLASS/*`, or `train/CLASS/*` and, if present, `test/CLASS/*`. Images directly in the folder have no labels.
/// For a test set, `like` holds the labels of the training set.
///
/// Pixels are scaled to [0, 1] and stored channel by channel. Classes and files are in the order of their names.
pub(crate) fn read(path: &Path, store: &Store, like: Option<&Labels>, share: &Share) -> Result<DataSplit, DataError> {
    let (train, test) = match (part(path, "train", store), part(path, "test", store)) {
        (Some(train), test) => (train, test),
        // Prediction needs no training samples.
        (None, Some(test)) => (test, None),
        (None, None) => (path.to_owned(), None),
    };
    let train = read_part(path, &train, store, like, share)?;
    let test = test.map(|part| read_part(path, &part, store, train.labels(), &Share::all())).transpose()?;
    Ok(DataSplit { train, test })
}

/// The folder of a part of a split. `None` if the folder is a class of that name, with images directly in it.
fn part(path: &Path, name: &str, store: &Store) -> Option<PathBuf> {
    let part = path.join(name);
    let entries = store.is_folder(&part).then(|| list(&part, store).ok()).flatten()?;
    entries.iter().any(|entry| store.is_folder(entry)).then_some(part)
}

/// The entries of a folder in order, without hidden ones.
fn list(folder: &Path, store: &Store) -> Result<Vec<PathBuf>, DataError> {
    let names = store.names(folder)?;
    Ok(names.iter().filter(|name| !name.starts_with('.')).map(|name| folder.join(name)).collect())
}

fn is_image(path: &Path, store: &Store) -> bool {
    matches!(extension(path).as_deref(), Some("png" | "jpg" | "jpeg")) && !store.is_folder(path)
}

/// Reads a part of the folder `source`. The names of the samples are relative to `source`.
fn read_part(
    source: &Path,
    path: &Path,
    store: &Store,
    like: Option<&Labels>,
    share: &Share,
) -> Result<Dataset, DataError> {
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
        list(path, store)?.into_iter().partition(|entry| store.is_folder(entry));
    let mut images: Vec<PathBuf> = files.into_iter().filter(|file| is_image(file, store)).collect();
    if let (Some(image), Some(_)) = (images.first(), folders.first()) {
        return Err(refused(image, "it lies beside folders of classes: move it into one of them"));
    }
    let mut parts = Vec::new();
    for folder in &folders {
        // Every name of a store is Unicode.
        let class = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let within: Vec<PathBuf> = list(folder, store)?.into_iter().filter(|file| is_image(file, store)).collect();
        if within.is_empty() {
            return Err(DataError::Empty { path: folder.clone(), what: "PNG or JPEG files" });
        }
        parts.push((class, images.len()..images.len() + within.len()));
        images.extend(within);
    }
    let kept = share.rows(images.len())?;
    let mut classes = TextLabels::default();
    for (class, within) in parts {
        within.for_each(|image| classes.push(class, 0, kept.contains(&image)));
    }
    let (shape, values) = read_files(path, &images, &kept, store)?;
    // Folders are classes even if their names are numbers.
    let names = Labels::Names { index: Vec::new(), names: Vec::new() };
    let labels = (!folders.is_empty()).then(|| classes.finish(Some(like.unwrap_or(&names)))).transpose();
    let labels =
        labels.map_err(|class| refused(&path.join(class.text), "the other samples have numbers for labels"))?;
    let Shape { channels, height, width } = shape;
    let values = Values::pixels_or_doubles(values);
    Dataset::of(shape.size(), values, labels, FeatureKind::Image { channels, height, width })
        .and_then(|data| data.with_sample_names(images[kept].iter().map(|image| name(source, image)).collect()))
        .map_err(|error| DataError::Unusable { path: path.to_owned(), error })
}

/// The name of an image, relative to the folder `source`.
fn name(source: &Path, image: &Path) -> String {
    image.strip_prefix(source).unwrap_or(image).display().to_string()
}

/// The common shape of the images, and the pixels of those that are kept, image by image.
fn read_files(
    folder: &Path,
    files: &[PathBuf],
    kept: &Range<usize>,
    store: &Store,
) -> Result<(Shape, Vec<f64>), DataError> {
    let [first, ..] = files else {
        return Err(DataError::Empty { path: folder.to_owned(), what: "PNG or JPEG files" });
    };
    let (expected, image) = decode(first, None, store)?;
    let count = expected.size().saturating_mul(kept.len());
    if count as u128 * size_of::<f64>() as u128 > u128::from(store.max_bytes) {
        return Err(DataError::TooLarge { path: folder.to_owned(), limit: store.max_bytes });
    }
    let mut values: Vec<f64> = reserve(folder, count)?;
    values.resize(count, 0.0);
    let size = expected.size().max(1);
    // The first image decides the shape, and is decoded once.
    let decoded = if kept.start == 0 { size.min(count) } else { 0 };
    if decoded > 0 {
        write_channels(&image, expected.channels, &mut values[..decoded]);
    }
    let (rest, others) = (&mut values[decoded..], &files[kept.clone()][usize::from(decoded > 0)..]);
    for (values, files) in rest.chunks_mut(size * BATCH).zip(others.chunks(BATCH)) {
        let one = |(values, path): (&mut [f64], &PathBuf)| {
            let (_, image) = decode(path, Some((first, expected)), store)?;
            write_channels(&image, expected.channels, values);
            Ok(())
        };
        // All results, so that the first error is that of the first file.
        let read: Vec<Result<(), DataError>> = values.par_chunks_exact_mut(size).zip(files).map(one).collect();
        read.into_iter().collect::<Result<(), _>>()?;
    }
    Ok((expected, values))
}

/// Numbers of channels, rows and columns.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    channels: usize,
    height: usize,
    width: usize,
}

impl Shape {
    fn size(self) -> usize {
        self.channels.saturating_mul(self.height).saturating_mul(self.width)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} pixels in {}", self.width, self.height, if self.channels == 1 { "grey" } else { "colour" })
    }
}

/// Reads an image, which must have the shape of `like` if that is given.
fn decode(path: &Path, like: Option<(&Path, Shape)>, store: &Store) -> Result<(Shape, DynamicImage), DataError> {
    let mut bytes = Bytes::open(path, store)?;
    if bytes.len() > MAX_IMAGE {
        return Err(DataError::TooLarge { path: path.to_owned(), limit: MAX_IMAGE });
    }
    let mut content = Vec::new();
    bytes.read_to_end(&mut content).map_err(|error| DataError::read(path, 0, error))?;
    let format = image::guess_format(&content).ok();
    let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = format else {
        return Err(refused(path, "its content is neither PNG nor JPEG"));
    };
    if format == ImageFormat::Jpeg && is_cut_short(&content) {
        return Err(refused(path, "the image is cut short"));
    }
    let packed = content.len() as u64;
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_IMAGE);
    reader.limits(limits);
    let decoder = caught(path, || reader.into_decoder())?;
    let channels = match decoder.color_type() {
        ColorType::L8 | ColorType::L16 => 1,
        ColorType::Rgb8 | ColorType::Rgb16 => 3,
        ColorType::La8 | ColorType::La16 | ColorType::Rgba8 | ColorType::Rgba16 => {
            return Err(refused(path, "it has an alpha channel: save it without"));
        }
        _ => return Err(refused(path, "its pixels are neither grey nor RGB")),
    };
    let (width, height) = decoder.dimensions();
    let shape = Shape { channels, height: height as usize, width: width as usize };
    if let Some((first, expected)) = like.filter(|(_, expected)| *expected != shape) {
        let reason = format!("{shape}, but {} has {expected}: give all images one size and colour", first.display());
        return Err(refused(path, reason));
    }
    // The size comes from the header: it is compared with the size of the file before use.
    let ratio = if format == ImageFormat::Png { MAX_PNG_RATIO } else { MAX_JPEG_RATIO };
    if decoder.total_bytes() > packed.saturating_mul(ratio) {
        return Err(refused(path, format!("the file claims {shape}, which do not fit into {packed} bytes")));
    }
    let image = caught(path, || DynamicImage::from_decoder(decoder))?;
    Ok((shape, image))
}

/// The result of a decoder. A panic of the decoder becomes an error.
fn caught<T>(path: &Path, decode: impl FnOnce() -> ImageResult<T>) -> Result<T, DataError> {
    // After a panic, no state of the decoder is used again.
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| refused(path, error.to_string())),
        Err(_) => Err(refused(path, "the decoder fails on it")),
    }
}

/// Whether a JPEG lacks its end (`FF D9`) after its last scan (`FF DA`). The decoder would fill the rest with grey.
fn is_cut_short(jpeg: &[u8]) -> bool {
    let last = |marker: u8| jpeg.windows(2).rposition(|bytes| bytes == [0xff, marker]);
    last(0xd9) < last(0xda)
}

/// Writes the pixels of an image channel by channel, scaled to [0, 1].
fn write_channels(image: &DynamicImage, channels: usize, values: &mut [f64]) {
    let mut write = |samples: &[u16], most: f64| {
        let sorted = (0..channels).flat_map(|channel| samples.iter().skip(channel).step_by(channels));
        values.iter_mut().zip(sorted).for_each(|(value, &sample)| *value = f64::from(sample) / most);
    };
    match image {
        DynamicImage::ImageLuma16(image) => write(image, 65535.0),
        DynamicImage::ImageRgb16(image) => write(image, 65535.0),
        // Eight bits: see `decode`.
        image => write(&image.as_bytes().iter().map(|&byte| u16::from(byte)).collect::<Vec<_>>(), 255.0),
    }
}

fn refused(path: &Path, reason: impl Into<String>) -> DataError {
    DataError::Image { path: path.to_owned(), reason: reason.into() }
}
