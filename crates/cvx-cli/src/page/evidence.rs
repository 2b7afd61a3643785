//! Where a network on patches finds what speaks for its predictions, image by image.

use super::colours::{Brightness, diverging};
use super::picture::{Picture, of_tiles};
use super::subject::Subject;
use crate::number::short;
use anyhow::Result;
use cvx_admm::Predictions;
use cvx_admm::insight::{Evidence, PatchNetwork};
use cvx_figures::{Image, Tile, sheet};
use cvx_linalg::HostMatrix;
use cvx_model::{Patches, Task};

/// Most images that are shown of each kind: predicted rightly, and wrongly.
const IMAGES: usize = 6;

/// Images in a row of the file.
const COLUMNS: usize = 3;

/// How bright the tint of a black pixel is.
const DARKEST: f64 = 0.35;

/// Images that are predicted rightly and wrongly, each beside its evidence; `None` for a network without neurons.
pub fn evidence(subject: &Subject, network: &PatchNetwork, patches: &Patches) -> Result<Option<Picture>> {
    let (whose, data) = subject.shown();
    let solution = subject.solution;
    let predictions = solution.test_predictions.as_ref().unwrap_or(&solution.train_predictions);
    if network.n_gates() == 0 || predictions.outputs.rows() != data.n_samples() {
        return Ok(None);
    }
    let task = &solution.model.task;
    let rows = chosen(task, predictions);
    let images = data.select(&rows)?;
    let (transformed, brightness) = (solution.model.transform.apply(&images)?, Brightness::of(&images.values()));
    let mut tiles = Vec::new();
    for (k, &row) in rows.iter().enumerate() {
        let outputs = row_of(&predictions.outputs, row);
        let (output, sign) = spoken_for(task, &outputs);
        let evidence = network.evidence(transformed.col(k))?;
        let of = |place: &Evidence| sign * place.outputs[output];
        let tint = |levels: &[f64]| tinted(patches, &images.row(k), brightness, levels);
        let image = (brightness.picture(&images.row(k), patches.channels, patches.width))
            .beside(&tint(&by_region(patches, &evidence, of)), patches.width.div_ceil(16))
            .beside(&tint(&by_pixel(patches, &evidence, of)), patches.width.div_ceil(16));
        tiles.push(Tile { image, caption: caption(task, &outputs, &row_of(&predictions.targets, row)) });
    }
    let prediction = if task.classes().is_empty() { "the prediction being large" } else { "the predicted class" };
    let regions = patches.regions;
    let caption = format!(
        "{} {whose} images. Beside each, what its patches add to the output, summed over {regions} x {regions} regions, \
         and spread over the pixels of each patch: orange speaks for {prediction}, blue against it; each map has its own \
         scale. All patches together, and the output bias, are the prediction.",
        tiles.len()
    );
    let files = sheet("Where the evidence lies", &tiles, COLUMNS)?;
    Ok(Some(Picture { name: "evidence", caption, body: of_tiles("neurons maps", &tiles)?, files }))
}

/// The rows of the images: rightly predicted ones, then wrongly predicted ones, of each class in turn. Of a regression
/// the first ones.
fn chosen(task: &Task, predictions: &Predictions) -> Vec<usize> {
    let class = |matrix: &HostMatrix, row: usize| task.class_of(&row_of(matrix, row));
    let mut seen = vec![[0; 2]; task.classes().len()];
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for row in 0..predictions.outputs.rows() {
        let Some(truth) = class(&predictions.targets, row) else {
            right.push((0, row));
            continue;
        };
        let is_right = class(&predictions.outputs, row) == Some(truth);
        let seen = &mut seen[truth][usize::from(is_right)];
        if is_right {
            right.push((*seen, row))
        } else {
            wrong.push((*seen, row))
        };
        *seen += 1;
    }
    let first = |mut rows: Vec<(usize, usize)>| {
        rows.sort();
        rows.into_iter().take(IMAGES).map(|(_, row)| row).collect()
    };
    let (right, wrong): (Vec<usize>, Vec<usize>) = (first(right), first(wrong));
    [right, wrong].concat()
}

/// The output that the prediction follows from, and the sign of what speaks for the prediction.
fn spoken_for(task: &Task, outputs: &[f64]) -> (usize, f64) {
    match (task.class_of(outputs), outputs) {
        (Some(class), [_]) => (0, if class == 1 { 1.0 } else { -1.0 }),
        (Some(class), _) => (class, 1.0),
        (None, _) => (0, 1.0),
    }
}

fn caption(task: &Task, outputs: &[f64], targets: &[f64]) -> String {
    let class = |values: &[f64]| task.class_of(values).and_then(|class| task.classes().get(class));
    match (class(targets), class(outputs)) {
        (Some(truth), Some(found)) if truth == found => format!("{truth}, recognised"),
        (Some(truth), Some(found)) => format!("{truth}, taken for {found}"),
        _ => format!("{}, predicted {}", short(targets[0]), short(outputs[0])),
    }
}

/// The evidence of the region of each pixel.
fn by_region(patches: &Patches, evidence: &[Evidence], of: impl Fn(&Evidence) -> f64) -> Vec<f64> {
    let Patches { height, width, regions, .. } = *patches;
    let mut sums = vec![0.0; regions * regions];
    evidence.iter().for_each(|place| sums[place.region] += of(place));
    let pixel = |pixel: usize| sums[pixel / width * regions / height * regions + pixel % width * regions / width];
    (0..height * width).map(pixel).collect()
}

/// The evidence of each patch, spread evenly over its pixels.
fn by_pixel(patches: &Patches, evidence: &[Evidence], of: impl Fn(&Evidence) -> f64) -> Vec<f64> {
    let Patches { height, width, side, .. } = *patches;
    let mut sums = vec![0.0; height * width];
    for place in evidence {
        let share = of(place) / (side * side) as f64;
        for row in place.row..place.row + side {
            let line = &mut sums[row * width + place.column..][..side];
            line.iter_mut().for_each(|sum| *sum += share);
        }
    }
    sums
}

/// The image in grey, coloured by levels, of which the largest has the full colour.
fn tinted(patches: &Patches, image: &[f64], brightness: Brightness, levels: &[f64]) -> Image {
    let largest = levels.iter().fold(0.0, |largest: f64, level| largest.max(level.abs()));
    let pixel = |(pixel, level): (usize, &f64)| {
        let [red, green, blue, opaque] = diverging(if largest > 0.0 { level / largest } else { 0.0 });
        let light = DARKEST + (1.0 - DARKEST) * brightness.grey(image, patches.channels, pixel);
        let [red, green, blue] = [red, green, blue].map(|colour| (light * f64::from(colour)).round() as u8);
        [red, green, blue, opaque]
    };
    Image { width: patches.width, pixels: levels.iter().enumerate().map(pixel).collect() }
}

fn row_of(matrix: &HostMatrix, row: usize) -> Vec<f64> {
    (0..matrix.cols()).map(|c| matrix[(row, c)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::FeaturePrecision;

    #[test]
    fn right_and_wrong_images_of_every_class_come_in_turn() {
        let task = Task::Binary { classes: ["cat", "dog"].map(String::from), majority: 0 };
        // Twelve cats, the last two taken for dogs, then three dogs, of which one is taken for a cat.
        let targets: Vec<f64> = (0..15).map(|row| if row < 12 { -1.0 } else { 1.0 }).collect();
        let outputs: Vec<f64> = (0..15).map(|row| if row < 10 || row == 13 { -0.5 } else { 0.5 }).collect();
        let column = |values: Vec<f64>| HostMatrix::from_vec(15, 1, values);
        let predictions = Predictions { outputs: column(outputs), targets: column(targets) };
        assert_eq!(chosen(&task, &predictions), [0, 12, 1, 14, 2, 3, 10, 13, 11]);
        let numbers = Task::Regression { columns: 1 };
        assert_eq!(chosen(&numbers, &predictions), [0, 1, 2, 3, 4, 5]);
        assert_eq!(caption(&task, &[0.5], &[-1.0]), "cat, taken for dog");
        assert_eq!(caption(&task, &[0.5], &[1.0]), "dog, recognised");
        assert_eq!(caption(&numbers, &[0.5], &[2.0]), "2.0000, predicted 0.5000");
        assert_eq!((spoken_for(&task, &[-0.5]), spoken_for(&task, &[0.5])), ((0, -1.0), (0, 1.0)));
        let three = Task::Multiclass { classes: ["a", "b", "c"].map(String::from).into(), majority: 0 };
        assert_eq!(spoken_for(&three, &[0.1, -2.0, 0.3]), (2, 1.0));
    }

    #[test]
    fn evidence_is_summed_over_regions_and_spread_over_pixels() {
        let (channels, height, width, side, regions) = (1, 4, 6, 2, 2);
        let (stride, mirrored, contrast, values) = (1, false, 0.1, HostMatrix::zeros(5, 1));
        let precision = FeaturePrecision::Single;
        let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
        let place = |row, column, region, value| Evidence { row, column, region, outputs: vec![0.0, value] };
        let found = [place(0, 0, 0, 4.0), place(0, 1, 0, 8.0), place(2, 4, 3, -4.0)];
        let of = |place: &Evidence| place.outputs[1];
        let regions = by_region(&patches, &found, of);
        assert_eq!([regions[0], regions[3], regions[12], regions[23]], [12.0, 0.0, 0.0, -4.0]);
        let pixels = by_pixel(&patches, &found, of);
        assert_eq!(pixels[..4], [1.0, 3.0, 2.0, 0.0]);
        assert_eq!((pixels.iter().sum::<f64>(), pixels[23]), (8.0, -1.0));
        let image = tinted(&patches, &[1.0; 24], Brightness::of(&[0.0, 1.0]), &pixels);
        assert_eq!((image.height(), image.pixels[1], image.pixels[3]), (4, [213, 94, 0, 255], [255; 4]));
    }
}
