//! Gated neurons on patches by plain loops, from the definition in docs/math.md, section 12.

use super::{Random, dot};
use cvx_linalg::{Cpu, FeaturePrecision, HostMatrix};
use cvx_model::{ConvexProgram, PatchFeatures, Patches};
use std::sync::Arc;

/// Images and what neurons on their patches are, all random.
pub struct Scene {
    pub patches: Arc<Patches>,
    /// A gate in each column.
    pub gates: HostMatrix,
    /// Pixels x n.
    pub images: HostMatrix,
    /// n x C.
    pub y: HostMatrix,
}

/// The sizes of a scene.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub side: usize,
    pub stride: usize,
    pub regions: usize,
    pub mirrored: bool,
    pub precision: FeaturePrecision,
    pub values: usize,
    pub gates: usize,
    pub targets: usize,
    pub n: usize,
}

pub const SMALL: Sizes = Sizes {
    channels: 2,
    height: 7,
    width: 8,
    side: 3,
    stride: 1,
    regions: 2,
    mirrored: true,
    precision: FeaturePrecision::Single,
    values: 4,
    gates: 5,
    targets: 1,
    n: 9,
};

impl Scene {
    pub fn new(sizes: Sizes, random: &mut Random) -> Self {
        let Sizes { channels, height, width, side, stride, regions, mirrored, precision, .. } = sizes;
        let rows = channels * side * side + 1;
        let values = random.matrix(rows, sizes.values, 1.0);
        let contrast = 0.1;
        let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
        // Numbers that both precisions hold.
        let images = random.matrix(channels * height * width, sizes.n, 2.0);
        let images = HostMatrix::from_fn(images.rows(), images.cols(), |i, a| f64::from(images[(i, a)] as f32));
        Scene {
            patches: Arc::new(patches),
            gates: random.matrix(rows, sizes.gates, 1.0),
            images,
            y: random.matrix(sizes.n, sizes.targets, 1.5),
        }
    }

    /// Features that are stored, or computed again.
    pub fn features(&self, kept: bool) -> PatchFeatures<Cpu<f64>> {
        match kept {
            true => PatchFeatures::kept(&Cpu::new(), &self.patches, &self.gates, &self.images).unwrap(),
            false => PatchFeatures::recomputed(&self.patches, &self.gates, Arc::new(self.images.clone())).unwrap(),
        }
    }

    pub fn program(&self, kept: bool, beta: f64) -> ConvexProgram<Cpu<f64>> {
        ConvexProgram::on_patches(Cpu::new(), self.features(kept), self.y.clone(), beta).unwrap()
    }

    /// D, the features of a gate.
    pub fn block_rows(&self) -> usize {
        self.patches.regions.pow(2) * self.patches.values.cols()
    }

    /// Z' (P D x n).
    pub fn dense(&self) -> HostMatrix {
        let columns: Vec<f64> =
            (0..self.images.cols()).flat_map(|a| features(&self.patches, &self.gates, self.images.col(a))).collect();
        HostMatrix::from_vec(self.gates.cols() * self.block_rows(), self.images.cols(), columns)
    }

    /// F u (n x C) for the blocks of all gates of the first target, then of the second (D x PC).
    pub fn prediction(&self, u: &HostMatrix) -> HostMatrix {
        let (z, size) = (self.dense(), self.gates.cols() * self.block_rows());
        HostMatrix::from_fn(z.cols(), u.values().len() / size, |a, c| {
            dot(z.col(a), &u.values()[c * size..(c + 1) * size])
        })
    }

    /// F'r (D x PC).
    pub fn pull(&self, r: &HostMatrix) -> HostMatrix {
        let z = self.dense();
        let entry = |c: usize, k: usize| (0..z.cols()).map(|a| z[(k, a)] * r[(a, c)]).sum::<f64>();
        let entries = (0..r.cols()).flat_map(|c| (0..z.rows()).map(move |k| entry(c, k))).collect();
        HostMatrix::from_vec(self.block_rows(), self.gates.cols() * r.cols(), entries)
    }
}

/// Left and right of an image exchanged.
pub fn mirror(patches: &Patches, image: &[f64]) -> Vec<f64> {
    image.chunks_exact(patches.width).flat_map(|line| line.iter().rev().copied()).collect()
}

/// The features of one image: the sums of both images, scaled, then rounded.
pub fn features(patches: &Patches, gates: &HostMatrix, image: &[f64]) -> Vec<f64> {
    let (rows, columns) = (
        (0..).take_while(|i| i * patches.stride + patches.side <= patches.height).count(),
        (0..).take_while(|j| j * patches.stride + patches.side <= patches.width).count(),
    );
    let (regions, values) = (patches.regions, patches.values.cols());
    let mut sums = vec![0.0; gates.cols() * regions * regions * values];
    let mut images = vec![image.to_vec()];
    images.extend(patches.mirrored.then(|| mirror(patches, image)));
    for image in &images {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let p = normalised(patches, image, i * patches.stride, j * patches.stride);
            // Row i of all is in region i R / rows, rounded down.
            let region = (i * regions / rows) * regions + j * regions / columns;
            for gate in (0..gates.cols()).filter(|&gate| dot(gates.col(gate), &p) >= 0.0) {
                for k in 0..values {
                    sums[(gate * regions * regions + region) * values + k] += dot(patches.values.col(k), &p);
                }
            }
        }
    }
    let scale = (regions as f64) / ((rows * columns) as f64).sqrt() / images.len() as f64;
    sums.iter().map(|sum| patches.precision.round(scale * sum)).collect()
}

/// [(x - mean)/c; 1] for the patch x whose first pixel is at (row, column).
fn normalised(patches: &Patches, image: &[f64], row: usize, column: usize) -> Vec<f64> {
    let mut p = Vec::new();
    for channel in 0..patches.channels {
        for i in 0..patches.side {
            for j in 0..patches.side {
                p.push(image[channel * patches.height * patches.width + (row + i) * patches.width + column + j]);
            }
        }
    }
    let count = p.len() as f64;
    let mean = p.iter().sum::<f64>() / count;
    let square = p.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let c = (square + patches.contrast.powi(2)).sqrt();
    p.iter_mut().for_each(|x| *x = (*x - mean) / c);
    p.push(1.0);
    p
}
