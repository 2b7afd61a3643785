//! The block F u = q (with the output bias in F u, if there is one), which separates a loss from the u-update (docs/math.md, section 6).
//!
//! The unweighted squared loss has no such block: its u-update is exact, and the matrices are empty.

use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearOperator};
use cvx_model::{ConvexProgram, PredictionOperator, SystemOperator, WeightedLoss};

/// q and its multiplier, from which a later run can start.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitStart {
    /// q (n x C).
    pub q: HostMatrix,
    /// Scaled dual of F u = q (n x C).
    pub mu: HostMatrix,
}

/// q and mu, on the host and in f64. They are n x C numbers beside the n x 2PC of an iteration, so their transfer to
/// and from a GPU costs less than any operation there, and no loss needs a kernel.
pub(crate) struct SplitLoss {
    loss: WeightedLoss,
    y: HostMatrix,
    kappa: f64,
    q: HostMatrix,
    mu: HostMatrix,
    /// q - mu, the target of F u in the last u-update.
    target: HostMatrix,
}

impl SplitLoss {
    /// Starts at `start` if given, else at the prediction of the zero network with its multiplier.
    pub fn new<B: Backend>(program: &ConvexProgram<B>, start: Option<&SplitStart>) -> Self {
        let (loss, kappa) = (program.loss().clone(), program.loss().kappa(program.y_host()));
        let none = HostMatrix::zeros(0, 0);
        if loss.is_plain() {
            return SplitLoss { loss, y: none.clone(), kappa, q: none.clone(), mu: none.clone(), target: none };
        }
        let SplitStart { q, mu } = start.cloned().unwrap_or_else(|| {
            let mut mu = program.xi_at_zero();
            mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
            SplitStart { q: loss.prediction_at_zero(program.y_host()), mu }
        });
        SplitLoss { loss, y: program.y_host().clone(), kappa, target: q.clone(), q, mu }
    }

    /// Starts at the predictions F `v` of a network, with the multiplier of the loss there.
    pub fn at<B: Backend>(program: &ConvexProgram<B>, v: &B::Matrix) -> Result<Self, LinalgError> {
        if program.loss().is_plain() {
            return Ok(SplitLoss::new(program, None));
        }
        let backend = program.backend();
        let mut prediction = backend.zeros(program.n_samples(), program.n_targets())?;
        PredictionOperator::new(program)?.apply(&mut prediction, v)?;
        let mut q = backend.download(&prediction)?;
        program.loss().add_bias(&mut q, program.y_host());
        let (mut mu, kappa) = (program.loss().xi_at(&q, program.y_host()), program.loss().kappa(program.y_host()));
        mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
        Ok(SplitLoss::new(program, Some(&SplitStart { q, mu })))
    }

    /// Whether there is such a block.
    fn is_split(&self) -> bool {
        !self.loss.is_plain()
    }

    /// The weight of F u = q, if there is such a block.
    pub fn kappa(&self) -> Option<f64> {
        self.is_split().then_some(self.kappa)
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
        alpha: f64,
        gamma: f64,
    ) -> Result<(), LinalgError> {
        if !self.is_split() {
            return Ok(());
        }
        let mut fh = backend.download(residual)?;
        let entries = fh.values_mut().iter_mut().zip(self.target.values()).zip(self.q.values());
        entries.for_each(|((fh, target), q)| *fh = alpha * (*fh + target) + (1.0 - alpha) * q);
        let entries = self.q.values_mut().iter_mut().zip(fh.values()).zip(self.mu.values());
        entries.for_each(|((q, fh), mu)| *q = fh + mu);
        self.loss.prox(&mut self.q, &self.y, self.kappa);
        let entries = self.mu.values_mut().iter_mut().zip(fh.values()).zip(self.q.values());
        entries.for_each(|((mu, fh), q)| *mu += gamma * (fh - q));
        Ok(())
    }

    /// out = sqrt(kappa/rho) (q + mu): the third part of the fixed-point variable, in the units of the other two.
    pub fn to_point(&self, rho: f64, out: &mut HostMatrix) {
        let scale = (self.kappa / rho).sqrt();
        let entries = out.values_mut().iter_mut().zip(self.q.values()).zip(self.mu.values());
        entries.for_each(|((out, q), mu)| *out = scale * (q + mu));
    }

    /// The inverse of [`to_point`](SplitLoss::to_point): q is the proximal point, and mu is the remainder.
    pub fn set_from_point(&mut self, rho: f64, point: &HostMatrix) {
        let scale = (self.kappa / rho).sqrt();
        self.q.values_mut().iter_mut().zip(point.values()).for_each(|(q, point)| *q = point / scale);
        self.mu.values_mut().copy_from_slice(self.q.values());
        self.loss.prox(&mut self.q, &self.y, self.kappa);
        self.mu.values_mut().iter_mut().zip(self.q.values()).for_each(|(mu, q)| *mu -= q);
    }

    /// Sets q and mu to these values, which must have the current shapes.
    pub fn set(&mut self, start: SplitStart) {
        (self.q, self.mu) = (start.q, start.mu);
    }

    /// A matrix of the shape of q.
    pub fn zeros(&self) -> HostMatrix {
        HostMatrix::zeros(self.q.rows(), self.q.cols())
    }

    /// The values from which a later run can start.
    pub fn start(&self) -> Option<SplitStart> {
        self.is_split().then(|| SplitStart { q: self.q.clone(), mu: self.mu.clone() })
    }
}
