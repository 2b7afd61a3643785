//! (P) with any loss as a conic programme, written from its definition and solved by an interior-point method.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use cvx_linalg::HostMatrix;
use cvx_model::Loss;

/// The programme of one target.
pub struct Conic<'a> {
    /// Samples, row by row.
    pub x: &'a [Vec<f64>],
    /// Gates (d x P), whose patterns are different and not empty.
    pub gates: &'a HostMatrix,
    pub y: &'a [f64],
    pub weights: &'a [f64],
    pub beta: f64,
    pub loss: Loss,
}

/// A linear expression: (variable, coefficient).
type Terms = Vec<(usize, f64)>;

/// `constant` + `terms` lies in the cone, row by row.
#[derive(Default)]
struct Rows {
    terms: Vec<Terms>,
    constants: Vec<f64>,
    cones: Vec<SupportedConeT<f64>>,
}

impl Rows {
    fn add(&mut self, cone: SupportedConeT<f64>, rows: Vec<(Terms, f64)>) {
        self.cones.push(cone);
        for (terms, constant) in rows {
            self.terms.push(terms);
            self.constants.push(constant);
        }
    }

    /// Adds the constraint `expression` >= 0.
    fn at_least_zero(&mut self, terms: Terms, constant: f64) {
        self.add(SupportedConeT::NonnegativeConeT(1), vec![(terms, constant)]);
    }
}

impl Conic<'_> {
    /// The optimum, to about ten digits; an error if rounding stops the method early.
    pub fn optimum(&self) -> Result<f64, String> {
        let (n, d, p) = (self.x.len(), self.x[0].len(), self.gates.cols());
        let active = |a: usize, i: usize| dot(&self.x[a], self.gates.col(i)) >= 0.0;
        let weight = |block: usize, k: usize| block * d + k;
        let norm = |block: usize| 2 * p * d + block;
        let mut variables = 2 * p * (d + 1);
        let (mut quadratic, mut linear) = (Vec::new(), vec![0.0; variables]);
        let mut rows = Rows::default();
        for block in 0..2 * p {
            // ||v|| <= its variable, and e x'v >= 0.
            linear[norm(block)] = self.beta;
            let members = (0..d).map(|k| (vec![(weight(block, k), 1.0)], 0.0));
            let all = std::iter::once((vec![(norm(block), 1.0)], 0.0)).chain(members).collect();
            rows.add(SupportedConeT::SecondOrderConeT(d + 1), all);
            for (a, x) in self.x.iter().enumerate() {
                let e = if active(a, block % p) { 1.0 } else { -1.0 };
                rows.at_least_zero((0..d).map(|k| (weight(block, k), e * x[k])).collect(), 0.0);
            }
        }
        let mut constant = 0.0;
        for a in 0..n {
            let (omega, y) = (self.weights[a], self.y[a]);
            let mut variable = |cost: f64, curvature: f64| {
                linear.push(cost);
                quadratic.push((variables, curvature));
                variables += 1;
                variables - 1
            };
            // q = sum_i d_i x'(v_i^+ - v_i^-).
            let blocks = (0..2 * p).filter(|block| active(a, block % p));
            let prediction: Terms = blocks
                .flat_map(|block| {
                    let side = if block < p { 1.0 } else { -1.0 };
                    (0..d).map(move |k| (weight(block, k), side * self.x[a][k]))
                })
                .collect();
            let with = |scale: f64, more: Terms| -> Terms {
                prediction.iter().map(|&(at, value)| (at, scale * value)).chain(more).collect()
            };
            match self.loss {
                Loss::Squared => {
                    let q = variable(-omega * y, omega);
                    constant += 0.5 * omega * y * y;
                    rows.add(SupportedConeT::ZeroConeT(1), vec![(with(-1.0, vec![(q, 1.0)]), 0.0)]);
                }
                Loss::SquaredHinge => {
                    let hinge = variable(0.0, omega);
                    rows.at_least_zero(vec![(hinge, 1.0)], 0.0);
                    rows.at_least_zero(with(y, vec![(hinge, 1.0)]), -1.0);
                }
                Loss::Huber { delta } => {
                    // The infimal convolution of the square and delta times the absolute value.
                    let (near, far) = (variable(0.0, omega), variable(omega * delta, 0.0));
                    rows.at_least_zero(with(1.0, vec![(near, -1.0), (far, 1.0)]), -y);
                    rows.at_least_zero(with(-1.0, vec![(near, 1.0), (far, 1.0)]), y);
                }
                Loss::Logistic => {
                    // exp(-l) + exp(-y q - l) <= 1.
                    let (l, one, two) = (variable(omega, 0.0), variable(0.0, 0.0), variable(0.0, 0.0));
                    let below =
                        |first: Terms, bound: usize| vec![(first, 0.0), (vec![], 1.0), (vec![(bound, 1.0)], 0.0)];
                    rows.add(SupportedConeT::ExponentialConeT(), below(vec![(l, -1.0)], one));
                    rows.add(SupportedConeT::ExponentialConeT(), below(with(-y, vec![(l, -1.0)]), two));
                    rows.at_least_zero(vec![(one, -1.0), (two, -1.0)], 1.0);
                }
            }
        }
        Ok(constant + solve(variables, &quadratic, &linear, &rows)?)
    }
}

fn solve(variables: usize, quadratic: &[(usize, f64)], linear: &[f64], rows: &Rows) -> Result<f64, String> {
    let (at, curvatures): (Vec<usize>, Vec<f64>) = quadratic.iter().copied().unzip();
    let p = CscMatrix::new_from_triplets(variables, variables, at.clone(), at, curvatures);
    // Clarabel's rows are A x + s = b with s in the cone.
    let (mut i, mut j, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (row, terms) in rows.terms.iter().enumerate() {
        for &(variable, value) in terms {
            i.push(row);
            j.push(variable);
            values.push(-value);
        }
    }
    let a = CscMatrix::new_from_triplets(rows.terms.len(), variables, i, j, values);
    let tolerance = 1e-10;
    let settings = DefaultSettings::<f64> {
        verbose: false,
        max_iter: 300,
        tol_gap_abs: tolerance,
        tol_gap_rel: tolerance,
        tol_feas: tolerance,
        ..DefaultSettings::default()
    };
    let mut solver = DefaultSolver::new(&p, linear, &a, &rows.constants, &rows.cones, settings).unwrap();
    solver.solve();
    let solution = &solver.solution;
    // Rounding may stop the method short of its own tolerance; the residuals of its result then decide.
    let ended = [SolverStatus::Solved, SolverStatus::AlmostSolved, SolverStatus::InsufficientProgress];
    let residual = solution.r_prim.max(solution.r_dual);
    let gap = (solution.obj_val - solution.obj_val_dual).abs() / solution.obj_val.abs().max(1e-3);
    if ended.contains(&solution.status) && residual <= 1e-8 && gap <= 1e-7 {
        return Ok(solution.obj_val);
    }
    Err(format!("{:?}: {}, residual {residual}, gap {gap}", solution.status, solution.obj_val))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
