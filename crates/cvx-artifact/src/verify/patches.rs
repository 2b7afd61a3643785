//! A network on patches by plain loops, as docs/math.md, section 12, defines it.

use super::numbers::{dot, in_parallel};
use cvx_linalg::{FeaturePrecision, HostMatrix};
use cvx_model::{Network, Patches};
use std::num::NonZero;
use std::thread;

/// f(x_a) for every image. A gate of a patch within rounding of its threshold changes an output by less than what
/// the tolerances allow.
pub(super) fn predictions(network: &Network, patches: &Patches, xt: &HostMatrix) -> HostMatrix {
    let Network { w1, w2, gates, output_bias, .. } = network;
    let none = HostMatrix::zeros(patches.gate_rows(), 0);
    let all = gates.as_ref().unwrap_or(&none);
    // Neurons of several outputs have a gate in common.
    let mut distinct: Vec<usize> = Vec::new();
    let gate_of: Vec<usize> = (0..all.cols())
        .map(|neuron| match distinct.iter().position(|&known| all.col(known) == all.col(neuron)) {
            Some(known) => known,
            None => {
                distinct.push(neuron);
                distinct.len() - 1
            }
        })
        .collect();
    let gates = HostMatrix::from_fn(all.rows(), distinct.len(), |row, j| all[(row, distinct[j])]);
    let d = patches.block_rows();
    let rows = in_parallel(xt.cols(), |a| {
        let (z, mut out) = (features(patches, &gates, xt.col(a)), output_bias.clone());
        for neuron in 0..w1.cols() {
            let hidden = dot(w1.col(neuron), &z[gate_of[neuron] * d..(gate_of[neuron] + 1) * d]);
            (0..out.len()).for_each(|c| out[c] += hidden * w2[(neuron, c)]);
        }
        out
    });
    HostMatrix::from_fn(xt.cols(), w2.cols(), |a, c| rows[a][c])
}

/// ||Z_i'xi_c|| for each target c and gate i of a network on patches.
pub(super) fn gradient_norms(patches: &Patches, gates: &HostMatrix, xt: &HostMatrix, xi: &HostMatrix) -> Vec<Vec<f64>> {
    let (n, d, size) = (xt.cols(), patches.block_rows(), gates.cols() * patches.block_rows());
    // A few long runs of images, each with its own sums.
    let run = n.div_ceil(thread::available_parallelism().map_or(1, NonZero::get)).max(1);
    let parts = in_parallel(n.div_ceil(run), |part| {
        let mut sums = vec![vec![0.0; size]; xi.cols()];
        for a in part * run..((part + 1) * run).min(n) {
            let z = features(patches, gates, xt.col(a));
            for (c, sums) in sums.iter_mut().enumerate() {
                sums.iter_mut().zip(&z).for_each(|(sum, z)| *sum += xi[(a, c)] * z);
            }
        }
        sums
    });
    let norm = |c: usize, i: usize| {
        let sum = |k: usize| parts.iter().map(|sums| sums[c][k]).sum::<f64>();
        (i * d..(i + 1) * d).map(|k| sum(k).powi(2)).sum::<f64>().sqrt()
    };
    (0..xi.cols()).map(|c| (0..gates.cols()).map(|i| norm(c, i)).collect()).collect()
}

/// The features of one image for each of `gates`: regions x regions x values numbers, one gate after the other.
fn features(patches: &Patches, gates: &HostMatrix, image: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; gates.cols() * patches.block_rows()];
    let flips: &[bool] = if patches.mirrored { &[false, true] } else { &[false] };
    for &flipped in flips {
        add_image(patches, gates, image, flipped, &mut sums);
    }
    let along = |length: usize| (length - patches.side) / patches.stride + 1;
    let count = along(patches.height) * along(patches.width);
    let scale = ((patches.regions * patches.regions) as f64 / count as f64).sqrt() / flips.len() as f64;
    // The features of a network on patches are numbers of single precision, or of half precision after that.
    let single = |sum: f64| f64::from((sum * scale) as f32);
    match patches.precision {
        FeaturePrecision::Single => sums.into_iter().map(single).collect(),
        FeaturePrecision::Half => sums.into_iter().map(|sum| nearest_half(single(sum))).collect(),
    }
}

/// The nearest number k 2^e with |k| < 2^11 and -24 <= e <= 5, the one with an even k from the middle of two.
fn nearest_half(x: f64) -> f64 {
    let mut step = 2f64.powi(-24);
    while x.abs() >= 2048.0 * step && step < 32.0 {
        step *= 2.0;
    }
    ((x / step).round_ties_even() * step).clamp(-2047.0 * 32.0, 2047.0 * 32.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_has_eleven_bits() {
        for (x, expected) in [
            (0.0, 0.0),
            (1.0 + 2f64.powi(-11), 1.0),
            (1.0 + 3.0 * 2f64.powi(-11), 1.0 + 2f64.powi(-9)),
            (1.0 - 2f64.powi(-12), 1.0),
            (0.1, 0.0999755859375),
            (2f64.powi(-25), 0.0),
            (3.0 * 2f64.powi(-25), 2f64.powi(-23)),
            (2f64.powi(-14) + 2f64.powi(-25), 2f64.powi(-14)),
            (65_519.0, 65_504.0),
            (1e9, 65_504.0),
            (f64::INFINITY, 65_504.0),
        ] {
            assert_eq!((nearest_half(x), nearest_half(-x)), (expected, -expected), "{x:e}");
        }
        // The rounding of the features, which is other code.
        for k in 0..20_000 {
            let x = f64::from((f64::from(k) * 0.37).sin() as f32) * 2f64.powi(k % 45 - 28);
            assert_eq!(nearest_half(x), FeaturePrecision::Half.round(x), "{x:e}");
        }
    }
}
