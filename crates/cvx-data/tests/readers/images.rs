//! Folders of images.

use std::fs;
use std::io::Cursor;

use cvx_data::{DataError, Request, open};
use cvx_model::{DataSplit, FeatureKind, Labels};
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbImage};

use crate::lab::{Lab, class_names, largest_allocation, text};

const MIB: usize = 1 << 20;

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG of one row of grey pixels.
pub fn grey(pixels: &[u8]) -> Vec<u8> {
    encoded(GrayImage::from_raw(pixels.len() as u32, 1, pixels.to_vec()).unwrap(), ImageFormat::Png)
}

fn write(lab: &Lab, files: &[(&str, Vec<u8>)]) {
    for (name, content) in files {
        fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
        lab.write(name, content);
    }
}

fn read(files: &[(&str, Vec<u8>)]) -> Result<DataSplit, DataError> {
    let lab = Lab::new();
    write(&lab, files);
    lab.read_folder()
}

fn image(channels: usize, height: usize, width: usize) -> FeatureKind {
    FeatureKind::Image { channels, height, width }
}

/// Reading fails on the file that ends in `name`, with these words.
fn assert_refused(files: &[(&str, Vec<u8>)], name: &str, words: &[&str]) {
    match read(files) {
        Err(error @ DataError::Image { .. }) => {
            let message = error.to_string();
            assert!(message.contains(&format!("{name}: this image")), "{message}");
            words.iter().for_each(|word| assert!(message.contains(word), "{message}"));
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_folder_is_a_class_and_names_are_in_order() {
    let split = read(&[
        ("dog/b.png", grey(&[0, 51])),
        ("dog/a.PNG.gz", grey(&[255, 102])),
        ("cat/10.png", grey(&[1, 2])),
        ("cat/.hidden.png", b"rubbish".to_vec()),
        ("cat/notes.txt", b"rubbish".to_vec()),
        (".git/config", b"rubbish".to_vec()),
        ("README.md", b"rubbish".to_vec()),
    ])
    .unwrap();
    assert_eq!(class_names(&split.train), ["cat", "dog", "dog"]);
    let scaled = [1.0, 2.0, 255.0, 102.0, 0.0, 51.0].map(|value| value / 255.0);
    assert_eq!(split.train.values(), scaled);
    let files = ["cat/10.png", "dog/a.PNG.gz", "dog/b.png"].map(String::from);
    assert_eq!(split.train.sample_names(), Some(&files[..]));
    let dogs = split.train.with_classes(&["dog".to_string()]).unwrap();
    assert_eq!(dogs.sample_names(), Some(&files[1..]), "names stay with their samples");
    assert_eq!((split.train.kind(), split.test), (image(1, 1, 2), None));
}

#[test]
fn colours_come_channel_by_channel() {
    let pixels = RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let train = read(&[("a/1.png", encoded(pixels, ImageFormat::Png))]).unwrap().train;
    assert_eq!(train.values(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0].map(|value| value / 255.0));
    assert_eq!(train.kind(), image(3, 1, 2));

    let flat = RgbImage::from_pixel(16, 8, image::Rgb([200, 100, 50]));
    let train = read(&[("a/1.jpeg", encoded(flat, ImageFormat::Jpeg))]).unwrap().train;
    assert_eq!(train.kind(), image(3, 8, 16));
    for (channel, expected) in train.values().chunks(128).zip([200.0, 100.0, 50.0]) {
        assert!(channel.iter().all(|value| (255.0 * value - expected).abs() < 4.0), "{channel:?}");
    }
}

#[test]
fn sixteen_bits_are_kept() {
    let deep = ImageBuffer::<Luma<u16>, Vec<u16>>::from_raw(2, 1, vec![1, 65535]).unwrap();
    let train = read(&[("a/1.png", encoded(deep, ImageFormat::Png))]).unwrap().train;
    assert_eq!(train.values(), [1.0 / 65535.0, 1.0]);
}

#[test]
fn train_and_test_are_parts_unless_images_lie_in_them() {
    let split = read(&[
        ("train/9/1.png", grey(&[9])),
        ("train/10/1.png", grey(&[10])),
        ("test/8/1.png", grey(&[8])),
        ("test/9/1.png", grey(&[9])),
    ])
    .unwrap();
    // Class names, not numbers. A class that the training set lacks is appended.
    let Some(Labels::Names { names, .. }) = split.train.labels() else { panic!("no names") };
    assert_eq!(names, &["10", "9"]);
    let Some(Labels::Names { names, index }) = split.test.as_ref().unwrap().labels() else { panic!("no names") };
    assert_eq!((names.join(" "), index.as_slice()), ("10 9 8".to_string(), &[2, 1][..]));
    assert_eq!(split.test.unwrap().sample_names().unwrap(), ["test/8/1.png", "test/9/1.png"]);

    let vehicles = read(&[("train/1.png", grey(&[1])), ("plane/1.png", grey(&[2]))]).unwrap();
    assert_eq!((class_names(&vehicles.train), vehicles.test), (vec!["plane".to_string(), "train".to_string()], None));

    let test_alone = read(&[("test/a/1.png", grey(&[1]))]).unwrap();
    assert_eq!((class_names(&test_alone.train), test_alone.test), (vec!["a".to_string()], None));
}

#[test]
fn another_folder_is_the_test_set() {
    let (train, test) = (Lab::new(), Lab::new());
    write(&train, &[("b/1.png", grey(&[1])), ("c/1.png", grey(&[1]))]);
    write(&test, &[("c/1.png", grey(&[2])), ("a/1.png", grey(&[3]))]);
    let request = Request { test: Some(text(&test.path(""))), ..Request::default() };
    let split = open(&text(&train.path("")), &request).unwrap();
    let Some(Labels::Names { names, index }) = split.test.as_ref().unwrap().labels() else { panic!("no names") };
    assert_eq!((names.join(" "), index.as_slice()), ("b c a".to_string(), &[2, 1][..]));
}

#[test]
fn images_in_the_folder_itself_have_no_labels() {
    let train = read(&[("b.png", grey(&[2])), ("a.png", grey(&[1]))]).unwrap().train;
    assert_eq!((train.values(), train.labels()), (vec![1.0 / 255.0, 2.0 / 255.0], None));
    assert_refused(&[("b.png", grey(&[2])), ("a/1.png", grey(&[1]))], "b.png", &["move it"]);
}

#[test]
fn images_unlike_the_others_are_named() {
    let first = ("a/1.png", grey(&[1, 2]));
    let words = ["a/1.png", "2 x 1 pixels in grey", "one size"];
    assert_refused(&[first.clone(), ("b/7.png", grey(&[1, 2, 3]))], "b/7.png", &[&words[..], &["3 x 1"]].concat());
    let colour = encoded(RgbImage::new(2, 1), ImageFormat::Png);
    assert_refused(&[first.clone(), ("b/7.png", colour)], "b/7.png", &[&words[..], &["in colour"]].concat());
    let alpha = encoded(GrayAlphaImage::new(2, 1), ImageFormat::Png);
    assert_refused(&[first.clone(), ("b/7.png", alpha)], "b/7.png", &["alpha channel"]);
    assert_refused(&[first.clone(), ("b/7.png", b"GIF89a".to_vec())], "b/7.png", &["neither PNG nor JPEG"]);

    let error = read(&[first.clone(), ("b/7.png", Vec::new())]).unwrap_err();
    assert!(matches!(&error, DataError::Empty { path, .. } if path.ends_with("b/7.png")), "{error}");
    let error = read(&[first, ("b/7.gif", b"GIF89a".to_vec())]).unwrap_err();
    assert!(matches!(&error, DataError::Empty { path, .. } if path.ends_with("b")), "{error}");
}

#[test]
fn many_images_are_in_order_and_the_first_broken_one_is_named() {
    let pixels = |k: usize| [(k % 251) as u8, (k / 251) as u8];
    let lab = Lab::new();
    for k in 0..600 {
        lab.write(&format!("{k:03}.png"), grey(&pixels(k)));
    }
    let train = lab.read_folder().unwrap().train;
    for k in 0..600 {
        assert_eq!(train.row(k), pixels(k).map(|pixel| f64::from(pixel) / 255.0), "{k}");
    }
    for broken in [590, 580, 310, 305] {
        lab.write(&format!("{broken}.png"), b"rubbish");
        let message = lab.read_folder().unwrap_err().to_string();
        assert!(message.contains(&format!("{broken}.png: this image")), "{message}");
    }
}

#[test]
fn f8_images_truncated_at_every_byte() {
    let noise = |format| {
        encoded(RgbImage::from_fn(16, 16, |x, y| image::Rgb([(37 * x + 91 * y) as u8, (x * y) as u8, 7])), format)
    };
    for (name, format) in [("a/1.png", ImageFormat::Png), ("a/1.jpg", ImageFormat::Jpeg)] {
        let whole = noise(format);
        let expected = read(&[(name, whole.clone())]).unwrap();
        let lab = Lab::new();
        for length in 0..whole.len() {
            write(&lab, &[(name, whole[..length].to_vec())]);
            match lab.read_folder() {
                // The end of a PNG holds no pixels.
                Ok(split) => assert!(format == ImageFormat::Png && split == expected, "{name} of {length} bytes"),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
        }
    }
}

#[test]
fn f8_images_one_bit_flipped_at_every_byte() {
    for (name, format) in [("a/1.png", ImageFormat::Png), ("a/1.jpg", ImageFormat::Jpeg)] {
        let whole = encoded(GrayImage::from_fn(9, 8, |x, y| Luma([(53 * x + 29 * y) as u8])), format);
        let lab = Lab::new();
        for at in 0..whole.len() {
            for bit in [0, 3, 7] {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                write(&lab, &[(name, flipped)]);
                if let Err(error) = lab.read_folder() {
                    assert!(error.to_string().contains("a/1."), "{error}");
                }
            }
        }
    }
}

/// Headers of small files claim 2^28 pixels and more.
/// Found by the fuzzer: the JPEG decoder indexes out of bounds and panics.
#[test]
fn f8_an_image_that_breaks_its_decoder_is_refused() {
    let image = include_bytes!("fixtures/breaks-the-decoder.jpg").to_vec();
    let error = read(&[("cat/1.jpg", image)]).unwrap_err();
    assert!(matches!(&error, DataError::Image { .. }) && error.to_string().contains("1.jpg"), "{error}");
}

#[test]
fn f8_image_bomb_is_refused_before_memory_is_asked_for() {
    for side in [16_384u32, 46_341, u32::MAX >> 1] {
        let mut bomb = grey(&[0; 64]);
        bomb[16..20].copy_from_slice(&side.to_be_bytes());
        bomb[20..24].copy_from_slice(&side.to_be_bytes());
        let checksum = crc32fast::hash(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
        assert_defused(bomb);
    }
    let mut bomb = encoded(GrayImage::new(64, 64), ImageFormat::Jpeg);
    // The frame header: marker, length, depth, height, width.
    let frame = bomb.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
    assert_defused(bomb);
}

fn assert_defused(bomb: Vec<u8>) {
    let lab = Lab::new();
    write(&lab, &[("a/bomb.png", bomb)]);
    let (result, largest) = largest_allocation(|| lab.read_folder());
    let error = result.unwrap_err().to_string();
    assert!(error.contains("bomb.png") && largest < MIB, "{largest}: {error}");
}

#[test]
fn f8_more_images_than_the_limit_are_refused_before_memory_is_asked_for() {
    let lab = Lab::new();
    for k in 0..40 {
        write(&lab, &[(&format!("a/{k}.png"), grey(&[0; 200]))]);
    }
    let request = Request { max_bytes: 40 * 200 * 8 - 1, ..Request::default() };
    let (result, largest) = largest_allocation(|| open(&text(&lab.path("")), &request));
    assert!(matches!(result, Err(DataError::TooLarge { .. })), "{result:?}");
    assert!(largest < 60_000, "{largest}");
    assert!(open(&text(&lab.path("")), &Request { max_bytes: 40 * 200 * 8, ..request }).is_ok());
}
