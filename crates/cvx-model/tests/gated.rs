//! Gated neurons: operators, objective, bound and network against plain loops, and the decomposition into ReLU neurons.

mod common;

use approx::assert_relative_eq;
use common::{Random, case, distance, dot, loss, norm};
use cvx_linalg::{Backend, BlockLayout, Cpu, HostMatrix, LinearOperator};
use cvx_model::Multipliers;
use cvx_model::{Activation, Certificate, HeldOut, Network, PredictionOperator, RowScale, SystemOperator};

const SHAPES: [[usize; 4]; 4] = [[15, 4, 6, 1], [20, 3, 9, 2], [1, 1, 1, 1], [7, 6, 3, 3]];

/// A gated programme with its parts.
struct Gated {
    case: common::Case<Cpu<f64>>,
    random: Random,
}

fn each(test: impl Fn(Gated)) {
    for (shape, seed) in SHAPES.into_iter().zip(1..) {
        let mut random = Random(seed);
        let mut case = case(Cpu::<f64>::new(), shape, [2.0, 1.5], 0.3, &mut random);
        case.program = case.program.with_activation(Activation::Gated);
        test(Gated { case, random });
    }
}

impl Gated {
    fn active(&self, a: usize, block: usize) -> bool {
        self.case.patterns().bits().get(a, block % self.case.patterns().len())
    }

    fn target(&self, block: usize) -> usize {
        block / self.case.patterns().len()
    }

    /// sum_i d_i o X u_i, by the definition.
    fn prediction(&self, u: &HostMatrix) -> HostMatrix {
        let mut out = HostMatrix::zeros(self.case.xt.cols(), self.case.y.cols());
        for block in 0..u.cols() {
            for a in (0..out.rows()).filter(|&a| self.active(a, block)) {
                out[(a, self.target(block))] += dot(self.case.xt.col(a), u.col(block));
            }
        }
        out
    }

    /// X'D_i xi of every block.
    fn gradients(&self, xi: &HostMatrix) -> HostMatrix {
        let mut out = HostMatrix::zeros(self.case.xt.rows(), self.case.program.n_blocks());
        for block in 0..out.cols() {
            for a in (0..xi.rows()).filter(|&a| self.active(a, block)) {
                let weight = xi[(a, self.target(block))];
                out.col_mut(block).iter_mut().zip(self.case.xt.col(a)).for_each(|(g, x)| *g += weight * x);
            }
        }
        out
    }

    fn random_blocks(&mut self) -> HostMatrix {
        let (d, blocks) = (self.case.xt.rows(), self.case.program.n_blocks());
        self.random.matrix(d, blocks, 1.0)
    }
}

#[test]
fn there_is_one_block_per_pattern_and_target() {
    each(|gated| {
        let program = &gated.case.program;
        assert_eq!(program.n_blocks(), program.n_patterns() * program.n_targets());
        assert_eq!(program.layout(), BlockLayout::one(program.n_patterns(), program.n_targets()));
        assert_eq!(program.n_cones(), 0);
    });
}

#[test]
fn prediction_and_its_adjoint_are_those_of_the_definition() {
    each(|mut gated| {
        let cpu = Cpu::<f64>::new();
        let u = gated.random_blocks();
        let program = &gated.case.program;
        let mut operator = PredictionOperator::new(program).unwrap();
        let mut out = cpu.zeros(program.n_samples(), program.n_targets()).unwrap();
        operator.apply(&mut out, &cpu.upload(&u).unwrap()).unwrap();
        assert!(distance(cpu.download(&out).unwrap().values(), gated.prediction(&u).values()) < 1e-12);
        let mut back = cpu.zeros(program.n_features(), program.n_blocks()).unwrap();
        operator.apply_adjoint(&mut back, &cpu.upload(&gated.case.y).unwrap()).unwrap();
        assert!(distance(cpu.download(&back).unwrap().values(), gated.gradients(&gated.case.y).values()) < 1e-12);
    });
}

#[test]
fn the_system_is_the_identity_and_the_prediction_over_rho() {
    each(|mut gated| {
        let cpu = Cpu::<f64>::new();
        let u = gated.random_blocks();
        let program = &gated.case.program;
        let mut system = SystemOperator::new(program, RowScale::None, 0.7).unwrap();
        let mut out = cpu.zeros(program.n_features(), program.n_blocks()).unwrap();
        system.apply(&mut out, &cpu.upload(&u).unwrap()).unwrap();
        let back = gated.gradients(&gated.prediction(&u));
        let expected = HostMatrix::from_fn(u.rows(), u.cols(), |i, j| u[(i, j)] + back[(i, j)] / 0.7);
        assert!(distance(cpu.download(&out).unwrap().values(), expected.values()) < 1e-12);
    });
}

#[test]
fn objective_and_bound_are_those_of_plain_loops_and_the_bound_holds() {
    each(|mut gated| {
        let cpu = Cpu::<f64>::new();
        let u = gated.random_blocks();
        let program = &gated.case.program;
        let mut certificate = Certificate::new(program).unwrap();
        let value = certificate.network(&cpu.upload(&u).unwrap()).unwrap();
        let norms: f64 = (0..u.cols()).map(|block| norm(u.col(block))).sum();
        let expected = loss(&gated.prediction(&u), &gated.case.y) + 0.3 * norms;
        assert_relative_eq!(value.objective, expected, max_relative = 1e-12);

        // -xi is the residual.
        let residual = HostMatrix::from_fn(gated.case.y.rows(), gated.case.y.cols(), |a, c| -gated.case.y[(a, c)]);
        let found = certificate.dual(&cpu.upload(&residual).unwrap(), Multipliers::Zero).unwrap();
        let gradients = gated.gradients(&gated.case.y);
        let p = program.n_patterns();
        let bound: f64 = (0..gated.case.y.cols())
            .map(|c| {
                let largest = (c * p..(c + 1) * p).map(|block| norm(gradients.col(block))).fold(0.0, f64::max);
                let (t, y) = ((0.3 / largest).min(1.0), dot(gated.case.y.col(c), gated.case.y.col(c)));
                t * y - 0.5 * t * t * y
            })
            .sum();
        assert_relative_eq!(found.value, bound, max_relative = 1e-12);
        assert!(found.value <= value.objective);
        // Every point is feasible.
        let point = certificate.feasible_point(&cpu.upload(&u).unwrap()).unwrap();
        assert_relative_eq!(point.objective, value.objective.min(program.zero_objective()));
        assert_eq!(certificate.cone_violation(&cpu.upload(&u).unwrap()).unwrap(), 0.0);
    });
}

/// Where the objective is no number, the zero network is the better one.
#[test]
fn the_feasible_point_near_blocks_that_are_no_numbers_is_zero() {
    each(|mut gated| {
        let cpu = Cpu::<f64>::new();
        let mut v = cpu.upload(&gated.random_blocks()).unwrap();
        let u = cpu.upload(&gated.random_blocks()).unwrap();
        // They cannot be uploaded.
        cpu.axpby(f64::NAN, &u, 1.0, &mut v).unwrap();
        let program = &gated.case.program;
        let mut certificate = Certificate::new(program).unwrap();
        assert!(certificate.network(&v).unwrap().objective.is_nan());
        let (point, zero) = (certificate.feasible_point(&v).unwrap(), program.zero_value());
        assert!(point.blocks.values().iter().all(|&value| value == 0.0));
        assert_eq!((point.objective, point.targets), (zero.total, zero.targets));
    });
}

#[test]
fn the_network_predicts_what_the_blocks_do_on_any_samples() {
    each(|mut gated| {
        let cpu = Cpu::<f64>::new();
        let mut u = gated.random_blocks();
        u.col_mut(0).fill(0.0);
        let (program, gates) = (&gated.case.program, gated.case.patterns().gates().clone());
        let network = Network::from_blocks(&u, Activation::Gated, &gates, program.layout());
        assert_eq!(network.n_neurons(), u.cols() - 1);
        let found = network.predict(&cpu, &cpu.upload(&gated.case.xt).unwrap()).unwrap();
        assert!(distance(found.values(), gated.prediction(&u).values()) < 1e-12);
        let other = gated.random.matrix(gated.case.xt.rows(), 9, 2.0);
        let device = cpu.upload(&other).unwrap();
        let mut held_out = HeldOut::new(&gated.case.program, std::sync::Arc::new(other.clone())).unwrap();
        let expected = held_out.predict(&cpu, &cpu.upload(&u).unwrap(), &[]).unwrap();
        assert!(distance(network.predict(&cpu, &device).unwrap().values(), expected.values()) < 1e-12);
    });
}

#[test]
fn new_gates_give_the_programme_of_those_gates() {
    let mut random = Random(9);
    let mut case = case(Cpu::<f64>::new(), [12, 4, 5, 1], [1.0, 1.0], 0.2, &mut random);
    let gates = random.matrix(4, 7, 1.0);
    case.program.set_gates(&gates).unwrap();
    let fresh = cvx_model::ConvexProgram::new(Cpu::<f64>::new(), &case.xt, case.y.clone(), &gates, 0.2).unwrap();
    assert_eq!(case.program.patterns(), fresh.patterns());
    assert_eq!(case.program.mask(), fresh.mask());
    assert_eq!(case.program.samples().n_features(), 4);
    assert!(case.program.set_gates(&HostMatrix::zeros(3, 1)).is_err());
    assert_eq!(case.program.patterns(), fresh.patterns(), "refused gates change nothing");
}
