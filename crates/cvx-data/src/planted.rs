//! Samples that are labelled by a planted teacher, a two-layer ReLU network with random weights.

use std::ops::Range;
use std::path::PathBuf;

use cvx_model::{DataSplit, Dataset, FeatureKind, Labels, ModelError};
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64;

use crate::error::DataError;
use crate::files::bytes::reserve;
use crate::request::MAX_BYTES;
use crate::share::Share;

/// Number of samples whose median response separates the two classes.
const N_CALIBRATION: usize = 1001;

/// A two-class problem whose labels come from a known network.
///
/// The features are independent N(0, 1). The teacher `f(x) = sum_j a_j max(0, w_j' x)` has `n_neurons` neurons
/// with `w_j` from N(0, I / d) and `a_j` from N(0, 1). The label is 1 where `f(x)` exceeds its median over 1001
/// further samples, and 0 elsewhere, so the classes have about the same size. Each label is flipped with
/// probability `noise`.
///
/// The teacher, the median, the training set and the test set each have their own random stream. Therefore a larger
/// set begins with the samples of a smaller one, and the size of one set does not change the samples of the other.
/// The same settings give the same bits on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planted {
    /// Number of training samples, at least 1.
    pub n_train: usize,
    /// Number of test samples; 0 for no test set.
    pub n_test: usize,
    /// Number of features d, at least 1.
    pub n_features: usize,
    /// Number of neurons of the teacher, at least 1.
    pub n_neurons: usize,
    /// Probability that a label is flipped, from 0 to 1, in both sets.
    pub noise: f64,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for Planted {
    fn default() -> Self {
        Planted { n_train: 1000, n_test: 500, n_features: 20, n_neurons: 5, noise: 0.03, seed: 0 }
    }
}

impl Planted {
    /// Parses `planted` or `planted:NxD`: N training samples, half as many test samples and D features.
    /// `None` for any other text.
    pub(crate) fn parse(source: &str, seed: u64) -> Option<Self> {
        let default = Planted { seed, ..Planted::default() };
        if source == "planted" {
            return Some(default);
        }
        let (n, d) = source.strip_prefix("planted:")?.split_once('x')?;
        let n_train = n.parse().ok()?;
        Some(Planted { n_train, n_test: n_train / 2, n_features: d.parse().ok()?, ..default })
    }

    /// Draws the samples.
    ///
    /// # Errors
    /// [`DataError::Unusable`] for a setting out of its range, [`DataError::TooLarge`] for more than 16 GiB of values
    /// in one set, [`DataError::OutOfMemory`] for more values than memory holds.
    pub fn generate(&self) -> Result<DataSplit, DataError> {
        self.generate_for(&Share::all())
    }

    /// [`generate`](Planted::generate) with the training samples that are kept.
    pub(crate) fn generate_for(&self, share: &Share) -> Result<DataSplit, DataError> {
        self.check()?;
        let mut root = Pcg64::seed_from_u64(self.seed);
        let [mut weights, mut calibration, mut train, mut test] = std::array::from_fn(|_| Pcg64::from_rng(&mut root));
        let teacher = Teacher::draw(self, &mut weights);
        let threshold = teacher.median(&mut calibration);
        Ok(DataSplit {
            train: self.samples(self.n_train, &share.rows(self.n_train)?, &teacher, threshold, &mut train)?,
            test: match self.n_test {
                0 => None,
                n_test => Some(self.samples(n_test, &(0..n_test), &teacher, threshold, &mut test)?),
            },
        })
    }

    fn check(&self) -> Result<(), DataError> {
        let counts = [("samples", self.n_train), ("features", self.n_features), ("neurons", self.n_neurons)];
        if let Some((what, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(unusable(ModelError::Empty { what }));
        }
        if !(0.0..=1.0).contains(&self.noise) {
            return Err(unusable(ModelError::OutOfRange { name: "noise", value: self.noise, range: "0 to 1" }));
        }
        for rows in [self.n_train, self.n_test, self.n_neurons] {
            let bytes = (rows as u128 * self.n_features as u128).saturating_mul(8);
            if bytes > u128::from(MAX_BYTES) {
                return Err(DataError::TooLarge { path: place(), limit: MAX_BYTES });
            }
        }
        Ok(())
    }

    /// Draws n samples, and keeps some of them.
    fn samples(
        &self,
        n: usize,
        kept: &Range<usize>,
        teacher: &Teacher,
        threshold: f64,
        rng: &mut Pcg64,
    ) -> Result<Dataset, DataError> {
        let mut values = reserve(&place(), kept.len() * self.n_features)?;
        let mut labels = reserve(&place(), kept.len())?;
        for row in 0..n {
            let sample = normals(self.n_features, rng);
            let flipped = rng.random::<f64>() < self.noise;
            if !kept.contains(&row) {
                continue;
            }
            let above = teacher.response(&sample) > threshold;
            labels.push(f64::from(u8::from(above != flipped)));
            values.extend(sample);
        }
        Dataset::new(self.n_features, values, Some(Labels::numbers(labels)), FeatureKind::Table).map_err(unusable)
    }
}

/// The network that labels the samples.
struct Teacher {
    /// One vector of `n_features` weights per neuron.
    first: Vec<Vec<f64>>,
    second: Vec<f64>,
    n_features: usize,
}

impl Teacher {
    fn draw(settings: &Planted, rng: &mut Pcg64) -> Self {
        let scale = (settings.n_features as f64).sqrt().recip();
        let mut neuron = || normals(settings.n_features, rng).iter().map(|weight| weight * scale).collect();
        Teacher {
            first: (0..settings.n_neurons).map(|_| neuron()).collect(),
            second: normals(settings.n_neurons, rng),
            n_features: settings.n_features,
        }
    }

    fn response(&self, sample: &[f64]) -> f64 {
        let neurons = self.first.iter().map(|weights| {
            let sum: f64 = weights.iter().zip(sample).map(|(weight, value)| weight * value).sum();
            sum.max(0.0)
        });
        neurons.zip(&self.second).map(|(neuron, weight)| neuron * weight).sum()
    }

    fn median(&self, rng: &mut Pcg64) -> f64 {
        let mut responses: Vec<f64> =
            (0..N_CALIBRATION).map(|_| self.response(&normals(self.n_features, rng))).collect();
        *responses.select_nth_unstable_by(N_CALIBRATION / 2, f64::total_cmp).1
    }
}

fn normals(count: usize, rng: &mut Pcg64) -> Vec<f64> {
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

fn place() -> PathBuf {
    PathBuf::from("planted")
}

fn unusable(error: ModelError) -> DataError {
    DataError::Unusable { path: place(), error }
}
