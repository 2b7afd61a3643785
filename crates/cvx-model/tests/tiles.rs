//! Samples that are read a tile at a time give what all of them at once give.

mod common;

use common::{Random, case, distance, norm};
use cvx_linalg::{Backend, ConeRhs, Cpu, HostMatrix, SystemRhs};
use cvx_model::{Activation, Certificate, ConvexProgram, Multipliers, Network, PatternSet, RowScale, SystemOperator};

const N: usize = 700;

/// Everything that a certificate says of a point with these multipliers, as numbers.
fn everything(program: &ConvexProgram<Cpu<f32>>, u: &HostMatrix, residual: &HostMatrix, nu: &HostMatrix) -> Vec<f64> {
    let (cpu, cones) = (Cpu::<f32>::new(), program.n_cones() > 0);
    let mut certificate = Certificate::new(program).unwrap();
    let s = HostMatrix::from_fn(N, nu.cols(), |a, j| nu[(a, j)].abs());
    let [u, residual, nu, s] = [u, residual, nu, &s].map(|matrix| cpu.upload(matrix).unwrap());
    let mut found = certificate.gated_maxima().unwrap();
    let network = certificate.network(&u).unwrap();
    found.extend([network.objective, network.loss]);
    found.extend(network.prediction.values());
    let feasible = certificate.feasible_point(&u).unwrap();
    found.push(feasible.objective);
    found.extend(feasible.blocks.values());
    found.push(certificate.cone_violation(&u).unwrap());
    let scale = if cones { RowScale::Normalised { sigma: 0.25 } } else { RowScale::None };
    let system = SystemOperator::new(program, scale, 0.3).unwrap();
    let rhs = SystemRhs { blocks: &u, rows: cones.then_some(ConeRhs { s: &s, nu: Some(&nu) }) };
    found.push(certificate.system_residual(&system, &u, &rhs).unwrap());
    let multipliers = match cones {
        true => Multipliers::OfIterate { nu: &nu, row_scale: system.row_scale(), rho: 0.3 },
        false => Multipliers::Zero,
    };
    let bound = certificate.dual(&residual, multipliers).unwrap().value;
    if cones {
        // The multipliers as they are stored prove the same bound.
        let mut signed = cpu.zeros(N, program.n_cones()).unwrap();
        certificate.sign_multipliers(multipliers, &mut signed).unwrap();
        assert_eq!(certificate.dual(&residual, Multipliers::Signed(&signed)).unwrap().value, bound);
        found.extend(cpu.download(&signed).unwrap().values());
    }
    found.push(bound);
    found
}

#[test]
fn a_certificate_reads_its_samples_in_tiles() {
    for (activation, targets, seed) in [(Activation::Relu, 1, 1), (Activation::Relu, 2, 2), (Activation::Gated, 2, 3)] {
        let mut random = Random(seed);
        let whole = case(Cpu::<f32>::new(), [N, 4, 9, targets], [1.0, 1.0], 0.7, &mut random);
        let again =
            ConvexProgram::new(Cpu::<f32>::new(), &whole.xt, whole.y.clone(), whole.program.patterns().gates(), 0.7);
        let whole = whole.program.with_activation(activation);
        // A tile of no bytes has 256 samples: there are three.
        let tiled = again.unwrap().with_activation(activation).with_tiles(0).unwrap();
        assert_eq!(whole.patterns().bits(), tiled.patterns().bits());
        // Half of the blocks are zero, or none.
        for zeros in [2, usize::MAX] {
            let u = random.matrix(4, whole.n_blocks(), 1.0);
            let u = HostMatrix::from_fn(4, u.cols(), |i, j| if j % zeros == 1 { 0.0 } else { u[(i, j)] });
            let (residual, nu) = (random.matrix(N, targets, 1.0), random.matrix(N, whole.n_cones(), 1.0));
            let [a, b] = [&whole, &tiled].map(|program| everything(program, &u, &residual, &nu));
            assert!(a.iter().all(|value| value.is_finite()) && distance(&a, &b) <= 1e-12 * norm(&a), "{activation:?}");
        }
        let gates = PatternSet::sample_gates(4, 5, 7);
        let [a, b] = [&whole, &tiled].map(|program| PatternSet::bits_of(program.samples(), &gates).unwrap());
        assert_eq!(a, b);
        // Two neurons of one direction become one.
        let w1 = random.matrix(4, 3, 1.0);
        let w1 = HostMatrix::from_fn(4, 4, |i, j| w1[(i, j.min(2))]);
        let gates = (activation == Activation::Gated).then(|| HostMatrix::from_fn(4, 4, |i, j| w1[(i, j)]));
        let network = Network::new(w1, HostMatrix::from_fn(4, 1, |_, _| 1.0), gates);
        let [a, b] = [&whole, &tiled].map(|program| network.prune(program.samples()).unwrap());
        assert_eq!((a.removed, b.removed), (1, 1));
        let [f, g] = [&whole, &tiled].map(|program| a.network.predict_samples(program.samples()).unwrap());
        assert!(distance(f.values(), g.values()) <= 1e-12 * norm(f.values()));
    }
}
