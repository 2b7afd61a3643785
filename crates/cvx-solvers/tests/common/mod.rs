//! Systems (4a) on the host and on a device, and their solutions by plain elimination.

// Each test file uses its own part.
#![allow(dead_code)]

use cvx_linalg::{
    Accuracy, Backend, ConeRhs, Cpu, HostMatrix, LinalgError, LinearInfo, LinearSolver, MaskedSystem, Samples,
    SystemRhs, SystemSolution,
};
use cvx_model::reference::{dense_a, dense_f, dense_g, multiply};
use cvx_model::{Certificate, ConvexProgram, PatternSet, RowScale, SystemOperator, WeightedLoss};
use std::sync::Arc;

/// Numbers in [-1, 1) that look random (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn signed(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub fn matrix(&mut self, rows: usize, cols: usize) -> HostMatrix {
        HostMatrix::from_fn(rows, cols, |_, _| self.signed())
    }
}

/// One system (4a) with its right-hand side, all on the host.
pub struct Case {
    pub xt: HostMatrix,
    pub y: HostMatrix,
    pub gates: HostMatrix,
    pub blocks: HostMatrix,
    pub rows: HostMatrix,
    pub row_scale: RowScale,
    /// Whether F is followed by the projection off the vector of ones.
    pub output_bias: bool,
    /// How many gates have the sign +, if each has a block of one sign.
    pub positive: Option<usize>,
}

/// What came of a solve, on the host.
pub struct Solved {
    pub u: HostMatrix,
    pub xu: HostMatrix,
    pub residual: HostMatrix,
    pub info: LinearInfo,
    /// ||b - A u|| / ||b|| in f64, by other code.
    pub true_residual: f64,
}

impl Case {
    pub fn new([n, d, p, targets]: [usize; 4], row_scale: RowScale, seed: u64) -> Self {
        let mut random = Random(seed);
        let (xt, y) = (random.matrix(d, n), random.matrix(n, targets));
        let gates = random.matrix(d, p);
        let columns = 2 * patterns(&xt, &gates).len() * targets;
        let (blocks, rows) = (random.matrix(d, columns), random.matrix(n, columns));
        Case { xt, y, gates, blocks, rows, row_scale, output_bias: false, positive: None }
    }

    pub fn with_output_bias(self) -> Self {
        Case { output_bias: true, ..self }
    }

    /// The same with a block of one sign for each gate, + for the first `positive`, and other right-hand sides.
    pub fn of_signs(self, positive: usize) -> Self {
        // Gates that are off on all samples are turned around, as sampled ones are.
        let off = |gate: usize, sample: usize| {
            self.gates.col(gate).iter().zip(self.xt.col(sample)).map(|(h, x)| h * x).sum::<f64>() < 0.0
        };
        let all_off = (0..self.gates.cols()).all(|gate| (0..self.xt.cols()).all(|sample| off(gate, sample)));
        let turn = if all_off { -1.0 } else { 1.0 };
        let gates = HostMatrix::from_fn(self.gates.rows(), self.gates.cols(), |i, j| turn * self.gates[(i, j)]);
        let case = Case { positive: Some(positive), gates, ..self };
        let (columns, mut random) = (case.program(Cpu::<f64>::new()).n_blocks(), Random(99));
        let blocks = random.matrix(case.xt.rows(), columns);
        Case { rows: random.matrix(case.xt.cols(), columns), blocks, ..case }
    }

    pub fn program<B: Backend>(&self, backend: B) -> ConvexProgram<B> {
        let mut program = ConvexProgram::new(backend, &self.xt, self.y.clone(), &self.gates, 0.1).unwrap();
        program.set_loss(WeightedLoss::default().with_output_bias(self.output_bias)).unwrap();
        if let Some(positive) = self.positive {
            program.set_neurons(&self.gates, positive).unwrap();
        }
        program
    }

    /// The dense F of one target, projected if there is an output bias.
    pub fn dense_f(&self, patterns: &PatternSet) -> HostMatrix {
        let f = dense_f(&self.xt, patterns);
        if self.output_bias { centred(&f) } else { f }
    }

    /// Which of the 2P blocks of both signs a target has.
    fn own_blocks(&self, patterns: &PatternSet) -> Vec<usize> {
        let p = patterns.len();
        match self.positive {
            None => (0..2 * p).collect(),
            Some(_) => (0..p).map(|i| if i < patterns.positive() { i } else { p + i }).collect(),
        }
    }

    /// u by the dense matrix and Gaussian elimination, target by target.
    pub fn reference(&self, rho: f64) -> HostMatrix {
        let program = self.program(Cpu::<f64>::new());
        let patterns = program.patterns();
        let norms: Vec<f64> = (0..self.xt.cols()).map(|a| norm(self.xt.col(a))).collect();
        let (f, g) = (self.dense_f(patterns), dense_g(&self.xt, patterns, &self.row_scale.weights(&norms)));
        let (n, d, own) = (self.xt.cols(), self.xt.rows(), self.own_blocks(patterns));
        let f = HostMatrix::from_fn(n, d * own.len(), |a, k| f[(a, own[k / d] * d + k % d)]);
        let entry = |a: usize, k: usize| g[(own[a / n] * n + a % n, own[k / d] * d + k % d)];
        let g = HostMatrix::from_fn(n * own.len(), d * own.len(), entry);
        let a = dense_a(&f, &g, rho);
        let mut u = Vec::new();
        for c in 0..self.y.cols() {
            let part = |matrix: &HostMatrix| {
                let length = matrix.values().len() / self.y.cols();
                matrix.values()[c * length..(c + 1) * length].to_vec()
            };
            let from_rows = multiply(&g.transposed(), &part(&self.rows));
            let from_y = multiply(&f.transposed(), self.y.col(c));
            let mut b = part(&self.blocks);
            (0..b.len()).for_each(|k| b[k] += from_rows[k] + from_y[k] / rho);
            u.extend(eliminate(a.clone(), b));
        }
        HostMatrix::from_vec(self.xt.rows(), self.blocks.cols(), u)
    }
}

pub fn patterns(xt: &HostMatrix, gates: &HostMatrix) -> PatternSet {
    let cpu = Cpu::<f64>::new();
    PatternSet::from_gates(&Samples::new(&cpu, Arc::new(xt.clone())).unwrap(), gates).unwrap()
}

/// The matrix with the mean of each column subtracted.
pub fn centred(matrix: &HostMatrix) -> HostMatrix {
    let mean = |j: usize| matrix.col(j).iter().sum::<f64>() / matrix.rows() as f64;
    let means: Vec<f64> = (0..matrix.cols()).map(mean).collect();
    HostMatrix::from_fn(matrix.rows(), matrix.cols(), |i, j| matrix[(i, j)] - means[j])
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

pub fn relative_distance(found: &HostMatrix, expected: &HostMatrix) -> f64 {
    let squares = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt() / norm(expected.values()).max(f64::MIN_POSITIVE)
}

/// Gaussian elimination with partial pivoting.
pub fn eliminate(mut a: HostMatrix, mut b: Vec<f64>) -> Vec<f64> {
    let order = b.len();
    for k in 0..order {
        let pivot = (k..order).fold(k, |best, i| if a[(i, k)].abs() > a[(best, k)].abs() { i } else { best });
        for j in 0..order {
            (a[(k, j)], a[(pivot, j)]) = (a[(pivot, j)], a[(k, j)]);
        }
        b.swap(k, pivot);
        for i in k + 1..order {
            let factor = a[(i, k)] / a[(k, k)];
            for j in k..order {
                a[(i, j)] -= factor * a[(k, j)];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..order).rev() {
        let known: f64 = (k + 1..order).map(|j| a[(k, j)] * b[j]).sum();
        b[k] = (b[k] - known) / a[(k, k)];
    }
    b
}

/// An unsolved system on a device.
pub struct Device<'a, B: Backend> {
    pub program: &'a ConvexProgram<B>,
    pub system: SystemOperator<'a, B>,
    pub blocks: B::Matrix,
    pub s: B::Matrix,
    pub nu: B::Matrix,
    pub solution: SystemSolution<B>,
}

fn scaled<B: Backend>(backend: &B, matrix: &HostMatrix, factor: f64) -> B::Matrix {
    let scaled = HostMatrix::from_fn(matrix.rows(), matrix.cols(), |i, j| factor * matrix[(i, j)]);
    backend.upload(&scaled).unwrap()
}

impl<'a, B: Backend> Device<'a, B> {
    pub fn new(program: &'a ConvexProgram<B>, case: &Case, rho: f64) -> Self {
        let (backend, system) = (program.backend(), SystemOperator::new(program, case.row_scale, rho).unwrap());
        Device {
            program,
            blocks: backend.upload(&case.blocks).unwrap(),
            // s - nu = rows.
            s: scaled(backend, &case.rows, 0.75),
            nu: scaled(backend, &case.rows, -0.25),
            solution: SystemSolution::zeros(&system.blocks()).unwrap(),
            system,
        }
    }

    /// Takes over a solution as a warm start.
    pub fn begin_at(&mut self, solution: &SystemSolution<B>) {
        self.solution.copy_from(self.program.backend(), solution).unwrap();
    }

    pub fn solve(&mut self, solver: &mut dyn LinearSolver<B>, tolerance: f64) -> Result<Solved, LinalgError> {
        self.solve_to(solver, Accuracy::Relative(tolerance))
    }

    pub fn solve_to(&mut self, solver: &mut dyn LinearSolver<B>, accuracy: Accuracy) -> Result<Solved, LinalgError> {
        let rhs = SystemRhs { blocks: &self.blocks, rows: Some(ConeRhs { s: &self.s, nu: Some(&self.nu) }) };
        let info = solver.solve(&mut self.system, &rhs, accuracy, &mut self.solution)?;
        let (backend, solution) = (self.program.backend(), &self.solution);
        Ok(Solved {
            u: backend.download(&solution.u)?,
            xu: backend.download(solution.xu.as_ref().expect("a system with cones"))?,
            residual: backend.download(&solution.residual)?,
            info,
            true_residual: Certificate::new(self.program)?.system_residual(&self.system, &solution.u, &rhs)?,
        })
    }
}

pub const ROW_SCALES: [RowScale; 3] =
    [RowScale::Unscaled, RowScale::Normalised { sigma: 0.25 }, RowScale::Normalised { sigma: 5.0 }];
