//! Sampling of gates.

use crate::activation::Activation;
use crate::block_cones::{BlockCones, BlockRole};
use crate::dataset::FeatureKind;
use crate::error::ModelError;
use crate::patterns::PatternSet;
use crate::program::ProgramError;
use cvx_linalg::{Backend, Half, HostMatrix, LinalgError, SampleSource, SampleSums, named};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use std::ops::Range;

/// A distribution of gates. Gates apply to transformed samples, including the bias row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateKind {
    /// Standard normal in every feature, as in Feng et al.
    Gaussian,
    /// Normal with the inverse covariance of the samples, so that all directions of the data have equal influence.
    Whitened,
    /// For images: standard normal on a square patch of all channels, with mean 0, so that brightness has no influence.
    Local,
    /// The difference of two samples: the plane halfway between them.
    Pairs,
    /// For tables: planes between two samples, normal to one column of the table, to two or three, or to all,
    /// in turns. The first gate is always on, so that the network has a linear part.
    Mixed,
}

named!(
    GateKind, "kind of gates":
    Gaussian = "gaussian", Whitened = "whitened", Local = "local", Pairs = "pairs", Mixed = "mixed"
);

/// Regularisation of the covariance of [`GateKind::Whitened`], relative to its mean eigenvalue.
const WHITENING_SHIFT: f64 = 1e-3;

/// Divisors of the shorter side of an image that give the side of a [`GateKind::Local`] patch.
const PATCH_PARTS: [usize; 2] = [4, 6];

/// Where a [`GateKind::Mixed`] plane is between two samples. Halfway between two whole numbers there often is a third:
/// on which side of the plane it lies would depend on rounding.
const NEAR_HALF: Range<f64> = 0.4..0.6;

/// Largest number of draws of two samples that a patch should separate.
const TRIES: usize = 32;

/// The samples that gates are drawn for.
#[derive(Clone, Copy)]
pub struct GateSamples<'a> {
    /// Transformed samples as columns (d x n).
    pub xt: &'a dyn SampleSource,
    /// Table or images.
    pub kind: FeatureKind,
    /// The column of the table that each feature comes from: a category is several features.
    pub sources: &'a [usize],
    /// Whether the last row is the bias.
    pub bias: bool,
    /// The cones that gates have to lie in, if there are any, with the activation that they are for. The first gate is
    /// then on for every sample, so that the network has a linear part in every group of features; it costs nothing
    /// to lie in all cones.
    pub cones: Option<(&'a BlockCones, Activation)>,
}

/// The cones of the gates that are drawn one after the other.
struct Turns<'a> {
    cones: Option<(&'a BlockCones, Activation)>,
    roles: Vec<BlockRole>,
    drawn: usize,
}

impl<'a> Turns<'a> {
    fn new(cones: Option<(&'a BlockCones, Activation)>) -> Self {
        let roles = cones.map_or_else(Vec::new, |(cones, activation)| cones.roles(activation));
        Turns { cones, roles, drawn: 0 }
    }

    /// The role of the next gate. Widths take turns of three, and every role should have all of them.
    fn next(&mut self) -> Option<BlockRole> {
        let (j, count) = (self.drawn, self.roles.len());
        self.drawn += 1;
        let shift = if count.is_multiple_of(3) { j / count.max(1) } else { 0 };
        (count > 0).then(|| self.roles[(j + shift) % count])
    }

    /// Moves the weights of a gate of this role into its cone.
    fn mirror(&self, role: Option<BlockRole>, gate: &mut [f64]) {
        match (self.cones, role) {
            (Some((cones, activation)), Some(role)) => cones.mirror(activation, role, gate),
            // No cone contains a gate that depends on a feature.
            (Some((cones, _)), None) => gate[..cones.n_inputs()].fill(0.0),
            (None, _) => {}
        }
    }

    /// Whether a gate of this role may depend on a feature.
    fn allows(&self, role: Option<BlockRole>, feature: usize) -> bool {
        self.cones.is_none_or(|(cones, activation)| {
            role.is_some_and(|role| cones.gate_entry(activation, role, feature) != [false, false])
        })
    }
}

impl GateKind {
    /// Draws `count` gates (d x `count`). A longer draw begins with the shorter one.
    ///
    /// Gates of patches, pairs and columns have their threshold in the bias row, so that their planes pass between two
    /// samples. Without a bias, all planes pass through the origin.
    ///
    /// # Errors
    /// [`ModelError::NotImages`] for [`GateKind::Local`] on a table; [`LinalgError`] if an operation of the back end
    /// fails.
    pub fn sample<B: Backend>(
        self,
        backend: &B,
        samples: &GateSamples,
        count: usize,
        seed: u64,
    ) -> Result<HostMatrix, ProgramError> {
        let &GateSamples { xt, kind, sources, bias, cones } = samples;
        let all = Columns { xt, samples: backend.samples() };
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut turns = Turns::new(cones);
        let (d, normal) = (xt.n_features(), || PatternSet::sample_gates(xt.n_features(), count, seed));
        let mut gates = match self {
            GateKind::Gaussian => in_turn(normal(), &mut turns),
            GateKind::Whitened => in_turn(whitened(&backend.wide(), xt, &normal())?, &mut turns),
            GateKind::Pairs => columns(d, count, |gate| {
                let pair @ [a, b] = &two_samples(&mut rng, &all);
                gate.iter_mut().zip(a.iter().zip(b)).for_each(|(h, (a, b))| *h = a - b);
                let role = turns.next();
                turns.mirror(role, gate);
                set_threshold(gate, bias, pair, 0.5);
            }),
            GateKind::Mixed => {
                let columns_of = features_by_source(sources);
                let mut kinds = [Width::One, Width::Few, Width::All].into_iter().cycle();
                let mut first = true;
                columns(d, count, |gate| match std::mem::take(&mut first) {
                    true => always_on(gate, bias),
                    false => {
                        let (width, role) = (kinds.next().unwrap_or(Width::All), turns.next());
                        let mut allowed = columns_of.clone();
                        allowed.iter_mut().for_each(|of| of.retain(|&feature| turns.allows(role, feature)));
                        allowed.retain(|of| !of.is_empty());
                        let mirror = |gate: &mut [f64]| turns.mirror(role, gate);
                        mixed(&mut rng, gate, &all, width, &allowed, bias, mirror);
                    }
                })
            }
            GateKind::Local => match kind {
                FeatureKind::Table => return Err(ModelError::NotImages { gates: self.name() }.into()),
                FeatureKind::Image { channels, height, width } => columns(d, count, |gate| {
                    patch(&mut rng, gate, [channels, height, width]);
                    let role = turns.next();
                    turns.mirror(role, gate);
                    let pair = two_different(&mut rng, &all, gate);
                    set_threshold(gate, bias, &pair, 0.5);
                }),
            },
        };
        if cones.is_some() {
            always_on(gates.col_mut(0), bias);
        }
        Ok(gates)
    }
}

/// The gates, each mirrored into the cone of its turn.
fn in_turn(mut gates: HostMatrix, turns: &mut Turns) -> HostMatrix {
    for j in 0..gates.cols() {
        let role = turns.next();
        turns.mirror(role, gates.col_mut(j));
    }
    gates
}

/// The gate that is on for every sample. A gate of zeros is on, too: 0 >= 0. It is the only one without a bias row.
fn always_on(gate: &mut [f64], bias: bool) {
    gate.fill(0.0);
    if let Some(threshold) = gate.last_mut().filter(|_| bias) {
        *threshold = 1.0;
    }
}

/// A matrix (d x `count`) whose columns are written by `fill`, in order, starting from zeros.
fn columns(d: usize, count: usize, mut fill: impl FnMut(&mut [f64])) -> HostMatrix {
    let mut gates = HostMatrix::zeros(d, count);
    (0..count).for_each(|j| fill(gates.col_mut(j)));
    gates
}

/// The samples as columns, wherever they are.
struct Columns<'a> {
    /// Those here (d x n).
    xt: &'a dyn SampleSource,
    samples: &'a SampleSums,
}

impl Columns<'_> {
    /// Any of all samples, each with the same chance.
    fn draw(&self, rng: &mut Pcg64) -> Vec<f64> {
        let drawn = rng.random_range(0..self.samples.total(self.xt.n_samples()));
        self.samples.row(drawn, self.xt.n_features(), |here| self.xt.sample(here))
    }
}

fn two_samples(rng: &mut Pcg64, all: &Columns<'_>) -> [Vec<f64>; 2] {
    [(); 2].map(|()| all.draw(rng))
}

fn project(gate: &[f64], sample: &[f64]) -> f64 {
    gate.iter().zip(sample).map(|(h, x)| h * x).sum()
}

/// Two samples with different projections onto the gate, if found in [`TRIES`] draws. With equal projections, both
/// samples would lie on the plane, and rounding would decide their sides.
fn two_different(rng: &mut Pcg64, all: &Columns<'_>, gate: &[f64]) -> [Vec<f64>; 2] {
    let mut pair = two_samples(rng, all);
    for _ in 0..TRIES {
        let [a, b] = pair.each_ref().map(|sample| project(gate, sample));
        if (a - b).abs() > 1e-6 * (a.abs() + b.abs()) {
            break;
        }
        pair = two_samples(rng, all);
    }
    pair
}

/// With a bias row, sets the threshold so that the plane is between the two samples, at `share` a + (1 - `share`) b.
fn set_threshold(gate: &mut [f64], bias: bool, [a, b]: &[Vec<f64>; 2], share: f64) {
    if let Some((threshold, weights)) = gate.split_last_mut().filter(|_| bias) {
        let point = a.iter().zip(b).map(|(a, b)| share * a + (1.0 - share) * b);
        *threshold = -weights.iter().zip(point).map(|(h, point)| h * point).sum::<f64>();
    }
}

/// Fills a random square of the image, in all channels, with normal numbers and subtracts their mean.
fn patch(rng: &mut Pcg64, gate: &mut [f64], [channels, height, width]: [usize; 3]) {
    let parts = PATCH_PARTS[rng.random_range(0..PATCH_PARTS.len())];
    let side = height.min(width).div_ceil(parts);
    let (top, left) = (rng.random_range(0..=height - side), rng.random_range(0..=width - side));
    let inside: Vec<usize> = (0..channels * side * side)
        .map(|at| {
            let (channel, row, column) = (at / (side * side), at / side % side, at % side);
            (channel * height + top + row) * width + left + column
        })
        .collect();
    inside.iter().for_each(|&at| gate[at] = StandardNormal.sample(rng));
    // The deviation of a single pixel from its mean would be 0.
    if inside.len() > 1 {
        let mean = inside.iter().map(|&at| gate[at]).sum::<f64>() / inside.len() as f64;
        inside.iter().for_each(|&at| gate[at] -= mean);
    }
}

/// Number of columns that a plane of [`GateKind::Mixed`] is normal to.
#[derive(Clone, Copy)]
enum Width {
    One,
    /// Two or three.
    Few,
    All,
}

/// The features of each source.
fn features_by_source(sources: &[usize]) -> Vec<Vec<usize>> {
    let mut features = vec![Vec::new(); sources.iter().max().map_or(0, |last| last + 1)];
    sources.iter().enumerate().for_each(|(feature, &source)| features[source].push(feature));
    features.retain(|features| !features.is_empty());
    features
}

/// A plane through a point about halfway between two samples on different sides of it, with normal weights on all
/// features of the drawn columns. Columns that are equal on all samples that were drawn are drawn again.
fn mixed(
    rng: &mut Pcg64,
    gate: &mut [f64],
    all: &Columns<'_>,
    width: Width,
    columns_of: &[Vec<usize>],
    bias: bool,
    mirror: impl Fn(&mut [f64]),
) {
    let sources = columns_of.len();
    if sources == 0 {
        // The cones leave no gate but the one that is always on.
        return always_on(gate, bias);
    }
    let count = match width {
        Width::One => 1,
        Width::Few => rng.random_range(2..=3).min(sources),
        Width::All => sources,
    };
    for _ in 0..TRIES {
        gate.fill(0.0);
        for source in rand::seq::index::sample(rng, sources, count) {
            columns_of[source].iter().for_each(|&feature| gate[feature] = StandardNormal.sample(rng));
        }
        mirror(gate);
        let pair = two_different(rng, all, gate);
        let [a, b] = pair.each_ref().map(|sample| project(gate, sample));
        set_threshold(gate, bias, &pair, rng.random_range(NEAR_HALF));
        if a != b {
            break;
        }
    }
}

/// Samples whose covariance is computed at a time.
const COVARIANCE_SAMPLES: usize = 4096;

/// L^-T z with L L' = X'X/n + shift I, for standard normal z.
fn whitened<B: Backend>(backend: &B, xt: &dyn SampleSource, z: &HostMatrix) -> Result<HostMatrix, LinalgError> {
    let (d, n) = (xt.n_features(), backend.samples().total(xt.n_samples()));
    let mut part = backend.zeros(d, d)?;
    // X'X/n, and the sum of the squares.
    let mut sums = backend.samples().try_sums(xt.n_samples(), d * d + 1, |rows| {
        let (mut covariance, mut squares) = (backend.zeros(d, d)?, 0.0);
        for first in rows.clone().step_by(COVARIANCE_SAMPLES) {
            let samples = xt.gather(first..(first + COVARIANCE_SAMPLES).min(rows.end));
            squares += samples.values().iter().map(|x| x * x).sum::<f64>();
            let weights = backend.upload(&HostMatrix::from_fn(samples.cols(), 1, |_, _| 1.0 / n as f64))?;
            backend.weighted_gram(&backend.upload(&samples)?, &weights, 0.0, &mut part)?;
            backend.axpby(1.0, &part, 1.0, &mut covariance)?;
        }
        Ok(backend.download(&covariance)?.into_values().into_iter().chain([squares]).collect())
    })?;
    let mean_square = sums.pop().unwrap_or_default() / (n * d) as f64;
    // If all samples are 0, there is no covariance.
    let shift = if mean_square > 0.0 { WHITENING_SHIFT * mean_square } else { 1.0 };
    sums.iter_mut().step_by(d + 1).for_each(|diagonal| *diagonal += shift);
    let mut factor = backend.upload(&HostMatrix::from_vec(d, d, sums))?;
    backend.cholesky(&mut factor)?;
    let mut gates = backend.upload(z)?;
    backend.solve(&factor, Half::Upper, &mut gates)?;
    backend.download(&gates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ModelError;
    use cvx_linalg::{Cpu, Samples};
    use std::sync::Arc;

    const IMAGE: FeatureKind = FeatureKind::Image { channels: 2, height: 9, width: 12 };

    /// 40 samples of 2 x 9 x 12 pixels and a bias (217 x 40).
    fn samples() -> HostMatrix {
        let pixels = PatternSet::sample_gates(2 * 9 * 12, 40, 1);
        HostMatrix::from_fn(2 * 9 * 12 + 1, 40, |row, a| if row < 216 { pixels[(row, a)] + 0.3 } else { 1.0 })
    }

    fn table<'a>(xt: &'a HostMatrix, sources: &'a [usize], bias: bool) -> GateSamples<'a> {
        GateSamples { xt, kind: FeatureKind::Table, sources, bias, cones: None }
    }

    fn sample(kind: GateKind, count: usize, seed: u64) -> HostMatrix {
        let sources: Vec<usize> = (0..216).collect();
        let samples = GateSamples { xt: &samples(), kind: IMAGE, sources: &sources, bias: true, cones: None };
        kind.sample(&Cpu::<f64>::new(), &samples, count, seed).unwrap()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_longer_draw_begins_with_the_shorter_one_and_seeds_differ() {
        for kind in GateKind::ALL {
            let (short, long) = (sample(kind, 3, 7), sample(kind, 8, 7));
            let scale = short.values().iter().fold(0.0, |largest: f64, h| largest.max(h.abs()));
            let same = short.values().iter().zip(long.values()).all(|(a, b)| (a - b).abs() <= 1e-12 * scale);
            assert!(same, "{}", kind.name());
            assert_ne!(short.values(), sample(kind, 3, 8).values(), "{}", kind.name());
        }
    }

    #[test]
    fn local_gates_are_squares_of_mean_zero_that_split_the_samples() {
        let (xt, gates) = (samples(), sample(GateKind::Local, 200, 3));
        let mut sides = std::collections::HashSet::new();
        for j in 0..gates.cols() {
            let (bias, weights) = gates.col(j).split_last().unwrap();
            let used: Vec<usize> = (0..216).filter(|&at| weights[at] != 0.0).collect();
            let rows: std::collections::BTreeSet<usize> = used.iter().map(|at| at / 12 % 9).collect();
            let columns: std::collections::BTreeSet<usize> = used.iter().map(|at| at % 12).collect();
            assert_eq!((rows.len(), used.len()), (columns.len(), 2 * rows.len() * columns.len()));
            assert_eq!(rows.last().unwrap() - rows.first().unwrap() + 1, rows.len(), "without holes");
            sides.insert(rows.len());
            assert!(weights.iter().sum::<f64>().abs() < 1e-12);
            let active = (0..xt.cols()).filter(|&a| dot(weights, &xt.col(a)[..216]) + bias >= 0.0).count();
            assert!((0..40).contains(&active) || dot(weights, weights) == 0.0);
        }
        assert_eq!(sides, [2, 3].into());
    }

    #[test]
    fn pairs_lie_half_way_between_two_samples() {
        let (xt, gates) = (samples(), sample(GateKind::Pairs, 20, 3));
        for j in 0..20 {
            let products: Vec<f64> = (0..40).map(|a| dot(gates.col(j), xt.col(a))).collect();
            let half = 0.5 * dot(&gates.col(j)[..216], &gates.col(j)[..216]);
            for side in [half, -half] {
                assert!(products.iter().any(|product| (product - side).abs() <= 1e-9 * (1.0 + half)), "gate {j}");
            }
        }
    }

    #[test]
    fn whitened_gates_have_the_inverse_covariance() {
        // The first feature is ten times as large as the second: its weights are a tenth.
        let base = PatternSet::sample_gates(2, 2000, 5);
        let xt = HostMatrix::from_fn(2, 2000, |row, a| base[(row, a)] * [10.0, 1.0][row]);
        let gates = GateKind::Whitened.sample(&Cpu::<f64>::new(), &table(&xt, &[0, 1], false), 4000, 1).unwrap();
        let size = |row: usize| ((0..4000).map(|j| gates[(row, j)].powi(2)).sum::<f64>() / 4000.0).sqrt();
        assert!((size(1) / size(0) - 10.0).abs() < 0.6, "{} and {}", size(0), size(1));
        let zero =
            GateKind::Whitened.sample(&Cpu::<f64>::new(), &table(&HostMatrix::zeros(2, 3), &[0, 1], false), 2, 1);
        assert!(zero.unwrap().values().iter().all(|h| h.is_finite()));
    }

    /// Columns 0 and 1 are one feature each, column 2 is a category of three, and column 3 is equal on all samples.
    #[test]
    fn mixed_gates_are_normal_to_few_columns_and_split_the_samples() {
        let base = PatternSet::sample_gates(3, 40, 1);
        let xt = HostMatrix::from_fn(7, 40, |row, a| match row {
            0 | 1 => base[(row, a)],
            2..=4 => f64::from(u8::from(a % 3 == row - 2)),
            5 => 0.0,
            _ => 1.0,
        });
        let sources = [0, 1, 2, 2, 2, 3];
        let cpu = Cpu::<f64>::new();
        let gates = GateKind::Mixed.sample(&cpu, &table(&xt, &sources, true), 61, 4).unwrap();
        assert_eq!(gates.col(0), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], "the linear part");
        let bits = PatternSet::bits_of(&Samples::new(&cpu, Arc::new(xt.clone())).unwrap(), &gates).unwrap();
        for j in 1..61 {
            let used: std::collections::BTreeSet<usize> =
                (0..6).filter(|&row| gates[(row, j)] != 0.0).map(|row| sources[row]).collect();
            let expected = [1..=1, 2..=3, 4..=4][(j - 1) % 3].clone();
            assert!(expected.contains(&used.len()), "gate {j}: {used:?}");
            // A category is used as a whole, and column 3 is never used alone.
            assert!(!used.contains(&2) || (2..5).all(|row| gates[(row, j)] != 0.0));
            assert!(used != [3].into() && (1..40).contains(&bits.count(j)), "gate {j}: {used:?}");
        }
        let without = GateKind::Mixed.sample(&cpu, &table(&xt, &sources, false), 3, 4).unwrap();
        assert_eq!(without.col(0), [0.0; 7], "always on, too");
    }

    /// On which side of its plane a sample lies does not depend on rounding, on a table of whole numbers either.
    #[test]
    fn no_sample_is_on_a_mixed_plane() {
        let xt = HostMatrix::from_fn(7, 60, |row, a| if row == 6 { 1.0 } else { ((a * 7 + row * a * a) % 5) as f64 });
        let gates = GateKind::Mixed.sample(&Cpu::<f64>::new(), &table(&xt, &[0, 1, 2, 3, 4, 5], true), 300, 1).unwrap();
        for (j, a) in (1..300).flat_map(|j| (0..60).map(move |a| (j, a))) {
            let size: f64 = gates.col(j).iter().zip(xt.col(a)).map(|(h, x)| (h * x).abs()).sum();
            assert!(dot(gates.col(j), xt.col(a)).abs() > 1e-9 * size, "gate {j}, sample {a}");
        }
    }

    #[test]
    fn patches_need_an_image() {
        let error = GateKind::Local.sample(&Cpu::<f64>::new(), &table(&samples(), &[], true), 2, 1).unwrap_err();
        assert_eq!(error, ModelError::NotImages { gates: "local" }.into());
    }
}
