//! How hard a system is for conjugate gradients: the extreme eigenvalues of a preconditioned system.

use crate::conjugate::Apply;
use crate::kind::{SolverKind, SolverSettings};
use crate::{GramPcg, Pcg};
use cvx_linalg::{Backend, Cpu, HostMatrix, LinalgError, MaskedSystem, Shape, Transpose, symmetric_eigen};

/// An eigenvalue and the half-width of the interval that contains it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigenvalue {
    /// The estimate.
    pub value: f64,
    /// An eigenvalue lies within this distance of it: rounding alone for one that was computed; for an estimate the
    /// residual's bound, or its square over the distance to the next estimate, which holds where no eigenvalue hides
    /// between the two.
    pub error: f64,
}

/// The ends of the spectrum of P^-1 A for the system that a solver iterates on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// The smallest eigenvalue.
    pub smallest: Eigenvalue,
    /// The largest eigenvalue.
    pub largest: Eigenvalue,
    /// Steps of the Lanczos iteration; 0 where all eigenvalues were computed.
    pub steps: usize,
}

impl Condition {
    /// The condition number.
    pub fn number(&self) -> f64 {
        self.largest.value / self.smallest.value
    }

    /// The interval of the condition number that the errors leave; open above where the smallest eigenvalue's is no
    /// smaller than itself.
    pub fn interval(&self) -> (f64, f64) {
        let least = (self.smallest.value - self.smallest.error).max(0.0);
        let (low, high) = (self.largest.value - self.largest.error, self.largest.value + self.largest.error);
        (low / (self.smallest.value + self.smallest.error), high / least)
    }

    /// With the error of a smallest eigenvalue that cannot be below 1.
    fn at_least_one(mut self) -> Self {
        self.smallest.error = self.smallest.error.min((self.smallest.value - 1.0).max(f64::EPSILON));
        self
    }

    /// Steps of conjugate gradients that lower the energy of the error to `tolerance` of it, by the bound
    /// 2 ((sqrt(kappa) - 1)/(sqrt(kappa) + 1))^k.
    pub fn predicted_steps(&self, tolerance: f64) -> f64 {
        let root = self.number().max(1.0).sqrt();
        if root <= 1.0 {
            return 1.0;
        }
        ((0.5 * tolerance).ln() / ((root - 1.0) / (root + 1.0)).ln()).ceil().max(1.0)
    }
}

/// How the eigenvalues are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpectrumMethod {
    /// From the dense matrix; for orders of up to a few thousand.
    Exact,
    /// By the Lanczos process within conjugate gradients: until both ends are known to this relative accuracy, or for
    /// so many steps.
    Lanczos {
        /// Relative accuracy.
        accuracy: f64,
        /// Limit.
        steps: usize,
    },
}

/// The ends of the spectrum of the preconditioned system that a solver of this kind iterates on, at the system's
/// present penalty. The targets share it: the system of one is looked at.
///
/// # Errors
/// [`LinalgError::Shape`] for a solver that iterates on no such system (the direct one and block coordinate descent);
/// [`LinalgError::NoEigenvalues`] where a number is not finite; those of the device.
pub fn condition<B: Backend>(
    kind: SolverKind,
    settings: &SolverSettings,
    system: &mut dyn MaskedSystem<B>,
    method: SpectrumMethod,
) -> Result<Condition, LinalgError> {
    let found = match kind {
        SolverKind::Cg => condition_of(&mut Pcg::cg(*settings), settings.seed, system, method),
        SolverKind::JacobiPcg => condition_of(&mut Pcg::jacobi(*settings), settings.seed, system, method),
        SolverKind::NystromPcg => condition_of(&mut Pcg::nystrom(*settings), settings.seed, system, method),
        SolverKind::GramPcg => condition_of_kernel(GramPcg::new(*settings), settings.seed, system, method),
        SolverKind::GramNystromPcg => condition_of_kernel(GramPcg::sketched(*settings), settings.seed, system, method),
        SolverKind::Cholesky | SolverKind::Rbcd | SolverKind::NystromRbcd => Err(LinalgError::Shape {
            operation: "condition",
            detail: format!("{kind} does not iterate on a preconditioned system"),
        }),
    }?;
    // A and the kernel's map are the identity and something positive semidefinite.
    let floored = matches!(kind, SolverKind::Cg | SolverKind::GramPcg) && method != SpectrumMethod::Exact;
    Ok(if floored { found.at_least_one() } else { found })
}

/// [`condition`] of conjugate gradients on A with the preconditioner of `solver`. `seed` is that of the first vector of
/// the Lanczos process.
///
/// # Errors
/// [`LinalgError::NoEigenvalues`] where a number is not finite; those of the device.
pub fn condition_of<B: Backend>(
    solver: &mut Pcg<B>,
    seed: u64,
    system: &mut dyn MaskedSystem<B>,
    method: SpectrumMethod,
) -> Result<Condition, LinalgError> {
    let backend = system.blocks().backend.clone();
    let ((d, columns), targets) = (system.input_shape(), system.blocks().y.cols());
    solver.with_maps(system, |a, inverse| spectrum(&backend, [d, columns], targets, seed, method, a, inverse))
}

/// [`condition`] of conjugate gradients on the n x n kernel.
fn condition_of_kernel<B: Backend>(
    mut solver: GramPcg<B>,
    seed: u64,
    system: &mut dyn MaskedSystem<B>,
    method: SpectrumMethod,
) -> Result<Condition, LinalgError> {
    let backend = system.blocks().backend.clone();
    let (n, targets) = (system.blocks().n_samples(), system.blocks().y.cols());
    solver.with_maps(system, |a, inverse| spectrum(&backend, [n, targets], targets, seed, method, a, inverse))
}

/// The ends of the spectrum of `precondition` after `apply`, for matrices of that shape.
fn spectrum<B: Backend>(
    backend: &B,
    shape: [usize; 2],
    targets: usize,
    seed: u64,
    method: SpectrumMethod,
    apply: &mut Apply<'_, B>,
    precondition: &mut Apply<'_, B>,
) -> Result<Condition, LinalgError> {
    match method {
        SpectrumMethod::Exact => exact(backend, shape, targets, apply, precondition),
        SpectrumMethod::Lanczos { accuracy, steps } => {
            lanczos(backend, shape, seed, accuracy, steps, apply, precondition)
        }
    }
}

/// The dense matrix that `apply` stands for, of one target.
fn dense<B: Backend>(
    backend: &B,
    [rows, cols]: [usize; 2],
    targets: usize,
    apply: &mut Apply<'_, B>,
) -> Result<HostMatrix, LinalgError> {
    let order = rows * cols / targets;
    let mut matrix = HostMatrix::zeros(order, order);
    let mut image = backend.zeros(rows, cols)?;
    for k in 0..order {
        let unit = HostMatrix::from_fn(rows, cols, |i, j| f64::from(u8::from(j * rows + i == k)));
        apply(&mut image, &backend.upload(&unit)?)?;
        matrix.col_mut(k).copy_from_slice(&backend.download(&image)?.values()[..order]);
    }
    Ok(matrix)
}

/// With A = Q diag(a) Q' and R = Q diag(sqrt(a)), P^-1 A has the eigenvalues of R' P^-1 R.
fn exact<B: Backend>(
    backend: &B,
    shape: [usize; 2],
    targets: usize,
    apply: &mut Apply<'_, B>,
    precondition: &mut Apply<'_, B>,
) -> Result<Condition, LinalgError> {
    let a = symmetric_eigen(&dense(backend, shape, targets, apply)?)?;
    let inverse = dense(backend, shape, targets, precondition)?;
    let order = a.values.len();
    let cpu = Cpu::<f64>::new();
    let root = HostMatrix::from_fn(order, order, |i, j| a.vectors[(i, j)] * a.values[j].max(0.0).sqrt());
    let (root, inverse) = (cpu.upload(&root)?, cpu.upload(&inverse)?);
    let (mut half, mut product) = (cpu.zeros(order, order)?, cpu.zeros(order, order)?);
    cpu.gemm(1.0, &inverse, Transpose::No, &root, Transpose::No, 0.0, &mut half)?;
    cpu.gemm(1.0, &root, Transpose::Yes, &half, Transpose::No, 0.0, &mut product)?;
    let values = symmetric_eigen(&cpu.download(&product)?)?.values;
    let (Some(&smallest), Some(&largest)) = (values.first(), values.last()) else {
        return Err(LinalgError::NoEigenvalues);
    };
    let error = backend.epsilon() * largest * order as f64;
    Ok(Condition {
        smallest: Eigenvalue { value: smallest, error },
        largest: Eigenvalue { value: largest, error },
        steps: 0,
    })
}

/// Steps after which the ends are looked at first, and the growth to the next look.
const FIRST_LOOK: usize = 8;
const LOOK_GROWTH: f64 = 1.3;

/// Conjugate gradients from a random right-hand side build the tridiagonal matrix of the Lanczos process for P^-1 A
/// (Golub & Van Loan, section 11.3); its extreme eigenvalues are those of P^-1 A up to the last entry of
/// their vectors times the next off-diagonal one.
fn lanczos<B: Backend>(
    backend: &B,
    [rows, cols]: [usize; 2],
    seed: u64,
    accuracy: f64,
    limit: usize,
    apply: &mut Apply<'_, B>,
    precondition: &mut Apply<'_, B>,
) -> Result<Condition, LinalgError> {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_pcg::Pcg64::seed_from_u64(seed ^ 0x5EED);
    let start = HostMatrix::from_fn(rows, cols, |_, _| if rng.random::<bool>() { 1.0 } else { -1.0 });
    let mut residual = backend.upload(&start)?;
    let (mut z, mut image) = (backend.zeros(rows, cols)?, backend.zeros(rows, cols)?);
    let mut direction = backend.zeros(rows, cols)?;
    precondition(&mut z, &residual)?;
    backend.copy(&z, &mut direction)?;
    let mut product = backend.dot(&residual, &z)?;
    let first = product;
    let mut tridiagonal = Tridiagonal::default();
    let (mut carried, mut look) = (0.0, FIRST_LOOK);
    loop {
        backend.stop().check()?;
        apply(&mut image, &direction)?;
        let curvature = backend.dot(&direction, &image)?;
        let step = product / curvature;
        backend.axpby(-step, &image, 1.0, &mut residual)?;
        precondition(&mut z, &residual)?;
        let next = backend.dot(&residual, &z)?;
        if !(step.is_finite() && next.is_finite() && step > 0.0) {
            return Err(LinalgError::NoEigenvalues);
        }
        let growth = next / product;
        tridiagonal.diagonal.push(1.0 / step + carried);
        tridiagonal.off_diagonal.push(growth.max(0.0).sqrt() / step);
        carried = growth / step;
        let steps = tridiagonal.diagonal.len();
        // With a zero residual, the process has found every eigenvalue whose vector is not orthogonal to the start.
        let exhausted = next <= f64::EPSILON * f64::EPSILON * first;
        if steps >= look || steps >= limit || exhausted {
            look = (look as f64 * LOOK_GROWTH) as usize + 1;
            let (smallest, largest) = tridiagonal.ends();
            let known = |end: &Eigenvalue| end.error <= accuracy * end.value;
            if known(&smallest) && known(&largest) || steps >= limit || exhausted {
                return Ok(Condition { smallest, largest, steps });
            }
        }
        backend.axpby(1.0, &z, growth, &mut direction)?;
        product = next;
    }
}

/// Most copies of an extreme estimate that are skipped, and their largest relative distance to it.
const COPIES: usize = 16;
const COPY: f64 = 1e-6;

/// A symmetric tridiagonal matrix; the last off-diagonal entry leads out of it.
#[derive(Default)]
struct Tridiagonal {
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
}

impl Tridiagonal {
    /// Number of eigenvalues below `x`: of negative pivots of T - x (Sturm).
    fn below(&self, x: f64) -> usize {
        let (mut count, mut pivot) = (0, 1.0);
        for (k, diagonal) in self.diagonal.iter().enumerate() {
            let coupling = if k == 0 { 0.0 } else { self.off_diagonal[k - 1].powi(2) };
            pivot = diagonal - x - coupling / pivot;
            if pivot == 0.0 {
                pivot = f64::MIN_POSITIVE;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    }

    /// The eigenvalue with so many below it, by bisection between bounds of all of them.
    fn eigenvalue(&self, index: usize) -> f64 {
        let radius = |k: usize| {
            let left = if k == 0 { 0.0 } else { self.off_diagonal[k - 1] };
            left + if k + 1 < self.diagonal.len() { self.off_diagonal[k] } else { 0.0 }
        };
        let ends = (0..self.diagonal.len()).map(|k| (self.diagonal[k] - radius(k), self.diagonal[k] + radius(k)));
        let (mut low, mut high) =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| (low.min(a), high.max(b)));
        // The system is positive definite.
        low = low.max(0.0);
        for _ in 0..200 {
            let middle = if high > 4.0 * low && low > 0.0 { (low * high).sqrt() } else { 0.5 * (low + high) };
            if middle <= low || middle >= high {
                break;
            }
            if self.below(middle) > index { high = middle } else { low = middle }
        }
        0.5 * (low + high)
    }

    /// Size of the last entry of the eigenvector of norm 1: an inverse iteration from a flat start.
    fn last_entry(&self, value: f64) -> f64 {
        let order = self.diagonal.len();
        let shift = value * (1.0 + 4.0 * f64::EPSILON);
        let mut vector = vec![1.0; order];
        for _ in 0..2 {
            // Elimination without pivoting; a pivot of zero is moved to rounding.
            let mut pivots = vec![0.0; order];
            for k in 0..order {
                let mut pivot = self.diagonal[k] - shift;
                if k > 0 {
                    let factor = self.off_diagonal[k - 1] / pivots[k - 1];
                    pivot -= factor * self.off_diagonal[k - 1];
                    vector[k] -= factor * vector[k - 1];
                }
                pivots[k] = if pivot.abs() < f64::EPSILON * shift.abs() { f64::EPSILON * shift.abs() } else { pivot };
            }
            for k in (0..order).rev() {
                if k + 1 < order {
                    vector[k] -= self.off_diagonal[k] * vector[k + 1];
                }
                vector[k] /= pivots[k];
            }
            let norm = vector.iter().fold(0.0f64, |norm, entry| norm.hypot(*entry));
            vector.iter_mut().for_each(|entry| *entry /= norm);
        }
        vector.last().map_or(0.0, |entry| entry.abs())
    }

    fn ends(&self) -> (Eigenvalue, Eigenvalue) {
        let out = self.off_diagonal.last().copied().unwrap_or(0.0);
        let order = self.diagonal.len();
        let end = |index: usize, inward: isize| {
            let value = self.eigenvalue(index);
            let residual = out * self.last_entry(value);
            // Rounding makes copies of an estimate that has converged: the next one is the next that differs.
            let others =
                (1..order.min(COPIES)).map(|k| self.eigenvalue(index.saturating_add_signed(inward * k as isize)));
            let gap = others.map(|other| (other - value).abs()).find(|&gap| gap > COPY * value).unwrap_or(0.0);
            Eigenvalue { value, error: if residual < gap { residual * residual / gap } else { residual } }
        };
        (end(0, 1), end(order - 1, -1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tridiagonal_matrix_has_the_eigenvalues_that_a_dense_one_has() {
        let order = 40;
        let tridiagonal = Tridiagonal {
            diagonal: (0..order).map(|k| 3.0 + (k as f64 * 0.7).sin()).collect(),
            off_diagonal: (0..order).map(|k| 0.4 + 0.3 * (k as f64).cos()).collect(),
        };
        let dense = HostMatrix::from_fn(order, order, |i, j| match i.abs_diff(j) {
            0 => tridiagonal.diagonal[i],
            1 => tridiagonal.off_diagonal[i.min(j)],
            _ => 0.0,
        });
        let eigen = symmetric_eigen(&dense).unwrap();
        let (smallest, largest) = tridiagonal.ends();
        for (found, k) in [(smallest, 0), (largest, order - 1)] {
            assert!((found.value - eigen.values[k]).abs() < 1e-12, "{found:?} instead of {}", eigen.values[k]);
            let residual = tridiagonal.off_diagonal[order - 1] * eigen.vectors[(order - 1, k)].abs();
            let gap = (eigen.values[k.abs_diff(1)] - eigen.values[k]).abs();
            let error = if residual < gap { residual * residual / gap } else { residual };
            assert!((found.error - error).abs() < 1e-9, "{found:?}, error {error}");
        }
    }

    #[test]
    fn steps_are_predicted_by_the_bound() {
        let eigenvalue = |value: f64| Eigenvalue { value, error: 0.0 };
        let condition = |largest: f64| Condition { smallest: eigenvalue(1.0), largest: eigenvalue(largest), steps: 0 };
        assert_eq!(condition(1.0).predicted_steps(1e-6), 1.0);
        // kappa = 100: the rate is 9/11.
        assert_eq!(condition(100.0).predicted_steps(1e-6), ((0.5e-6f64).ln() / (9.0f64 / 11.0).ln()).ceil());
        assert_eq!(condition(100.0).interval(), (100.0, 100.0));
    }
}
