//! The bound over all activation patterns (docs/math.md, section 14).

mod common;

use common::{Random, dot, exact, table};
use cvx_admm::{Beta, Certify, Settings, Solution, Status, train, verify};
use cvx_model::{Dataset, Loss, TaskChoice};

/// Settings of a run on numbers, with a bias.
fn global(beta: f64) -> Settings {
    Settings { certify: Certify::Global, beta: Beta::Value(beta), task: TaskChoice::Regression, bias: true, ..exact() }
}

/// A teacher of six neurons with noise, for regression: `n` samples of `d` features, standardised targets.
fn teacher(n: usize, d: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let neurons: Vec<(Vec<f64>, f64)> = (0..6).map(|_| (random.vector(d + 1), random.signed().signum())).collect();
    let value = |row: &[f64], noise: f64| {
        neurons.iter().map(|(w, a)| a * (dot(row, &w[..d]) + 0.5 * w[d]).max(0.0)).sum::<f64>() + 0.2 * noise
    };
    let y: Vec<f64> = x.chunks(d).map(|row| value(row, random.signed())).collect();
    let mean = y.iter().sum::<f64>() / n as f64;
    let spread = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    table(d, x, y.iter().map(|y| (y - mean) / spread).collect())
}

fn solved(data: &Dataset, settings: &Settings) -> Solution {
    let solution = train(data, None, settings).unwrap();
    println!("{:?} {:?} rounds {} cones {}", solution.status, solution.objective, solution.info.rounds.len(), solution.info.cones);
    solution
}

#[test]
fn quick() {
    for (d, n, beta) in [(1, 100, 0.5), (2, 100, 0.5), (3, 80, 0.5), (4, 60, 0.5)] {
        let data = teacher(n, d, d as u64);
        let start = std::time::Instant::now();
        let solution = solved(&data, &global(beta));
        println!("{d} {n}: {:?}", start.elapsed());
        let start = std::time::Instant::now();
        let found = verify(&solution.model, &data).unwrap();
        println!("{found:?} {:?}", start.elapsed());
    }
}
