//! The block F u = q (with the output bias in F u, if there is one), which separates a loss from the u-update
//! (docs/math.md, section 6).
//!
//! The unweighted squared loss has no such block, unless it prices the cones: its u-update is exact, and the matrices
//! are empty.

use crate::iterates::penalty::{Residuals, Weights};
use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearOperator, SampleSums};
use cvx_model::{ConvexProgram, Loss, PredictionOperator, SystemOperator, WeightedLoss};
use std::ops::Range;

/// q and its multiplier, from which a later run can start.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitStart {
    /// q (n x C).
    pub q: HostMatrix,
    /// Scaled dual of F u = q (n x C).
    pub mu: HostMatrix,
    /// The penalty that mu is scaled by.
    pub kappa: f64,
}

/// q and mu, on the host and in f64. They are n x C numbers beside the n x 2PC of an iteration, so their transfer to
/// and from a GPU costs less than any operation there, and no loss needs a kernel.
pub(crate) struct SplitLoss {
    loss: WeightedLoss,
    is_split: bool,
    y: HostMatrix,
    q: HostMatrix,
    mu: HostMatrix,
    /// q - mu, the target of F u in the last u-update.
    target: HostMatrix,
    /// Norms of the last iteration.
    residuals: Residuals,
    /// F u and the last q, used as scratch.
    fu: HostMatrix,
    previous: HostMatrix,
}

impl SplitLoss {
    /// Starts at the prediction of the zero network with its multiplier.
    pub fn new<B: Backend>(program: &ConvexProgram<B>, kappa: f64) -> Self {
        if !program.splits_loss() {
            return SplitLoss::started(program, HostMatrix::zeros(0, 0), HostMatrix::zeros(0, 0));
        }
        let mut mu = program.xi_at_zero();
        mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
        SplitLoss::started(program, program.loss().prediction_at_zero(program.y_host()), mu)
    }

    /// Starts at these values.
    pub fn started<B: Backend>(program: &ConvexProgram<B>, q: HostMatrix, mu: HostMatrix) -> Self {
        let (loss, is_split) = (program.loss().clone(), program.splits_loss());
        let y = if is_split { program.y_host().clone() } else { HostMatrix::zeros(0, 0) };
        let [target, fu, previous] = [&q; 3].map(HostMatrix::clone);
        SplitLoss { loss, is_split, y, target, fu, previous, residuals: Residuals::default(), q, mu }
    }

    /// Starts at the predictions F `v` of a network, with the multiplier of the loss there.
    pub fn at<B: Backend>(program: &ConvexProgram<B>, v: &B::Matrix, kappa: f64) -> Result<Self, LinalgError> {
        if !program.splits_loss() {
            return Ok(SplitLoss::new(program, kappa));
        }
        let backend = program.backend();
        let mut prediction = backend.zeros_like(program.y())?;
        PredictionOperator::new(program)?.apply(&mut prediction, v)?;
        let mut q = backend.download(&prediction)?;
        program.loss().add_bias(&mut q, program.y_host());
        let mut mu = program.loss().xi_at(&q, program.y_host());
        mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
        Ok(SplitLoss::started(program, q, mu))
    }

    /// Whether there is such a block.
    pub fn is_split(&self) -> bool {
        self.is_split
    }

    /// The residuals of F u = q that kappa follows; `None` for the squared loss, whose curvature is the same
    /// everywhere.
    pub fn residuals(&self) -> Option<&Residuals> {
        (self.loss.loss() != Loss::Squared).then_some(&self.residuals)
    }

    /// Sets the target q - mu of F u in the next u-update (6.2).
    pub fn set_target<B: Backend>(&mut self, system: &mut SystemOperator<'_, B>) -> Result<(), LinalgError> {
        if !self.is_split() {
            return Ok(());
        }
        let entries = self.target.values_mut().iter_mut().zip(self.q.values()).zip(self.mu.values());
        entries.for_each(|((target, q), mu)| *target = q - mu);
        system.set_target(&self.target)
    }

    /// (6.3) q = prox(fh + mu) and mu += gamma (fh - q), with fh = alpha F u + (1 - alpha) q and F u = target +
    /// `residual`.
    pub fn update<B: Backend>(
        &mut self,
        backend: &B,
        residual: &B::Matrix,
        [alpha, gamma]: [f64; 2],
        kappa: f64,
    ) -> Result<(), LinalgError> {
        if !self.is_split() {
            return Ok(());
        }
        self.lift(backend, residual, alpha)?;
        self.loss.prox(&mut self.q, &self.y, kappa);
        self.settle(backend, [alpha, gamma]);
        Ok(())
    }

    /// The first half of [`update`](SplitLoss::update): fh + mu in the place of q, whose proximal point is due.
    pub fn lift<B: Backend>(&mut self, backend: &B, residual: &B::Matrix, alpha: f64) -> Result<(), LinalgError> {
        self.fu = backend.download(residual)?;
        self.fu.values_mut().iter_mut().zip(self.target.values()).for_each(|(fu, target)| *fu += target);
        self.previous.values_mut().copy_from_slice(self.q.values());
        let entries = self.q.values_mut().iter_mut().zip(self.fu.values()).zip(self.mu.values());
        entries.for_each(|((q, &fu), mu)| *q = alpha * fu + (1.0 - alpha) * *q + mu);
        Ok(())
    }

    /// The second half: mu, and the norms.
    pub fn settle<B: Backend>(&mut self, backend: &B, [alpha, gamma]: [f64; 2]) {
        let SplitLoss { loss, q, mu, fu, previous, .. } = self;
        let relaxed = |fu: f64, previous: f64| alpha * fu + (1.0 - alpha) * previous;
        let entries = mu.values_mut().iter_mut().zip(fu.values()).zip(q.values()).zip(previous.values());
        entries.for_each(|(((mu, &fu), q), &previous)| *mu += gamma * (relaxed(fu, previous) - q));
        let samples = backend.samples();
        let means = if loss.has_output_bias() { column_means(samples, fu) } else { vec![0.0; fu.cols()] };
        let squares = |value: f64| value * value;
        let norms = samples.sum(fu.rows(), |rows| {
            let places = || (0..fu.cols()).flat_map(|c| rows.clone().map(move |a| (a, c)));
            [
                places().map(|at| squares(fu[at] - q[at])).sum(),
                places().map(|at| squares(q[at] - previous[at])).sum(),
                places().map(|at| squares(fu[at] - means[at.1])).sum(),
                places().map(|at| squares(mu[at])).sum(),
            ]
        });
        let [primal, change, primal_scale, dual_scale] = norms.map(f64::sqrt);
        self.residuals = Residuals { primal, change, primal_scale, dual_scale };
    }

    /// q, for a step that takes it together with other iterates.
    pub fn q_mut(&mut self) -> &mut HostMatrix {
        &mut self.q
    }

    /// out = sqrt(kappa/rho) (q + mu): the third part of the fixed-point variable, in the units of the other two.
    pub fn to_point(&self, Weights { rho, kappa }: Weights, out: &mut HostMatrix) {
        let scale = (kappa / rho).sqrt();
        let entries = out.values_mut().iter_mut().zip(self.q.values()).zip(self.mu.values());
        entries.for_each(|((out, q), mu)| *out = scale * (q + mu));
    }

    /// The inverse of [`to_point`](SplitLoss::to_point): q is the proximal point, and mu is the remainder.
    pub fn set_from_point(&mut self, weights: Weights, point: &HostMatrix) {
        self.lift_from_point(weights, point);
        self.loss.prox(&mut self.q, &self.y, weights.kappa);
        self.take_remainder();
    }

    /// q + mu in the place of both.
    pub fn lift_from_point(&mut self, Weights { rho, kappa }: Weights, point: &HostMatrix) {
        let scale = (kappa / rho).sqrt();
        self.q.values_mut().iter_mut().zip(point.values()).for_each(|(q, point)| *q = point / scale);
        self.mu.values_mut().copy_from_slice(self.q.values());
    }

    /// mu = what q leaves of the sum.
    pub fn take_remainder(&mut self) {
        self.mu.values_mut().iter_mut().zip(self.q.values()).for_each(|(mu, q)| *mu -= q);
    }

    /// The multiplier (n x C).
    pub fn mu(&self) -> &HostMatrix {
        &self.mu
    }

    /// Takes the multiplier of another programme with the same samples and loss.
    pub fn set_mu(&mut self, mu: HostMatrix) {
        self.mu = mu;
    }

    /// Rescales mu, which is the multiplier over kappa, for another kappa.
    pub fn rescale(&mut self, factor: f64) {
        self.mu.values_mut().iter_mut().for_each(|mu| *mu *= factor);
    }

    /// q and mu with their names in a checkpoint, if there is such a block.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &HostMatrix)> {
        let parts = self.is_split().then_some([("q", &self.q), ("mu", &self.mu)]);
        parts.into_iter().flatten()
    }

    /// The same, to be restored.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut HostMatrix)> {
        let parts = self.is_split().then_some([("q", &mut self.q), ("mu", &mut self.mu)]);
        parts.into_iter().flatten()
    }

    /// A matrix of the shape of q.
    pub fn zeros(&self) -> HostMatrix {
        HostMatrix::zeros(self.q.rows(), self.q.cols())
    }

    /// The values from which a later run can start.
    pub fn start(&self, kappa: f64) -> Option<SplitStart> {
        self.is_split().then(|| SplitStart { q: self.q.clone(), mu: self.mu.clone(), kappa })
    }
}

/// The means of the targets. With an output bias, the norm of predictions is that of their deviations from these, so
/// that a constant in y changes nothing.
fn column_means(samples: &SampleSums, fu: &HostMatrix) -> Vec<f64> {
    let column = |c: usize, rows: Range<usize>| fu.col(c)[rows].iter().sum::<f64>();
    let sums = samples.sums(fu.rows(), fu.cols(), |rows| (0..fu.cols()).map(|c| column(c, rows.clone())).collect());
    sums.into_iter().map(|sum| sum / samples.total(fu.rows()) as f64).collect()
}
