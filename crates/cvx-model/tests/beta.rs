//! From which beta on the zero network is optimal: the closed-form bound, and the projection against enumeration.

mod common;

use common::{Case, Random, case, dot, norm};
use cvx_linalg::{Cpu, HostMatrix};
use cvx_model::{Certificate, ConvexProgram, beta_max};

/// +-X'D_i y of a block.
fn gradient(case: &Case<Cpu<f64>>, block: usize) -> Vec<f64> {
    let mut gradient = vec![0.0; case.xt.rows()];
    for a in (0..case.xt.cols()).filter(|&a| case.sign(a, block) > 0.0) {
        let weight = case.side(block) * case.y[(a, case.target(block))];
        gradient.iter_mut().zip(case.xt.col(a)).for_each(|(g, x)| *g += weight * x);
    }
    gradient
}

/// `w` without its components along the span of `rows`.
fn without(w: &[f64], rows: &[Vec<f64>]) -> Vec<f64> {
    let remove = |w: &mut Vec<f64>, basis: &[Vec<f64>]| {
        for unit in basis {
            let along = dot(unit, w);
            w.iter_mut().zip(unit).for_each(|(w, unit)| *w -= along * unit);
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for row in rows {
        let mut rest = row.clone();
        // Twice is enough (Kahan).
        remove(&mut rest, &basis);
        remove(&mut rest, &basis);
        let size = norm(&rest);
        if size > 1e-10 * norm(row) {
            basis.push(rest.into_iter().map(|value| value / size).collect());
        }
    }
    let mut w = w.to_vec();
    remove(&mut w, &basis);
    remove(&mut w, &basis);
    w
}

/// Projection of `w` onto the block's cone: the nearest feasible one among the projections onto all its faces.
fn project(case: &Case<Cpu<f64>>, block: usize, w: &[f64]) -> Vec<f64> {
    let (n, d) = (case.xt.cols(), case.xt.rows());
    let rows: Vec<Vec<f64>> =
        (0..n).map(|a| case.xt.col(a).iter().map(|x| case.sign(a, block) * x).collect()).collect();
    let mut best = vec![0.0; d];
    for face in (0u32..1 << n).filter(|face| face.count_ones() as usize <= d) {
        let chosen: Vec<Vec<f64>> = (0..n).filter(|a| face >> a & 1 == 1).map(|a| rows[a].clone()).collect();
        let candidate = without(w, &chosen);
        let feasible = rows.iter().all(|row| dot(row, &candidate) >= -1e-10 * norm(row) * norm(w));
        if feasible && common::distance(w, &candidate) < common::distance(w, &best) {
            best = candidate;
        }
    }
    best
}

fn tiny_cases() -> impl Iterator<Item = Case<Cpu<f64>>> {
    (1..=24u64).map(|seed| {
        let n = 3 + seed as usize % 5;
        case(Cpu::new(), [n, 1 + seed as usize % 3, 4, 1 + seed as usize % 2], [2.0, 3.0], 0.5, &mut Random(seed))
    })
}

#[test]
fn m1_gated_beta_max_is_the_largest_block_gradient() {
    for (seed, shape) in [[12, 4, 6, 1], [9, 2, 4, 3], [1, 1, 1, 1], [40, 7, 15, 2]].into_iter().enumerate() {
        let case = case(Cpu::<f64>::new(), shape, [3.0, 2.0], 0.25, &mut Random(seed as u64));
        let expected = (0..case.program.n_blocks()).map(|block| norm(&gradient(&case, block))).fold(0.0, f64::max);
        let mut certificate = Certificate::new(&case.program).unwrap();
        let found = certificate.gated_beta_max().unwrap();
        assert!((found - expected).abs() <= 1e-12 * expected, "{found}, expected {expected}");
        let ratio = certificate.dual_at_zero().unwrap().ratio;
        assert!((ratio - expected / 0.25).abs() <= 1e-12 * expected, "{ratio}");
    }
}

/// At the gated value, xi = y is dual feasible with eta = 0: the bound is the zero network's own objective.
#[test]
fn m1_the_bound_at_the_gated_value_proves_zero_optimal() {
    for mut case in tiny_cases() {
        let gated = Certificate::new(&case.program).unwrap().gated_beta_max().unwrap();
        let zero = case.program.zero_objective();
        for (factor, tight) in [(1.0 + 1e-12, true), (2.0, true), (0.5, false)] {
            case.program.set_beta(factor * gated).unwrap();
            let bound = Certificate::new(&case.program).unwrap().dual_at_zero().unwrap().value;
            assert_eq!((bound - zero).abs() <= 1e-12 * zero, tight, "{factor}: {bound} and {zero}");
        }
    }
}

#[test]
fn beta_max_is_the_largest_projection() {
    for case in tiny_cases() {
        let found = beta_max(&case.program, 1e-9).unwrap();
        let blocks: Vec<Vec<f64>> =
            (0..case.program.n_blocks()).map(|block| project(&case, block, &gradient(&case, block))).collect();
        let expected = blocks.iter().map(|w| norm(w)).fold(0.0, f64::max);
        assert!(found.upper <= found.gated, "{found:?}");
        let floor = 1e-6 * found.gated;
        assert!(found.upper >= expected - 1e-9 * found.gated, "{} below the projection {expected}", found.upper);
        assert!(found.upper <= expected + floor, "{} above the projection {expected}", found.upper);
    }
}

/// Just below beta_max a step along the largest projection lowers the objective; at it and above, none does.
#[test]
fn m2_below_beta_max_the_largest_projection_is_a_descent_direction() {
    for mut case in tiny_cases() {
        let blocks: Vec<Vec<f64>> =
            (0..case.program.n_blocks()).map(|block| project(&case, block, &gradient(&case, block))).collect();
        let largest = (0..blocks.len()).fold(0, |i, j| if norm(&blocks[j]) > norm(&blocks[i]) { j } else { i });
        let size = norm(&blocks[largest]);
        if size == 0.0 {
            continue;
        }
        let zero = case.program.zero_objective();
        for (factor, below) in [(0.99, true), (1.01, false)] {
            case.program.set_beta(factor * size).unwrap();
            let mut step = HostMatrix::zeros(case.xt.rows(), blocks.len());
            let curvature = case.prediction(&HostMatrix::from_fn(case.xt.rows(), blocks.len(), |k, j| {
                if j == largest { blocks[j][k] } else { 0.0 }
            }));
            // The exact line search for the smooth part, shortened.
            let t = 0.01 * size * size / dot(curvature.values(), curvature.values());
            step.col_mut(largest).iter_mut().zip(&blocks[largest]).for_each(|(s, w)| *s = t * w);
            assert!(case.violation(&step) < 1e-9);
            assert_eq!(case.objective(&step) < zero, below, "{factor}");
        }
    }
}

/// A cone that is the gradient's own: nothing is cut off, and both values agree.
#[test]
fn gated_and_projected_values_agree_where_the_gradient_is_feasible() {
    let xt = HostMatrix::from_vec(1, 3, vec![1.0, 2.0, 0.5]);
    let y = HostMatrix::from_vec(3, 1, vec![1.0, 1.0, -1.0]);
    let gates = HostMatrix::from_vec(1, 1, vec![1.0]);
    let program = ConvexProgram::new(Cpu::<f64>::new(), &xt, y, &gates, 0.1).unwrap();
    let found = beta_max(&program, 1e-9).unwrap();
    assert!((found.gated - 2.5).abs() < 1e-14 && (found.upper - 2.5).abs() < 1e-12, "{found:?}");
}
