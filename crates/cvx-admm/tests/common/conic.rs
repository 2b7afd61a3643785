//! (P) with any loss as a conic programme, and (17.1) with it, written from their definitions and solved by an
//! interior-point method.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use cvx_linalg::{BlockLayout, HostMatrix};
use cvx_model::{Activation, ConeForm, EntryLoss, Loss, LossForm};

/// The programme of all targets.
pub struct Conic<'a> {
    /// Samples, row by row.
    pub x: &'a [Vec<f64>],
    /// Gates (d x P), whose patterns are different and not empty.
    pub gates: &'a HostMatrix,
    pub activation: Activation,
    /// Targets (n x C).
    pub y: &'a HostMatrix,
    pub weights: &'a [f64],
    pub beta: f64,
    pub loss: Loss,
    pub output_bias: bool,
    /// Whether an entry (block, row) may be positive, and whether it may be negative, if they are constrained. Gates
    /// may then be equal.
    pub signs: Option<&'a dyn Fn(usize, usize) -> [bool; 2]>,
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

/// The unknowns of a programme, and their costs.
#[derive(Default)]
struct Variables {
    linear: Vec<f64>,
    /// (variable, curvature).
    quadratic: Vec<(usize, f64)>,
}

impl Variables {
    fn add(&mut self, cost: f64, curvature: f64) -> usize {
        let variable = self.linear.len();
        self.linear.push(cost);
        self.quadratic.push((variable, curvature));
        variable
    }
}

fn scaled(terms: &Terms, scale: f64) -> Terms {
    terms.iter().map(|&(at, value)| (at, scale * value)).collect()
}

fn sum(parts: &[Terms]) -> Terms {
    parts.concat()
}

impl Conic<'_> {
    /// The optimum, to about ten digits; an error if rounding stops the method early. The targets are separate
    /// programmes, but for a loss of rows.
    pub fn optimum(&self) -> Result<f64, String> {
        self.optimum_over(self.activation.layout(self.gates.cols(), self.y.cols()), ConeForm::Hard)
    }

    /// The same over the blocks of `layout`, with cones that are constraints or terms of the loss.
    pub fn optimum_over(&self, layout: BlockLayout, cones: ConeForm) -> Result<f64, String> {
        let layout = BlockLayout { targets: 1, ..layout };
        let targets: Vec<usize> = (0..self.y.cols()).collect();
        match self.loss.form() {
            LossForm::Entry(_) => targets.into_iter().map(|c| self.optimum_of(&[c], layout, cones)).sum(),
            LossForm::Row(_) => self.optimum_of(&targets, layout, cones),
        }
    }

    /// The optimum of the programme of these targets, each with the blocks of `layout`.
    fn optimum_of(&self, targets: &[usize], layout: BlockLayout, cones: ConeForm) -> Result<f64, String> {
        let (mut variables, mut rows) = (Variables::default(), Rows::default());
        let predictions: Vec<Vec<[Terms; 2]>> =
            targets.iter().map(|_| self.predictions(layout, cones, &mut variables, &mut rows)).collect();
        let mut constant = 0.0;
        for a in 0..self.x.len() {
            match self.loss.form() {
                LossForm::Entry(loss) => {
                    for (prediction, &c) in predictions.iter().zip(targets) {
                        let (omega, y) = (self.weights[a], self.y[(a, c)]);
                        let [upper, lower] = &prediction[a];
                        constant += match cones {
                            ConeForm::Hard => entry(loss, upper, omega, y, &mut variables, &mut rows),
                            ConeForm::Soft => {
                                one_sided(loss, 1.0, upper, omega, y, &mut variables, &mut rows)
                                    + one_sided(loss, -1.0, lower, omega, y, &mut variables, &mut rows)
                            }
                        };
                    }
                }
                LossForm::Row(_) => {
                    // log sum exp of the differences to the prediction for the class itself.
                    let own = targets.iter().position(|&c| self.y[(a, c)] > 0.0).unwrap();
                    let away = scaled(&predictions[own][a][0], -1.0);
                    let differences: Vec<Terms> =
                        (0..targets.len())
                            .map(|c| {
                                if c == own { Terms::new() } else { sum(&[predictions[c][a][0].clone(), away.clone()]) }
                            })
                            .collect();
                    log_sum_exp(&differences, self.weights[a], &mut variables, &mut rows);
                }
            }
        }
        Ok(constant + solve(&variables, &rows)?)
    }

    /// The blocks of one target with their norms and cones, and the output bias. Returns the predictions F v of each
    /// sample from above and below: with the violations of positive blocks, and less those of negative ones, which are
    /// none for cones that are constraints.
    fn predictions(
        &self,
        layout: BlockLayout,
        cones: ConeForm,
        variables: &mut Variables,
        rows: &mut Rows,
    ) -> Vec<[Terms; 2]> {
        let d = self.x[0].len();
        let active = |a: usize, i: usize| dot(&self.x[a], self.gates.col(i)) >= 0.0;
        let mut predictions = vec![[Terms::new(), Terms::new()]; self.x.len()];
        for block in 0..layout.columns() {
            let (side, pattern) = (layout.sign(block), layout.pattern(block));
            // ||v|| <= its variable, and e x'v >= 0, or >= -its violation.
            let norm = variables.add(self.beta, 0.0);
            let v: Vec<usize> = (0..d).map(|_| variables.add(0.0, 0.0)).collect();
            let all = std::iter::once(&norm).chain(&v).map(|&at| (vec![(at, 1.0)], 0.0)).collect();
            rows.add(SupportedConeT::SecondOrderConeT(d + 1), all);
            for (row, &at) in v.iter().enumerate() {
                let [positive, negative] = self.signs.map_or([true; 2], |signs| signs(block, row));
                if !positive {
                    rows.at_least_zero(vec![(at, -1.0)], 0.0);
                }
                if !negative {
                    rows.at_least_zero(vec![(at, 1.0)], 0.0);
                }
            }
            for (a, x) in self.x.iter().enumerate() {
                let product: Terms = v.iter().zip(x).map(|(&at, &x)| (at, x)).collect();
                let is_active = active(a, pattern);
                if self.activation == Activation::Relu {
                    let mut inside = scaled(&product, if is_active { 1.0 } else { -1.0 });
                    if cones == ConeForm::Soft {
                        let violation = variables.add(0.0, 0.0);
                        rows.at_least_zero(vec![(violation, 1.0)], 0.0);
                        inside.push((violation, 1.0));
                        predictions[a][usize::from(side < 0.0)].push((violation, side));
                    }
                    rows.at_least_zero(inside, 0.0);
                }
                if is_active {
                    predictions[a].iter_mut().for_each(|bound| bound.extend(scaled(&product, side)));
                }
            }
        }
        if self.output_bias {
            let bias = variables.add(0.0, 0.0);
            predictions.iter_mut().flatten().for_each(|bound| bound.push((bias, 1.0)));
        }
        predictions
    }
}

/// Adds the part of the loss that does not fall (`side` 1) or does not rise (-1) at the prediction `q`: the least loss
/// of a t with side t >= side q. Returns its constant.
fn one_sided(
    loss: EntryLoss,
    side: f64,
    q: &Terms,
    omega: f64,
    y: f64,
    variables: &mut Variables,
    rows: &mut Rows,
) -> f64 {
    // The logistic loss has no minimum, and one part alone.
    if loss == EntryLoss::Logistic && side == y {
        return 0.0;
    }
    let t = variables.add(0.0, 0.0);
    rows.at_least_zero(sum(&[vec![(t, side)], scaled(q, -side)]), 0.0);
    entry(loss, &vec![(t, 1.0)], omega, y, variables, rows)
}

/// Adds the loss of one prediction; returns its constant.
fn entry(loss: EntryLoss, q: &Terms, omega: f64, y: f64, variables: &mut Variables, rows: &mut Rows) -> f64 {
    match loss {
        EntryLoss::Squared => {
            let copy = variables.add(-omega * y, omega);
            rows.add(SupportedConeT::ZeroConeT(1), vec![(sum(&[scaled(q, -1.0), vec![(copy, 1.0)]]), 0.0)]);
            return 0.5 * omega * y * y;
        }
        EntryLoss::SquaredHinge => {
            let hinge = variables.add(0.0, omega);
            rows.at_least_zero(vec![(hinge, 1.0)], 0.0);
            rows.at_least_zero(sum(&[scaled(q, y), vec![(hinge, 1.0)]]), -1.0);
        }
        EntryLoss::Huber { delta } => {
            // The infimal convolution of the square and delta times the absolute value.
            let (near, far) = (variables.add(0.0, omega), variables.add(omega * delta, 0.0));
            rows.at_least_zero(sum(&[q.clone(), vec![(near, -1.0), (far, 1.0)]]), -y);
            rows.at_least_zero(sum(&[scaled(q, -1.0), vec![(near, 1.0), (far, 1.0)]]), y);
        }
        // exp(-l) + exp(-y q - l) <= 1.
        EntryLoss::Logistic => log_sum_exp(&[Terms::new(), scaled(q, -y)], omega, variables, rows),
    }
    0.0
}

/// Adds omega log sum exp of these expressions: the smallest l with sum exp(expression - l) <= 1.
fn log_sum_exp(expressions: &[Terms], omega: f64, variables: &mut Variables, rows: &mut Rows) {
    let l = variables.add(omega, 0.0);
    let mut bounds = Terms::new();
    for expression in expressions {
        let bound = variables.add(0.0, 0.0);
        let exponent = sum(&[expression.clone(), vec![(l, -1.0)]]);
        let cone = vec![(exponent, 0.0), (vec![], 1.0), (vec![(bound, 1.0)], 0.0)];
        rows.add(SupportedConeT::ExponentialConeT(), cone);
        bounds.push((bound, -1.0));
    }
    rows.at_least_zero(bounds, 1.0);
}

fn solve(unknowns: &Variables, rows: &Rows) -> Result<f64, String> {
    let curved = unknowns.quadratic.iter().filter(|(_, curvature)| *curvature > 0.0);
    let (at, curvatures): (Vec<usize>, Vec<f64>) = curved.copied().unzip();
    let variables = unknowns.linear.len();
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
    let mut solver = DefaultSolver::new(&p, &unknowns.linear, &a, &rows.constants, &rows.cones, settings).unwrap();
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
