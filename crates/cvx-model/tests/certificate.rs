//! Network objective, feasible objective, dual bound and cone violation, against plain loops and weak duality.

mod common;

use common::{Case, Random, case, distance, dot, loss, norm};
use cvx_linalg::{Backend, ConeRhs, Cpu, HostMatrix, LinearOperator, SystemRhs};
use cvx_model::Multipliers;
use cvx_model::reference::{dense_a, dense_f, dense_g, multiply};
use cvx_model::{
    Activation, Certificate, HeldOut, Network, PredictionOperator, RowScale, SystemOperator, relative_gap,
};
use std::sync::Arc;

const SHAPES: [[usize; 4]; 4] = [[15, 4, 6, 1], [20, 3, 9, 2], [1, 1, 1, 1], [7, 6, 3, 3]];

fn cases(beta: f64) -> impl Iterator<Item = (Case<Cpu<f64>>, Random)> {
    SHAPES.into_iter().zip(1..).map(move |(shape, seed)| {
        let mut random = Random(seed);
        (case(Cpu::new(), shape, [2.0, 1.5], beta, &mut random), random)
    })
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found}, expected {expected}");
}

/// xi and eta of random entries, eta >= 0 with zeros among it; xi mostly along y, so that the bound says something.
fn dual_point<B: Backend>(case: &Case<B>, eta_scale: f64, random: &mut Random) -> (HostMatrix, HostMatrix) {
    let mut xi = random.matrix(case.y.rows(), case.y.cols(), 0.5);
    xi.values_mut().iter_mut().zip(case.y.values()).for_each(|(xi, y)| *xi += y);
    let eta = random.matrix(case.y.rows(), case.program.n_blocks(), eta_scale);
    (xi, HostMatrix::from_fn(eta.rows(), eta.cols(), |a, j| eta[(a, j)].max(0.0)))
}

/// e_i o eta_i as the certificate takes it.
fn signed<B: Backend>(case: &Case<B>, eta: &HostMatrix) -> HostMatrix {
    HostMatrix::from_fn(eta.rows(), eta.cols(), |a, j| case.sign(a, j) * eta[(a, j)])
}

/// The bound of math.md section 5 by plain loops, with the largest ratio.
fn plain_bound<B: Backend>(case: &Case<B>, xi: &HostMatrix, eta: &HostMatrix) -> (f64, f64) {
    let (mut value, mut worst) = (0.0, 0.0f64);
    for c in 0..case.y.cols() {
        let mut ratio = 0.0f64;
        for block in (0..eta.cols()).filter(|&block| case.target(block) == c) {
            let mut gradient = vec![0.0; case.xt.rows()];
            for a in 0..xi.rows() {
                let sign = case.sign(a, block);
                let active = if sign > 0.0 { case.side(block) * xi[(a, c)] } else { 0.0 };
                let weight = active + sign * eta[(a, block)];
                gradient.iter_mut().zip(case.xt.col(a)).for_each(|(g, x)| *g += weight * x);
            }
            ratio = ratio.max(norm(&gradient) / case.program.beta());
        }
        let (xi, y) = (xi.col(c), case.y.col(c));
        let t = (dot(xi, y) / dot(xi, xi)).min(1.0 / ratio).max(0.0);
        value += t * dot(xi, y) - 0.5 * t * t * dot(xi, xi);
        worst = worst.max(ratio);
    }
    (value, worst)
}

fn negated(matrix: &HostMatrix) -> HostMatrix {
    HostMatrix::from_fn(matrix.rows(), matrix.cols(), |i, j| -matrix[(i, j)])
}

#[test]
fn network_objective_is_that_of_plain_loops() {
    for (case, mut random) in cases(0.7) {
        let cpu = Cpu::<f64>::new();
        let mut v = random.matrix(case.xt.rows(), case.program.n_blocks(), 1.0);
        v.col_mut(0).fill(0.0);
        let (mut prediction, mut norms, mut neurons) = (HostMatrix::zeros(case.y.rows(), case.y.cols()), 0.0, 0);
        for block in 0..v.cols() {
            norms += norm(v.col(block));
            neurons += usize::from(norm(v.col(block)) > 0.0);
            for a in 0..case.y.rows() {
                let hidden = dot(case.xt.col(a), v.col(block)).max(0.0);
                prediction[(a, case.target(block))] += case.side(block) * hidden;
            }
        }
        let found = Certificate::new(&case.program).unwrap().network(&cpu.upload(&v).unwrap()).unwrap();
        assert!(distance(found.prediction.values(), prediction.values()) < 1e-12);
        close(found.loss, loss(&prediction, &case.y), 1e-12);
        close(found.objective, loss(&prediction, &case.y) + 0.7 * norms, 1e-12);
        assert_eq!(found.neurons, neurons);
    }
}

/// The certificate is in f64 whatever the iterate is stored in: an f32 iterate is valued at its rounded entries.
#[test]
fn an_f32_iterate_is_valued_in_f64() {
    let mut random = Random(9);
    let narrow = case(Cpu::<f32>::new(), [30, 5, 8, 2], [1.0, 1.0], 0.3, &mut random);
    let mut random = Random(9);
    let wide = case(Cpu::<f64>::new(), [30, 5, 8, 2], [1.0, 1.0], 0.3, &mut random);
    let v = random.matrix(5, wide.program.n_blocks(), 1.0);
    let rounded = HostMatrix::from_fn(v.rows(), v.cols(), |i, j| f64::from(v[(i, j)] as f32));
    let (xi, eta) = dual_point(&wide, 0.2, &mut random);
    let round = |m: &HostMatrix| HostMatrix::from_fn(m.rows(), m.cols(), |i, j| f64::from(m[(i, j)] as f32));
    let (residual, multipliers) = (round(&negated(&xi)), round(&signed(&wide, &eta)));

    fn values<B: Backend>(case: &Case<B>, [v, residual, multipliers]: [&HostMatrix; 3]) -> [f64; 4] {
        let backend = case.program.backend();
        let mut certificate = Certificate::new(&case.program).unwrap();
        let v = backend.upload(v).unwrap();
        [
            certificate.network(&v).unwrap().objective,
            certificate.feasible_point(&v).unwrap().objective,
            certificate
                .dual(&backend.upload(residual).unwrap(), Multipliers::Signed(&backend.upload(multipliers).unwrap()))
                .unwrap()
                .value,
            certificate.cone_violation(&v).unwrap(),
        ]
    }
    let from_f32 = values(&narrow, [&v, &residual, &multipliers]);
    let from_f64 = values(&wide, [&rounded, &residual, &multipliers]);
    for (found, expected) in from_f32.into_iter().zip(from_f64) {
        close(found, expected, 1e-13);
    }
}

#[test]
fn m5_dual_bound_is_that_of_plain_loops() {
    for (case, mut random) in cases(0.7) {
        let cpu = Cpu::<f64>::new();
        let mut certificate = Certificate::new(&case.program).unwrap();
        for eta_scale in [0.0, 1e-3, 0.1, 10.0] {
            let (xi, eta) = dual_point(&case, eta_scale, &mut random);
            let (residual, multipliers) =
                (cpu.upload(&negated(&xi)).unwrap(), cpu.upload(&signed(&case, &eta)).unwrap());
            let found = certificate.dual(&residual, Multipliers::Signed(&multipliers)).unwrap();
            let (value, ratio) = plain_bound(&case, &xi, &eta);
            close(found.value, value, 1e-12);
            close(found.ratio, ratio, 1e-12);
        }
    }
}

/// m4: the bound of any eta >= 0 lies below the objective of any feasible point.
#[test]
fn m4_no_bound_exceeds_a_feasible_objective() {
    for beta in [1e-6, 1e-2, 1.0, 30.0] {
        for (case, mut random) in cases(beta) {
            let cpu = Cpu::<f64>::new();
            let mut certificate = Certificate::new(&case.program).unwrap();
            let mut best = f64::INFINITY;
            for trial in 0..40 {
                let v = case.feasible(3f64.powi(trial % 8 - 5), &mut random);
                assert!(case.violation(&v) < 1e-14, "a feasible point of the test is not feasible");
                let sampled = certificate.feasible_point(&cpu.upload(&v).unwrap()).unwrap().objective;
                best = best.min(case.objective(&v)).min(sampled);
            }
            let (mut highest, mut near) = (0.0f64, 0.0f64);
            for trial in 0..40 {
                let (xi, eta) = dual_point(&case, 10f64.powi(trial % 5 - 4), &mut random);
                let (residual, multipliers) =
                    (cpu.upload(&negated(&xi)).unwrap(), cpu.upload(&signed(&case, &eta)).unwrap());
                let bound = certificate.dual(&residual, Multipliers::Signed(&multipliers)).unwrap().value;
                assert!(bound <= best * (1.0 + 1e-12), "bound {bound} above {best}, beta {beta}");
                highest = highest.max(bound);
                near = near.max(certificate.dual_at_zero().unwrap().value);
            }
            assert!(highest > 0.0 && near <= best * (1.0 + 1e-12), "{highest} {near} {best}");
        }
    }
}

/// The point that `sampled_primal` values, rebuilt by plain loops: each block moved along its gate, then all scaled.
#[test]
fn sampled_primal_is_the_objective_of_a_feasible_point() {
    for beta in [0.0, 1e-2, 1.0, 100.0] {
        // One dimension is left out: a block that moves there ends at 0, up to rounding.
        for (case, mut random) in cases(beta).filter(|(case, _)| case.xt.rows() > 1) {
            let cpu = Cpu::<f64>::new();
            let mut certificate = Certificate::new(&case.program).unwrap();
            for scale in [1e-3, 0.3, 20.0] {
                let mut v = random.matrix(case.xt.rows(), case.program.n_blocks(), scale);
                v.col_mut(1).fill(0.0);
                let found = certificate.feasible_point(&cpu.upload(&v).unwrap()).unwrap().objective;
                let mut total = 0.0;
                for c in 0..case.y.cols() {
                    let moved = HostMatrix::from_fn(v.rows(), v.cols(), |k, block| {
                        let gate = case.patterns().gates().col(block % case.patterns().len());
                        if case.target(block) != c || norm(v.col(block)) == 0.0 {
                            return 0.0;
                        }
                        let tau = (0..case.xt.cols()).fold(0.0f64, |tau, a| {
                            let (x, sign) = (case.xt.col(a), case.sign(a, block));
                            tau.max(-sign * dot(x, v.col(block)) / (sign * dot(x, gate)))
                        });
                        v[(k, block)] + tau * gate[k]
                    });
                    assert!(case.violation(&moved) <= 1e-12);
                    // The best t >= 0 for the target c alone.
                    let (f, y) = (case.prediction(&moved), case.y.col(c));
                    let norms: f64 = (0..moved.cols()).map(|block| norm(moved.col(block))).sum();
                    let t = ((dot(f.col(c), y) - beta * norms) / dot(f.col(c), f.col(c))).max(0.0);
                    let squares: f64 = f.col(c).iter().zip(y).map(|(f, y)| (t * f - y).powi(2)).sum();
                    total += 0.5 * squares + t * beta * norms;
                }
                close(found, total, 1e-9);
                assert!(found <= case.program.zero_objective() * (1.0 + 1e-14));
            }
        }
    }
}

/// A block against its own gate moves to 0: what rounding leaves of it is no direction to scale up.
#[test]
fn m4_sampled_primal_does_not_scale_up_rounding() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let d = 2 + seed as usize % 4;
        let mut case = case(Cpu::<f64>::new(), [3 * d, d, 1 + seed as usize % 3, 1], [2.0, 1.5], 0.0, &mut random);
        let gated = Certificate::new(&case.program).unwrap().gated_beta_max().unwrap();
        case.program.set_beta(1.1 * gated).unwrap();
        let zero = case.program.zero_objective();
        let p = case.patterns().len();
        let factors: Vec<f64> = (0..2 * p).map(|_| -random.positive()).collect();
        let v = HostMatrix::from_fn(d, 2 * p, |k, j| factors[j] * case.patterns().gates()[(k, j % p)]);
        let mut certificate = Certificate::new(&case.program).unwrap();
        let bound = certificate.dual_at_zero().unwrap().value;
        let found = certificate.feasible_point(&Cpu::<f64>::new().upload(&v).unwrap()).unwrap().objective;
        assert!(found >= bound * (1.0 - 1e-12), "seed {seed}: {found} below the proven optimum {zero}");
    }
}

#[test]
fn sampled_primal_does_not_move_a_feasible_point() {
    for (case, mut random) in cases(0.05) {
        let cpu = Cpu::<f64>::new();
        let v = case.feasible(0.3, &mut random);
        let found =
            Certificate::new(&case.program).unwrap().feasible_point(&cpu.upload(&v).unwrap()).unwrap().objective;
        assert!(found <= case.objective(&v) * (1.0 + 1e-9), "{found}, the point itself {}", case.objective(&v));
    }
}

#[test]
fn zero_is_its_own_feasible_point() {
    for (case, _) in cases(0.5) {
        let cpu = Cpu::<f64>::new();
        let zero = cpu.zeros(case.xt.rows(), case.program.n_blocks()).unwrap();
        let mut certificate = Certificate::new(&case.program).unwrap();
        close(certificate.feasible_point(&zero).unwrap().objective, case.program.zero_objective(), 1e-15);
        assert_eq!(certificate.cone_violation(&zero).unwrap(), 0.0);
        let network = certificate.network(&zero).unwrap();
        assert_eq!((network.objective, network.neurons), (case.program.zero_objective(), 0));
    }
}

#[test]
fn cone_violation_is_that_of_plain_loops() {
    for (case, mut random) in cases(0.5) {
        let cpu = Cpu::<f64>::new();
        let mut certificate = Certificate::new(&case.program).unwrap();
        let feasible = case.feasible(2.0, &mut random);
        assert!(certificate.cone_violation(&cpu.upload(&feasible).unwrap()).unwrap() < 1e-15);
        let v = random.matrix(case.xt.rows(), case.program.n_blocks(), 3.0);
        close(certificate.cone_violation(&cpu.upload(&v).unwrap()).unwrap(), case.violation(&v), 1e-12);
        // Against its own pattern every gate is as wrong as can be on some sample.
        let p = case.patterns().len();
        let turned = HostMatrix::from_fn(v.rows(), v.cols(), |k, j| -case.patterns().gates()[(k, j % p)]);
        assert!(certificate.cone_violation(&cpu.upload(&turned).unwrap()).unwrap() > 1e-3);
    }
}

#[test]
fn m8_the_recovered_network_repeats_the_convex_prediction() {
    for (case, mut random) in cases(0.8) {
        let cpu = Cpu::<f64>::new();
        let mut v = case.feasible(1.0, &mut random);
        v.col_mut(0).fill(0.0);
        let device = cpu.upload(&v).unwrap();
        let mut expected = cpu.zeros(case.y.rows(), case.y.cols()).unwrap();
        PredictionOperator::new(&case.program).unwrap().apply(&mut expected, &device).unwrap();
        let expected = cpu.download(&expected).unwrap();
        assert!(distance(expected.values(), case.prediction(&v).values()) < 1e-12);

        let network = Network::from_blocks(&v, Activation::Relu, case.patterns().gates(), case.program.layout());
        let active = (0..v.cols()).filter(|&j| norm(v.col(j)) > 0.0).count();
        assert_eq!((network.n_neurons(), network.w2.rows()), (active, active));
        let predicted = network.predict(&cpu, case.program.samples().stored().unwrap()).unwrap();
        assert!(distance(predicted.values(), expected.values()) < 1e-10);
        let value = Certificate::new(&case.program).unwrap().network(&device).unwrap();
        assert!(distance(value.prediction.values(), expected.values()) < 1e-10);
        // Balanced layers: the weight decay is the group norm, and the convex objective the network's.
        close(network.weight_decay(case.program.beta()), value.objective - value.loss, 1e-12);
        close(value.objective, case.objective(&v), 1e-10);
    }
}

#[test]
fn held_out_samples_are_predicted_as_by_the_network() {
    for (case, mut random) in cases(0.8) {
        let cpu = Cpu::<f64>::new();
        let other = random.matrix(case.xt.rows(), 11, 2.0);
        let mut v = random.matrix(case.xt.rows(), case.program.n_blocks(), 1.0);
        v.col_mut(0).fill(0.0);
        let mut held_out = HeldOut::new(&case.program, Arc::new(other.clone())).unwrap();
        let found = held_out.predict(&cpu, &cpu.upload(&v).unwrap(), &[]).unwrap();
        let network = Network::from_blocks(&v, Activation::Relu, case.patterns().gates(), case.program.layout());
        let expected = network.predict(&cpu, &cpu.upload(&other).unwrap()).unwrap();
        assert!(distance(found.values(), expected.values()) < 1e-12);
    }
}

#[test]
fn system_residual_is_that_of_the_dense_system() {
    for (case, mut random) in cases(0.8) {
        let cpu = Cpu::<f64>::new();
        let (n, d, columns) = (case.xt.cols(), case.xt.rows(), case.program.n_blocks());
        for row_scale in [RowScale::Unscaled, RowScale::Normalised { sigma: 3.0 }] {
            let rho = 0.2;
            let system = SystemOperator::new(&case.program, row_scale, rho).unwrap();
            let parts =
                [random.matrix(d, columns, 1.0), random.matrix(d, columns, 1.0), random.matrix(n, columns, 1.0)];
            let nu = random.matrix(n, columns, 1.0);
            let s = HostMatrix::from_fn(n, columns, |a, j| parts[2][(a, j)] + nu[(a, j)]);
            let [u, blocks, s, nu] = [&parts[0], &parts[1], &s, &nu].map(|part| cpu.upload(part).unwrap());
            let rhs = SystemRhs { blocks: &blocks, rows: Some(ConeRhs { s: &s, nu: Some(&nu) }) };
            let found = Certificate::new(&case.program).unwrap().system_residual(&system, &u, &rhs).unwrap();

            let (f, g) = (
                dense_f(&case.xt, case.patterns()),
                dense_g(&case.xt, case.patterns(), &row_scale.weights(case.program.row_norms())),
            );
            let a = dense_a(&f, &g, rho);
            let (mut residual, mut size) = (0.0, 0.0);
            for c in 0..case.y.cols() {
                let part = |matrix: &HostMatrix| {
                    let length = matrix.values().len() / case.y.cols();
                    matrix.values()[c * length..(c + 1) * length].to_vec()
                };
                let [u, blocks, rows] = parts.each_ref().map(part);
                let (fy, gs) = (multiply(&f.transposed(), case.y.col(c)), multiply(&g.transposed(), &rows));
                let b: Vec<f64> = (0..u.len()).map(|k| blocks[k] + gs[k] + fy[k] / rho).collect();
                residual += distance(&b, &multiply(&a, &u)).powi(2);
                size += dot(&b, &b);
            }
            close(found, (residual / size).sqrt(), 1e-12);
        }
    }
}

#[test]
fn relative_gap_does_not_depend_on_the_scale_and_never_divides_by_zero() {
    assert_eq!(relative_gap(0.0, 0.0, 0.0), 0.0);
    assert_eq!(relative_gap(2.0, 3.0, 10.0), 0.0, "a bound above the network is no negative gap");
    assert_eq!(relative_gap(2.0, 1.0, 10.0), 0.5);
    assert_eq!(relative_gap(2e-12, 1e-12, 1e-11), 0.5);
    assert_eq!(relative_gap(0.0, 0.0, 5.0), 0.0);
    let floored = relative_gap(1e-30, 0.0, 1.0);
    assert!((floored - 1e-21).abs() < 1e-30, "below 1e-9 of the zero network a gap no longer counts: {floored}");
}

/// m3: no multiplier is feasible at beta = 0 unless its block vanishes: the bound is 0, not NaN.
#[test]
fn m3_beta_zero_gives_numbers() {
    for (case, mut random) in cases(0.0) {
        let cpu = Cpu::<f64>::new();
        let mut certificate = Certificate::new(&case.program).unwrap();
        let (xi, eta) = dual_point(&case, 0.1, &mut random);
        let (residual, multipliers) = (cpu.upload(&negated(&xi)).unwrap(), cpu.upload(&signed(&case, &eta)).unwrap());
        assert_eq!(certificate.dual(&residual, Multipliers::Signed(&multipliers)).unwrap().value, 0.0);
        let nothing = cpu.zeros(xi.rows(), xi.cols()).unwrap();
        let none = cpu.zeros(xi.rows(), case.program.n_blocks()).unwrap();
        assert_eq!(certificate.dual(&nothing, Multipliers::Signed(&none)).unwrap().value, 0.0);
        let v = random.matrix(case.xt.rows(), case.program.n_blocks(), 1.0);
        assert!(certificate.feasible_point(&cpu.upload(&v).unwrap()).unwrap().objective.is_finite());
    }
}
