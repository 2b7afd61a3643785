//! The features of patches by plain loops, as docs/math.md, section 12, defines them.

use super::dot;
use cvx_linalg::HostMatrix;
use cvx_model::Patches;

/// The features of one image for each of `gates`: regions x regions x values numbers, one gate after the other.
pub(super) fn features(patches: &Patches, gates: &HostMatrix, image: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; gates.cols() * patches.block_rows()];
    let flips: &[bool] = if patches.mirrored { &[false, true] } else { &[false] };
    for &flipped in flips {
        add_image(patches, gates, image, flipped, &mut sums);
    }
    let along = |length: usize| (length - patches.side) / patches.stride + 1;
    let count = along(patches.height) * along(patches.width);
    let scale = ((patches.regions * patches.regions) as f64 / count as f64).sqrt() / flips.len() as f64;
    // The features of a network on patches are numbers of single precision.
    sums.into_iter().map(|sum| f64::from((sum * scale) as f32)).collect()
}

/// Adds the values of all patches of an image, or of its mirror image, where gates are on.
fn add_image(patches: &Patches, gates: &HostMatrix, image: &[f64], flipped: bool, sums: &mut [f64]) {
    let Patches { channels, height, width, side, stride, regions, contrast, ref values, .. } = *patches;
    let (rows, columns) = ((height - side) / stride + 1, (width - side) / stride + 1);
    for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
        let mut patch = Vec::with_capacity(channels * side * side + 1);
        for channel in 0..channels {
            for row in i * stride..i * stride + side {
                for column in j * stride..j * stride + side {
                    let column = if flipped { width - 1 - column } else { column };
                    patch.push(image[(channel * height + row) * width + column]);
                }
            }
        }
        let count = patch.len() as f64;
        let mean = patch.iter().sum::<f64>() / count;
        let variance = patch.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let size = (variance + contrast * contrast).sqrt();
        patch.iter_mut().for_each(|x| *x = if size > 0.0 { (*x - mean) / size } else { 0.0 });
        patch.push(1.0);
        let value: Vec<f64> = (0..values.cols()).map(|k| dot(values.col(k), &patch)).collect();
        let region = i * regions / rows * regions + j * regions / columns;
        for gate in (0..gates.cols()).filter(|&gate| dot(gates.col(gate), &patch) >= 0.0) {
            let at = (gate * regions * regions + region) * value.len();
            sums[at..at + value.len()].iter_mut().zip(&value).for_each(|(sum, value)| *sum += value);
        }
    }
}
