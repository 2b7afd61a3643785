//! Cones of entries: the bound with projections, points in the cones, beta_max, patterns in groups, and drawn gates.

mod common;

use common::{Random, dot, norm};
use cvx_linalg::Samples;
use cvx_linalg::{Backend, Cpu, HostMatrix};
use cvx_model::Multipliers;
use cvx_model::{
    Activation, BlockCones, BlockRole, Certificate, ConvexProgram, Curvature, FeatureKind, GateKind, GateSamples,
    ModelError, PatternSet, ProgramError, Trend, beta_max,
};
use std::sync::Arc;

const D: usize = 5;

/// Four features and a bias: increasing, convex, decreasing and free.
fn cones(groups: Vec<Vec<usize>>) -> Arc<BlockCones> {
    let trends = vec![Some(Trend::Increasing), None, Some(Trend::Decreasing), None];
    let curvatures = vec![None, Some(Curvature::Convex), None, None];
    Arc::new(BlockCones::new(trends, curvatures, groups, false))
}

fn all_groups() -> [Vec<Vec<usize>>; 3] {
    [vec![], vec![vec![0, 1], vec![2, 3]], vec![vec![0, 1, 3], vec![1, 2], vec![3]]]
}

/// Samples (d x n) with a bias row.
fn samples(n: usize, random: &mut Random) -> HostMatrix {
    HostMatrix::from_fn(D, n, |row, _| if row == D - 1 { 1.0 } else { random.signed() })
}

/// A programme in these cones with gates that were drawn for them.
fn programme(
    xt: &HostMatrix,
    y: HostMatrix,
    cones: &Arc<BlockCones>,
    activation: Activation,
    seed: u64,
) -> ConvexProgram<Cpu<f64>> {
    let cpu = Cpu::<f64>::new();
    let sources: Vec<usize> = (0..D - 1).collect();
    let drawn = Some((&**cones, activation));
    let samples = GateSamples { xt, kind: FeatureKind::Table, sources: &sources, bias: true, cones: drawn };
    let gates = GateKind::Gaussian.sample(&cpu, &samples, 9, seed).unwrap();
    let program = ConvexProgram::new(cpu, xt, y, &gates, 0.3).unwrap().with_activation(activation);
    program.with_cones(cones.clone(), &gates).unwrap()
}

/// Entry by entry: what the cone of a block with this sign and group leaves of `w`.
fn projected(cones: &BlockCones, activation: Activation, negative: bool, group: usize, w: &[f64]) -> Vec<f64> {
    let gated = activation == Activation::Gated;
    let mut out = w.to_vec();
    let at_least = |value: f64, positive: bool| if positive { value.max(0.0) } else { value.min(0.0) };
    out[0] = at_least(w[0], !negative);
    out[2] = at_least(w[2], negative);
    if negative && !gated {
        out[1] = 0.0;
    }
    for (k, value) in out.iter_mut().enumerate().take(D - 1) {
        if cones.groups().get(group).is_some_and(|features| !features.contains(&k)) {
            *value = 0.0;
        }
    }
    out
}

/// The bound of (13.2) by plain loops, and with `free` that of (5.1).
fn plain_bound(program: &ConvexProgram<Cpu<f64>>, xt: &HostMatrix, [xi, eta]: [&HostMatrix; 2], free: bool) -> f64 {
    let (y, patterns, cones) = (program.y_host(), program.patterns(), program.cones().unwrap());
    let (p, signs) = (patterns.len(), program.layout().signs.count());
    let mut value = 0.0;
    for c in 0..y.cols() {
        let mut ratio = 0.0f64;
        for block in signs * p * c..signs * p * (c + 1) {
            let negative = signs == 2 && block / p % 2 == 1;
            let mut gradient = vec![0.0; D];
            for a in 0..xt.cols() {
                let on = patterns.bits().get(a, block % p);
                let pull = if !on {
                    0.0
                } else if negative {
                    -xi[(a, c)]
                } else {
                    xi[(a, c)]
                };
                let push = if signs == 1 {
                    0.0
                } else if on {
                    eta[(a, block)]
                } else {
                    -eta[(a, block)]
                };
                gradient.iter_mut().zip(xt.col(a)).for_each(|(g, x)| *g += (pull + push) * x);
            }
            let group = patterns.groups()[block % p];
            let inside = projected(cones, program.activation(), negative, group, &gradient);
            ratio = ratio.max(norm(if free { &gradient } else { &inside }) / program.beta());
        }
        let (xi, y) = (xi.col(c), y.col(c));
        let t = (dot(xi, y) / dot(xi, xi)).min(1.0 / ratio).max(0.0);
        value += t * dot(xi, y) - 0.5 * t * t * dot(xi, xi);
    }
    value
}

#[test]
fn the_bound_projects_every_block_and_is_below_every_point_in_the_cones() {
    let cpu = Cpu::<f64>::new();
    for (groups, seed) in all_groups().into_iter().zip(1..) {
        for (activation, targets) in [(Activation::Relu, 1), (Activation::Relu, 2), (Activation::Gated, 2)] {
            let mut random = Random(seed);
            let (n, cones) = (17, cones(groups.clone()));
            let (xt, y) = (samples(n, &mut random), random.matrix(n, targets, 1.0));
            let program = programme(&xt, y.clone(), &cones, activation, seed);
            let mut xi = random.matrix(n, targets, 0.5);
            xi.values_mut().iter_mut().zip(y.values()).for_each(|(xi, y)| *xi += y);
            let eta = random.matrix(n, program.n_cones(), 0.4);
            let eta = HostMatrix::from_fn(n, program.n_cones(), |a, j| eta[(a, j)].max(0.0));
            let p = program.n_patterns();
            let signed = HostMatrix::from_fn(n, program.n_cones(), |a, j| {
                if program.patterns().bits().get(a, j % p) { eta[(a, j)] } else { -eta[(a, j)] }
            });
            let residual = HostMatrix::from_fn(n, targets, |a, c| -xi[(a, c)]);
            let [residual, multipliers] = [&residual, &signed].map(|matrix| cpu.upload(matrix).unwrap());
            let mut certificate = Certificate::new(&program).unwrap();
            let multipliers = if program.n_cones() > 0 { Multipliers::Signed(&multipliers) } else { Multipliers::Zero };
            let bound = certificate.dual(&residual, multipliers).unwrap().value;
            let plain = plain_bound(&program, &xt, [&xi, &eta], false);
            assert!((bound - plain).abs() < 1e-12 * plain.max(1.0), "{bound}, {plain}");
            assert!(plain > plain_bound(&program, &xt, [&xi, &eta], true), "the projection raises the bound");
            // Points of the cones of patterns and entries.
            for scale in [0.01, 0.1, 1.0] {
                let mut v = cpu.upload(&random.matrix(D, program.n_blocks(), scale)).unwrap();
                program.confine(&mut v).unwrap();
                let point = certificate.feasible_point(&v).unwrap();
                assert!(point.objective >= bound - 1e-12, "{} below {bound}", point.objective);
                for j in 0..point.blocks.cols() {
                    let negative = activation == Activation::Relu && j / p % 2 == 1;
                    let block = point.blocks.col(j);
                    let group = program.patterns().groups()[j % p];
                    assert_eq!(projected(&cones, activation, negative, group, block), block, "block {j}");
                }
            }
        }
    }
}

/// The nearest point of both cones, by Dykstra's alternating projections onto the half spaces of the samples and the
/// cone of the entries.
fn nearest(program: &ConvexProgram<Cpu<f64>>, xt: &HostMatrix, block: usize, w: &[f64]) -> Vec<f64> {
    let (patterns, p, n) = (program.patterns(), program.n_patterns(), xt.cols());
    let cones = program.cones().unwrap();
    let mut x = w.to_vec();
    let mut corrections = vec![vec![0.0; D]; n + 1];
    for _ in 0..3000 {
        for (k, correction) in corrections.iter_mut().enumerate() {
            let from: Vec<f64> = x.iter().zip(&*correction).map(|(x, c)| x + c).collect();
            x = if k == n {
                projected(cones, Activation::Relu, block / p % 2 == 1, patterns.groups()[block % p], &from)
            } else {
                let row = xt.col(k);
                let sign = if patterns.bits().get(k, block % p) { 1.0 } else { -1.0 };
                let short = (-sign * dot(row, &from)).max(0.0) / dot(row, row);
                from.iter().zip(row).map(|(f, r)| f + sign * short * r).collect()
            };
            *correction = from.iter().zip(&x).map(|(f, x)| f - x).collect();
        }
    }
    x
}

#[test]
fn beta_max_is_the_norm_of_a_projection_onto_both_cones() {
    for (groups, seed) in all_groups().into_iter().zip(11..) {
        let mut random = Random(seed);
        let (n, cones) = (8, cones(groups));
        let (xt, y) = (samples(n, &mut random), random.matrix(n, 1, 1.0));
        let program = programme(&xt, y.clone(), &cones, Activation::Relu, seed);
        let found = beta_max(&program, 1e-9).unwrap();
        let p = program.n_patterns();
        let gradient = |block: usize| {
            let mut gradient = vec![0.0; D];
            for a in (0..n).filter(|&a| program.patterns().bits().get(a, block % p)) {
                let pull = if block < p { y[(a, 0)] } else { -y[(a, 0)] };
                gradient.iter_mut().zip(xt.col(a)).for_each(|(g, x)| *g += pull * x);
            }
            gradient
        };
        let exact = (0..2 * p).map(|block| norm(&nearest(&program, &xt, block, &gradient(block)))).fold(0.0, f64::max);
        assert!((found.upper - exact).abs() < 1e-3 * exact, "{found:?}, {exact}");
        assert!(found.upper >= exact * (1.0 - 1e-6) && found.gated >= found.upper, "{found:?}, {exact}");
        let gated = (0..2 * p)
            .map(|j| {
                norm(&projected(&cones, Activation::Relu, j >= p, program.patterns().groups()[j % p], &gradient(j)))
            })
            .fold(0.0, f64::max);
        assert!((found.gated - gated).abs() < 1e-12 * gated, "{found:?}, {gated}");
        assert!((Certificate::new(&program).unwrap().gated_beta_max().unwrap() - gated).abs() < 1e-12 * gated);
    }
}

#[test]
fn gates_serve_a_group_whatever_they_are_drawn_from_and_the_first_is_always_on() {
    let mut random = Random(5);
    let (cpu, sources) = (Cpu::<f64>::new(), [0, 1, 2, 3]);
    let xt = samples(40, &mut random);
    for groups in all_groups() {
        for activation in Activation::ALL {
            for kind in [GateKind::Gaussian, GateKind::Whitened, GateKind::Pairs, GateKind::Mixed] {
                let cones = cones(groups.clone());
                let drawn = Some((&*cones, activation));
                let samples =
                    GateSamples { xt: &xt, kind: FeatureKind::Table, sources: &sources, bias: true, cones: drawn };
                let gates = kind.sample(&cpu, &samples, 60, 3).unwrap();
                assert_eq!(gates.col(0), [0.0, 0.0, 0.0, 0.0, 1.0], "{kind}");
                let mut served = vec![0; cones.n_groups()];
                for gate in 0..60 {
                    let groups = cones.groups_of(activation, gates.col(gate));
                    assert!(!groups.is_empty(), "{kind}, gate {gate}: {:?}", gates.col(gate));
                    groups.into_iter().for_each(|group| served[group] += 1);
                }
                // Gated neurons of a group whose features are all constrained have the first gate alone.
                let roles = cones.roles(activation);
                let blind = |group: usize| roles.iter().all(|role| role.group != group);
                let enough = |(group, &count): (usize, &usize)| if blind(group) { count == 1 } else { count > 1 };
                assert!(served.iter().enumerate().all(enough), "{kind}, {activation}: {served:?}");
                let short = kind.sample(&cpu, &samples, 10, 3).unwrap();
                if kind != GateKind::Whitened {
                    assert_eq!(short.values(), &gates.values()[..10 * D], "{kind}");
                }
                let sides = |sign: f64| (0..60).any(|gate| sign * gates[(0, gate)] > 0.0);
                let bends = activation == Activation::Relu;
                assert_eq!((sides(1.0), sides(-1.0)), (bends, bends), "{kind}, {activation}");
            }
        }
    }
}

#[test]
fn a_gate_has_a_pattern_for_each_group_that_it_serves() {
    let cpu = Cpu::<f64>::new();
    let xt = samples(20, &mut Random(4));
    let cones = cones(vec![vec![0, 1], vec![2, 3]]);
    // The bias in both groups, one of the first, the same pattern of the second, one of the second again.
    let columns =
        [[0.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.0, 9.0], [0.0, 0.0, 0.0, 0.3, 9.0], [0.0, 0.0, 0.0, 2.0, 0.1]];
    let gates = HostMatrix::from_vec(D, 4, columns.concat());
    let groups_of = |gate: &[f64]| cones.groups_of(Activation::Relu, gate);
    let shared = Samples::new(&cpu, Arc::new(xt.clone())).unwrap();
    let set = PatternSet::in_groups(&shared, &gates, groups_of).unwrap();
    assert_eq!((set.len(), set.groups()), (3, &[0, 1, 1][..]));
    assert_eq!([0, 1, 2, 3].map(|gate| set.patterns_of(gate).to_vec()), [vec![0, 1], vec![0], vec![1], vec![2]]);
    // Its own gates give the same patterns in the same order: a resumed run is given them.
    let again = PatternSet::in_groups(&shared, set.gates(), groups_of).unwrap();
    assert_eq!((again.gates(), again.bits(), again.groups()), (set.gates(), set.bits(), set.groups()));
    let y = HostMatrix::zeros(20, 1);
    let outside = HostMatrix::from_vec(D, 1, vec![1.0, 0.0, 1.0, 0.0, 1.0]);
    let program = ConvexProgram::new(cpu, &xt, y, &gates, 0.1).unwrap();
    assert!(matches!(
        program.with_cones(cones, &outside).err(),
        Some(ProgramError::Model(ModelError::GateOutsideCones { gate: 0 }))
    ));
}

#[test]
fn roles_without_a_feature_of_their_own_draw_no_gates() {
    let convex = BlockCones::new(vec![None; 4], vec![Some(Curvature::Convex); 4], Vec::new(), false);
    assert_eq!(convex.roles(Activation::Relu), [BlockRole { negative: false, group: 0 }]);
    assert!(convex.roles(Activation::Gated).is_empty(), "a gate that sees nothing");
}
