//! Features and predictions by plain loops, which share nothing with the products on a device.

use super::features::Triangle;
use super::ridge::Linear;
use crate::image::Geometry;
use cvx_linalg::HostMatrix;
use rayon::prelude::*;

/// Disagreement between f32 and f64 that rounding explains, relative to the largest prediction, 1 at least.
const TOLERANCE: f64 = 1e-3;

/// The features of an image.
pub fn features(triangle: &Triangle, image: &[f64]) -> Vec<f64> {
    let Geometry { channels, height, width, side, stride, regions } = triangle.geometry;
    let (rows, columns) = triangle.geometry.grid();
    let count = triangle.centres.cols();
    let mut features = vec![0.0; regions * regions * count];
    for mirrored in [false, true] {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let pixel = |at: usize| {
                let (channel, y, x) = (at / (side * side), i * stride + at / side % side, j * stride + at % side);
                image[(channel * height + y) * width + if mirrored { width - 1 - x } else { x }]
            };
            let patch: Vec<f64> = (0..channels * side * side).map(pixel).collect();
            let distances = distances(triangle, &patch);
            let mean = distances.iter().sum::<f64>() / count as f64;
            let region = i * regions / rows * regions + j * regions / columns;
            for (centre, distance) in distances.iter().enumerate() {
                features[region * count + centre] += 0.5 * (mean - distance).max(0.0);
            }
        }
    }
    features
}

/// Distances of a patch to all centres.
fn distances(triangle: &Triangle, patch: &[f64]) -> Vec<f64> {
    let count = patch.len() as f64;
    let mean = patch.iter().sum::<f64>() / count;
    let variance = patch.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let scale = (variance + triangle.contrast.powi(2)).sqrt();
    let whitened = |j: usize| {
        let value = triangle.values.col(j);
        let sum: f64 = patch.iter().zip(value).map(|(x, weight)| (x - mean) / scale * weight).sum();
        sum + value[patch.len()]
    };
    let whitened: Vec<f64> = (0..triangle.values.cols()).map(whitened).collect();
    let distance = |j: usize| {
        let squares = whitened.iter().zip(triangle.centres.col(j)).map(|(z, centre)| (z - centre).powi(2));
        squares.sum::<f64>().sqrt()
    };
    (0..triangle.centres.cols()).map(distance).collect()
}

/// Whether these predictions of the first images (pixels x n) are those of this classifier of these features.
pub fn agrees(
    triangle: &Triangle,
    linear: &Linear,
    images: &HostMatrix,
    prediction: &HostMatrix,
    count: usize,
) -> bool {
    let agrees = |a: usize| {
        let features = features(triangle, images.col(a));
        let output = |c: usize| {
            let products = features.iter().zip(linear.weights.col(c)).map(|(x, weight)| x * weight);
            linear.offset[c] + products.sum::<f64>()
        };
        let expected: Vec<f64> = (0..linear.offset.len()).map(output).collect();
        let largest = expected.iter().fold(1.0, |max: f64, value| max.max(value.abs()));
        expected.iter().enumerate().all(|(c, value)| (value - prediction[(a, c)]).abs() <= TOLERANCE * largest)
    };
    (0..count.min(images.cols())).into_par_iter().all(agrees)
}
