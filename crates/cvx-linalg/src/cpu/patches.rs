//! Features of patches: two small products for the patches of each image, then sums where gates are on.

use super::kernel::CpuScalar;
use super::matrix::CpuMatrix;
use super::vector::vectorised;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::patches::{PatchPlan, Place};
use crate::stop::StopToken;
use faer::{MatMut, MatRef};
use rayon::prelude::*;

/// Patches that are multiplied at a time: what belongs to them stays in cache.
const RUN: usize = 128;

/// The columns of gates and values, split for patches and their mirror images together.
///
/// With a patch split into the sums and differences of its pixels left and right of the middle, g'p is the sum of two
/// products, and for the mirrored patch their difference: both cost what one does.
struct Folded {
    /// Values, then gates, each on sums and 1 (rows x (values + gates)).
    sums: HostMatrix,
    /// The same on differences.
    differences: HostMatrix,
    values: usize,
}

impl Folded {
    fn new(plan: &PatchPlan) -> Self {
        let (side, half) = (plan.side, plan.side / 2);
        let columns = plan.values.cols() + plan.gates.cols();
        let (sums, differences) = (plan.channels * side * side.div_ceil(2) + 1, plan.channels * side * half);
        let mut folded = Folded {
            sums: HostMatrix::zeros(sums, columns),
            differences: HostMatrix::zeros(differences, columns),
            values: plan.values.cols(),
        };
        for j in 0..columns {
            let column = if j < folded.values { plan.values.col(j) } else { plan.gates.col(j - folded.values) };
            let (mut sum, mut difference) = (0, 0);
            for line in column[..column.len() - 1].chunks_exact(side) {
                for k in 0..half {
                    let (left, right) = (line[k], line[side - 1 - k]);
                    folded.sums[(sum, j)] = 0.5 * (left + right);
                    folded.differences[(difference, j)] = 0.5 * (left - right);
                    (sum, difference) = (sum + 1, difference + 1);
                }
                if side > 2 * half {
                    folded.sums[(sum, j)] = line[half];
                    sum += 1;
                }
            }
            folded.sums[(sum, j)] = column[column.len() - 1];
        }
        folded
    }
}

/// What one thread needs for an image.
struct Scratch {
    /// The pixels of a patch.
    pixels: Vec<f64>,
    /// Sums and differences of the patches of a run, a column each.
    sums: Vec<f64>,
    differences: Vec<f64>,
    /// The products with both (values + gates) x patches of a run; then of the patches, and of their mirror images.
    straight: Vec<f64>,
    mirrored: Vec<f64>,
    /// The gates that are on for a patch; one more for the last write.
    on: Vec<usize>,
    /// The features in f64.
    features: Vec<f64>,
}

impl Scratch {
    fn new(plan: &PatchPlan, folded: &Folded) -> Self {
        let products = folded.sums.cols() * RUN;
        Scratch {
            pixels: vec![0.0; plan.n_patch_pixels()],
            sums: vec![0.0; folded.sums.rows() * RUN],
            differences: vec![0.0; folded.differences.rows() * RUN],
            straight: vec![0.0; products],
            mirrored: vec![0.0; products],
            on: vec![0; plan.gates.cols() + 1],
            features: vec![0.0; plan.n_features()],
        }
    }
}

pub(super) fn patch_features<T: CpuScalar>(
    stop: &StopToken,
    plan: &PatchPlan,
    images: &HostMatrix,
    first: usize,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    plan.check_operands(images, first, (out.rows(), out.cols()))?;
    let (places, folded, rows) = (plan.places(), Folded::new(plan), out.rows());
    out.values_mut()
        .par_chunks_exact_mut(rows)
        .enumerate()
        .map_init(
            || Scratch::new(plan, &folded),
            |scratch, (j, out)| {
                stop.check()?;
                image(plan, &places, &folded, images.col(first + j), scratch);
                for (out, feature) in out.iter_mut().zip(&scratch.features) {
                    // The precision is that of the definition, not of the storage.
                    *out = T::from_f64(plan.precision.round(*feature));
                }
                Ok(())
            },
        )
        .collect()
}

/// The features of one image.
fn image(plan: &PatchPlan, places: &[Place], folded: &Folded, image: &[f64], scratch: &mut Scratch) {
    scratch.features.fill(0.0);
    let (sums, differences, columns) = (folded.sums.rows(), folded.differences.rows(), folded.sums.cols());
    for run in places.chunks(RUN) {
        for (k, place) in run.iter().enumerate() {
            let (sums, differences) = (
                &mut scratch.sums[k * sums..(k + 1) * sums],
                &mut scratch.differences[k * differences..(k + 1) * differences],
            );
            patch(plan, place, image, &mut scratch.pixels, sums, differences);
        }
        let product = |left: &HostMatrix, right: &[f64], out: &mut [f64]| {
            let left = MatRef::from_column_major_slice(left.values(), left.rows(), columns);
            let right = MatRef::from_column_major_slice(&right[..left.nrows() * run.len()], left.nrows(), run.len());
            let out = MatMut::from_column_major_slice_mut(&mut out[..columns * run.len()], columns, run.len());
            f64::gemm(out, false, left.transpose(), right, 1.0);
        };
        product(&folded.sums, &scratch.sums, &mut scratch.straight);
        if differences > 0 {
            product(&folded.differences, &scratch.differences, &mut scratch.mirrored);
        } else {
            scratch.mirrored.fill(0.0);
        }
        let Scratch { straight, mirrored, on, features, .. } = &mut *scratch;
        vectorised(
            #[inline(always)]
            || {
                for (sum, difference) in straight.iter_mut().zip(mirrored.iter_mut()) {
                    (*sum, *difference) = (*sum + *difference, *sum - *difference);
                }
                for (k, place) in run.iter().enumerate() {
                    for (region, products) in [(place.region, &*straight), (place.mirrored, &*mirrored)] {
                        if let Some(region) = region {
                            let products = &products[k * columns..(k + 1) * columns];
                            add_values(plan, folded.values, region, products, on, features);
                        }
                    }
                }
            },
        );
    }
    let scale = plan.scale();
    scratch.features.iter_mut().for_each(|feature| *feature *= scale);
}

/// Adds the values of a patch, the first of its products, to the features of its region for all gates that are on.
#[inline(always)]
fn add_values(
    plan: &PatchPlan,
    values: usize,
    region: usize,
    products: &[f64],
    on: &mut [usize],
    features: &mut [f64],
) {
    let (values, gates) = products.split_at(values);
    let block = plan.block_rows();
    // A list first: which gates are on cannot be foreseen, and a branch for each would be.
    let mut count = 0;
    for (i, gate) in gates.iter().enumerate() {
        on[count] = i;
        count += usize::from(*gate >= 0.0);
    }
    for &i in &on[..count] {
        let at = i * block + region * values.len();
        for (sum, value) in features[at..at + values.len()].iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// The normalised patch at `place`, as sums and differences of its left and right halves.
fn patch(
    plan: &PatchPlan,
    place: &Place,
    image: &[f64],
    pixels: &mut [f64],
    sums: &mut [f64],
    differences: &mut [f64],
) {
    let (side, half) = (plan.side, plan.side / 2);
    for (line, pixels) in pixels.chunks_exact_mut(side).enumerate() {
        let (channel, row) = (line / side, place.row + line % side);
        let at = (channel * plan.height + row) * plan.width + place.column;
        pixels.copy_from_slice(&image[at..at + side]);
    }
    let count = pixels.len() as f64;
    let mean = pixels.iter().sum::<f64>() / count;
    let variance = pixels.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    let scale = (variance + plan.contrast * plan.contrast).sqrt();
    // A patch of one value without a contrast of its own is 0, not 0/0.
    let factor = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (mut sum, mut difference) = (0, 0);
    for line in pixels.chunks_exact(side) {
        for k in 0..half {
            let (left, right) = ((line[k] - mean) * factor, (line[side - 1 - k] - mean) * factor);
            sums[sum] = left + right;
            differences[difference] = left - right;
            (sum, difference) = (sum + 1, difference + 1);
        }
        if side > 2 * half {
            sums[sum] = (line[half] - mean) * factor;
            sum += 1;
        }
    }
    sums[sum] = 1.0;
}
