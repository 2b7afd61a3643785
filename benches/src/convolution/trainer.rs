//! Adam on the network: batches in random order, half of the images mirrored, one cycle of the step size.

use super::network::{Convolution, Draw};
use crate::contender::{Initialisation, Layers, adam_step};
use crate::image::Images;
use anyhow::{Result, ensure};
use cvx_linalg::training::AdamBackend;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::time::Instant;

/// Share of the steps during which the step size grows.
const WARM_UP: f64 = 0.3;

/// Adam with its settings.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// Largest step size on the way.
    pub learning_rate: f64,
    /// Number of filters.
    pub filters: usize,
    /// Passes over the samples.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// How the first weights are drawn.
    pub initialisation: Initialisation,
    /// Of first weights, batches and mirror images.
    pub seed: u64,
}

/// A network that was trained.
pub struct Trained<B: AdamBackend> {
    /// Its weights.
    pub weights: Layers<B>,
    /// Epochs that were done.
    pub epochs: f64,
    /// Whether that is all of them.
    pub complete: bool,
}

impl Trainer {
    /// Trains on these images until the `deadline`, if there is one.
    pub fn train<B: AdamBackend>(
        &self,
        backend: &B,
        network: &Convolution<B>,
        images: &Images,
        deadline: Option<Instant>,
    ) -> Result<Trained<B>> {
        let rate = self.learning_rate;
        ensure!(rate > 0.0 && rate.is_finite(), "the learning rate is {rate}, but it must be a positive number");
        ensure!(self.filters > 0, "a convolution needs a filter");
        ensure!(self.batch > 0 && self.epochs > 0, "a convolution needs a sample to a step and an epoch");
        let mut rng = Pcg64::seed_from_u64(self.seed);
        let [inputs, features] = network.inputs(self.filters);
        let mut draw = |rows, cols| backend.upload(&self.initialisation.draw(rows, cols, &mut rng));
        let mut weights = Layers { w1: draw(inputs, self.filters)?, w2: draw(features, images.y.cols())? };
        let mut gradient = Layers::zeros_like(backend, &weights)?;
        let mut first = Layers::zeros_like(backend, &weights)?;
        let mut second = Layers::zeros_like(backend, &weights)?;
        let yt = backend.upload(&images.y.transposed())?;
        let mut order: Vec<usize> = (0..images.y.rows()).collect();
        let per_epoch = order.len().div_ceil(self.batch);
        let (mut steps, most) = (0, self.epochs * per_epoch);
        while steps < most && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            if steps % per_epoch == 0 {
                order.shuffle(&mut rng);
            }
            let begin = steps % per_epoch * self.batch;
            let indices = &order[begin..(begin + self.batch).min(order.len())];
            let batch: Vec<Draw> =
                indices.iter().map(|&index| Draw { index, mirrored: rng.random_bool(0.5) }).collect();
            network.gradient(backend, &weights, images, &yt, &batch, &mut gradient)?;
            let step = adam_step(rate * cycle(steps, most), steps + 1, 0.0);
            backend.adam_step(&step, &gradient.w1, &mut first.w1, &mut second.w1, &mut weights.w1)?;
            backend.adam_step(&step, &gradient.w2, &mut first.w2, &mut second.w2, &mut weights.w2)?;
            steps += 1;
        }
        Ok(Trained { weights, epochs: steps as f64 / per_epoch as f64, complete: steps == most })
    }
}

/// The step size over its largest one: up in a straight line, and down to zero along a cosine.
fn cycle(step: usize, most: usize) -> f64 {
    let (at, top) = ((step + 1) as f64 / (most + 1) as f64, WARM_UP);
    if at < top { at / top } else { 0.5 * (1.0 + (std::f64::consts::PI * (at - top) / (1.0 - top)).cos()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Geometry, Samples, textures::textures};
    use cvx_linalg::Cpu;

    #[test]
    fn the_step_size_grows_to_its_largest_and_falls_towards_zero() {
        let sizes: Vec<f64> = (0..99).map(|step| cycle(step, 99)).collect();
        assert!(sizes.iter().all(|size| *size > 0.0 && *size <= 1.0));
        assert!(sizes[..29].is_sorted() && sizes[29..].is_sorted_by(|a, b| a >= b));
        assert!(sizes[29] > 0.999 && sizes[0] < 0.05 && sizes[98] < 1e-3);
    }

    #[test]
    fn it_learns_textures_that_no_linear_function_of_pixels_tells_apart() {
        let samples = Samples::new(&textures(80, 1, 8, 1), Some(&textures(60, 1, 8, 2))).unwrap();
        let trainer = Trainer {
            learning_rate: 0.03,
            filters: 6,
            epochs: 12,
            batch: 16,
            initialisation: Initialisation::Pytorch,
            seed: 1,
        };
        let cpu = Cpu::<f32>::new();
        let network = Convolution::new(&cpu, Geometry::new(samples.kind, None).unwrap()).unwrap();
        let watched = samples.watched.as_ref().unwrap();
        let run = |deadline| trainer.train(&cpu, &network, &samples.train, deadline).unwrap();
        let found = run(None);
        let prediction = network.predict(&cpu, &found.weights, &watched.pixels).unwrap();
        let (accuracy, _) = samples.score(&prediction, &watched.y);
        assert!(accuracy.unwrap() > 0.95, "{accuracy:?}");
        assert!(found.complete && found.epochs == 12.0);
        // One seed gives one network; without time there is none.
        let again = network.predict(&cpu, &run(None).weights, &watched.pixels).unwrap();
        assert_eq!(prediction, again);
        assert!(!run(Some(Instant::now())).complete);
    }
}
