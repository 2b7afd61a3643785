//! Gated neurons on patches: features, operators, kernel, certificate and network against plain loops.

mod common;

use common::patches::{SMALL, Scene, Sizes, mirror};
use common::{Random, distance, dot, norm};
use cvx_linalg::Samples;
use cvx_linalg::{
    Backend, BlockLayout, Cpu, FeaturePrecision, HostMatrix, LinalgError, LinearOperator, MaskedSystem, SystemRhs,
};
use cvx_model::Multipliers;
use cvx_model::{
    Activation, Certificate, ConvexProgram, FeatureKind, HeldOut, Loss, ModelError, Network, PatchFeatures, Patches,
    PredictionOperator, ProgramError, RowScale, SystemOperator, WeightedLoss,
};
use proptest::prelude::*;
use std::sync::Arc;

/// The features are rounded to 24 bits, and the sums before are made in another order.
const ROUNDED: f64 = 1e-6;

fn close(found: &HostMatrix, expected: &HostMatrix, tolerance: f64) {
    assert_eq!((found.rows(), found.cols()), (expected.rows(), expected.cols()));
    let change = distance(found.values(), expected.values());
    assert!(change <= tolerance * norm(expected.values()).max(1e-3), "{change} of {}", norm(expected.values()));
}

fn samples(xt: &HostMatrix) -> Samples<Cpu<f64>> {
    Samples::new(&Cpu::new(), Arc::new(xt.clone())).unwrap()
}

fn up(matrix: &HostMatrix) -> <Cpu<f64> as Backend>::Matrix {
    Cpu::<f64>::new().upload(matrix).unwrap()
}

fn down(matrix: &<Cpu<f64> as Backend>::Matrix) -> HostMatrix {
    Cpu::<f64>::new().download(matrix).unwrap()
}

fn zeros(rows: usize, cols: usize) -> <Cpu<f64> as Backend>::Matrix {
    Cpu::<f64>::new().zeros(rows, cols).unwrap()
}

fn blocks(scene: &Scene, random: &mut Random) -> HostMatrix {
    random.matrix(scene.block_rows(), scene.gates.cols() * scene.y.cols(), 1.0)
}

/// F u and F'r of a programme.
fn apply(program: &ConvexProgram<Cpu<f64>>, u: &HostMatrix) -> HostMatrix {
    let mut out = zeros(program.n_samples(), program.n_targets());
    PredictionOperator::new(program).unwrap().apply(&mut out, &up(u)).unwrap();
    down(&out)
}

fn apply_adjoint(program: &ConvexProgram<Cpu<f64>>, r: &HostMatrix) -> HostMatrix {
    let mut out = zeros(program.n_features(), program.n_blocks());
    PredictionOperator::new(program).unwrap().apply_adjoint(&mut out, &up(r)).unwrap();
    down(&out)
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let image = (1usize..=3, 4usize..=8, 4usize..=8, any::<bool>());
    let patch = (1usize..=4, 1usize..=3, 1usize..=3);
    let counts = (1usize..=4, 1usize..=4, 1usize..=3, 1usize..=4);
    let precision = prop_oneof![Just(FeaturePrecision::Single), Just(FeaturePrecision::Half)];
    (image, patch, counts, precision).prop_map(|(image, patch, counts, precision)| {
        let ((channels, height, width, mirrored), (side, stride, regions)) = (image, patch);
        let along = (height.min(width) - side) / stride + 1;
        let (values, gates, targets, n) = counts;
        let regions = regions.min(along);
        Sizes { channels, height, width, side, stride, regions, mirrored, precision, values, gates, targets, n }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_are_those_of_plain_loops(sizes in sizes(), kept: bool, seed in 0u64..1000) {
        let mut random = Random(seed);
        let scene = Scene::new(sizes, &mut random);
        let program = scene.program(kept, 0.1);
        let (u, r) = (blocks(&scene, &mut random), random.matrix(sizes.n, sizes.targets, 1.0));
        close(&apply(&program, &u), &scene.prediction(&u), ROUNDED);
        close(&apply_adjoint(&program, &r), &scene.pull(&r), ROUNDED);
    }

    /// <F u, r> = <u, F'r>, in f64: the features of both are the same numbers.
    #[test]
    fn the_adjoint_is_the_adjoint(sizes in sizes(), kept: bool, seed in 0u64..1000) {
        let mut random = Random(seed);
        let scene = Scene::new(sizes, &mut random);
        let program = scene.program(kept, 0.1);
        let (u, r) = (blocks(&scene, &mut random), random.matrix(sizes.n, sizes.targets, 1.0));
        let (fu, fr) = (apply(&program, &u), apply_adjoint(&program, &r));
        let (left, right) = (dot(fu.values(), r.values()), dot(u.values(), fr.values()));
        prop_assert!((left - right).abs() <= 1e-12 * norm(fu.values()) * norm(r.values()), "{left} {right}");
    }

    /// The prediction for an image and for its mirror image, where it should be the same.
    #[test]
    fn mirror_images_have_the_same_prediction(sizes in sizes(), seed in 0u64..1000) {
        let mut random = Random(seed);
        let scene = Scene::new(Sizes { mirrored: true, ..sizes }, &mut random);
        let u = blocks(&scene, &mut random);
        let columns = (0..sizes.n).flat_map(|a| mirror(&scene.patches, scene.images.col(a))).collect();
        let mirrored = HostMatrix::from_vec(scene.images.rows(), sizes.n, columns);
        let network = network_of(&scene, &u, &[]);
        let [f, g] = [&scene.images, &mirrored].map(|images| network.predict(&Cpu::<f64>::new(), &up(images)).unwrap());
        close(&g, &f, ROUNDED);
    }
}

/// The network of blocks (D x PC) with an output bias; none is zero.
fn network_of(scene: &Scene, u: &HostMatrix, output_bias: &[f64]) -> Network {
    let mut network =
        Network::from_blocks(u, Activation::Gated, &scene.gates, BlockLayout::one(scene.gates.cols(), scene.y.cols()));
    network.patches = Some(scene.patches.clone());
    network.output_bias.iter_mut().zip(output_bias).for_each(|(b, value)| *b = *value);
    network
}

#[test]
fn a_mirror_image_is_another_image_where_left_and_right_are_told_apart() {
    let mut random = Random(2);
    let scene = Scene::new(Sizes { mirrored: false, ..SMALL }, &mut random);
    let (u, image) = (blocks(&scene, &mut random), HostMatrix::from_vec(112, 1, scene.images.col(0).to_vec()));
    let other = HostMatrix::from_vec(112, 1, mirror(&scene.patches, image.col(0)));
    let network = network_of(&scene, &u, &[]);
    let [f, g] = [&image, &other].map(|image| network.predict(&Cpu::<f64>::new(), &up(image)).unwrap()[(0, 0)]);
    assert!((f - g).abs() > 1e-2 * f.abs(), "{f} {g}");
}

// ---- operators -----------------------------------------------------------------------------------------------------

/// Removes the mean of each column.
fn centred(matrix: &HostMatrix) -> HostMatrix {
    let mean = |c: usize| matrix.col(c).iter().sum::<f64>() / matrix.rows() as f64;
    HostMatrix::from_fn(matrix.rows(), matrix.cols(), |a, c| matrix[(a, c)] - mean(c))
}

fn plus(a: &HostMatrix, factor: f64, b: &HostMatrix) -> HostMatrix {
    HostMatrix::from_fn(a.rows(), a.cols(), |i, j| a[(i, j)] + factor * b[(i, j)])
}

/// A u = u + F'F u/rho, b = v - lambda + F'y/rho, and with an output bias the projection between F' and F.
#[test]
fn the_system_is_the_identity_and_the_prediction_over_rho() {
    for (kept, output_bias) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut random = Random(3);
        let scene = Scene::new(Sizes { targets: 2, ..SMALL }, &mut random);
        let mut program = scene.program(kept, 0.1);
        program.set_loss(WeightedLoss::default().with_output_bias(output_bias)).unwrap();
        let project = |matrix: HostMatrix| if output_bias { centred(&matrix) } else { matrix };
        let u = blocks(&scene, &mut random);
        let mut system = SystemOperator::new(&program, RowScale::None, 0.7).unwrap();
        let mut out = zeros(u.rows(), u.cols());
        system.apply(&mut out, &up(&u)).unwrap();
        close(&down(&out), &plus(&u, 1.0 / 0.7, &scene.pull(&project(scene.prediction(&u)))), ROUNDED);

        let start = up(&u);
        let rhs = SystemRhs { blocks: &start, rows: None };
        system.assemble(&mut out, &rhs).unwrap();
        let b = plus(&u, 1.0 / 0.7, &scene.pull(&project(scene.y.clone())));
        close(&down(&out), &b, ROUNDED);

        // The certificate knows the residual of this system.
        let other = blocks(&scene, &mut random);
        let image = plus(&other, 1.0 / 0.7, &scene.pull(&project(scene.prediction(&other))));
        let expected = norm(plus(&b, -1.0, &image).values()) / norm(b.values());
        let found = Certificate::new(&program).unwrap().system_residual(&system, &up(&other), &rhs).unwrap();
        assert!((found - expected).abs() <= ROUNDED * expected, "{found} {expected}");
    }
}

#[test]
fn the_kernel_is_that_of_all_features() {
    // The last has several tiles of rows, of which the last is smaller.
    let half = Sizes { precision: FeaturePrecision::Half, ..SMALL };
    for sizes in [SMALL, Sizes { side: 2, stride: 3, mirrored: false, n: 1, ..SMALL }, half, Sizes { n: 515, ..half }] {
        let mut random = Random(4);
        let scene = Scene::new(sizes, &mut random);
        let program = scene.program(true, 0.1);
        let system = SystemOperator::new(&program, RowScale::None, 1.0).unwrap();
        let (mut out, mut diagonal) = (zeros(sizes.n, sizes.n), zeros(sizes.n, 1));
        system.kernel(&mut out, &mut diagonal).unwrap();
        let (out, diagonal, z) = (down(&out), down(&diagonal), scene.dense());
        for (a, b) in (0..sizes.n).flat_map(|b| (0..=b).map(move |a| (a, b))) {
            let (found, expected) = (if a == b { diagonal[(a, 0)] } else { out[(a, b)] }, dot(z.col(a), z.col(b)));
            assert!((found - expected).abs() <= ROUNDED * norm(z.col(a)) * norm(z.col(b)), "{found} {expected}");
        }
    }
    let scene = Scene::new(SMALL, &mut Random(4));
    let error = scene.features(false).kernel(&Cpu::new(), &mut zeros(9, 9), &mut zeros(9, 1)).unwrap_err();
    assert!(matches!(error, LinalgError::Shape { operation: "kernel", .. }), "{error}");
}

/// More images than are computed at a time: runs begin and end where they should.
#[test]
fn many_images_are_computed_in_runs() {
    let sizes = Sizes {
        channels: 1,
        height: 3,
        width: 4,
        side: 2,
        regions: 1,
        values: 2,
        gates: 3,
        targets: 2,
        n: 515,
        ..SMALL
    };
    for (precision, kept) in
        FeaturePrecision::ALL.into_iter().flat_map(|precision| [(precision, true), (precision, false)])
    {
        let mut random = Random(5);
        let scene = Scene::new(Sizes { precision, ..sizes }, &mut random);
        let (u, r) = (blocks(&scene, &mut random), random.matrix(515, 2, 1.0));
        let program = scene.program(kept, 0.1);
        close(&apply(&program, &u), &scene.prediction(&u), ROUNDED);
        close(&apply_adjoint(&program, &r), &scene.pull(&r), ROUNDED);
        let value = Certificate::new(&program).unwrap().network(&up(&u)).unwrap();
        close(&value.prediction, &scene.prediction(&u), ROUNDED);
        let network = network_of(&scene, &u, &[]);
        close(&network.predict(&Cpu::<f64>::new(), &up(&scene.images)).unwrap(), &scene.prediction(&u), ROUNDED);
        // Part of them, in more than a run.
        let some: Vec<usize> = (0..515).filter(|row| row % 7 != 3).collect();
        let selected = scene.features(kept).select(&Cpu::new(), &some).unwrap();
        let mut out = zeros(some.len(), 2);
        selected.predict(&Cpu::new(), &up(&u), &mut out).unwrap();
        let all = apply(&program, &u);
        close(&down(&out), &HostMatrix::from_fn(some.len(), 2, |k, c| all[(some[k], c)]), 1e-12);
    }
}

/// Stored features are the numbers that are computed: nothing is rounded twice, and half precision is not single.
#[test]
fn features_of_half_precision_are_the_same_stored_and_computed_again() {
    let scene = Scene::new(Sizes { precision: FeaturePrecision::Half, ..SMALL }, &mut Random(13));
    let u = blocks(&scene, &mut Random(14));
    let predictions = [true, false].map(|kept| apply(&scene.program(kept, 0.1), &u));
    close(&predictions[0], &predictions[1], 1e-15);
    let narrow = Cpu::<f32>::new();
    let kept = PatchFeatures::kept(&narrow, &scene.patches, &scene.gates, &scene.images).unwrap();
    let mut out = zeros(9, 1);
    kept.predict_wide(&narrow, &up(&u), &mut out).unwrap();
    close(&down(&out), &predictions[0], 1e-12);
    let single = Scene {
        patches: Arc::new(Patches { precision: FeaturePrecision::Single, ..(*scene.patches).clone() }),
        gates: scene.gates.clone(),
        images: scene.images.clone(),
        y: scene.y.clone(),
    };
    let change = distance(single.prediction(&u).values(), predictions[0].values()) / norm(predictions[0].values());
    assert!((1e-6..1e-2).contains(&change), "{change}");
}

#[test]
fn some_images_have_their_own_features() {
    let mut random = Random(6);
    let scene = Scene::new(SMALL, &mut random);
    let u = blocks(&scene, &mut random);
    let rows = [7, 0, 3];
    for kept in [true, false] {
        let some = scene.features(kept).select(&Cpu::new(), &rows).unwrap();
        assert_eq!((some.n_images(), some.block_rows(), some.gates()), (3, 16, &scene.gates));
        let mut out = zeros(3, 1);
        some.predict(&Cpu::new(), &up(&u), &mut out).unwrap();
        let all = apply(&scene.program(kept, 0.1), &u);
        let found = down(&out);
        rows.iter().enumerate().for_each(|(k, &row)| assert!((found[(k, 0)] - all[(row, 0)]).abs() < 1e-12));
    }
}

// ---- the certificate -----------------------------------------------------------------------------------------------

/// What a loss of the certificate is by its definition.
struct Plain {
    loss: Loss,
    output_bias: bool,
}

impl Plain {
    fn weighted(&self) -> WeightedLoss {
        WeightedLoss::new(self.loss, None).unwrap().with_output_bias(self.output_bias)
    }

    fn is_multinomial(&self) -> bool {
        self.loss == Loss::Multinomial
    }

    /// Classes in turn, as numbers, as signs, or as rows.
    fn targets(&self, n: usize, count: usize, random: &mut Random) -> HostMatrix {
        match self.loss {
            Loss::Squared => random.matrix(n, count, 1.5),
            Loss::Multinomial => HostMatrix::from_fn(n, count, |a, c| if a % count == c { 1.0 } else { -1.0 }),
            _ => HostMatrix::from_fn(n, count, |a, c| if (a + c).is_multiple_of(2) { 1.0 } else { -1.0 }),
        }
    }

    fn total(&self, f: &HostMatrix, y: &HostMatrix) -> f64 {
        let row = |a: usize| -> f64 {
            let at = |c: usize| (f[(a, c)], y[(a, c)]);
            match self.loss {
                Loss::Squared => (0..y.cols()).map(|c| 0.5 * (at(c).0 - at(c).1).powi(2)).sum(),
                Loss::Logistic => (0..y.cols()).map(|c| (1.0 + (-at(c).0 * at(c).1).exp()).ln()).sum(),
                _ => (0..y.cols()).map(|c| at(c).0.exp()).sum::<f64>().ln() - f[(a, a % y.cols())],
            }
        };
        (0..y.rows()).map(row).sum()
    }

    /// A xi in the domain of the conjugate, whose columns sum to zero.
    fn xi(&self, y: &HostMatrix) -> HostMatrix {
        let count = y.cols();
        match self.loss {
            // Neighbours have opposite signs, and shares in common.
            Loss::Logistic => HostMatrix::from_fn(y.rows(), count, |a, c| y[(a, c)] * (0.2 + 0.1 * (a / 2) as f64)),
            // Shares 0.5, 0.3 and 0.2 of the class itself and the next ones.
            Loss::Multinomial => {
                HostMatrix::from_fn(y.rows(), count, |a, c| [0.5, -0.3, -0.2][(c + count - a % count) % count])
            }
            _ => centred(y),
        }
    }

    /// -sum l*(-t xi; y) over the targets `of`.
    fn dual_value(&self, xi: &HostMatrix, y: &HostMatrix, t: f64, of: &[usize]) -> f64 {
        let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let entry = |a: usize, c: usize| {
            let (z, y) = (t * xi[(a, c)], y[(a, c)]);
            match self.loss {
                Loss::Squared => z * y - 0.5 * z * z,
                Loss::Logistic => entropy(y * z) + entropy(1.0 - y * z),
                _ => entropy(if y > 0.0 { 1.0 - z } else { -z }),
            }
        };
        (0..y.rows()).flat_map(|a| of.iter().map(move |&c| (a, c))).map(|(a, c)| entry(a, c)).sum()
    }

    /// The largest of these values over a fine grid of [0, `limit`].
    fn best(&self, xi: &HostMatrix, y: &HostMatrix, limit: f64, of: &[usize]) -> f64 {
        (0..=20_000).map(|k| self.dual_value(xi, y, limit * f64::from(k) / 20_000.0, of)).fold(0.0, f64::max)
    }
}

#[test]
fn objective_and_bound_are_those_of_plain_loops_and_the_bound_holds() {
    for (loss, targets) in [(Loss::Squared, 2), (Loss::Logistic, 2), (Loss::Multinomial, 3)] {
        for (output_bias, kept) in [(false, true), (false, false), (true, true)] {
            let plain = Plain { loss, output_bias };
            let mut random = Random(7);
            let mut scene = Scene::new(Sizes { targets, n: 12, ..SMALL }, &mut random);
            scene.y = plain.targets(12, targets, &mut random);
            let mut program = scene.program(kept, 0.8);
            program.set_loss(plain.weighted()).unwrap();
            let mut u = blocks(&scene, &mut random);
            u.values_mut().iter_mut().for_each(|u| *u *= 0.2);
            u.col_mut(1).fill(0.0);
            let mut certificate = Certificate::new(&program).unwrap();
            let value = certificate.network(&up(&u)).unwrap();
            let with = |b: &[f64]| plus_row(&scene.prediction(&u), b);
            let norms: f64 = (0..u.cols()).map(|block| norm(u.col(block))).sum();
            let objective = |b: &[f64]| plain.total(&with(b), &scene.y) + 0.8 * norms;
            let b = value.output_bias.clone();
            assert!((value.objective - objective(&b)).abs() <= ROUNDED * objective(&b), "{loss:?} {output_bias}");
            close(&value.prediction, &with(&b), ROUNDED);
            assert_eq!(value.neurons, u.cols() - 1);
            // The output bias is zero, or no neighbour is better.
            assert_eq!(b.iter().any(|b| *b != 0.0), output_bias);
            for c in (0..targets).filter(|_| output_bias) {
                for step in [-1e-2, 1e-2] {
                    let mut other = b.clone();
                    other[c] += step;
                    assert!(objective(&other) > objective(&b), "{loss:?}: {b:?}");
                }
            }

            let xi = plain.xi(&scene.y);
            let norms = scene.pull(&xi);
            let limit = |c: usize| {
                let of_target = (5 * c..5 * (c + 1)).map(|block| norm(norms.col(block)));
                0.8 / of_target.fold(0.0, f64::max)
            };
            let limits: Vec<f64> = (0..targets).map(limit).collect();
            let least = limits.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(least < 1.0, "the norms of the blocks limit the bound: {limits:?}");
            let all: Vec<usize> = (0..targets).collect();
            let bound = match plain.is_multinomial() {
                true => plain.best(&xi, &scene.y, least, &all),
                false => all.iter().map(|&c| plain.best(&xi, &scene.y, limits[c].min(1.0), &[c])).sum(),
            };
            let residual = HostMatrix::from_fn(12, targets, |a, c| -xi[(a, c)]);
            let found = certificate.dual(&up(&residual), Multipliers::Zero).unwrap();
            assert!((found.value - bound).abs() <= 1e-5 * bound, "{loss:?} {output_bias}: {found:?} {bound}");
            assert!((found.ratio - 1.0 / least).abs() <= ROUNDED * found.ratio);
            assert!(found.value <= value.objective && found.value <= program.zero_objective());
            // Every point is feasible.
            let point = certificate.feasible_point(&up(&u)).unwrap();
            assert_eq!(point.objective, value.objective.min(program.zero_objective()));
            assert_eq!(certificate.cone_violation(&up(&u)).unwrap(), 0.0);
        }
    }
}

fn plus_row(matrix: &HostMatrix, row: &[f64]) -> HostMatrix {
    HostMatrix::from_fn(matrix.rows(), matrix.cols(), |a, c| matrix[(a, c)] + row[c])
}

/// At the largest norm of a gradient at zero and above, the zero network is optimal.
#[test]
fn beta_max_is_the_largest_gradient_at_zero() {
    let mut random = Random(8);
    let scene = Scene::new(Sizes { targets: 2, ..SMALL }, &mut random);
    let gradients = scene.pull(&scene.y);
    let largest = |c: usize| (5 * c..5 * c + 5).map(|block| norm(gradients.col(block))).fold(0.0, f64::max);
    for kept in [true, false] {
        let mut program = scene.program(kept, 0.0);
        let maxima = Certificate::new(&program).unwrap().gated_maxima().unwrap();
        (0..2).for_each(|c| assert!((maxima[c] - largest(c)).abs() <= ROUNDED * largest(c)));
        program.set_beta(maxima[0].max(maxima[1])).unwrap();
        let bound = Certificate::new(&program).unwrap().dual_at_zero().unwrap();
        assert!((bound.value - program.zero_objective()).abs() <= 1e-12 * program.zero_objective());
    }
}

// ---- networks ------------------------------------------------------------------------------------------------------

#[test]
fn held_out_images_and_the_network_have_the_predictions_of_the_blocks() {
    for (sizes, kept) in [(Sizes { targets: 2, ..SMALL }, true), (Sizes { gates: 19, targets: 3, ..SMALL }, false)] {
        let mut random = Random(9);
        let scene = Scene::new(sizes, &mut random);
        let other = Scene {
            images: HostMatrix::from_fn(112, 6, |i, a| scene.images[(i, (a + 1) % 9)] + 0.25),
            patches: scene.patches.clone(),
            gates: scene.gates.clone(),
            y: scene.y.clone(),
        };
        let mut u = blocks(&scene, &mut random);
        u.col_mut(2).fill(0.0);
        let bias: Vec<f64> = (0..sizes.targets).map(|c| c as f64 - 0.5).collect();
        let expected = plus_row(&other.prediction(&u), &bias);
        let program = scene.program(true, 0.1);
        let mut held_out = HeldOut::on_patches(&program, other.features(kept)).unwrap();
        close(&held_out.predict(program.backend(), &up(&u), &bias).unwrap(), &expected, ROUNDED);

        let network = network_of(&scene, &u, &bias);
        assert_eq!(network.n_neurons(), u.cols() - 1, "a block of zero is no neuron");
        assert_eq!(network.gates.as_ref().unwrap().rows(), 19);
        close(&network.predict(&Cpu::<f64>::new(), &up(&other.images)).unwrap(), &expected, ROUNDED);
        let narrow = Cpu::<f32>::new();
        let images = narrow.upload(&other.images).unwrap();
        close(&network.predict(&narrow, &images).unwrap(), &expected, 1e-5);
        // The weight decay of a network is that of its blocks.
        let norms: f64 = (0..u.cols()).map(|block| norm(u.col(block))).sum();
        assert!((network.weight_decay(0.3) - 0.3 * norms).abs() < 1e-12 * norms);
        // Without neurons it predicts its output bias.
        let nothing = network_of(&scene, &HostMatrix::zeros(u.rows(), u.cols()), &bias);
        let f = nothing.predict(&Cpu::<f64>::new(), &up(&other.images)).unwrap();
        assert_eq!(f, plus_row(&HostMatrix::zeros(6, sizes.targets), &bias));
    }
}

/// Copies of neurons are merged; more gates than are computed at a time, in any order.
#[test]
fn pruning_keeps_predictions() {
    let mut random = Random(10);
    let sizes = Sizes { gates: 20, n: 30, ..SMALL };
    let scene = Scene::new(sizes, &mut random);
    let u = blocks(&scene, &mut random);
    let whole = network_of(&scene, &u, &[0.5]);
    let (shares, cpu) = ([0.5f64, 0.3, 0.2].map(f64::sqrt), Cpu::<f64>::new());
    let copies = 3 * whole.n_neurons();
    // Copy k is of neuron 7 k mod 20, so that gates come in another order than they were drawn.
    let of = |k: usize| (7 * k % 20, shares[k / 20]);
    let split = Network {
        w1: HostMatrix::from_fn(whole.w1.rows(), copies, |i, k| of(k).1 * whole.w1[(i, of(k).0)]),
        w2: HostMatrix::from_fn(copies, 1, |k, _| of(k).1 * whole.w2[(of(k).0, 0)]),
        gates: whole.gates.as_ref().map(|gates| HostMatrix::from_fn(19, copies, |i, k| gates[(i, of(k).0)])),
        ..whole.clone()
    };
    let images = up(&scene.images);
    let pruned = split.prune(&samples(&scene.images)).unwrap();
    assert_eq!((pruned.removed, pruned.network.n_neurons()), (40, 20));
    assert_eq!(pruned.network.patches, whole.patches);
    assert!(pruned.network.weight_decay(1.0) <= split.weight_decay(1.0) * (1.0 + 1e-12));
    let [f, g, h] = [&whole, &split, &pruned.network].map(|network| network.predict(&cpu, &images).unwrap());
    close(&g, &f, 1e-12);
    close(&h, &f, 1e-9);
    // Fewer images than neurons: at most as many neurons as images are left.
    let few = HostMatrix::from_fn(112, 7, |i, a| scene.images[(i, a)]);
    let pruned = whole.prune(&samples(&few)).unwrap().network;
    assert!(pruned.n_neurons() <= 7, "{} neurons", pruned.n_neurons());
    let [f, h] = [&whole, &pruned].map(|network| network.predict(&cpu, &up(&few)).unwrap());
    close(&h, &f, 1e-9);
}

// ---- what does not fit ---------------------------------------------------------------------------------------------

#[test]
fn what_does_not_fit_is_refused() {
    let mut random = Random(11);
    let scene = Scene::new(SMALL, &mut random);
    let (cpu, patches) = (Cpu::<f64>::new(), &scene.patches);
    let kept = |patches: &Arc<Patches>, gates: &HostMatrix, images: &HostMatrix| {
        PatchFeatures::kept(&cpu, patches, gates, images).map(|features| features.n_images())
    };
    assert_eq!(kept(patches, &scene.gates, &scene.images), Ok(9));
    for (gates, images) in [
        (HostMatrix::zeros(18, 2), scene.images.clone()),
        (HostMatrix::zeros(19, 0), scene.images.clone()),
        (scene.gates.clone(), HostMatrix::zeros(111, 3)),
    ] {
        let error = kept(patches, &gates, &images).unwrap_err();
        assert!(matches!(error, LinalgError::Shape { .. }), "{error}");
        let gates_fit = gates.rows() == 19 && gates.cols() > 0;
        assert_eq!(PatchFeatures::<Cpu<f64>>::recomputed(patches, &gates, Arc::new(images)).is_ok(), gates_fit);
    }
    let program = |y: HostMatrix, beta| ConvexProgram::on_patches(cpu.clone(), scene.features(true), y, beta).map(drop);
    assert!(matches!(program(HostMatrix::zeros(8, 1), 0.1), Err(ProgramError::Model(ModelError::Shape { .. }))));
    assert!(matches!(
        program(scene.y.clone(), -1.0),
        Err(ProgramError::Model(ModelError::OutOfRange { name: "beta", .. }))
    ));
    let nothing = scene.features(true).select(&cpu, &[]).unwrap();
    let error = ConvexProgram::on_patches(cpu.clone(), nothing, HostMatrix::zeros(0, 1), 0.1).map(drop).unwrap_err();
    assert_eq!(error, ModelError::Empty { what: "samples" }.into());
}

#[test]
fn patches_that_do_not_fit_are_refused_whatever_their_numbers() {
    let scene = Scene::new(SMALL, &mut Random(12));
    let kind = FeatureKind::Image { channels: 2, height: 7, width: 8 };
    assert_eq!(scene.patches.check(kind), Ok(()));
    let with = |change: &dyn Fn(&mut Patches)| {
        let mut patches = (*scene.patches).clone();
        change(&mut patches);
        patches
    };
    assert!(with(&|patches| patches.height = 8).check(kind).is_err());
    assert!(scene.patches.check(FeatureKind::Table).is_err());
    for number in [0, 1, 2, 8, 1 << 32, usize::MAX / 18, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        for (name, patches) in [
            ("side", with(&|patches| patches.side = number)),
            ("stride", with(&|patches| patches.stride = number)),
            ("regions", with(&|patches| patches.regions = number)),
            ("channels", with(&|patches| patches.channels = number)),
            ("height", with(&|patches| patches.height = number)),
        ] {
            let (channels, height) = (patches.channels, patches.height);
            let found = patches.check(FeatureKind::Image { channels, height, width: 8 });
            // Other numbers of channels need other values; a larger stride leaves fewer patches than regions.
            let fits = match name {
                "stride" => (1..=4).contains(&number),
                "regions" => (1..=5).contains(&number),
                "channels" => number == 2,
                "height" => (8..=usize::MAX / 18).contains(&number),
                _ => false,
            };
            assert_eq!(found.is_ok(), fits, "{name} {number}: {found:?}");
        }
    }
    for (name, patches) in [
        ("contrast", with(&|patches| patches.contrast = -1.0)),
        ("contrast", with(&|patches| patches.contrast = f64::NAN)),
        ("values", with(&|patches| patches.values[(3, 1)] = f64::NAN)),
        ("values", with(&|patches| patches.values = HostMatrix::zeros(18, 2))),
        ("values", with(&|patches| patches.values = HostMatrix::zeros(19, 0))),
        ("values", with(&|patches| patches.values = HostMatrix::zeros(0, 5))),
        ("values", with(&|patches| patches.values = HostMatrix::zeros(usize::MAX, 0))),
    ] {
        assert!(patches.check(kind).is_err(), "{name}");
    }
}
