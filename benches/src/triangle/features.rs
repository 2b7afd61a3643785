//! Features of images: how much nearer than on average each centre is to the patches of a region.

use super::centres::centres;
use crate::image::Geometry;
use anyhow::{Result, ensure};
use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape, Transpose};
use cvx_model::{FeatureKind, PatchGates, PatchSettings, Patches};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// Regions along each side of an image.
const REGIONS: usize = 2;

/// Most patches that clusters are made of.
const CLUSTERED: usize = 100_000;

/// Normalisation, whitening and centres of patches.
///
/// A patch x becomes p = [(x - mean) / sqrt(variance + eps^2); 1] and z = V'p, its whitened principal coordinates:
/// distances of them are those of patches after ZCA. The feature of centre j in a region is the sum over its patches of
/// max(0, mean_i ||z - c_i|| - ||z - c_j||), and the mean of that for the image and its mirror image.
pub struct Triangle {
    pub geometry: Geometry,
    /// eps.
    pub contrast: f64,
    /// V (K + 1 x d).
    pub values: HostMatrix,
    /// c_j as columns (d x count).
    pub centres: HostMatrix,
}

/// What one thread needs for an image.
struct Scratch {
    mirror: Vec<f64>,
    /// Normalised patches and a 1 (N x K + 1).
    patches: HostMatrix,
}

impl Triangle {
    /// Fits everything to images (pixels x n).
    pub fn fit<B: Backend>(
        backend: &B,
        images: &HostMatrix,
        kind: FeatureKind,
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        ensure!(count > 0, "the triangle features need a centre");
        let geometry = Geometry::new(kind, Some(REGIONS))?;
        // All principal directions, and no gates: one has to be asked for.
        let (gates, directions) = (PatchGates::Random, geometry.n_patch_pixels());
        let settings = PatchSettings { gates, directions, regions: Some(REGIONS), ..PatchSettings::default() };
        let (Patches { contrast, values, .. }, _) = settings.fit(backend, images, kind, 1, seed)?;
        // The last value is the 1.
        let values = HostMatrix::from_fn(values.rows(), values.cols() - 1, |i, j| values[(i, j)]);
        let mut triangle = Triangle { geometry, contrast, values, centres: HostMatrix::zeros(0, 0) };
        let vectors = triangle.draw(backend, images, seed)?;
        triangle.centres = centres(backend, &vectors, count)?;
        Ok(triangle)
    }

    /// Whitened patches at random places, as columns.
    fn draw<B: Backend>(&self, backend: &B, images: &HostMatrix, seed: u64) -> Result<HostMatrix, LinalgError> {
        let mut rng = Pcg64::seed_from_u64(seed);
        let n = self.geometry.n_patches();
        // As many from each image, so that it is unfolded once.
        let each = CLUSTERED.div_ceil(images.cols()).min(n);
        let places: Vec<Vec<usize>> =
            (0..images.cols()).map(|_| (0..each).map(|_| rng.random_range(0..n)).collect()).collect();
        let runs = places.par_iter().enumerate().map_init(
            || Scratch::new(&self.geometry),
            |scratch, (a, places)| {
                let all = self.normalised(images.col(a), false, scratch);
                let chosen = HostMatrix::from_fn(all.cols(), places.len(), |i, k| all[(places[k], i)]);
                let mut out = backend.zeros(self.values.cols(), places.len())?;
                let (values, chosen) = (backend.upload(&self.values)?, backend.upload(&chosen)?);
                backend.gemm(1.0, &values, Transpose::Yes, &chosen, Transpose::No, 0.0, &mut out)?;
                Ok(backend.download(&out)?.into_values())
            },
        );
        let mut vectors: Vec<Vec<f64>> = runs.collect::<Result<Vec<_>, LinalgError>>()?;
        // The first centres are to be from many images.
        let d = self.values.cols();
        vectors = (0..each).flat_map(|k| vectors.iter().map(move |run| run[k * d..(k + 1) * d].to_vec())).collect();
        Ok(HostMatrix::from_vec(d, vectors.len(), vectors.concat()))
    }

    /// Number of features of an image: those of a region side by side.
    pub fn n_features(&self) -> usize {
        self.geometry.n_regions() * self.centres.cols()
    }

    /// The features of images (pixels x n) as columns.
    pub fn features<B: Backend>(&self, backend: &B, images: &HostMatrix) -> Result<HostMatrix, LinalgError> {
        let (values, centres) = (backend.upload(&self.values)?, backend.upload(&self.centres)?);
        let squares: Vec<f64> =
            (0..self.centres.cols()).map(|j| self.centres.col(j).iter().map(|x| x * x).sum()).collect();
        let mut out = HostMatrix::zeros(self.n_features(), images.cols());
        out.values_mut()
            .par_chunks_exact_mut(self.n_features())
            .enumerate()
            .map_init(
                || Scratch::new(&self.geometry),
                |scratch, (a, out)| {
                    for mirrored in [false, true] {
                        let patches = backend.upload(self.normalised(images.col(a), mirrored, scratch))?;
                        let distances = distances(backend, &patches, &values, &centres, &squares)?;
                        add(&distances, &self.geometry, out);
                    }
                    Ok(())
                },
            )
            .collect::<Result<(), LinalgError>>()?;
        Ok(out)
    }

    /// The normalised patches of an image, each a row, with a 1.
    fn normalised<'a>(&self, image: &[f64], mirrored: bool, scratch: &'a mut Scratch) -> &'a HostMatrix {
        let Scratch { mirror, patches } = scratch;
        let image = if mirrored {
            self.geometry.mirror(image, mirror);
            mirror
        } else {
            image
        };
        self.geometry.unfold(image, patches);
        let (n, pixels) = (patches.rows(), self.geometry.n_patch_pixels());
        let (mut means, mut scales) = (vec![0.0; n], vec![0.0; n]);
        let share = 1.0 / pixels as f64;
        for j in 0..pixels {
            means.iter_mut().zip(patches.col(j)).for_each(|(mean, x)| *mean += share * x);
        }
        for j in 0..pixels {
            for ((scale, x), mean) in scales.iter_mut().zip(patches.col_mut(j)).zip(&means) {
                *x -= mean;
                *scale += share * *x * *x;
            }
        }
        scales.iter_mut().for_each(|scale| *scale = (*scale + self.contrast * self.contrast).sqrt().recip());
        for j in 0..pixels {
            patches.col_mut(j).iter_mut().zip(&scales).for_each(|(x, scale)| *x *= scale);
        }
        patches
    }
}

impl Scratch {
    fn new(geometry: &Geometry) -> Self {
        let Geometry { channels, height, width, .. } = *geometry;
        Scratch {
            mirror: vec![0.0; channels * height * width],
            patches: HostMatrix::from_fn(geometry.n_patches(), geometry.n_patch_pixels() + 1, |_, _| 1.0),
        }
    }
}

/// Distances of patches to centres (N x count).
fn distances<B: Backend>(
    backend: &B,
    patches: &B::Matrix,
    values: &B::Matrix,
    centres: &B::Matrix,
    squares: &[f64],
) -> Result<HostMatrix, LinalgError> {
    let mut whitened = backend.zeros(patches.rows(), values.cols())?;
    backend.gemm(1.0, patches, Transpose::No, values, Transpose::No, 0.0, &mut whitened)?;
    let mut products = backend.zeros(patches.rows(), centres.cols())?;
    backend.gemm(-2.0, &whitened, Transpose::No, centres, Transpose::No, 0.0, &mut products)?;
    let whitened = backend.download(&whitened)?;
    let mut lengths = vec![0.0; whitened.rows()];
    for j in 0..whitened.cols() {
        lengths.iter_mut().zip(whitened.col(j)).for_each(|(length, z)| *length += z * z);
    }
    let mut distances = backend.download(&products)?;
    for (j, square) in squares.iter().enumerate() {
        for (distance, length) in distances.col_mut(j).iter_mut().zip(&lengths) {
            *distance = (length + square + *distance).max(0.0).sqrt();
        }
    }
    Ok(distances)
}

/// Adds half of the features of these distances.
fn add(distances: &HostMatrix, geometry: &Geometry, out: &mut [f64]) {
    let ((rows, columns), regions, count) = (geometry.grid(), geometry.regions, distances.cols());
    let (mut means, share) = (vec![0.0; distances.rows()], 1.0 / count as f64);
    for j in 0..count {
        means.iter_mut().zip(distances.col(j)).for_each(|(mean, distance)| *mean += share * distance);
    }
    // First over the rows of patches, which are in one region from top to bottom.
    let mut sums = vec![0.0; regions * columns];
    for j in 0..count {
        sums.fill(0.0);
        let lines = distances.col(j).chunks_exact(columns).zip(means.chunks_exact(columns));
        for (i, (distances, means)) in lines.enumerate() {
            let band = i * regions / rows * columns;
            for ((sum, distance), mean) in sums[band..band + columns].iter_mut().zip(distances).zip(means) {
                *sum += (mean - distance).max(0.0);
            }
        }
        for (at, sum) in sums.iter().enumerate() {
            let region = at / columns * regions + at % columns * regions / columns;
            out[region * count + j] += 0.5 * sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Samples, textures::textures};
    use crate::triangle::plain::features;
    use cvx_linalg::Cpu;

    #[test]
    fn features_are_those_of_plain_loops_and_of_the_mirror_image() {
        let samples = Samples::new(&textures(12, 2, 8, 1), None).unwrap();
        let (cpu, images) = (Cpu::<f64>::new(), &samples.train.pixels);
        let triangle = Triangle::fit(&cpu, images, samples.kind, 7, 3).unwrap();
        assert_eq!((triangle.centres.rows(), triangle.n_features()), (18, 28));
        let found = triangle.features(&cpu, images).unwrap();
        for a in 0..12 {
            let expected = features(&triangle, images.col(a));
            assert!(found.col(a).iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-9), "image {a}");
        }
        assert!(found.values().iter().any(|value| *value > 0.1));
        let mut mirrored = images.clone();
        (0..12).for_each(|a| triangle.geometry.mirror(images.col(a), mirrored.col_mut(a)));
        let again = triangle.features(&cpu, &mirrored).unwrap();
        assert!(found.values().iter().zip(again.values()).all(|(x, y)| (x - y).abs() < 1e-9));
    }
}
