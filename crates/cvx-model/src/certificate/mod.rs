//! The certificate of a solution: the network's own objective, a cone-feasible objective, and a lower bound.
//!
//! All values are computed in f64 from the samples, for every precision of the iteration.

mod predictions;
mod system_residual;

use crate::activation::Activation;
use crate::network::norm;
use crate::program::ConvexProgram;
use crate::weighted::TargetSum;
use crate::workspace::Workspace;
use cvx_linalg::{Backend, HostMatrix, LinalgError, Scratch, Transpose};
use serde::{Deserialize, Serialize};
use std::ops::Range;

type WideMatrix<B> = <<B as Backend>::Wide as Backend>::Matrix;

/// The part of one target in the value of a network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetValue {
    /// loss + beta times the sum of the norms of this target's blocks.
    pub objective: f64,
    /// The loss term.
    pub loss: f64,
}

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
    /// The parts of the targets (C), which sum to objective and loss up to rounding; empty for a loss of rows.
    pub targets: Vec<TargetValue>,
}

/// A lower bound of the optimum of (P), and the distance of the multipliers from dual feasibility.
///
/// For any xi and any eta_i >= 0 (math.md sections 5 and 6):
///
/// With cones Q_i of the entries, the norms are those of the projections onto Q_i (section 13).
///
/// $$ \max_{0 \le t \le 1/c} - \sum_a \omega_a l^{\ast} \bigl( -t \xi_a / \omega_a; y_a \bigr), \qquad c = \tfrac1\beta \max_{i, \pm} \bigl\lVert X^\top \bigl( \pm d_i \circ \xi + e_i \circ g \circ \eta_i \bigr) \bigr\rVert $$
#[derive(Clone, Debug, PartialEq)]
pub struct DualBound {
    /// The largest -sum omega l*(-t xi / omega; y) over t in [0, 1/c], summed over the targets.
    pub value: f64,
    /// The terms of that sum (C), each the bound of a target by itself; empty for a loss of rows.
    pub targets: Vec<f64>,
    /// c, the largest block norm over beta; the bound is tight when it is 1.
    pub ratio: f64,
}

/// A point that satisfies all cones of (P).
#[derive(Clone, Debug, PartialEq)]
pub struct FeasiblePoint {
    /// Its objective, at most that of the zero network.
    pub objective: f64,
    /// The parts of the targets (C), which sum to it up to rounding; empty for a loss of rows.
    pub targets: Vec<f64>,
    /// The blocks of the point (d x 2PC).
    pub blocks: HostMatrix,
}

/// The cone multipliers of a dual point.
pub enum Multipliers<'a, B: Backend> {
    /// eta = 0: the only possibility for gated neurons, which have no cones.
    Zero,
    /// e_i o g o eta_i with eta_i >= 0 (n x 2PC); any such eta is allowed, and the signs e_i are those of the pattern.
    Signed(&'a B::Matrix),
    /// eta = max(0, -rho nu) of an iterate.
    OfIterate {
        /// The scaled dual of Gt u = s (n x 2PC).
        nu: &'a B::Matrix,
        /// The row weights g (n x 1).
        row_scale: &'a B::Matrix,
        /// The penalty.
        rho: f64,
    },
}

impl<B: Backend> Clone for Multipliers<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Multipliers<'_, B> {}

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

/// Matrices of a full tile and of the last one that are kept.
const KEPT: usize = 8;

/// Scratch of a [`Certificate`], on the device. Reuse for the next certificate saves its allocation.
pub struct CertificateWorkspace<B: Backend> {
    wide: B::Wide,
    /// d x 2PC.
    blocks: WideMatrix<B>,
    /// n x C.
    prediction: WideMatrix<B>,
    /// Matrices with a row for each sample of a tile, in f64 and in storage precision.
    rows: Scratch<B::Wide>,
    stored_rows: Scratch<B>,
}

impl<B: Backend> CertificateWorkspace<B> {
    /// A workspace for a programme with the sizes of this one, with its patterns.
    ///
    /// # Errors
    /// Fails if the device has no memory for the scratch.
    pub fn new(program: &ConvexProgram<B>) -> Result<Self, LinalgError> {
        let (backend, wide) = (program.backend(), program.backend().wide());
        Ok(CertificateWorkspace {
            blocks: wide.zeros(program.n_features(), program.n_blocks())?,
            prediction: wide.sample_rows(program.n_samples(), program.n_targets())?,
            rows: Scratch::new(&wide, KEPT),
            stored_rows: Scratch::new(backend, KEPT),
            wide,
        })
    }
}

/// e o g o eta of the samples of a tile, in storage precision.
fn signed_rows<B: Backend>(
    program: &ConvexProgram<B>,
    scratch: &mut Scratch<B>,
    samples: &Range<usize>,
    mask: &B::Mask,
    multipliers: Multipliers<'_, B>,
) -> Result<Option<B::Matrix>, LinalgError> {
    let backend = program.backend();
    let (first, count, cones) = (samples.start, samples.len(), program.n_cones());
    Ok(match multipliers {
        Multipliers::Zero => None,
        Multipliers::Signed(signed) => {
            let mut rows = scratch.take(count, cones)?;
            backend.read_rows(signed, first, &mut rows)?;
            Some(rows)
        }
        Multipliers::OfIterate { nu, row_scale, rho } => {
            let mut eta = scratch.take(count, cones)?;
            let (mut rows, mut scale) = (scratch.take(count, cones)?, scratch.take(count, 1)?);
            backend.read_rows(nu, first, &mut eta)?;
            backend.positive_part(-rho, &mut eta)?;
            backend.read_rows(row_scale, first, &mut scale)?;
            backend.sign_flip(mask, &scale, &eta, None, &mut rows)?;
            [eta, scale].into_iter().for_each(|used| scratch.give(used));
            Some(rows)
        }
    })
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
        let (norms, neurons) = self.take_blocks(v)?;
        let work = &mut *self.work;
        if let Some(patches) = self.program.patches() {
            patches.predict_wide(self.program.backend(), &work.blocks, &mut work.prediction)?;
        } else if 2 * neurons.len() <= norms.len() {
            let columns = self.columns_of(&neurons)?;
            self.predict_columns(&columns)?;
        } else {
            self.predict_all()?;
        }
        let work = &*self.work;
        let mut prediction = work.wide.download(&work.prediction)?;
        let output_bias = self.program.loss().add_bias(&mut prediction, self.program.y_host());
        let (beta, count) = (self.program.beta(), self.program.n_targets());
        let TargetSum { total: loss, targets } = self.program.loss().totals(&prediction, self.program.y_host());
        let of_target =
            |(loss, norms): (f64, &[f64])| TargetValue { objective: loss + beta * norms.iter().sum::<f64>(), loss };
        Ok(NetworkValue {
            objective: loss + beta * norms.iter().sum::<f64>(),
            loss,
            targets: targets.into_iter().zip(norms.chunks_exact(norms.len() / count)).map(of_target).collect(),
            neurons: norms.iter().filter(|&&norm| norm > 0.0).count(),
            prediction,
            output_bias,
        })
    }

    /// v, widened into `blocks`. Returns the norms of the blocks, and which of them are not zero.
    fn take_blocks(&mut self, v: &B::Matrix) -> Result<(Vec<f64>, Vec<usize>), LinalgError> {
        let work = &mut *self.work;
        self.program.backend().widen(v, &mut work.blocks)?;
        let norms = work.wide.column_norms(&work.blocks)?;
        let used = (0..norms.len()).filter(|&j| norms[j] > 0.0 || norms[j].is_nan()).collect();
        Ok((norms, used))
    }

    /// These columns of `blocks` (d x their number).
    fn gather(&self, columns: &[usize]) -> Result<WideMatrix<B>, LinalgError> {
        let wide = &self.work.wide;
        let mut blocks = wide.zeros(self.program.n_features(), columns.len())?;
        wide.gather_columns(&self.work.blocks, columns, &mut blocks)?;
        Ok(blocks)
    }

    /// The lower bound from xi = -`residual` (n x C) and the cone multipliers.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn dual(&mut self, residual: &B::Matrix, multipliers: Multipliers<'_, B>) -> Result<DualBound, LinalgError> {
        let work = &mut *self.work;
        let (program, backend) = (self.program, self.program.backend());
        backend.widen(residual, &mut work.prediction)?;
        if !program.loss().takes_every_xi() {
            // Moves the residual into the domain of the conjugate before anything is computed from xi.
            let mut xi = negated(work.wide.download(&work.prediction)?);
            program.loss().clip(&mut xi, program.y_host());
            work.prediction = work.wide.upload_rows(&negated(xi))?;
        }
        self.bound(multipliers)
    }

    /// `out` (n x 2PC) = e o g o eta, as [`dual`](Self::dual) reads them; zero multipliers leave it as it is.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn sign_multipliers(
        &mut self,
        multipliers: Multipliers<'_, B>,
        out: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let (program, work) = (self.program, &mut *self.work);
        // The samples themselves are not read.
        program.samples().tiles(program.n_cones()).into_iter().try_for_each(|samples| {
            program.with_patterns(samples, |samples, mask| {
                if let Some(rows) = signed_rows(program, &mut work.stored_rows, &samples, mask, multipliers)? {
                    program.backend().write_rows(&rows, out, samples.start)?;
                    work.stored_rows.give(rows);
                }
                Ok(())
            })
        })
    }

    /// The bound at the xi of the zero network (y for the squared loss) and eta = 0. It proves that a zero network is
    /// optimal if beta is at least the gated beta_max, which is its [`ratio`](DualBound::ratio) times beta.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn dual_at_zero(&mut self) -> Result<DualBound, LinalgError> {
        let work = &mut *self.work;
        work.prediction = work.wide.upload_rows(&negated(self.program.xi_at_zero()))?;
        self.bound(Multipliers::Zero)
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

    /// `blocks` = +-X'D_i xi + X'(e o g o eta), with -xi in `prediction`.
    fn pull(&mut self, multipliers: Multipliers<'_, B>) -> Result<(), LinalgError> {
        let (program, work, layout) = (self.program, &mut *self.work, self.program.layout());
        let wide = work.wide.clone();
        wide.fill(0.0, &mut work.blocks)?;
        if let Some(patches) = program.patches() {
            return patches.pull_wide(program.backend(), -1.0, &work.prediction, &mut work.blocks);
        }
        let CertificateWorkspace { blocks, prediction, rows: scratch, stored_rows, .. } = work;
        program.sum_tiles(layout.columns() + layout.pairs(), blocks, |tile, blocks| {
            let count = tile.samples.len();
            let (mut residual, mut masked) =
                (scratch.take(count, layout.targets)?, scratch.take(count, layout.pairs())?);
            wide.read_rows(prediction, tile.samples.start, &mut residual)?;
            wide.masked_broadcast(tile.mask, -1.0, &residual, &mut masked)?;
            if program.n_cones() == 0 {
                wide.gemm(1.0, tile.xt, Transpose::No, &masked, Transpose::No, 1.0, blocks)?;
            } else {
                let mut rows = scratch.take(count, layout.columns())?;
                match signed_rows(program, stored_rows, &tile.samples, tile.mask, multipliers)? {
                    Some(signed) => {
                        program.backend().widen(&signed, &mut rows)?;
                        stored_rows.give(signed);
                    }
                    None => wide.fill(0.0, &mut rows)?,
                }
                wide.add_pairs(layout, 1.0, &masked, &mut rows)?;
                wide.gemm(1.0, tile.xt, Transpose::No, &rows, Transpose::No, 1.0, blocks)?;
                scratch.give(rows);
            }
            [residual, masked].into_iter().for_each(|used| scratch.give(used));
            Ok(())
        })
    }

    /// The bound, with the residual in `prediction`.
    fn bound(&mut self, multipliers: Multipliers<'_, B>) -> Result<DualBound, LinalgError> {
        self.pull(multipliers)?;
        let (program, work) = (self.program, &mut *self.work);
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
        let ratios: Vec<f64> = norms.chunks_exact(norms.len() / program.n_targets()).map(ratio).collect();
        let limits: Vec<f64> = ratios.iter().map(|ratio| 1.0 / ratio).collect();
        let TargetSum { total: value, targets } = program.loss().bound(&xi, program.y_host(), &limits);
        Ok(DualBound { value, targets, ratio: ratios.into_iter().fold(0.0, f64::max) })
    }

    /// A point of (P) near `v`: each block moves along its gate, which is interior to its cone, until it is just
    /// feasible. Then the blocks of each target are scaled by the best t >= 0.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn feasible_point(&mut self, v: &B::Matrix) -> Result<FeasiblePoint, LinalgError> {
        if self.program.activation() == Activation::Gated {
            return self.gated_point(v);
        }
        let (program, layout) = (self.program, self.program.layout());
        let (_, used) = self.take_blocks(v)?;
        let steps = self.steps_to_cones(&used)?;
        let gates = program.patterns().gates();
        let mut blocks = self.work.wide.download(&self.work.blocks)?;
        for (&j, tau) in used.iter().zip(steps) {
            let (gate, block) = (gates.col(layout.pattern(j)), blocks.col_mut(j));
            let size = norm(block) + tau * norm(gate);
            block.iter_mut().zip(gate).for_each(|(v, h)| *v += tau * h);
            // Either not feasible along h (a violated row whose gate is tied, or a gate that serves the block of the
            // other sign), or only rounding remains, which t would scale up. Zero is feasible.
            if !size.is_finite() || norm(block) <= 1e-8 * size || !program.is_confined(j, block) {
                block.fill(0.0);
            }
        }
        let predictions = self.masked_predictions(&blocks, &used)?;
        let columns = layout.per_target();
        let per_target = |c: usize| (c * columns..(c + 1) * columns).map(|j| norm(blocks.col(j))).sum::<f64>();
        let decays: Vec<f64> = (0..program.n_targets()).map(|c| program.beta() * per_target(c)).collect();
        let (multiples, loss) = program.loss().best_multiples(&predictions, program.y_host(), &decays);
        for j in 0..blocks.cols() {
            blocks.col_mut(j).iter_mut().for_each(|value| *value *= multiples[layout.target(j)]);
        }
        let decays: Vec<f64> = multiples.iter().zip(&decays).map(|(t, decay)| t * decay).collect();
        Ok(FeasiblePoint {
            objective: loss.total + decays.iter().sum::<f64>(),
            targets: loss.targets.iter().zip(&decays).map(|(loss, decay)| loss + decay).collect(),
            blocks,
        })
    }

    /// For each of the `used` columns of `blocks` the smallest tau >= 0 with e_a (x_a'v + tau x_a'h) >= 0 in all rows,
    /// h the gate of its pattern; infinite if there is none.
    fn steps_to_cones(&mut self, used: &[usize]) -> Result<Vec<f64>, LinalgError> {
        let (program, layout) = (self.program, self.program.layout());
        let all = program.patterns().gates();
        let gates = HostMatrix::from_fn(all.rows(), used.len(), |i, k| all[(i, layout.pattern(used[k]))]);
        let (blocks, gates) = (self.gather(used)?, self.work.wide.upload(&gates)?);
        let (wide, bits) = (&self.work.wide, program.patterns().bits());
        let mut steps = vec![0.0_f64; used.len()];
        program.for_each_tile(4 * used.len(), |tile| {
            let mut rows = wide.zeros(tile.samples.len(), used.len())?;
            let mut product = |columns: &WideMatrix<B>| {
                wide.gemm(1.0, tile.xt, Transpose::Yes, columns, Transpose::No, 0.0, &mut rows)?;
                wide.download(&rows)
            };
            let (xv, xh) = (product(&blocks)?, product(&gates)?);
            for (k, step) in steps.iter_mut().enumerate() {
                for (a, (xv, xh)) in tile.samples.clone().zip(xv.col(k).iter().zip(xh.col(k))) {
                    let violation = if bits.get(a, layout.pattern(used[k])) { -xv } else { *xv };
                    if violation > 0.0 {
                        *step = step.max(violation / xh.abs());
                    }
                }
            }
            Ok(())
        })?;
        Ok(program.backend().samples().largest(steps))
    }

    /// Without cones every point is feasible: returns `v` itself, or zero if zero is better.
    fn gated_point(&mut self, v: &B::Matrix) -> Result<FeasiblePoint, LinalgError> {
        let (value, zero) = (self.network(v)?, self.program.zero_value());
        let work = &*self.work;
        let mut blocks = work.wide.download(&work.blocks)?;
        let mut targets: Vec<f64> = value.targets.iter().map(|target| target.objective).collect();
        let better = value.objective < zero.total;
        if !better {
            blocks.values_mut().fill(0.0);
            targets = zero.targets;
        }
        Ok(FeasiblePoint { objective: value.objective.min(zero.total), targets, blocks })
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
        let (norms, used) = self.take_blocks(v)?;
        let (blocks, wide) = (self.gather(&used)?, &self.work.wide);
        let (bits, row_norms) = (program.patterns().bits(), program.row_norms());
        let mut worst: f64 = 0.0;
        program.for_each_tile(2 * used.len(), |tile| {
            let mut rows = wide.zeros(tile.samples.len(), used.len())?;
            wide.gemm(1.0, tile.xt, Transpose::Yes, &blocks, Transpose::No, 0.0, &mut rows)?;
            let rows = wide.download(&rows)?;
            for (k, &j) in used.iter().enumerate() {
                for (a, value) in tile.samples.clone().zip(rows.col(k)) {
                    let violation = if bits.get(a, program.layout().pattern(j)) { -value } else { *value };
                    if violation > 0.0 {
                        worst = worst.max(violation / (row_norms[a] * norms[j]));
                    }
                }
            }
            Ok(())
        })?;
        Ok(program.backend().samples().largest(vec![worst])[0])
    }
}
