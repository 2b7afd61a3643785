//! Small data sets, settings without a transform of the data, and the programme (P) by plain loops.

// Each test file uses a part of this module.
#![allow(dead_code)]

pub mod constrained;
pub mod frame;
pub mod interrupted;
pub mod textures;

use cvx_admm::{Certify, Precision, Settings, Solution, Status};
use cvx_data::Planted;
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, FeatureKind, Labels, Normalisation, PatternSet, TaskChoice};

pub const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F64];

/// SplitMix64 (Steele, Lea & Flood 2014): the same numbers on every platform.
pub struct Random(pub u64);

impl Random {
    /// A number in [-1, 1).
    pub fn signed(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub fn vector(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.signed()).collect()
    }

    pub fn matrix(&mut self, rows: usize, cols: usize) -> HostMatrix {
        HostMatrix::from_fn(rows, cols, |_, _| self.signed())
    }
}

/// Features row by row, with one target number per row.
pub fn table(d: usize, x: Vec<f64>, y: Vec<f64>) -> Dataset {
    Dataset::new(d, x, Some(Labels::numbers(y)), FeatureKind::Table).unwrap()
}

/// Two classes labelled by a planted teacher.
pub fn planted(n: usize, d: usize, seed: u64) -> Dataset {
    let planted = Planted { n_train: n, n_test: 0, n_features: d, n_neurons: 3, noise: 0.05, seed };
    planted.generate().unwrap().train
}

/// A smooth function of `d` random features, for regression.
pub fn smooth(n: usize, d: usize, seed: u64) -> Dataset {
    let mut random = Random(seed);
    let x = random.vector(n * d);
    let y = x.chunks(d).map(|row| row[0].max(0.0) - 0.5 * (3.0 * row[d - 1]).sin() + 0.1).collect();
    table(d, x, y)
}

/// f64 and no transform of the features: (P) of exactly these samples.
pub fn exact() -> Settings {
    Settings { precision: Precision::F64, normalisation: Some(Normalisation::None), bias: false, ..Settings::default() }
}

/// [`exact`] for numbers, with a sampled gap that determines the optimum accurately.
pub fn sharp(gap: f64) -> Settings {
    Settings { certify: Certify::Sampled, gap, task: TaskChoice::Regression, ..exact() }
}

/// `count` gates of length `d`.
pub fn gates(d: usize, count: usize, seed: u64) -> HostMatrix {
    PatternSet::sample_gates(d, count, seed)
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// |a - b| <= tolerance max(|a|, |b|).
pub fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// The objective of a feasible point of a run, which must have ended as optimal.
pub fn optimum(solution: &Solution) -> f64 {
    assert_eq!(solution.status, Status::Optimal, "{:?}", solution.objective);
    solution.objective.sampled_primal.unwrap_or(solution.objective.network)
}

/// The history without the clock.
pub fn timeless(solution: &Solution) -> Vec<cvx_admm::Iteration> {
    let mut history = solution.info.history.clone();
    history.iter_mut().for_each(|record| record.seconds = 0.0);
    history
}

/// Compares the results of two runs, except their clocks.
pub fn assert_same(a: &Solution, b: &Solution, place: &str) {
    assert!(a.model.network == b.model.network, "{place}: the networks differ");
    assert!(a.warm_start == b.warm_start, "{place}: the iterates differ");
    assert!(timeless(a) == timeless(b), "{place}: the histories differ");
    assert_eq!((a.objective, a.status, a.train, a.test), (b.objective, b.status, b.train, b.test), "{place}");
    assert!(a.model.parts == b.model.parts, "{place}: the witnesses differ");
}

/// Every number in the results of a run is finite, and the gap lies between its bound and its objective.
pub fn assert_sane(solution: &Solution, place: &str) {
    let objective = &solution.objective;
    let mut numbers = vec![objective.network, objective.dual_bound, objective.relative_gap, solution.cone_violation];
    numbers.extend([solution.rho, solution.sigma, solution.beta, solution.train.loss]);
    numbers.extend(objective.sampled_primal);
    let network = &solution.model.network;
    let warm = solution.warm_start.iter().flat_map(|warm| [&warm.v, &warm.lambda, &warm.s, &warm.nu]);
    for matrix in [&network.w1, &network.w2].into_iter().chain(warm) {
        numbers.extend(matrix.values());
    }
    for record in &solution.info.history {
        numbers.extend([record.primal_residual, record.dual_residual, record.rho]);
        numbers.extend([record.network, record.dual_bound, record.relative_gap].into_iter().flatten());
    }
    assert!(numbers.iter().all(|number| number.is_finite()), "{place}: a number is not finite");
    assert!(objective.relative_gap >= 0.0 && objective.dual_bound >= 0.0 && solution.rho > 0.0, "{place}");
    if let Some(sampled) = objective.sampled_primal {
        assert!(objective.dual_bound <= sampled * (1.0 + 1e-9) + 1e-300, "{place}: {objective:?}");
    }
}

/// (P) on the host: samples row by row, one target, patterns by their definition.
pub struct Plain {
    pub x: Vec<Vec<f64>>,
    pub y: Vec<f64>,
    pub gates: Vec<Vec<f64>>,
    pub active: Vec<Vec<bool>>,
    pub beta: f64,
}

impl Plain {
    /// The programme of `data` without a transform, with numeric labels.
    pub fn new(data: &Dataset, gates: &HostMatrix, beta: f64) -> Self {
        let x: Vec<Vec<f64>> = (0..data.n_samples()).map(|a| data.row(a).to_vec()).collect();
        let Some(Labels::Numbers { values, .. }) = data.labels() else { panic!("numeric labels") };
        let gates: Vec<Vec<f64>> = (0..gates.cols()).map(|i| gates.col(i).to_vec()).collect();
        let active = gates.iter().map(|gate| x.iter().map(|x| dot(x, gate) >= 0.0).collect()).collect();
        Plain { x, y: values.clone(), gates, active, beta }
    }

    pub fn n(&self) -> usize {
        self.x.len()
    }

    /// Number of blocks, 2P.
    pub fn blocks(&self) -> usize {
        2 * self.gates.len()
    }

    fn pattern(&self, block: usize) -> &[bool] {
        &self.active[block % self.gates.len()]
    }

    /// e_ai.
    pub fn sign(&self, a: usize, block: usize) -> f64 {
        if self.pattern(block)[a] { 1.0 } else { -1.0 }
    }

    /// +1 for the first P blocks, -1 for the others.
    pub fn side(&self, block: usize) -> f64 {
        if block < self.gates.len() { 1.0 } else { -1.0 }
    }

    /// F v.
    pub fn prediction(&self, v: &HostMatrix) -> Vec<f64> {
        let mut out = vec![0.0; self.n()];
        for block in 0..self.blocks() {
            for a in (0..self.n()).filter(|&a| self.pattern(block)[a]) {
                out[a] += self.side(block) * dot(&self.x[a], v.col(block));
            }
        }
        out
    }

    /// 1/2 ||F v - y||^2 + beta sum of block norms.
    pub fn objective(&self, v: &HostMatrix) -> f64 {
        let loss: f64 = self.prediction(v).iter().zip(&self.y).map(|(f, y)| (f - y).powi(2)).sum();
        0.5 * loss + self.beta * (0..v.cols()).map(|block| norm(v.col(block))).sum::<f64>()
    }

    /// X' z.
    pub fn adjoint(&self, z: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut out = vec![0.0; self.x[0].len()];
        for (a, x) in self.x.iter().enumerate() {
            let weight = z(a);
            out.iter_mut().zip(x).for_each(|(out, x)| *out += weight * x);
        }
        out
    }

    /// +-X'D_i xi + X'(e_i o eta_i), with eta n x 2P.
    pub fn gradient(&self, block: usize, xi: &[f64], eta: &HostMatrix) -> Vec<f64> {
        self.adjoint(|a| {
            let active = if self.pattern(block)[a] { self.side(block) * xi[a] } else { 0.0 };
            active + self.sign(a, block) * eta[(a, block)]
        })
    }

    /// The dual bound of math.md section 5 at xi and eta >= 0.
    pub fn bound(&self, xi: &[f64], eta: &HostMatrix) -> f64 {
        assert!(eta.values().iter().all(|&eta| eta >= 0.0));
        let largest = (0..self.blocks()).map(|block| norm(&self.gradient(block, xi, eta))).fold(0.0, f64::max);
        let t = (dot(xi, &self.y) / dot(xi, xi)).min(self.beta / largest).max(0.0);
        t * dot(xi, &self.y) - 0.5 * t * t * dot(xi, xi)
    }

    /// Norm of the projection of +-X'D_i y onto the block's cone, by coordinate descent on its multipliers.
    pub fn projected_gradient(&self, block: usize) -> f64 {
        let none = HostMatrix::zeros(self.n(), self.blocks());
        let mut w = self.gradient(block, &self.y, &none);
        let mut eta = vec![0.0; self.n()];
        for _ in 0..5000 {
            for (a, eta) in eta.iter_mut().enumerate() {
                let (sign, x) = (self.sign(a, block), &self.x[a]);
                if dot(x, x) > 0.0 {
                    let next = (*eta - sign * dot(x, &w) / dot(x, x)).max(0.0);
                    w.iter_mut().zip(x).for_each(|(w, x)| *w += (next - *eta) * sign * x);
                    *eta = next;
                }
            }
        }
        norm(&w)
    }
}
