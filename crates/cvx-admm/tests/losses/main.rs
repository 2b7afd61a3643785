//! Every loss, weighted and not: against an interior-point method, against repeated samples, and against lies.

#[path = "../common/mod.rs"]
mod common;
mod conic;

use common::{Random, exact, gates, near, planted};
use conic::Conic;
use cvx_admm::{Beta, Certify, Settings, Status, train};
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, FeatureKind, Labels, Loss, TaskChoice, Targets};

const LOSSES: [Loss; 4] = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }];

/// Between 1/4 and 4.
fn weights(n: usize, seed: u64) -> Vec<f64> {
    Random(seed).vector(n).into_iter().map(|exponent| 4f64.powf(exponent)).collect()
}

/// Two or several classes, or numbers in one or several columns.
fn data(n: usize, d: usize, targets: usize, classes: bool, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let labels = if classes {
        let count = if targets == 1 { 2 } else { targets };
        let noisy = |a: usize| (3.0 * x[a * d] + x[a * d + 1] + 2.0 * x[a * d] * x[a * d + 1] + 4.0) / 8.0;
        Labels::numbers((0..n).map(|a| (noisy(a) * count as f64).floor().clamp(0.0, count as f64 - 1.0)).collect())
    } else {
        let y = (0..n * targets).map(|k| x[k / targets * d].max(0.0) + 0.5 * random.signed() + (k % targets) as f64);
        Labels::Numbers { columns: targets, values: y.collect() }
    };
    Dataset::new(d, x, Some(labels), FeatureKind::Table).unwrap()
}

/// The optimum over all targets, by the interior-point method.
fn reference(data: &Dataset, gates: &HostMatrix, loss: Loss, beta: f64, task: TaskChoice) -> f64 {
    let x: Vec<Vec<f64>> = (0..data.n_samples()).map(|a| data.row(a).to_vec()).collect();
    let y = Targets::new(data.labels().unwrap(), task).unwrap().y;
    let ones = vec![1.0; x.len()];
    let weights = data.weights().unwrap_or(&ones);
    (0..y.cols()).map(|c| Conic { x: &x, gates, y: y.col(c), weights, beta, loss }.optimum()).sum()
}

#[test]
fn the_optimum_is_that_of_an_interior_point_method() {
    let mut wrong = Vec::new();
    for loss in LOSSES {
        for (classes, targets) in [(true, 1), (true, 3), (false, 1), (false, 2)] {
            for weighted in [false, true] {
                if loss.needs_classes() && !classes {
                    continue;
                }
                let (n, d) = (24, 3);
                let mut data = data(n, d, targets, classes, 3);
                if weighted {
                    data = data.with_weights(weights(n, 4)).unwrap();
                }
                let (gates, beta) = (gates(d, 5, 7), 0.05);
                let task = if classes { TaskChoice::Auto } else { TaskChoice::Regression };
                let settings = Settings {
                    gates: Some(gates.clone()),
                    beta: Beta::Value(beta),
                    certify: Certify::Sampled,
                    gap: 5e-7,
                    loss,
                    task,
                    ..exact()
                };
                let optimum = reference(&data, &gates, loss, beta, task);
                let solution = train(&data, None, &settings).unwrap();
                assert_eq!(solution.summary.merged_patterns, 0);
                let (objective, iterations) = (solution.objective, solution.info.history.len());
                let primal = objective.sampled_primal.unwrap_or(f64::INFINITY);
                let place = format!("{loss:?} {classes} {targets} weighted {weighted}");
                println!("{place}: {iterations}, {objective:?} {optimum}");
                common::assert_sane(&solution, &place);
                let fine = solution.status == Status::Optimal
                    && near(primal, optimum, 1e-6)
                    && near(objective.dual_bound, optimum, 1e-6)
                    && objective.dual_bound <= optimum * (1.0 + 1e-8)
                    && primal >= optimum * (1.0 - 1e-8);
                if !fine {
                    wrong.push(format!("{place}: {} {objective:?}, optimum {optimum}", solution.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
