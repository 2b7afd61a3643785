//! The interfaces between a problem and the solvers of its u-update.
//!
//! A solver sees blocks, masks and a penalty, and does not depend on what they mean. Equation numbers are those of
//! `docs/math.md`.

use crate::backend::{Backend, Shape};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::BlockLayout;
use crate::mask::BitMask;
use crate::samples::Samples;

/// A linear map between matrices on a device, applied to blocks of columns.
///
/// Operators own their scratch: nothing is allocated by [`apply`](LinearOperator::apply).
pub trait LinearOperator<B: Backend> {
    /// Shape of what goes in.
    fn input_shape(&self) -> (usize, usize);
    /// Shape of what comes out.
    fn output_shape(&self) -> (usize, usize);
    /// `out = A x`.
    fn apply(&mut self, out: &mut B::Matrix, x: &B::Matrix) -> Result<(), LinalgError>;
    /// `out = A' y`.
    fn apply_adjoint(&mut self, out: &mut B::Matrix, y: &B::Matrix) -> Result<(), LinalgError>;
}

/// The parts of A = I + F'F/rho + Gt'Gt that a structured solver factors.
pub struct MaskedBlocks<'a, B: Backend> {
    /// The device.
    pub backend: &'a B,
    /// The samples and patterns that all blocks share; `None` where each block has features of its own.
    pub masked: Option<MaskedSamples<'a, B>>,
    /// Rows of a block u: the d of samples that blocks share.
    pub n_rows: usize,
    /// The blocks u. In a layout of one sign there are PC columns wherever these pages say 2PC.
    pub layout: BlockLayout,
    /// The cone part; `None` without cones, where Gt = 0 and M = I.
    pub cones: Option<ConeRows<'a, B>>,
    /// Targets y (n x C).
    pub y: &'a B::Matrix,
    /// Whether F u - y means its projection off the vector of ones: a number that is not penalised is added to each
    /// output.
    pub output_bias: bool,
}

/// Samples X and patterns D_i: the features of block i are D_i X.
pub struct MaskedSamples<'a, B: Backend> {
    /// Samples as columns (d x n).
    pub samples: &'a Samples<B>,
    /// The patterns (n x P).
    pub mask: &'a B::Mask,
    /// The same patterns on the host.
    pub bits: &'a BitMask,
}

impl<B: Backend> Clone for MaskedSamples<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for MaskedSamples<'_, B> {}

/// The rows of the cone operator Gt = diag(g) (2 D_i - I) X.
pub struct ConeRows<'a, B: Backend> {
    /// Row weights g (n x 1).
    pub scale: &'a B::Matrix,
    /// g o g (n x 1), in f64.
    pub scale_squared: &'a <B::Wide as Backend>::Matrix,
}

impl<B: Backend> Clone for ConeRows<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for ConeRows<'_, B> {}

impl<'a, B: Backend> MaskedBlocks<'a, B> {
    /// Number of samples n.
    pub fn n_samples(&self) -> usize {
        self.y.rows()
    }

    /// Samples and patterns, for a solver that works on them.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] where each block has features of its own.
    pub fn masked(&self) -> Result<MaskedSamples<'a, B>, LinalgError> {
        self.masked.ok_or_else(|| LinalgError::shape("masked", "each block of the system has features of its own"))
    }

    /// The cone part, for a solver that works on it.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] without cones.
    pub fn expect_cones(&self, solver: &'static str) -> Result<ConeRows<'a, B>, LinalgError> {
        self.cones.ok_or_else(|| LinalgError::shape(solver, "it needs cones, and the system has none"))
    }
}

/// The right-hand side of (4a), kept in parts: b = blocks + Gt' rows + F' y / rho.
///
/// In f32 the sum must not be formed where M^-1 is applied to it (math.md section 3): each part has its own way
/// through the factors.
pub struct SystemRhs<'a, B: Backend> {
    /// v - lambda (d x 2PC).
    pub blocks: &'a B::Matrix,
    /// s - nu; `None` without cones.
    pub rows: Option<ConeRhs<'a, B>>,
}

/// s - nu in its two parts (n x 2PC each).
pub struct ConeRhs<'a, B: Backend> {
    /// s.
    pub s: &'a B::Matrix,
    /// nu; `None` for zero.
    pub nu: Option<&'a B::Matrix>,
}

impl<B: Backend> Clone for ConeRhs<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for ConeRhs<'_, B> {}

impl<'a, B: Backend> SystemRhs<'a, B> {
    /// The part of the cones.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] where there is none.
    pub fn expect_rows(&self, solver: &'static str) -> Result<ConeRhs<'a, B>, LinalgError> {
        self.rows.ok_or_else(|| LinalgError::shape(solver, "the right-hand side has no part for the cones"))
    }
}

/// The solution of (4a) and what comes with it.
pub struct SystemSolution<B: Backend> {
    /// u (d x 2PC); on entry the warm start.
    pub u: B::Matrix,
    /// X u (n x 2PC) of the returned u, however early the solver stopped: the slack and dual step of the cones reads
    /// it. `None` without cones, where nothing reads it and a solver need not compute it.
    pub xu: Option<B::Matrix>,
    /// r (n x C): F u - y, or what stands in its place in the equations that u satisfies, where a solver ended before
    /// the two were equal. Its negative is the dual point that the certificate is evaluated at.
    pub residual: B::Matrix,
}

impl<B: Backend> SystemSolution<B> {
    /// Zeros in the shapes of a system with these blocks.
    ///
    /// # Errors
    /// When the device has no memory for them.
    pub fn zeros(blocks: &MaskedBlocks<'_, B>) -> Result<Self, LinalgError> {
        let (backend, columns) = (blocks.backend, blocks.layout.columns());
        let xu = match (blocks.cones, blocks.masked) {
            (Some(_), Some(masked)) => Some(backend.sample_rows(masked.samples.n_samples(), columns)?),
            _ => None,
        };
        Ok(SystemSolution { u: backend.zeros(blocks.n_rows, columns)?, xu, residual: backend.zeros_like(blocks.y)? })
    }

    /// Zeros in the shapes of another solution.
    ///
    /// # Errors
    /// When the device has no memory for them.
    pub fn zeros_like(backend: &B, other: &SystemSolution<B>) -> Result<Self, LinalgError> {
        let zeros = |matrix: &B::Matrix| backend.zeros_like(matrix);
        Ok(SystemSolution {
            u: zeros(&other.u)?,
            xu: other.xu.as_ref().map(zeros).transpose()?,
            residual: zeros(&other.residual)?,
        })
    }

    /// Takes the values of another solution of the same shapes.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for other shapes; those of the device.
    pub fn copy_from(&mut self, backend: &B, source: &SystemSolution<B>) -> Result<(), LinalgError> {
        backend.copy(&source.u, &mut self.u)?;
        if let (Some(xu), Some(source)) = (&mut self.xu, &source.xu) {
            backend.copy(source, xu)?;
        }
        backend.copy(&source.residual, &mut self.residual)
    }

    /// u, X u and r, for a solver of systems with cones.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] where there is no place for X u.
    pub fn expect_xu(&mut self, solver: &'static str) -> Result<[&mut B::Matrix; 3], LinalgError> {
        let SystemSolution { u, xu, residual } = self;
        let xu = xu.as_mut().ok_or_else(|| LinalgError::shape(solver, "the solution has no place for X u"))?;
        Ok([u, xu, residual])
    }
}

/// How accurate a solution of (4a) has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accuracy {
    /// The residual of the system that is iterated on, over its right-hand side.
    Relative(f64),
    /// ||(du, Gt du)|| for the error du of u, in the units of u: what compares with the primal residual
    /// ||(u - v, Gt u - s)|| of the outer iteration.
    Error(f64),
}

impl Accuracy {
    /// The norm of the residual that suffices, for a right-hand side of the norm `rhs` and a residual that bounds the
    /// error ||(du, Gt du)|| by `error_per_residual` times its own norm.
    pub fn residual(self, rhs: f64, error_per_residual: f64) -> f64 {
        match self {
            Accuracy::Relative(tolerance) => tolerance * rhs,
            Accuracy::Error(tolerance) => tolerance / error_per_residual,
        }
    }
}

/// The system (4a), A u = b with A = I + F'F/rho + Gt'Gt.
pub trait MaskedSystem<B: Backend>: LinearOperator<B> {
    /// The penalty rho.
    fn penalty(&self) -> f64;
    /// Sets rho; F and G stay.
    fn set_penalty(&mut self, rho: f64);
    /// The structure, for solvers that factor it.
    fn blocks(&self) -> MaskedBlocks<'_, B>;
    /// `out` = F u (n x C), without cones.
    fn predict(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError>;
    /// `u += alpha F' r`, without cones.
    fn pull(&mut self, alpha: f64, r: &B::Matrix, u: &mut B::Matrix) -> Result<(), LinalgError>;
    /// F F' of one target, without cones: its entries above the diagonal go above the diagonal of `out` (n x n), its
    /// diagonal to the column `diagonal`. The entries of `out` on and below its diagonal are not changed.
    fn kernel(&self, out: &mut B::Matrix, diagonal: &mut B::Matrix) -> Result<(), LinalgError>;
    /// `out` = b of (4a).
    fn assemble(&mut self, out: &mut B::Matrix, rhs: &SystemRhs<'_, B>) -> Result<(), LinalgError>;
    /// From `solution.u`, its F u - y, and X u where there is a place for it.
    fn complete(&mut self, solution: &mut SystemSolution<B>) -> Result<(), LinalgError>;
}

/// How a linear solve ended. It is never inferred from an iteration count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearStatus {
    /// The true residual is within the requested accuracy, or within the rounding of the storage precision where that
    /// is larger.
    Converged,
    /// The iteration limit came first.
    IterationLimit,
    /// The search direction lost its curvature to rounding, or the residual stopped falling above the tolerance.
    Breakdown,
    /// A number was not finite.
    NonFinite,
}

/// What one linear solve did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearInfo {
    /// How it ended.
    pub status: LinearStatus,
    /// Inner iterations; 0 for a direct solver.
    pub iterations: usize,
    /// True relative residual of the system that was iterated on, for A itself ||b - A u|| / ||b||; `None` for a direct
    /// solver, whose accuracy is that of its factors.
    pub relative_residual: Option<f64>,
}

/// A solver of the u-update (4a).
pub trait LinearSolver<B: Backend> {
    /// The name by which users choose it.
    fn name(&self) -> &'static str;
    /// Does the work that does not depend on the right-hand side, for the operator's present penalty.
    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError>;
    /// Sets the operator's penalty to `rho` and renews only what depends on it.
    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError>;
    /// Renews what depends on the patterns, for an operator of the same samples and row weights with others.
    fn update_patterns(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.prepare(system)
    }
    /// Solves A u = b to `accuracy`, warm-started at `solution`.
    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError>;
    /// Floating-point operations of one [`update_penalty`](LinearSolver::update_penalty) and of one
    /// [`solve`](LinearSolver::solve): penalty changes are limited by this cost.
    fn flops(&self) -> SolverFlops;
    /// The state that the solves so far leave to the next one.
    fn state(&self, _backend: &B) -> Result<SolverState, LinalgError> {
        Ok(SolverState::default())
    }
    /// Restores the state of a solver of the same kind; to be called once prepared.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for the state of another kind or problem.
    fn restore(&mut self, _backend: &B, _state: &SolverState) -> Result<(), LinalgError> {
        Ok(())
    }
}

/// The state of a solver between two solves, beside the solution. A solver that is prepared afresh and gets both takes
/// the same steps, bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolverState {
    /// Counts, and the bits of numbers.
    pub words: Vec<u64>,
    /// Unknowns of the solver's own (d x PC).
    pub unknowns: Option<HostMatrix>,
}

impl SolverState {
    /// Counts alone.
    pub fn of_words(words: &[u64]) -> Self {
        SolverState { words: words.to_vec(), unknowns: None }
    }

    /// The counts, where there are as many as expected.
    ///
    /// # Errors
    /// [`LinalgError::Shape`].
    pub fn words<const N: usize>(&self) -> Result<[u64; N], LinalgError> {
        <[u64; N]>::try_from(self.words.as_slice()).map_err(|_| LinalgError::Shape {
            operation: "restore",
            detail: format!("{} numbers, expected {N}", self.words.len()),
        })
    }
}

/// Operation counts of a solver, see [`LinearSolver::flops`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SolverFlops {
    /// Of one penalty change.
    pub update: f64,
    /// Of one solve.
    pub solve: f64,
}
