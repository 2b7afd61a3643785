//! Optimality conditions: KKT, critical beta, warm starts and permutations.

mod common;

use common::{Plain, Random, assert_sane, dot, gates, near, norm, optimum, planted, sharp, smooth, table};
use cvx_admm::{Beta, Certify, Gates, Precision, Settings, Solution, Status, StopToken};
use cvx_admm::{WarmStart, train, train_with};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, Labels, TaskChoice};

fn resume(data: &Dataset, settings: &Settings, warm: &WarmStart) -> Solution {
    train_with(data, None, settings, Some(warm), &StopToken::new(), &mut ()).unwrap()
}

/// The programme of a run, from its own gates.
fn solved(data: &Dataset, solution: &Solution) -> Plain {
    Plain::new(data, &solution.model.parts[0].witness.as_ref().unwrap().gates, solution.beta)
}

/// eta_i = -rho g nu_i of the last iterate.
fn multipliers(plain: &Plain, solution: &Solution) -> HostMatrix {
    let warm = solution.warm_start.as_ref().unwrap();
    HostMatrix::from_fn(plain.n(), plain.blocks(), |a, j| {
        let size = norm(&plain.x[a]);
        let g = if size > 0.0 { warm.sigma.sqrt() / size } else { 0.0 };
        -warm.rho * g * warm.nu[(a, j)]
    })
}

#[test]
fn m4_the_iterates_satisfy_kkt() {
    for (seed, beta) in [(1, 0.02), (2, 0.3), (3, 2.0)] {
        let data = planted(40, 4, seed);
        let solution = train(&data, None, &Settings { patterns: 8, beta: Beta::Value(beta), ..sharp(1e-9) }).unwrap();
        let (plain, v) = (solved(&data, &solution), &solution.warm_start.as_ref().unwrap().v);
        let upper = optimum(&solution);
        let eta = multipliers(&plain, &solution);
        assert!(eta.values().iter().all(|&eta| eta >= 0.0), "nu <= 0 after the slack step");

        let xi: Vec<f64> = plain.prediction(v).iter().zip(&plain.y).map(|(f, y)| y - f).collect();
        let largest = (0..v.cols()).map(|j| norm(v.col(j))).fold(0.0, f64::max);
        let mut slack_by_eta = 0.0;
        for j in 0..v.cols() {
            let (size, gradient) = (norm(v.col(j)), plain.gradient(j, &xi, &eta));
            for a in 0..plain.n() {
                let slack = plain.sign(a, j) * dot(&plain.x[a], v.col(j));
                assert!(slack >= -1e-4 * norm(&plain.x[a]) * largest, "cone {j} at {a}: {slack}");
                slack_by_eta += (eta[(a, j)] * slack).abs();
            }
            if size == 0.0 {
                assert!(norm(&gradient) <= beta * (1.0 + 1e-3), "block {j}: {} of {beta}", norm(&gradient));
            } else {
                let off: Vec<f64> = gradient.iter().zip(v.col(j)).map(|(g, v)| g - beta * v / size).collect();
                assert!(norm(&off) <= 1e-3 * beta, "block {j}: {} of {beta}", norm(&off));
            }
        }
        assert!(slack_by_eta <= 1e-4 * upper, "complementarity: {slack_by_eta}");
        assert!(near(plain.objective(v), upper, 1e-5), "{} and {upper}", plain.objective(v));
        assert!(near(plain.bound(&xi, &eta), upper, 1e-4), "{} and {upper}", plain.bound(&xi, &eta));
    }
}

/// The witness proves the claimed bound, by separate code, and no other witness proves more than the true bound.
#[test]
fn m5_the_witness_proves_the_bound() {
    for precision in [Precision::F64, Precision::F32] {
        let data = planted(50, 4, 7);
        let settings = Settings { patterns: 10, beta: Beta::Value(0.2), precision, ..sharp(1e-4) };
        let solution = train(&data, None, &settings).unwrap();
        let (plain, upper) = (solved(&data, &solution), optimum(&solution));
        let witness = solution.model.parts[0].witness.as_ref().unwrap();
        let signs = |a: usize, j: usize| plain.sign(a, j);
        let eta = HostMatrix::from_fn(plain.n(), plain.blocks(), |a, j| signs(a, j) * witness.multipliers[(a, j)]);
        let bound = plain.bound(witness.xi.col(0), &eta);
        assert!(near(bound, solution.objective.dual_bound, 1e-10), "{bound}, claimed {:?}", solution.objective);
        assert!(near(bound, upper, 1e-4), "{bound} of {upper}");
        let mut random = Random(3);
        for scale in [1e-3, 0.1, 10.0] {
            let xi: Vec<f64> = witness.xi.col(0).iter().map(|xi| xi + scale * random.signed()).collect();
            let other =
                HostMatrix::from_fn(eta.rows(), eta.cols(), |a, j| (eta[(a, j)] + scale * random.signed()).max(0.0));
            assert!(plain.bound(&xi, &other) <= upper * (1.0 + 1e-12));
        }
    }
}

/// A feasible point is a network with the same objective, so the sampled certificate gives no worse a network.
#[test]
fn m8_the_network_is_no_worse_than_the_feasible_point() {
    for (name, data) in [("one sample", table(1, vec![2.0], vec![3.0])), ("smooth", smooth(30, 3, 2))] {
        for precision in [Precision::F32, Precision::F64] {
            for max_iterations in [1, 2, 5, 50, 1000] {
                let settings =
                    Settings { patterns: 6, beta: Beta::Value(0.01), precision, max_iterations, ..sharp(1e-6) };
                let objective = train(&data, None, &settings).unwrap().objective;
                // The network's weights are rounded to storage precision.
                let rounding = if precision == Precision::F32 { 1e-7 } else { 1e-9 };
                let attained =
                    objective.network <= objective.sampled_primal.unwrap_or(f64::INFINITY) * (1.0 + rounding);
                assert!(attained, "{name}, {precision:?}, {max_iterations}: {objective:?}");
            }
        }
    }
}

#[test]
fn m1_at_the_gated_beta_max_the_zero_network_is_optimal_at_once() {
    let binary = planted(30, 4, 1);
    let vector = Labels::Numbers { columns: 2, values: Random(5).vector(60) };
    let several = Dataset::new(4, binary.values().to_vec(), Some(vector), binary.kind()).unwrap();
    for (name, data) in [("binary", binary), ("regression", smooth(25, 3, 2)), ("vector", several)] {
        for precision in [Precision::F32, Precision::F64] {
            for certify in [Certify::Network, Certify::Sampled] {
                for beta in [Beta::Fraction(1.0 + 1e-9), Beta::Fraction(3.0), Beta::Value(1e6)] {
                    let settings =
                        Settings { patterns: 7, beta, precision, certify, gap: 1e-10, ..Settings::default() };
                    let solution = train(&data, None, &settings).unwrap();
                    let place = format!("{name} {precision:?} {certify:?} {beta:?}: {:?}", solution.objective);
                    assert_eq!((solution.status, solution.info.history.len()), (Status::Optimal, 0), "{place}");
                    assert_eq!(solution.model.network.n_neurons(), 0, "{place}");
                    assert!(solution.objective.relative_gap <= 1e-15, "{place}");
                    let prediction = solution.model.predict(&data).unwrap();
                    assert!(prediction.values().iter().all(|&value| value == 0.0), "{place}");
                    assert_sane(&solution, &place);
                }
            }
        }
    }
}

/// Signs are exact in both precisions, and so is the gap.
#[test]
fn m1_the_gap_of_the_zero_network_is_exactly_zero() {
    for precision in [Precision::F32, Precision::F64] {
        let settings = Settings { patterns: 7, beta: Beta::Fraction(1.5), precision, ..Settings::default() };
        let solution = train(&planted(30, 4, 1), None, &settings).unwrap();
        assert_eq!((solution.status, solution.objective.relative_gap), (Status::Optimal, 0.0));
        assert_eq!((solution.objective.network, solution.objective.dual_bound), (15.0, 15.0));
    }
}

/// Between the projected and the gated value, zero is still the optimum; just below the projected value it is not.
#[test]
fn m2_one_group_enters_just_below_beta_max() {
    for seed in [4, 5, 6] {
        let data = smooth(20, 3, seed);
        let gates = gates(3, 6, seed);
        let plain = Plain::new(&data, &gates, 0.0);
        let norms: Vec<f64> = (0..plain.blocks()).map(|block| plain.projected_gradient(block)).collect();
        let first = (0..norms.len()).fold(0, |i, j| if norms[j] > norms[i] { j } else { i });
        let (beta_max, zero) = (norms[first], 0.5 * dot(&plain.y, &plain.y));
        let second = (0..norms.len()).filter(|&i| i != first).map(|i| norms[i]).fold(0.0, f64::max);
        let run = |factor: f64| {
            let beta = Beta::Value(factor * beta_max);
            train(&data, None, &Settings { gates: Gates::Given(gates.clone()), beta, ..sharp(1e-9) }).unwrap()
        };

        let above = run(1.001);
        assert_eq!(above.summary.merged_patterns, 0, "the blocks below are counted over all gates");
        assert_eq!(above.status, Status::Optimal, "{:?}", above.objective);
        assert!(near(above.objective.dual_bound, zero, 1e-8), "{:?} and {zero}", above.objective);

        let below = run((0.5 + 0.5 * second / beta_max).max(0.99));
        let upper = optimum(&below);
        assert!(upper < zero && zero - upper < 1e-2 * zero, "{upper} and {zero}");
        let v = &below.warm_start.as_ref().unwrap().v;
        let sizes: Vec<f64> = (0..v.cols()).map(|j| norm(v.col(j))).collect();
        let active: Vec<usize> = (0..v.cols()).filter(|&j| sizes[j] > 1e-3 * sizes[first]).collect();
        assert_eq!(active, [first], "{sizes:?}, {norms:?}");
        // The best network may use patterns that were not sampled, and be better.
        assert!(below.objective.network <= upper * (1.0 + 1e-9));
    }
}

/// Least squares with cones: no bound is available, but every result is finite.
#[test]
fn m3_beta_zero_runs() {
    for precision in [Precision::F32, Precision::F64] {
        for beta in [Beta::Value(0.0), Beta::Fraction(0.0)] {
            for certify in [Certify::Network, Certify::Sampled] {
                let data = planted(40, 4, 3);
                let settings =
                    Settings { patterns: 8, beta, precision, certify, max_iterations: 300, ..Settings::default() };
                let solution = train(&data, None, &settings).unwrap();
                let place = format!("{precision:?} {beta:?} {certify:?}");
                assert_sane(&solution, &place);
                assert!(
                    matches!(solution.status, Status::Optimal | Status::IterationLimit | Status::InsufficientProgress),
                    "{place}: {}",
                    solution.status
                );
                assert!(solution.objective.network < 0.5 * 20.0, "{place}: {:?}", solution.objective);
                let found = cvx_admm::verify(&solution.model, &data).unwrap();
                assert!(found.holds() && found.relative_gap.is_some_and(f64::is_finite), "{place}: {found:?}");
            }
        }
    }
}

/// beta = 0 with more weights than samples: the network interpolates the data and the optimum is 0.
#[test]
fn m3_beta_zero_fits_what_can_be_fitted() {
    let mut random = Random(1);
    let data = table(6, random.vector(24), random.vector(4));
    let solution =
        train(&data, None, &Settings { patterns: 20, beta: Beta::Value(0.0), max_iterations: 3000, ..sharp(1e-6) })
            .unwrap();
    assert_sane(&solution, "interpolation");
    let zero: f64 = train(&data, None, &Settings { beta: Beta::Fraction(2.0), ..sharp(1e-6) }).unwrap().train.loss;
    assert!(solution.objective.network < 1e-6 * zero, "{:?} and {zero}", solution.objective);
}

#[test]
fn m10_a_warm_start_at_the_optimum_takes_one_iteration() {
    let data = planted(40, 4, 6);
    for (precision, gap) in [(Precision::F64, 1e-6), (Precision::F32, 1e-3)] {
        let sharp = Certify::Sampled;
        let settings = Settings { patterns: 8, precision, certify: sharp, gap: 0.1 * gap, ..Settings::default() };
        let first = train(&data, None, &settings).unwrap();
        assert_eq!(first.status, Status::Optimal, "{:?}", first.objective);
        for certify in [Certify::Network, Certify::Sampled] {
            let again =
                resume(&data, &Settings { gap, certify, ..settings.clone() }, first.warm_start.as_ref().unwrap());
            assert_eq!(again.status, Status::Optimal, "{:?}", again.objective);
            assert!(again.info.history.len() <= 1, "{} iterations", again.info.history.len());
            assert!(near(again.objective.dual_bound, first.objective.dual_bound, gap));
        }
    }
}

#[test]
fn a_warm_start_of_another_problem_is_refused() {
    let data = planted(30, 4, 6);
    let settings = Settings { patterns: 6, ..Settings::default() };
    let warm = train(&data, None, &settings).unwrap().warm_start.unwrap();
    let start = |warm: &WarmStart, settings: &Settings| {
        train_with(&data, None, settings, Some(warm), &StopToken::new(), &mut ()).map(|solution| solution.status)
    };
    assert_eq!(start(&warm, &settings), Ok(Status::Optimal));
    let refused =
        |result: Result<Status, cvx_admm::TrainError>| matches!(result, Err(cvx_admm::TrainError::WarmStart { .. }));
    assert!(refused(start(&warm, &Settings { patterns: 3, ..settings.clone() })));
    assert!(refused(start(&WarmStart { rho: f64::NAN, ..warm.clone() }, &settings)));
    assert!(refused(start(&WarmStart { sigma: 0.0, ..warm.clone() }, &settings)));
    let mut poisoned = warm.clone();
    poisoned.lambda[(0, 0)] = f64::NAN;
    assert!(start(&poisoned, &settings).is_err(), "a NaN in a warm start is an error, not a status");
}

/// Another order of rows, columns (with the gates' rows) and gates gives the same programme.
#[test]
fn m13_permutations_keep_the_optimum() {
    let (n, d) = (30, 4);
    let data = smooth(n, d, 9);
    let gates = gates(d, 7, 9);
    let run = |data: &Dataset, gates: &HostMatrix| {
        let settings = Settings { gates: Gates::Given(gates.clone()), beta: Beta::Value(0.05), ..sharp(2e-11) };
        optimum(&train(data, None, &settings).unwrap())
    };
    let expected = run(&data, &gates);

    let rows: Vec<usize> = (0..n).map(|a| (7 * a + 3) % n).collect();
    let row_order = run(&data.select(&rows).unwrap(), &gates);
    let columns = [2, 0, 3, 1];
    let x = (0..n).flat_map(|a| columns.map(|k| data.row(a)[k])).collect();
    let shuffled = Dataset::new(d, x, data.labels().cloned(), data.kind()).unwrap();
    let column_order = run(&shuffled, &HostMatrix::from_fn(d, 7, |k, i| gates[(columns[k], i)]));
    let gate_order = run(&data, &HostMatrix::from_fn(d, 7, |k, i| gates[(k, (3 * i + 2) % 7)]));
    for (name, found) in [("rows", row_order), ("columns", column_order), ("gates", gate_order)] {
        assert!(near(found, expected, 1e-10), "{name}: {found}, expected {expected}");
    }
    // Permuted columns with unchanged gates give another programme.
    assert!(!near(run(&shuffled, &gates), expected, 1e-4));
}

/// Several targets are separate problems with the same X: the optimum is the sum of their optima.
#[test]
fn targets_are_independent_problems() {
    let (n, d) = (25, 3);
    let mut random = Random(12);
    let (x, y) = (random.vector(n * d), random.vector(3 * n));
    let gates = gates(d, 6, 12);
    let settings = Settings { gates: Gates::Given(gates), beta: Beta::Value(0.1), ..sharp(1e-8) };
    let labels = Labels::Numbers { columns: 3, values: y.clone() };
    let whole = Dataset::new(d, x.clone(), Some(labels), cvx_model::FeatureKind::Table).unwrap();
    let together = optimum(&train(&whole, None, &settings).unwrap());
    let apart: f64 = (0..3)
        .map(|c| {
            let y = (0..n).map(|a| y[3 * a + c]).collect();
            optimum(&train(&table(d, x.clone(), y), None, &settings).unwrap())
        })
        .sum();
    assert!(near(together, apart, 1e-7), "{together} and {apart}");
    let task = Settings { task: TaskChoice::Auto, ..settings };
    assert!(near(optimum(&train(&whole, None, &task).unwrap()), apart, 1e-7));
}
