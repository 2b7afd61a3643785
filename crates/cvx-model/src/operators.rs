//! The operators F, G and A without their matrices: two products with X each, masks and signs in between.

use crate::products::Products;
use crate::program::{ConvexProgram, RowScale};
use crate::workspace::Workspace;
use cvx_linalg::{
    Backend, Centring, ConeRhs, ConeRows, HostMatrix, LinalgError, LinearOperator, MaskedBlocks, MaskedSystem, Scratch,
    SystemRhs, SystemSolution, Transpose,
};

/// F u = sum_i D_i X (u_i^+ - u_i^-): the output of the convex model (d x 2PC -> n x C).
#[doc(alias = "F")]
pub struct PredictionOperator<'a, B: Backend> {
    program: &'a ConvexProgram<B>,
    products: Products<B>,
}

impl<'a, B: Backend> PredictionOperator<'a, B> {
    /// The operator with its scratch.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &'a ConvexProgram<B>) -> Result<Self, LinalgError> {
        Ok(PredictionOperator { program, products: Products::new(program.backend()) })
    }
}

impl<B: Backend> LinearOperator<B> for PredictionOperator<'_, B> {
    fn input_shape(&self) -> (usize, usize) {
        (self.program.n_features(), self.program.n_blocks())
    }
    fn output_shape(&self) -> (usize, usize) {
        (self.program.n_samples(), self.program.n_targets())
    }
    fn apply(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        match self.program.patches() {
            Some(patches) => patches.predict(self.program.backend(), u, out),
            None => self.products.predict(&self.program.shared()?, u, out),
        }
    }
    fn apply_adjoint(&mut self, out: &mut B::Matrix, r: &B::Matrix) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        backend.fill(0.0, out)?;
        match program.patches() {
            Some(patches) => patches.pull(backend, 1.0, r, out),
            None if program.n_cones() == 0 => self.products.pull(&program.shared()?, 1.0, r, out),
            None => {
                let (layout, n) = (program.layout(), program.n_samples());
                let (mut masked, mut rows) =
                    (backend.sample_rows(n, layout.pairs())?, backend.sample_rows(n, layout.columns())?);
                backend.masked_broadcast(program.mask(), 1.0, r, &mut masked)?;
                backend.add_pairs(layout, 1.0, &masked, &mut rows)?;
                backend.gemm(1.0, program.samples().stored()?, Transpose::No, &rows, Transpose::No, 0.0, out)
            }
        }
    }
}

/// Gt u = diag(g) (2 D_i - I) X u per block: non-negative exactly on the cones (d x 2PC -> n x 2PC).
#[doc(alias = "G")]
pub struct ConeOperator<'a, B: Backend> {
    program: &'a ConvexProgram<B>,
    row_scale: B::Matrix,
    xu: B::Matrix,
}

impl<'a, B: Backend> ConeOperator<'a, B> {
    /// The operator with its row weights and scratch.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &'a ConvexProgram<B>, row_scale: RowScale) -> Result<Self, LinalgError> {
        let backend = program.backend();
        Ok(ConeOperator {
            program,
            row_scale: backend.upload_rows(&row_scale.weights(program.row_norms()))?,
            xu: backend.sample_rows(program.n_samples(), program.n_blocks())?,
        })
    }
}

impl<B: Backend> LinearOperator<B> for ConeOperator<'_, B> {
    fn input_shape(&self) -> (usize, usize) {
        (self.program.n_features(), self.program.n_blocks())
    }
    fn output_shape(&self) -> (usize, usize) {
        (self.program.n_samples(), self.program.n_blocks())
    }
    fn apply(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        backend.gemm(1.0, program.samples().stored()?, Transpose::Yes, u, Transpose::No, 0.0, &mut self.xu)?;
        backend.sign_flip(program.mask(), &self.row_scale, &self.xu, None, out)
    }
    fn apply_adjoint(&mut self, out: &mut B::Matrix, s: &B::Matrix) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        backend.sign_flip(program.mask(), &self.row_scale, s, None, &mut self.xu)?;
        backend.gemm(1.0, program.samples().stored()?, Transpose::No, &self.xu, Transpose::No, 0.0, out)
    }
}

/// The data of a [`SystemOperator`] in addition to the programme: penalty, row weights, target and scratch. Reuse for
/// the next operator saves their allocation.
pub struct SystemWorkspace<B: Backend> {
    /// The target of F u, if it is not y (math.md section 6).
    target: Option<B::Matrix>,
    rho: f64,
    row_scale: B::Matrix,
    row_scale_squared: <B::Wide as Backend>::Matrix,
    /// Matrices of n rows: what no solver asks for is not there.
    scratch: Scratch<B>,
    products: Products<B>,
    prediction: B::Matrix,
    /// The projection of predictions, where there is an output bias.
    centring: Centring<B>,
}

impl<B: Backend> SystemWorkspace<B> {
    /// A workspace for a programme with the sizes of this one.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &ConvexProgram<B>, row_scale: RowScale, rho: f64) -> Result<Self, LinalgError> {
        let (n, backend) = (program.n_samples(), program.backend());
        let weights = row_scale.weights(program.row_norms());
        let squared = HostMatrix::from_fn(n, 1, |a, _| weights[(a, 0)].powi(2));
        Ok(SystemWorkspace {
            target: None,
            rho,
            row_scale: backend.upload_rows(&weights)?,
            row_scale_squared: backend.wide().upload_rows(&squared)?,
            scratch: Scratch::new(backend, 3),
            products: Products::new(backend),
            prediction: backend.zeros_like(program.y())?,
            centring: Centring::new(backend, n, program.n_targets(), program.loss().has_output_bias())?,
        })
    }

    /// The row weights g (n x 1).
    pub fn row_scale(&self) -> &B::Matrix {
        &self.row_scale
    }

    /// The prediction of `u`, without cones.
    fn predict(&mut self, program: &ConvexProgram<B>, u: &B::Matrix) -> Result<(), LinalgError> {
        match program.patches() {
            Some(patches) => patches.predict(program.backend(), u, &mut self.prediction)?,
            None => self.products.predict(&program.shared()?, u, &mut self.prediction)?,
        }
        self.centring.apply(program.backend(), &mut self.prediction)
    }

    /// `out` += F' of the prediction, over rho, without cones.
    fn pull_prediction(&mut self, program: &ConvexProgram<B>, out: &mut B::Matrix) -> Result<(), LinalgError> {
        match program.patches() {
            Some(patches) => patches.pull(program.backend(), 1.0 / self.rho, &self.prediction, out),
            None => self.products.pull(&program.shared()?, 1.0 / self.rho, &self.prediction, out),
        }
    }

    /// `rows` (n x 2PC) += the prediction, over rho, in each block with its pattern and sign.
    fn add_prediction(&mut self, program: &ConvexProgram<B>, rows: &mut B::Matrix) -> Result<(), LinalgError> {
        let (backend, layout) = (program.backend(), program.layout());
        let mut masked = self.scratch.take_rows(program.samples().stored()?, layout.pairs())?;
        backend.masked_broadcast(program.mask(), 1.0 / self.rho, &self.prediction, &mut masked)?;
        backend.add_pairs(layout, 1.0, &masked, rows)?;
        self.scratch.give(masked);
        Ok(())
    }
}

/// A = I + F'F/rho + Gt'Gt, the matrix of the u-update (4a) (d x 2PC -> d x 2PC). With an output bias, F is followed by
/// the projection off the vector of ones (docs/math.md, section 11).
#[doc(alias = "A")]
pub struct SystemOperator<'a, B: Backend> {
    program: &'a ConvexProgram<B>,
    work: Workspace<'a, SystemWorkspace<B>>,
}

impl<'a, B: Backend> SystemOperator<'a, B> {
    /// The operator with its row weights and scratch.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &'a ConvexProgram<B>, row_scale: RowScale, rho: f64) -> Result<Self, LinalgError> {
        let work = Workspace::Owned(Box::new(SystemWorkspace::new(program, row_scale, rho)?));
        Ok(SystemOperator { program, work })
    }

    /// The operator on a workspace of this programme; penalty and target of the workspace remain.
    pub fn with_workspace(program: &'a ConvexProgram<B>, workspace: &'a mut SystemWorkspace<B>) -> Self {
        SystemOperator { program, work: Workspace::Borrowed(workspace) }
    }

    /// The row weights g (n x 1).
    pub fn row_scale(&self) -> &B::Matrix {
        &self.work.row_scale
    }

    /// The target of F u (n x C): y, unless another target was set.
    pub fn target(&self) -> &B::Matrix {
        self.work.target.as_ref().unwrap_or(self.program.y())
    }

    /// Sets the target of F u to `target` (n x C).
    ///
    /// # Errors
    /// Fails if an entry is not finite in the storage precision, or if the device has no memory for it.
    pub fn set_target(&mut self, target: &HostMatrix) -> Result<(), LinalgError> {
        self.work.target = Some(self.program.backend().upload_rows(target)?);
        Ok(())
    }
}

impl<B: Backend> LinearOperator<B> for SystemOperator<'_, B> {
    fn input_shape(&self) -> (usize, usize) {
        (self.program.n_features(), self.program.n_blocks())
    }
    fn output_shape(&self) -> (usize, usize) {
        self.input_shape()
    }
    fn apply(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        let work = &mut *self.work;
        if program.n_cones() == 0 {
            work.predict(program, u)?;
            backend.copy(u, out)?;
            return work.pull_prediction(program, out);
        }
        let xt = program.samples().stored()?;
        let (mut xu, mut flipped) =
            (work.scratch.take_rows(xt, program.n_blocks())?, work.scratch.take_rows(xt, program.n_cones())?);
        backend.gemm(1.0, xt, Transpose::Yes, u, Transpose::No, 0.0, &mut xu)?;
        backend.masked_row_sum(program.layout(), Some(program.mask()), &xu, &mut work.prediction)?;
        work.centring.apply(backend, &mut work.prediction)?;
        // Gt'Gt: the signs cancel and g occurs twice, so X u is only multiplied by g^2.
        backend.sign_flip(program.mask(), &work.row_scale, &xu, None, &mut flipped)?;
        backend.sign_flip(program.mask(), &work.row_scale, &flipped, None, &mut xu)?;
        work.scratch.give(flipped);
        work.add_prediction(program, &mut xu)?;
        backend.copy(u, out)?;
        backend.gemm(1.0, xt, Transpose::No, &xu, Transpose::No, 1.0, out)?;
        work.scratch.give(xu);
        Ok(())
    }
    fn apply_adjoint(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        self.apply(out, u)
    }
}

impl<B: Backend> MaskedSystem<B> for SystemOperator<'_, B> {
    fn penalty(&self) -> f64 {
        self.work.rho
    }
    fn set_penalty(&mut self, rho: f64) {
        self.work.rho = rho;
    }
    fn blocks(&self) -> MaskedBlocks<'_, B> {
        MaskedBlocks {
            backend: self.program.backend(),
            masked: self.program.masked(),
            n_rows: self.program.n_features(),
            layout: self.program.layout(),
            cones: (self.program.n_cones() > 0)
                .then_some(ConeRows { scale: &self.work.row_scale, scale_squared: &self.work.row_scale_squared }),
            y: self.target(),
            output_bias: self.program.loss().has_output_bias(),
        }
    }
    fn predict(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        match self.program.patches() {
            Some(patches) => patches.predict(self.program.backend(), u, out),
            None => self.work.products.predict(&self.program.shared()?, u, out),
        }
    }
    fn pull(&mut self, alpha: f64, r: &B::Matrix, u: &mut B::Matrix) -> Result<(), LinalgError> {
        match self.program.patches() {
            Some(patches) => patches.pull(self.program.backend(), alpha, r, u),
            None => self.work.products.pull(&self.program.shared()?, alpha, r, u),
        }
    }
    fn kernel(&self, out: &mut B::Matrix, diagonal: &mut B::Matrix) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        match program.patches() {
            Some(patches) => patches.kernel(backend, out, diagonal),
            None => backend.masked_gram(program.samples().stored()?, program.mask(), out, diagonal),
        }
    }
    fn assemble(&mut self, out: &mut B::Matrix, rhs: &SystemRhs<'_, B>) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        let work = &mut *self.work;
        backend.copy(work.target.as_ref().unwrap_or(program.y()), &mut work.prediction)?;
        work.centring.apply(backend, &mut work.prediction)?;
        backend.copy(rhs.blocks, out)?;
        if program.n_cones() == 0 {
            return work.pull_prediction(program, out);
        }
        let mut xu = work.scratch.take_rows(program.samples().stored()?, program.n_blocks())?;
        let ConeRhs { s, nu } = rhs.expect_rows("assemble")?;
        backend.sign_flip(program.mask(), &work.row_scale, s, nu, &mut xu)?;
        work.add_prediction(program, &mut xu)?;
        backend.gemm(1.0, program.samples().stored()?, Transpose::No, &xu, Transpose::No, 1.0, out)?;
        work.scratch.give(xu);
        Ok(())
    }
    fn complete(&mut self, solution: &mut SystemSolution<B>) -> Result<(), LinalgError> {
        let (program, backend) = (self.program, self.program.backend());
        let SystemSolution { u, xu, residual } = solution;
        match xu {
            Some(xu) => {
                backend.gemm(1.0, program.samples().stored()?, Transpose::Yes, u, Transpose::No, 0.0, xu)?;
                backend.masked_row_sum(program.layout(), Some(program.mask()), xu, residual)?;
            }
            None => self.predict(residual, u)?,
        }
        backend.axpby(-1.0, self.target(), 1.0, residual)?;
        self.work.centring.apply(backend, residual)
    }
}
