//! M4: two hundred small programmes of random shape, each solver compared with an interior-point method.
//!
//! Normally one solver in one precision solves each programme, in rotation. With `CVX_THOROUGH=1`, all of them solve
//! each programme.

mod common;
#[path = "common/conic.rs"]
mod conic;

use common::{PRECISIONS, Random, assert_sane, exact, gates, near};
use conic::Conic;
use cvx_admm::{Beta, Certify, Gates, Precision, Settings, SolverChoice, SolverKind, Status, train};
use cvx_linalg::HostMatrix;
use cvx_model::{Activation, Dataset, FeatureKind, Labels, Loss, Targets, TaskChoice};
use std::collections::BTreeMap;

const PROGRAMMES: usize = 200;

/// A programme whose parts are all random: shape, samples, gates, beta, loss, weights. Every fifth has an output
/// bias.
struct Programme {
    data: Dataset,
    gates: HostMatrix,
    loss: Loss,
    task: TaskChoice,
    activation: Activation,
    output_bias: bool,
    /// beta as a share of the gated beta_max.
    fraction: f64,
}

impl Programme {
    fn draw(number: u64) -> Self {
        let mut random = Random(1000 + number);
        let mut between =
            |low: usize, high: usize| low + ((random.signed() + 1.0) / 2.0 * (high - low + 1) as f64) as usize;
        let (n, d, p) = (between(2, 20), between(1, 4), between(1, 6));
        let loss = match number % 6 {
            0 => Loss::Logistic,
            1 => Loss::SquaredHinge,
            2 => Loss::Huber { delta: 0.3 },
            _ => Loss::Squared,
        };
        let x = random.vector(n * d);
        // Both classes occur.
        let class = |a: usize| f64::from(a.is_multiple_of(n) || a > 1 && x[a * d] > 0.1);
        let (task, y) = match loss.needs_classes() {
            true => (TaskChoice::Auto, (0..n).map(class).collect()),
            false => (TaskChoice::Regression, random.vector(n)),
        };
        let fraction = 10f64.powf(-1.5 + 1.2 * random.signed());
        let weights: Vec<f64> = random.vector(n).into_iter().map(|exponent| 4f64.powf(exponent)).collect();
        let data = Dataset::new(d, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap();
        let data = if number.is_multiple_of(3) { data.with_weights(weights).unwrap() } else { data };
        let (activation, output_bias) = (Activation::Relu, number.is_multiple_of(5));
        Programme { gates: gates(d, p, number), data, loss, task, activation, output_bias, fraction }
    }

    fn settings(&self) -> Settings {
        Settings {
            gates: Gates::Given(self.gates.clone()),
            beta: Beta::Fraction(self.fraction),
            certify: Certify::Sampled,
            loss: self.loss,
            task: self.task,
            activation: self.activation,
            output_bias: self.output_bias,
            ..exact()
        }
    }

    /// The optimum at `beta`, by the interior-point method.
    fn optimum(&self, beta: f64) -> Result<f64, String> {
        let x: Vec<Vec<f64>> = (0..self.data.n_samples()).map(|a| self.data.row(a).to_vec()).collect();
        let y = Targets::new(self.data.labels().unwrap(), self.task).unwrap().y;
        let ones = vec![1.0; x.len()];
        let weights = self.data.weights().unwrap_or(&ones);
        let (activation, output_bias) = (self.activation, self.output_bias);
        let programme = Conic {
            x: &x,
            gates: &self.gates,
            activation,
            y: &y,
            weights,
            beta,
            loss: self.loss,
            output_bias,
            signs: None,
        };
        programme.optimum()
    }
}

/// The requested gap, and the tolerance for the feasible point relative to the optimum.
fn tolerances(precision: Precision) -> (f64, f64) {
    match precision {
        Precision::F64 => (5e-7, 1e-6),
        Precision::F32 => (1e-3, 2e-3),
    }
}

#[test]
fn m4_two_hundred_random_programmes_have_the_optimum_of_an_interior_point_method() {
    let thorough = std::env::var_os("CVX_THOROUGH").is_some();
    let ways: Vec<(SolverKind, Precision)> =
        SolverKind::ALL.into_iter().flat_map(|kind| PRECISIONS.map(|precision| (kind, precision))).collect();
    let (mut wrong, mut short, mut compared) = (Vec::new(), BTreeMap::new(), 0);
    for number in 0.. {
        let programme = Programme::draw(number);
        let beta = train(&programme.data, None, &Settings { max_iterations: 1, ..programme.settings() }).unwrap().beta;
        // About one in forty is too degenerate for the interior-point method itself and is skipped.
        let Ok(optimum) = programme.optimum(beta) else { continue };
        // The remaining error of the interior-point method.
        let slack = 1e-8 * optimum.max(1.0);
        let chosen = compared % ways.len();
        for &(kind, precision) in if thorough { &ways[..] } else { &ways[chosen..=chosen] } {
            let (gap, tolerance) = tolerances(precision);
            let settings = Settings { solver: SolverChoice::Kind(kind), precision, gap, ..programme.settings() };
            let solution = train(&programme.data, None, &settings).unwrap();
            let place = format!("programme {number}, {:?}, {kind}, {precision:?}", programme.loss);
            assert_sane(&solution, &place);
            let (status, objective) = (solution.status, solution.objective);
            let primal = objective.sampled_primal.unwrap_or(f64::INFINITY);
            let sound = objective.dual_bound <= optimum + slack && primal >= optimum - slack;
            let optimal = near(primal, optimum, tolerance) && status == Status::Optimal;
            // A run that does not reach the optimum must report this in its status.
            if !sound || !optimal && !matches!(status, Status::IterationLimit | Status::InsufficientProgress) {
                wrong.push(format!("{place}: {status}, optimum {optimum}, {objective:?}"));
            } else if !optimal {
                short.entry((kind.name(), precision.name())).or_insert_with(Vec::new).push(number);
            }
        }
        compared += 1;
        if compared == PROGRAMMES {
            assert!(number < PROGRAMMES as u64 * 21 / 20, "{number} programmes were drawn");
            break;
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("ended short: {short:?}");
    // The direct solver in f64 reaches all optima; each of the others may miss one in a hundred.
    let few =
        |(way, numbers): (&(&str, &str), &Vec<u64>)| *way != ("cholesky", "f64") && numbers.len() <= PROGRAMMES / 100;
    assert!(short.iter().all(few), "{short:?}");
}
