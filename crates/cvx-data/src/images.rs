//! Folders of images: one folder for each class, with PNG or JPEG files of one size in it.

use std::fmt;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits};

use crate::bytes::{Bytes, reserve};
use crate::error::DataError;
use crate::labels::TextLabels;
use crate::npz::MAX_RATIO;
use crate::source::extension;
use crate::store::Store;

/// A file of more bytes is no image to learn from; nor is one that needs more to be unpacked.
const LARGEST_IMAGE: u64 = 256 << 20;

/// The most bytes of pixels that a byte of PNG can hold: a bit of its deflated content may be three bytes of a palette.
const MOST_IN_PNG: u64 = MAX_RATIO * 24;

/// The same for JPEG, where 8 x 8 pixels of three bytes take a bit at least.
const MOST_IN_JPEG: u64 = 8 * 8 * 3 * 8;

/// Whether the folder holds images, folders with images, or parts of a split.
pub(crate) fn recognises(path: &Path, store: &Store) -> Result<bool, DataError> {
    for entry in list(path, store)? {
        let within = if store.is_folder(&entry) { list(&entry, store)? } else { Vec::new() };
        if is_image(&entry, store) || within.iter().any(|inner| is_image(inner, store)) {
            return Ok(true);
        }
    }
    Ok(part(path, "train", store).or(part(path, "test", store)).is_some())
}

/// Reads `CLASS/*`, or `train/CLASS/*` and, where it is there, `test/CLASS/*`; images that lie in the folder itself have no
/// labels. `like` holds the labels of the training set when the folder is read as a test set.
///
/// Pixels become numbers in [0, 1], channel by channel; classes and files are in the order of their names.
pub(crate) fn read(path: &Path, store: &Store, like: Option<&Labels>) -> Result<DataSplit, DataError> {
    let (train, test) = match (part(path, "train", store), part(path, "test", store)) {
        (Some(train), test) => (train, test),
        // Whoever only predicts needs no more.
        (None, Some(test)) => (test, None),
        (None, None) => (path.to_owned(), None),
    };
    let train = read_part(path, &train, store, like)?;
    let test = test.map(|part| read_part(path, &part, store, train.labels())).transpose()?;
    Ok(DataSplit { train, test })
}

/// The part of a split, if it is one: `train` may be a class too, and then the images lie in it.
fn part(path: &Path, name: &str, store: &Store) -> Option<PathBuf> {
    let part = path.join(name);
    let entries = store.is_folder(&part).then(|| list(&part, store).ok()).flatten()?;
    entries.iter().any(|entry| store.is_folder(entry)).then_some(part)
}

/// What a folder holds, in order, but for hidden files.
fn list(folder: &Path, store: &Store) -> Result<Vec<PathBuf>, DataError> {
    let names = store.names(folder)?;
    Ok(names.iter().filter(|name| !name.starts_with('.')).map(|name| folder.join(name)).collect())
}

fn is_image(path: &Path, store: &Store) -> bool {
    matches!(extension(path).as_deref(), Some("png" | "jpg" | "jpeg")) && !store.is_folder(path)
}

/// Reads a part of the folder `source`, which the names of the samples begin in.
fn read_part(source: &Path, path: &Path, store: &Store, like: Option<&Labels>) -> Result<Dataset, DataError> {
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
        list(path, store)?.into_iter().partition(|entry| store.is_folder(entry));
    let mut images: Vec<PathBuf> = files.into_iter().filter(|file| is_image(file, store)).collect();
    if let (Some(image), Some(_)) = (images.first(), folders.first()) {
        return Err(refused(image, "it lies beside folders of classes: move it into one of them"));
    }
    let mut classes = TextLabels::default();
    for folder in &folders {
        // Of Unicode, as all names of a store.
        let class = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let within: Vec<PathBuf> = list(folder, store)?.into_iter().filter(|file| is_image(file, store)).collect();
        if within.is_empty() {
            return Err(DataError::Empty { path: folder.clone(), what: "PNG or JPEG files" });
        }
        within.iter().for_each(|_| classes.push(class, 0));
        images.extend(within);
    }
    let (shape, values) = read_files(path, &images, store)?;
    // Classes even where the folders are named by numbers.
    let names = Labels::Names { index: Vec::new(), names: Vec::new() };
    let labels = (!folders.is_empty()).then(|| classes.finish(Some(like.unwrap_or(&names)))).transpose();
    let labels =
        labels.map_err(|class| refused(&path.join(class.text), "the other samples have numbers for labels"))?;
    let Shape { channels, height, width } = shape;
    Dataset::new(shape.size(), values, labels, FeatureKind::Image { channels, height, width })
        .and_then(|data| data.with_sample_names(images.iter().map(|image| name(source, image)).collect()))
        .map_err(|error| DataError::Unusable { path: path.to_owned(), error })
}

/// The name of an image in the folder that was asked for.
fn name(source: &Path, image: &Path) -> String {
    image.strip_prefix(source).unwrap_or(image).display().to_string()
}

/// The common shape of the images, and their pixels one after the other.
fn read_files(folder: &Path, files: &[PathBuf], store: &Store) -> Result<(Shape, Vec<f64>), DataError> {
    let [first, ..] = files else {
        return Err(DataError::Empty { path: folder.to_owned(), what: "PNG or JPEG files" });
    };
    let (expected, image) = decode(first, None, store)?;
    let count = expected.size().saturating_mul(files.len());
    if count as u128 * size_of::<f64>() as u128 > u128::from(store.max_bytes) {
        return Err(DataError::TooLarge { path: folder.to_owned(), limit: store.max_bytes });
    }
    let mut values = reserve(folder, count)?;
    push_channels(&image, expected.channels, &mut values);
    for path in files.iter().skip(1) {
        let (_, image) = decode(path, Some((first, expected)), store)?;
        push_channels(&image, expected.channels, &mut values);
    }
    Ok((expected, values))
}

/// Channels, rows and columns.
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

/// Reads an image, which has to have the shape of another where one is given.
fn decode(path: &Path, like: Option<(&Path, Shape)>, store: &Store) -> Result<(Shape, DynamicImage), DataError> {
    let mut bytes = Bytes::open(path, store)?;
    if bytes.len() > LARGEST_IMAGE {
        return Err(DataError::TooLarge { path: path.to_owned(), limit: LARGEST_IMAGE });
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
    limits.max_alloc = Some(LARGEST_IMAGE);
    reader.limits(limits);
    let decoder = unbroken(path, || reader.into_decoder())?;
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
    // The size is a claim of the header: held against the file before it is believed.
    let ratio = if format == ImageFormat::Png { MOST_IN_PNG } else { MOST_IN_JPEG };
    if decoder.total_bytes() > packed.saturating_mul(ratio) {
        return Err(refused(path, format!("{shape} are said to be packed into {packed} bytes")));
    }
    let image = unbroken(path, || DynamicImage::from_decoder(decoder))?;
    Ok((shape, image))
}

/// What a decoder makes of a file; one that panics on it has been broken by it.
fn unbroken<T>(path: &Path, decode: impl FnOnce() -> ImageResult<T>) -> Result<T, DataError> {
    // Nothing that the decoder was at is looked at again.
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| refused(path, error.to_string())),
        Err(_) => Err(refused(path, "the decoder breaks down on it")),
    }
}

/// A JPEG without an end (`FF D9`) after its last scan (`FF DA`): the decoder would fill it up with grey.
fn is_cut_short(jpeg: &[u8]) -> bool {
    let last = |marker: u8| jpeg.windows(2).rposition(|bytes| bytes == [0xff, marker]);
    last(0xd9) < last(0xda)
}

/// The image channel by channel, in [0, 1].
fn push_channels(image: &DynamicImage, channels: usize, values: &mut Vec<f64>) {
    let mut push = |samples: &[u16], most: f64| {
        for channel in 0..channels {
            values.extend(samples.iter().skip(channel).step_by(channels).map(|&sample| f64::from(sample) / most));
        }
    };
    match image {
        DynamicImage::ImageLuma16(image) => push(image, 65535.0),
        DynamicImage::ImageRgb16(image) => push(image, 65535.0),
        // Of eight bits by now: see `open`.
        image => push(&image.as_bytes().iter().map(|&byte| u16::from(byte)).collect::<Vec<_>>(), 255.0),
    }
}

fn refused(path: &Path, reason: impl Into<String>) -> DataError {
    DataError::Image { path: path.to_owned(), reason: reason.into() }
}
