//! The network on a device: predictions, and the gradient of a batch's squared loss by back-propagation.
//!
//! With a squared loss no sample of a batch needs another one, so that each goes forward and back by itself, on one
//! thread, and what belongs to it stays in cache.

use crate::contender::Layers;
use crate::image::{Geometry, Images};
use cvx_linalg::training::AdamBackend;
use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape, Transpose};
use rayon::prelude::*;

/// Samples whose gradients are added up on one thread; by number alone, so that sums do not depend on threads.
const GROUP: usize = 4;

/// The network without its weights: w1 of (K + 1) x filters, the last row for the 1 of each patch, and w2 of
/// (regions^2 filters + 1) x C, the last row for the 1 of each image. The features of a filter lie apart, those of its
/// regions side by side.
pub struct Convolution<B: Backend> {
    geometry: Geometry,
    /// Means over regions (N x regions^2).
    means: B::Matrix,
}

/// A sample of a batch.
#[derive(Clone, Copy)]
pub struct Draw {
    /// Its column.
    pub index: usize,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
}

/// One sample's way forward and back.
struct Pass<B: Backend> {
    mirror: Vec<f64>,
    /// Patches and a 1 (N x K + 1).
    patches: HostMatrix,
    /// (patches w1)_+ (N x filters).
    hidden: B::Matrix,
    /// Its derivative.
    back: B::Matrix,
    /// Means of hidden values (regions^2 x filters), and their derivative.
    pooled: B::Matrix,
    /// The means and a 1 as a column.
    features: B::Matrix,
    /// The derivative of the features.
    features_back: B::Matrix,
    /// f, then (f - y) / b (C x 1).
    output: B::Matrix,
    /// y (C x 1).
    target: B::Matrix,
}

impl<B: Backend> Pass<B> {
    fn new(network: &Convolution<B>, backend: &B, weights: &Layers<B>) -> Result<Self, LinalgError> {
        let geometry = network.geometry;
        let (n, pixels, filters) = (geometry.n_patches(), geometry.n_patch_pixels(), weights.w1.cols());
        let (features, targets) = (weights.w2.rows(), weights.w2.cols());
        let one = HostMatrix::from_fn(features, 1, |row, _| f64::from(u8::from(row + 1 == features)));
        Ok(Pass {
            mirror: vec![0.0; geometry.channels * geometry.height * geometry.width],
            patches: HostMatrix::from_fn(n, pixels + 1, |_, _| 1.0),
            hidden: backend.zeros(n, filters)?,
            back: backend.zeros(n, filters)?,
            pooled: backend.zeros(geometry.n_regions(), filters)?,
            features: backend.upload(&one)?,
            features_back: backend.zeros(features, 1)?,
            output: backend.zeros(targets, 1)?,
            target: backend.zeros(targets, 1)?,
        })
    }

    /// Computes everything up to f, and returns the patches.
    fn forward(
        &mut self,
        network: &Convolution<B>,
        backend: &B,
        weights: &Layers<B>,
        image: &[f64],
        mirrored: bool,
    ) -> Result<B::Matrix, LinalgError> {
        let (no, yes) = (Transpose::No, Transpose::Yes);
        let image = if mirrored {
            network.geometry.mirror(image, &mut self.mirror);
            &self.mirror
        } else {
            image
        };
        network.geometry.unfold(image, &mut self.patches);
        let patches = backend.upload(&self.patches)?;
        backend.gemm(1.0, &patches, no, &weights.w1, no, 0.0, &mut self.hidden)?;
        backend.positive_part(1.0, &mut self.hidden)?;
        backend.gemm(1.0, &network.means, yes, &self.hidden, no, 0.0, &mut self.pooled)?;
        backend.write_part(&self.pooled, &mut self.features, 0)?;
        backend.gemm(1.0, &weights.w2, yes, &self.features, no, 0.0, &mut self.output)?;
        Ok(patches)
    }
}

impl<B: AdamBackend> Convolution<B> {
    /// The network for images of this size.
    pub fn new(backend: &B, geometry: Geometry) -> Result<Self, LinalgError> {
        Ok(Convolution { geometry, means: backend.upload(&geometry.means())? })
    }

    /// Rows of both layers.
    pub fn inputs(&self, filters: usize) -> [usize; 2] {
        [self.geometry.n_patch_pixels() + 1, self.geometry.n_regions() * filters + 1]
    }

    /// `gradient` of 1/(2b) ||f - y||^2 over these samples, whose targets are columns of `yt` (C x n).
    pub fn gradient(
        &self,
        backend: &B,
        weights: &Layers<B>,
        images: &Images,
        yt: &B::Matrix,
        batch: &[Draw],
        gradient: &mut Layers<B>,
    ) -> Result<(), LinalgError> {
        let scale = 1.0 / batch.len() as f64;
        let groups = batch.par_chunks(GROUP).map_init(
            || Pass::new(self, backend, weights),
            |pass, group| {
                let pass = pass.as_mut().map_err(|error| error.clone())?;
                let mut sum = Layers::zeros_like(backend, weights)?;
                for draw in group {
                    let patches = pass.forward(self, backend, weights, images.pixels.col(draw.index), draw.mirrored)?;
                    backend.gather_columns(yt, &[draw.index], &mut pass.target)?;
                    backend.axpby(-scale, &pass.target, scale, &mut pass.output)?;
                    self.backward(backend, weights, pass, &patches, &mut sum)?;
                }
                Ok(sum)
            },
        );
        let groups: Vec<Layers<B>> = groups.collect::<Result<_, LinalgError>>()?;
        backend.fill(0.0, &mut gradient.w1)?;
        backend.fill(0.0, &mut gradient.w2)?;
        for group in &groups {
            backend.axpby(1.0, &group.w1, 1.0, &mut gradient.w1)?;
            backend.axpby(1.0, &group.w2, 1.0, &mut gradient.w2)?;
        }
        Ok(())
    }

    /// Adds what a sample, whose output is a residual by now, gives to the gradient.
    fn backward(
        &self,
        backend: &B,
        weights: &Layers<B>,
        pass: &mut Pass<B>,
        patches: &B::Matrix,
        sum: &mut Layers<B>,
    ) -> Result<(), LinalgError> {
        let (no, yes) = (Transpose::No, Transpose::Yes);
        backend.gemm(1.0, &pass.features, no, &pass.output, yes, 1.0, &mut sum.w2)?;
        backend.gemm(1.0, &weights.w2, no, &pass.output, no, 0.0, &mut pass.features_back)?;
        backend.read_part(&pass.features_back, 0, &mut pass.pooled)?;
        backend.gemm(1.0, &self.means, no, &pass.pooled, no, 0.0, &mut pass.back)?;
        // A hidden value is positive where, and only where, the product was: it serves as the gate.
        backend.gate(&pass.hidden, &mut pass.back)?;
        backend.gemm(1.0, patches, yes, &pass.back, no, 1.0, &mut sum.w1)
    }

    /// f of all these images (pixels x n) as n x C numbers.
    pub fn predict(&self, backend: &B, weights: &Layers<B>, images: &HostMatrix) -> Result<HostMatrix, LinalgError> {
        let outputs = (0..images.cols()).into_par_iter().map_init(
            || Pass::new(self, backend, weights),
            |pass, j| {
                let pass = pass.as_mut().map_err(|error| error.clone())?;
                pass.forward(self, backend, weights, images.col(j), false)?;
                backend.download(&pass.output)
            },
        );
        let outputs: Vec<HostMatrix> = outputs.collect::<Result<_, LinalgError>>()?;
        let targets = outputs.first().map_or(0, HostMatrix::rows);
        Ok(HostMatrix::from_fn(images.cols(), targets, |a, c| outputs[a][(c, 0)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convolution::plain::predict;
    use crate::image::{Samples, textures::textures};
    use cvx_linalg::Cpu;
    use cvx_model::squared_loss;

    fn weights(rows: usize, cols: usize, seed: u64) -> HostMatrix {
        cvx_model::PatternSet::sample_gates(rows, cols, seed)
    }

    /// Six images of 2 x 8 x 8 with two targets, and a network of four filters.
    fn small() -> (Images, Geometry, [HostMatrix; 2]) {
        let data = textures(6, 2, 8, 1);
        let Samples { kind, train: Images { pixels, .. }, .. } = Samples::new(&data, None).unwrap();
        let geometry = Geometry::new(kind, Some(2)).unwrap();
        (Images { pixels, y: weights(6, 2, 5) }, geometry, [weights(19, 4, 2), weights(17, 2, 3)])
    }

    #[test]
    fn predictions_are_those_of_plain_loops() {
        let cpu = Cpu::<f64>::new();
        let (images, geometry, [w1, w2]) = small();
        let layers = Layers { w1: cpu.upload(&w1).unwrap(), w2: cpu.upload(&w2).unwrap() };
        let network = Convolution::new(&cpu, geometry).unwrap();
        assert_eq!(network.inputs(4), [19, 17]);
        let found = network.predict(&cpu, &layers, &images.pixels).unwrap();
        for a in 0..6 {
            let expected = predict(&geometry, &w1, &w2, images.pixels.col(a));
            assert!((0..2).all(|c| (found[(a, c)] - expected[c]).abs() < 1e-12), "image {a}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let cpu = Cpu::<f64>::new();
        let (images, geometry, layers) = small();
        let batch =
            [(4, false), (1, true), (3, true), (0, false), (5, true)].map(|(index, mirrored)| Draw { index, mirrored });
        let drawn: Vec<Vec<f64>> = batch
            .map(|draw| {
                let mut image = images.pixels.col(draw.index).to_vec();
                if draw.mirrored {
                    image.chunks_exact_mut(8).for_each(<[f64]>::reverse);
                }
                image
            })
            .to_vec();
        let y = HostMatrix::from_fn(5, 2, |a, c| images.y[(batch[a].index, c)]);
        let loss = |[w1, w2]: &[HostMatrix; 2]| {
            let outputs: Vec<Vec<f64>> = drawn.iter().map(|image| predict(&geometry, w1, w2, image)).collect();
            squared_loss(&HostMatrix::from_fn(5, 2, |a, c| outputs[a][c]), &y) / 5.0
        };

        let weights = Layers { w1: cpu.upload(&layers[0]).unwrap(), w2: cpu.upload(&layers[1]).unwrap() };
        let mut gradient = Layers::zeros_like(&cpu, &weights).unwrap();
        let network = Convolution::new(&cpu, geometry).unwrap();
        let yt = cpu.upload(&images.y.transposed()).unwrap();
        network.gradient(&cpu, &weights, &images, &yt, &batch, &mut gradient).unwrap();

        const STEP: f64 = 1e-6;
        for (layer, found) in [&gradient.w1, &gradient.w2].into_iter().enumerate() {
            let found = cpu.download(found).unwrap();
            for at in 0..found.values().len() {
                let moved = |step: f64| {
                    let mut layers = layers.clone();
                    layers[layer].values_mut()[at] += step;
                    loss(&layers)
                };
                let (found, expected) = (found.values()[at], (moved(STEP) - moved(-STEP)) / (2.0 * STEP));
                assert!((found - expected).abs() < 1e-6, "weight {at} of layer {layer}: {found}, not {expected}");
            }
        }
    }
}
