//! The network by plain loops in f64, which share nothing with the products on a device.

use crate::image::Geometry;
use cvx_linalg::HostMatrix;
use rayon::prelude::*;

/// Disagreement between f32 and f64 that rounding explains, relative to the largest prediction, 1 at least.
const TOLERANCE: f64 = 1e-3;

/// f of one image.
pub fn predict(geometry: &Geometry, w1: &HostMatrix, w2: &HostMatrix, image: &[f64]) -> Vec<f64> {
    let Geometry { channels, height, width, side, stride, regions } = *geometry;
    let (rows, columns) = geometry.grid();
    let mut output: Vec<f64> = (0..w2.cols()).map(|c| w2[(w2.rows() - 1, c)]).collect();
    for filter in 0..w1.cols() {
        let weights = w1.col(filter);
        let mut means = vec![(0.0, 0.0); regions * regions];
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let mut sum = weights[weights.len() - 1];
            for line in 0..channels * side {
                let at = (line / side * height + i * stride + line % side) * width + j * stride;
                for (weight, pixel) in weights[line * side..(line + 1) * side].iter().zip(&image[at..at + side]) {
                    sum += weight * pixel;
                }
            }
            let mean = &mut means[i * regions / rows * regions + j * regions / columns];
            *mean = (mean.0 + sum.max(0.0), mean.1 + 1.0);
        }
        for (region, (sum, count)) in means.iter().enumerate() {
            for (c, output) in output.iter_mut().enumerate() {
                *output += sum / count * w2[(filter * means.len() + region, c)];
            }
        }
    }
    output
}

/// Whether these predictions of the first images (pixels x n) are those of this network.
pub fn agrees(
    geometry: &Geometry,
    [w1, w2]: [&HostMatrix; 2],
    images: &HostMatrix,
    prediction: &HostMatrix,
    count: usize,
) -> bool {
    let agrees = |a: usize| {
        let expected = predict(geometry, w1, w2, images.col(a));
        let largest = expected.iter().fold(1.0, |max: f64, value| max.max(value.abs()));
        expected.iter().enumerate().all(|(c, value)| (value - prediction[(a, c)]).abs() <= TOLERANCE * largest)
    };
    (0..count.min(images.cols())).into_par_iter().all(agrees)
}
