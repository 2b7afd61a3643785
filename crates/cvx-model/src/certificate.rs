//! The certificate of a solution: the network's own objective, a cone-feasible objective, and a lower bound.
//!
//! All values are computed in f64 from the samples, for every precision of the iteration.

use crate::activation::Activation;
use crate::network::norm;
use crate::operators::SystemOperator;
use crate::program::ConvexProgram;
use crate::workspace::Workspace;
use cvx_linalg::{
    Backend, BitMask, BlockLayout, Centring, HostMatrix, LinalgError, MaskedSystem, SystemRhs, Transpose,
};

type WideMatrix<B> = <<B as Backend>::Wide as Backend>::Matrix;

/// The recovered network's non-convex training objective.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkValue {
    /// loss + beta times the sum of block norms.
    pub objective: f64,
    /// The loss term: 1/2 ||f - y||^2 for the squared loss.
    pub loss: f64,
    /// Number of blocks that are not zero.
    pub neurons: usize,
    /// Predictions f (n x C), with the output bias.
    pub prediction: HostMatrix,
    /// The best output bias for these blocks (C); zeros without one.
    pub output_bias: Vec<f64>,
}

/// A lower bound of the optimum of (P), and the distance of the multipliers from dual feasibility.
///
/// For any xi and any eta_i >= 0 (math.md sections 5 and 6):
///
/// With cones Q_i of the entries, the norms are those of the projections onto Q_i (section 13).
///
/// $$ \max_{0 \le t \le 1/c} - \sum_a \omega_a l^{\ast} \bigl( -t \xi_a / \omega_a; y_a \bigr), \qquad c = \tfrac1\beta \max_{i, \pm} \bigl\lVert X^\top \bigl( \pm d_i \circ \xi + e_i \circ g \circ \eta_i \bigr) \bigr\rVert $$
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DualBound {
    /// The largest -sum omega l*(-t xi / omega; y) over t in [0, 1/c], summed over the targets.
    pub value: f64,
    /// c, the largest block norm over beta; the bound is tight when it is 1.
    pub ratio: f64,
}

/// A point that satisfies all cones of (P).
#[derive(Clone, Debug, PartialEq)]
pub struct FeasiblePoint {
    /// Its objective, at most that of the zero network.
    pub objective: f64,
    /// The blocks of the point (d x 2PC).
    pub blocks: HostMatrix,
}

/// The smallest tau >= 0 with e_a (xv_a + tau xh_a) >= 0 for all rows; infinite or NaN if there is none.
fn steps_to_cone(bits: &BitMask, pattern: usize, xv: &[f64], xh: &[f64]) -> f64 {
    xv.iter().zip(xh).enumerate().fold(0.0, |tau: f64, (a, (xv, xh))| {
        let violation = if bits.get(a, pattern) { -xv } else { *xv };
        if violation > 0.0 { tau.max(violation / xh.abs()) } else { tau }
    })
}

fn negated(mut matrix: HostMatrix) -> HostMatrix {
    matrix.values_mut().iter_mut().for_each(|value| *value = -*value);
    matrix
}

/// (upper - bound)+ over `upper`. The denominator is at least 1e-9 of the zero network's objective, so that rescaling
/// of y does not change the gap.
pub fn relative_gap(upper: f64, bound: f64, scale: f64) -> f64 {
    // f64::max would turn a NaN objective into a gap of 0.
    if !(upper.is_finite() && bound.is_finite()) {
        return f64::INFINITY;
    }
    let gap = (upper - bound).max(0.0);
    // y = 0: both sides are exactly 0.
    if gap == 0.0 { 0.0 } else { gap / upper.max(1e-9 * scale) }
}

/// Scratch of a [`Certificate`], in f64 on the device. Reuse for the next certificate saves its allocation.
pub struct CertificateWorkspace<B: Backend> {
    wide: B::Wide,
    /// d x 2PC.
    blocks: WideMatrix<B>,
    /// n x 2PC.
    rows: WideMatrix<B>,
    /// n x PC.
    masked: WideMatrix<B>,
    /// n x C.
    prediction: WideMatrix<B>,
    /// |x_a'h_i| (n x P), for the feasible point; computed at its first use.
    margins: Option<HostMatrix>,
}

impl<B: Backend> CertificateWorkspace<B> {
    /// A workspace for a programme with the sizes of this one, with its patterns.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &ConvexProgram<B>) -> Result<Self, LinalgError> {
        let wide = program.backend().wide();
        let (n, blocks, targets) = (program.n_shared(), program.n_blocks(), program.n_targets());
        Ok(CertificateWorkspace {
            blocks: wide.zeros(program.n_features(), blocks)?,
            rows: wide.zeros(n, blocks)?,
            masked: wide.zeros(n, program.n_patterns() * targets)?,
            prediction: wide.zeros(program.n_samples(), targets)?,
            margins: None,
            wide,
        })
    }
}

/// Evaluates the certificate of math.md section 5.
pub struct Certificate<'a, B: Backend> {
    program: &'a ConvexProgram<B>,
    work: Workspace<'a, CertificateWorkspace<B>>,
}

impl<'a, B: Backend> Certificate<'a, B> {
    /// The evaluator with its scratch.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &'a ConvexProgram<B>) -> Result<Self, LinalgError> {
        Ok(Certificate { program, work: Workspace::Owned(Box::new(CertificateWorkspace::new(program)?)) })
    }

    /// The evaluator on a workspace of this programme.
    pub fn with_workspace(program: &'a ConvexProgram<B>, workspace: &'a mut CertificateWorkspace<B>) -> Self {
        Certificate { program, work: Workspace::Borrowed(workspace) }
    }

    /// The objective of the network recovered from `v` (d x 2PC). The cost depends on the number of neurons: zero
    /// blocks are skipped if most blocks are zero.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn network(&mut self, v: &B::Matrix) -> Result<NetworkValue, LinalgError> {
        let work = &mut *self.work;
        self.program.backend().widen(v, &mut work.blocks)?;
        let norms = work.wide.column_norms(&work.blocks)?;
        let neurons: Vec<usize> = (0..norms.len()).filter(|&j| norms[j] > 0.0 || norms[j].is_nan()).collect();
        if let Some(patches) = self.program.patches() {
            patches.predict_wide(self.program.backend(), &work.blocks, &mut work.prediction)?;
        } else if 2 * neurons.len() <= norms.len() {
            self.predict_sparse(&neurons)?;
        } else {
            self.predict_all()?;
        }
        let work = &*self.work;
        let mut prediction = work.wide.download(&work.prediction)?;
        let output_bias = self.program.loss().add_bias(&mut prediction, self.program.y_host());
        let loss = self.program.loss().total(&prediction, self.program.y_host());
        Ok(NetworkValue {
            objective: loss + self.program.beta() * norms.iter().sum::<f64>(),
            loss,
            neurons: norms.iter().filter(|&&norm| norm > 0.0).count(),
            prediction,
            output_bias,
        })
    }

    /// The network's predictions, computed from all of `blocks`.
    fn predict_all(&mut self) -> Result<(), LinalgError> {
        let work = &mut *self.work;
        let (xt, rows, layout) = (self.program.xt_wide(), &mut work.rows, self.program.layout());
        work.wide.gemm(1.0, xt, Transpose::Yes, &work.blocks, Transpose::No, 0.0, rows)?;
        match self.program.activation() {
            Activation::Relu => {
                work.wide.positive_part(1.0, &mut work.rows)?;
                work.wide.masked_row_sum(layout, None, &work.rows, &mut work.prediction)
            }
            Activation::Gated => {
                work.wide.masked_row_sum(layout, Some(self.program.mask()), &work.rows, &mut work.prediction)
            }
        }
    }

    /// The network's predictions, computed from these columns of `blocks`, target by target.
    fn predict_sparse(&mut self, neurons: &[usize]) -> Result<(), LinalgError> {
        let work = &mut *self.work;
        let (program, wide) = (self.program, &work.wide);
        let (n, p, per_target) = (program.n_samples(), program.n_patterns(), program.n_blocks() / program.n_targets());
        wide.fill(0.0, &mut work.prediction)?;
        for target in 0..program.n_targets() {
            let in_target: Vec<usize> = neurons.iter().copied().filter(|j| j / per_target == target).collect();
            if in_target.is_empty() {
                continue;
            }
            let mut columns = wide.zeros(program.n_features(), in_target.len())?;
            wide.gather_columns(&work.blocks, &in_target, &mut columns)?;
            let (mut rows, mut out) = (wide.zeros(n, in_target.len())?, wide.zeros(n, 1)?);
            wide.gemm(1.0, program.xt_wide(), Transpose::Yes, &columns, Transpose::No, 0.0, &mut rows)?;
            match program.activation() {
                Activation::Relu => {
                    wide.positive_part(1.0, &mut rows)?;
                    let sign = |j: usize| if (in_target[j] / p).is_multiple_of(2) { 1.0 } else { -1.0 };
                    let signs = wide.upload(&HostMatrix::from_fn(in_target.len(), 1, |j, _| sign(j)))?;
                    wide.gemm(1.0, &rows, Transpose::No, &signs, Transpose::No, 0.0, &mut out)?;
                }
                Activation::Gated => {
                    let patterns: Vec<usize> = in_target.iter().map(|j| j % p).collect();
                    let mask = wide.upload_mask(&program.patterns().bits().select(&patterns))?;
                    wide.masked_row_sum(BlockLayout::one(patterns.len(), 1), Some(&mask), &rows, &mut out)?;
                }
            }
            wide.write_part(&out, &mut work.prediction, target * n)?;
        }
        Ok(())
    }

    /// rows = X v, with v widened into blocks.
    fn project(&mut self, v: &B::Matrix) -> Result<(), LinalgError> {
        let work = &mut *self.work;
        self.program.backend().widen(v, &mut work.blocks)?;
        let (xt, rows) = (self.program.xt_wide(), &mut work.rows);
        work.wide.gemm(1.0, xt, Transpose::Yes, &work.blocks, Transpose::No, 0.0, rows)
    }

    /// The lower bound from xi = -`residual` (n x C) and the cone multipliers. `multipliers` (n x 2PC) holds e_i o g o
    /// eta_i with eta_i >= 0; any such eta is allowed, and the signs e_i are those of the pattern. `None` means eta =
    /// 0, the only possibility for gated neurons, which have no cones.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn dual(&mut self, residual: &B::Matrix, multipliers: Option<&B::Matrix>) -> Result<DualBound, LinalgError> {
        let work = &mut *self.work;
        let (program, backend) = (self.program, self.program.backend());
        backend.widen(residual, &mut work.prediction)?;
        if !program.loss().takes_every_xi() {
            // Moves the residual into the domain of the conjugate before anything is computed from xi.
            let mut xi = negated(work.wide.download(&work.prediction)?);
            program.loss().clip(&mut xi, program.y_host());
            work.prediction = work.wide.upload(&negated(xi))?;
        }
        match multipliers {
            Some(multipliers) => backend.widen(multipliers, &mut work.rows)?,
            None => work.wide.fill(0.0, &mut work.rows)?,
        }
        self.bound_of_scratch(program)
    }

    /// The bound at the xi of the zero network (y for the squared loss) and eta = 0. It proves that a zero network is
    /// optimal if beta is at least the gated beta_max, which is its [`ratio`](DualBound::ratio) times beta.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn dual_at_zero(&mut self) -> Result<DualBound, LinalgError> {
        let work = &mut *self.work;
        work.prediction = work.wide.upload(&negated(self.program.xi_at_zero()))?;
        work.wide.fill(0.0, &mut work.rows)?;
        self.bound_of_scratch(self.program)
    }

    /// max over the blocks of each target of ||X'D_i xi|| at the xi of the zero network. At the largest of them and
    /// above, the zero network is optimal. It is a closed-form upper bound of beta_max.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn gated_maxima(&mut self) -> Result<Vec<f64>, LinalgError> {
        self.dual_at_zero()?;
        // dual_at_zero leaves the block gradients in the scratch.
        let work = &*self.work;
        let norms = work.wide.column_norms(&work.blocks)?;
        let largest = |norms: &[f64]| {
            norms.iter().map(|&norm| if norm.is_nan() { f64::INFINITY } else { norm }).fold(0.0, f64::max)
        };
        Ok(norms.chunks_exact(norms.len() / self.program.n_targets()).map(largest).collect())
    }

    /// The largest of [`gated_maxima`](Self::gated_maxima).
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn gated_beta_max(&mut self) -> Result<f64, LinalgError> {
        Ok(self.gated_maxima()?.into_iter().fold(0.0, f64::max))
    }

    /// The bound, with the residual in `prediction` and the signed multipliers in `rows`.
    fn bound_of_scratch(&mut self, program: &ConvexProgram<B>) -> Result<DualBound, LinalgError> {
        let work = &mut *self.work;
        let targets = program.n_targets();
        // xi = -residual, hence the minus sign.
        if let Some(patches) = program.patches() {
            work.wide.fill(0.0, &mut work.blocks)?;
            patches.pull_wide(program.backend(), -1.0, &work.prediction, &mut work.blocks)?;
        } else {
            work.wide.masked_broadcast(program.mask(), -1.0, &work.prediction, &mut work.masked)?;
            work.wide.add_pairs(program.layout(), 1.0, &work.masked, &mut work.rows)?;
            let (xt, blocks) = (program.xt_wide(), &mut work.blocks);
            work.wide.gemm(1.0, xt, Transpose::No, &work.rows, Transpose::No, 0.0, blocks)?;
        }
        // Of a block in a cone, <a, u> <= ||P a|| ||u|| with the projection P onto the cone.
        program.confine_wide(&mut work.blocks)?;
        let norms = work.wide.column_norms(&work.blocks)?;
        let xi = negated(work.wide.download(&work.prediction)?);
        let ratio = |norms: &[f64]| {
            let largest =
                norms.iter().map(|&norm| if norm.is_nan() { f64::INFINITY } else { norm }).fold(0.0, f64::max);
            // At beta = 0, only multipliers with zero blocks are admissible.
            if largest == 0.0 { 0.0 } else { largest / program.beta() }
        };
        let ratios: Vec<f64> = norms.chunks_exact(norms.len() / targets).map(ratio).collect();
        let limits: Vec<f64> = ratios.iter().map(|ratio| 1.0 / ratio).collect();
        Ok(DualBound {
            value: program.loss().bound(&xi, program.y_host(), &limits),
            ratio: ratios.into_iter().fold(0.0, f64::max),
        })
    }

    /// A point of (P) near `v`: each block moves along its gate, which is interior to its cone, until it is just
    /// feasible. Then the blocks of each target are scaled by the best t >= 0.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn feasible_point(&mut self, v: &B::Matrix) -> Result<FeasiblePoint, LinalgError> {
        let work = &mut *self.work;
        let (program, patterns) = (self.program, self.program.patterns());
        if program.activation() == Activation::Gated {
            return self.gated_point(v);
        }
        let (n, p) = (program.n_samples(), program.n_patterns());
        let margins = match work.margins.take() {
            Some(margins) => margins,
            None => {
                let gates = work.wide.upload(patterns.gates())?;
                let mut product = work.wide.zeros(n, p)?;
                work.wide.gemm(1.0, program.xt_wide(), Transpose::Yes, &gates, Transpose::No, 0.0, &mut product)?;
                work.wide.download(&product)?
            }
        };
        self.project(v)?;
        let work = &mut *self.work;
        let xv = work.wide.download(&work.rows)?;
        let mut blocks = work.wide.download(&work.blocks)?;
        let (mut predictions, mut decays) = (HostMatrix::zeros(n, program.n_targets()), Vec::new());
        for c in 0..program.n_targets() {
            let (prediction, mut norms) = (predictions.col_mut(c), 0.0);
            for j in 2 * c * p..2 * (c + 1) * p {
                let (i, block, xv) = (j % p, blocks.col_mut(j), xv.col(j));
                let (gate, xh) = (patterns.gates().col(i), margins.col(i));
                let tau = steps_to_cone(patterns.bits(), i, xv, xh);
                let size = norm(block) + tau * norm(gate);
                block.iter_mut().zip(gate).for_each(|(v, h)| *v += tau * h);
                // Either not feasible along h (a violated row whose gate is tied, or a gate that serves the block of
                // the other sign), or only rounding remains, which t would scale up. Zero is feasible.
                if !size.is_finite() || norm(block) <= 1e-8 * size || !program.is_confined(j, block) {
                    block.fill(0.0);
                    continue;
                }
                norms += norm(block);
                let side = if j < (2 * c + 1) * p { 1.0 } else { -1.0 };
                for a in (0..n).filter(|&a| patterns.bits().get(a, i)) {
                    prediction[a] += side * (xv[a] + tau * xh[a]);
                }
            }
            decays.push(program.beta() * norms);
        }
        let (multiples, loss) = program.loss().best_multiples(&predictions, program.y_host(), &decays);
        for j in 0..blocks.cols() {
            blocks.col_mut(j).iter_mut().for_each(|value| *value *= multiples[j / (2 * p)]);
        }
        work.margins = Some(margins);
        let decay: f64 = multiples.iter().zip(&decays).map(|(t, decay)| t * decay).sum();
        Ok(FeasiblePoint { objective: loss + decay, blocks })
    }

    /// Without cones every point is feasible: returns `v` itself, or zero if zero is better.
    fn gated_point(&mut self, v: &B::Matrix) -> Result<FeasiblePoint, LinalgError> {
        let (objective, zero) = (self.network(v)?.objective, self.program.zero_objective());
        let work = &*self.work;
        let mut blocks = work.wide.download(&work.blocks)?;
        if objective >= zero {
            blocks.values_mut().fill(0.0);
        }
        Ok(FeasiblePoint { objective: objective.min(zero), blocks })
    }

    /// ||b - A u|| / ||b|| of the u-update (4a) with the right-hand side `rhs`, all in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn system_residual(
        &mut self,
        system: &SystemOperator<'_, B>,
        u: &B::Matrix,
        rhs: &SystemRhs<'_, B>,
    ) -> Result<f64, LinalgError> {
        let work = &mut *self.work;
        let (program, wide) = (self.program, work.wide.clone());
        let (n, columns) = (program.n_samples(), program.n_blocks());
        let mut g = wide.zeros(n, 1)?;
        program.backend().widen(system.row_scale(), &mut g)?;
        let (mut wide_rows, mut flipped) = (wide.zeros(n, program.n_cones())?, wide.zeros(n, columns)?);
        let mut b = wide.zeros(program.n_features(), columns)?;
        let mut y = wide.upload(program.y_host())?;
        if !program.loss().is_plain() {
            program.backend().widen(system.target(), &mut y)?;
        }
        let cones = program.n_cones() > 0;
        let mut centring = Centring::new(&wide, n, program.n_targets(), program.loss().has_output_bias())?;
        centring.apply(&wide, &mut y)?;
        if let Some(patches) = program.patches() {
            let backend = program.backend();
            backend.widen(rhs.blocks, &mut b)?;
            patches.pull_wide(backend, 1.0 / system.penalty(), &y, &mut b)?;
            let size = wide.norm(&b)?;
            backend.widen(u, &mut work.blocks)?;
            patches.predict_wide(backend, &work.blocks, &mut work.prediction)?;
            centring.apply(&wide, &mut work.prediction)?;
            wide.axpby(-1.0, &work.blocks, 1.0, &mut b)?;
            patches.pull_wide(backend, -1.0 / system.penalty(), &work.prediction, &mut b)?;
            let residual = wide.norm(&b)?;
            return Ok(if size > 0.0 { residual / size } else { residual });
        }

        // b
        if cones {
            program.backend().widen(rhs.expect_rows("system_residual")?, &mut wide_rows)?;
            wide.sign_flip(program.mask(), &g, &wide_rows, &mut flipped)?;
        }
        wide.masked_broadcast(program.mask(), 1.0 / system.penalty(), &y, &mut work.masked)?;
        wide.add_pairs(program.layout(), 1.0, &work.masked, &mut flipped)?;
        program.backend().widen(rhs.blocks, &mut b)?;
        wide.gemm(1.0, program.xt_wide(), Transpose::No, &flipped, Transpose::No, 1.0, &mut b)?;
        let size = wide.norm(&b)?;

        // b - A u; project leaves u in work.blocks and X u in work.rows.
        self.project(u)?;
        let work = &mut *self.work;
        wide.masked_row_sum(program.layout(), Some(program.mask()), &work.rows, &mut work.prediction)?;
        centring.apply(&wide, &mut work.prediction)?;
        wide.masked_broadcast(program.mask(), 1.0 / system.penalty(), &work.prediction, &mut work.masked)?;
        if cones {
            wide.sign_flip(program.mask(), &g, &work.rows, &mut flipped)?;
            wide.sign_flip(program.mask(), &g, &flipped, &mut work.rows)?;
        } else {
            wide.fill(0.0, &mut work.rows)?;
        }
        wide.add_pairs(program.layout(), 1.0, &work.masked, &mut work.rows)?;
        wide.axpby(-1.0, &work.blocks, 1.0, &mut b)?;
        wide.gemm(-1.0, program.xt_wide(), Transpose::No, &work.rows, Transpose::No, 1.0, &mut b)?;
        let residual = wide.norm(&b)?;
        Ok(if size > 0.0 { residual / size } else { residual })
    }

    /// Largest violation of a cone, max over rows and blocks of (-e_ai x_a'v_i)+ / (||x_a|| ||v_i||); 0 without cones.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn cone_violation(&mut self, v: &B::Matrix) -> Result<f64, LinalgError> {
        let program = self.program;
        if program.n_cones() == 0 {
            return Ok(0.0);
        }
        self.project(v)?;
        let work = &*self.work;
        let (xv, norms) = (work.wide.download(&work.rows)?, work.wide.column_norms(&work.blocks)?);
        let mut worst: f64 = 0.0;
        for (j, &norm) in norms.iter().enumerate().filter(|&(_, &norm)| norm > 0.0) {
            for (a, (value, row_norm)) in xv.col(j).iter().zip(program.row_norms()).enumerate() {
                let active = program.patterns().bits().get(a, j % program.n_patterns());
                let violation = if active { -value } else { *value };
                if violation > 0.0 {
                    worst = worst.max(violation / (row_norm * norm));
                }
            }
        }
        Ok(worst)
    }
}
