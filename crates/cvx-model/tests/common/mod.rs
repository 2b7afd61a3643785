//! Small programmes with random entries, and matrices by plain loops.

// Each test file uses its own part.
#![allow(dead_code)]

pub mod patches;

use cvx_linalg::{Backend, HostMatrix};
use cvx_model::{ConvexProgram, PatternSet};

/// SplitMix64 (Steele, Lea & Flood 2014): the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn positive(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In [-1, 1).
    pub fn signed(&mut self) -> f64 {
        2.0 * self.positive() - 1.0
    }

    /// Entries in [-scale, scale).
    pub fn matrix(&mut self, rows: usize, cols: usize, scale: f64) -> HostMatrix {
        HostMatrix::from_fn(rows, cols, |_, _| scale * self.signed())
    }
}

/// A programme with its parts on the host.
pub struct Case<B: Backend> {
    pub program: ConvexProgram<B>,
    pub xt: HostMatrix,
    pub y: HostMatrix,
}

/// n samples of d features with entries up to `x_scale`, C targets up to `y_scale`, `gates` random gates.
pub fn case<B: Backend>(
    backend: B,
    [n, d, gates, targets]: [usize; 4],
    [x_scale, y_scale]: [f64; 2],
    beta: f64,
    random: &mut Random,
) -> Case<B> {
    let xt = random.matrix(d, n, x_scale);
    let y = random.matrix(n, targets, y_scale);
    let gates = random.matrix(d, gates, 1.0);
    let program = ConvexProgram::new(backend, &xt, y.clone(), &gates, beta).unwrap();
    Case { program, xt, y }
}

impl<B: Backend> Case<B> {
    pub fn patterns(&self) -> &PatternSet {
        self.program.patterns()
    }

    /// e_ai: +1 where pattern i is active at sample a.
    pub fn sign(&self, a: usize, block: usize) -> f64 {
        if self.patterns().bits().get(a, block % self.patterns().len()) { 1.0 } else { -1.0 }
    }

    /// Target of a block.
    pub fn target(&self, block: usize) -> usize {
        block / (2 * self.patterns().len())
    }

    /// +1 for the first P blocks of a target, -1 for the others.
    pub fn side(&self, block: usize) -> f64 {
        if (block / self.patterns().len()).is_multiple_of(2) { 1.0 } else { -1.0 }
    }

    /// F v (n x C).
    pub fn prediction(&self, v: &HostMatrix) -> HostMatrix {
        let mut out = HostMatrix::zeros(self.xt.cols(), self.y.cols());
        for block in 0..v.cols() {
            for a in (0..self.xt.cols()).filter(|&a| self.sign(a, block) > 0.0) {
                out[(a, self.target(block))] += self.side(block) * dot(self.xt.col(a), v.col(block));
            }
        }
        out
    }

    /// 1/2 ||F v - y||^2 + beta sum of block norms.
    pub fn objective(&self, v: &HostMatrix) -> f64 {
        let norms: f64 = (0..v.cols()).map(|block| norm(v.col(block))).sum();
        loss(&self.prediction(v), &self.y) + self.program.beta() * norms
    }

    /// Largest -e_ai x_a'v_i over ||x_a|| ||v_i||.
    pub fn violation(&self, v: &HostMatrix) -> f64 {
        let mut worst: f64 = 0.0;
        for block in (0..v.cols()).filter(|&block| norm(v.col(block)) > 0.0) {
            for a in 0..self.xt.cols() {
                let (x, w) = (self.xt.col(a), v.col(block));
                if norm(x) > 0.0 {
                    worst = worst.max(-self.sign(a, block) * dot(x, w) / (norm(x) * norm(w)));
                }
            }
        }
        worst
    }

    /// A point of every cone: each block a non-negative combination of gates of its own pattern, some of them 0.
    pub fn feasible(&self, scale: f64, random: &mut Random) -> HostMatrix {
        let (p, d) = (self.patterns().len(), self.xt.rows());
        let mut v = HostMatrix::zeros(d, self.program.n_blocks());
        for block in 0..v.cols() {
            let gate = self.patterns().gates().col(block % p);
            for _ in 0..3 {
                // A neighbour of the gate that is still of its pattern, or the gate itself.
                let neighbour: Vec<f64> = gate.iter().map(|h| h + 0.3 * random.signed()).collect();
                let same = (0..self.xt.cols()).all(|a| self.sign(a, block) * dot(self.xt.col(a), &neighbour) >= 0.0);
                let weight = if random.positive() < 0.4 { 0.0 } else { scale * random.positive() };
                let direction = if same { &neighbour } else { gate };
                v.col_mut(block).iter_mut().zip(direction).for_each(|(v, h)| *v += weight * h);
            }
        }
        v
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

pub fn loss(prediction: &HostMatrix, y: &HostMatrix) -> f64 {
    0.5 * prediction.values().iter().zip(y.values()).map(|(f, y)| (f - y).powi(2)).sum::<f64>()
}

/// ||a - b||.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}
