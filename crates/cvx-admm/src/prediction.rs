//! The block F u = q, which splits a loss off the u-update (docs/math.md, section 6).
//!
//! The unweighted squared loss has no such block: its u-update is exact, and this is then empty.

use crate::train::PredictionStart;
use cvx_linalg::{Backend, HostMatrix, LinalgError, LinearOperator};
use cvx_model::{ConvexProgram, PredictionOperator, SystemOperator, WeightedLoss};

/// q and mu, on the host and in f64: n x C numbers beside the n x 2PC that an iteration sweeps over several times, so that
/// the way to a GPU and back costs less than any verb, and the loss needs no kernel there.
pub(crate) struct Prediction {
    loss: WeightedLoss,
    y: HostMatrix,
    kappa: f64,
    q: HostMatrix,
    mu: HostMatrix,
    /// q - mu, which the last u-update drew F u to.
    target: HostMatrix,
}

/// Matrices of n x C f64 numbers that a run with this block holds, apart from those of the acceleration.
const HELD: usize = 8;

/// Bytes that the block takes in a run of n samples and C targets with an acceleration of this memory.
pub(crate) fn bytes(loss: &WeightedLoss, n: usize, targets: usize, anderson_memory: usize) -> u64 {
    if loss.is_plain() {
        return 0;
    }
    (((2 * anderson_memory + HELD) * size_of::<f64>()) as u64).saturating_mul(n as u64).saturating_mul(targets as u64)
}

impl Prediction {
    /// Begins at `start`; else at q = 0 with the multiplier of the zero network.
    pub fn new<B: Backend>(program: &ConvexProgram<B>, start: Option<&PredictionStart>) -> Self {
        let (loss, kappa) = (program.loss().clone(), program.loss().kappa(program.y_host()));
        let none = HostMatrix::zeros(0, 0);
        if loss.is_plain() {
            return Prediction { loss, y: none.clone(), kappa, q: none.clone(), mu: none.clone(), target: none };
        }
        let PredictionStart { q, mu } = start.cloned().unwrap_or_else(|| {
            let mut mu = program.xi_at_zero();
            mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
            PredictionStart { q: HostMatrix::zeros(mu.rows(), mu.cols()), mu }
        });
        Prediction { loss, y: program.y_host().clone(), kappa, target: q.clone(), q, mu }
    }

    /// Begins at the predictions F `v` of a network, with the multiplier that the loss has there.
    pub fn at<B: Backend>(program: &ConvexProgram<B>, v: &B::Matrix) -> Result<Self, LinalgError> {
        if program.loss().is_plain() {
            return Ok(Prediction::new(program, None));
        }
        let backend = program.backend();
        let mut prediction = backend.zeros(program.n_samples(), program.n_targets())?;
        PredictionOperator::new(program)?.apply(&mut prediction, v)?;
        let q = backend.download(&prediction)?;
        let (mut mu, kappa) = (program.loss().xi_at(&q, program.y_host()), program.loss().kappa(program.y_host()));
        mu.values_mut().iter_mut().for_each(|value| *value /= -kappa);
        Ok(Prediction::new(program, Some(&PredictionStart { q, mu })))
    }

    /// Whether there is such a block.
    fn is_split(&self) -> bool {
        !self.loss.is_plain()
    }

    /// The weight of F u = q, where there is such a block.
    pub fn kappa(&self) -> Option<f64> {
        self.is_split().then_some(self.kappa)
    }

    /// Draws F u to q - mu.
    pub fn aim<B: Backend>(&mut self, system: &mut SystemOperator<'_, B>) -> Result<(), LinalgError> {
        if !self.is_split() {
            return Ok(());
        }
        let entries = self.target.values_mut().iter_mut().zip(self.q.values()).zip(self.mu.values());
        entries.for_each(|((target, q), mu)| *target = q - mu);
        system.set_target(&self.target)
    }

    /// (6.3) q = prox(fh + mu) and mu += gamma (fh - q), with fh = alpha F u + (1 - alpha) q and F u = target + `residual`.
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
    pub fn mark(&self, rho: f64, out: &mut HostMatrix) {
        let scale = (self.kappa / rho).sqrt();
        let entries = out.values_mut().iter_mut().zip(self.q.values()).zip(self.mu.values());
        entries.for_each(|((out, q), mu)| *out = scale * (q + mu));
    }

    /// The inverse of [`mark`](Prediction::mark): q is the proximal point, mu the rest.
    pub fn split(&mut self, rho: f64, point: &HostMatrix) {
        let scale = (self.kappa / rho).sqrt();
        self.q.values_mut().iter_mut().zip(point.values()).for_each(|(q, point)| *q = point / scale);
        self.mu.values_mut().copy_from_slice(self.q.values());
        self.loss.prox(&mut self.q, &self.y, self.kappa);
        self.mu.values_mut().iter_mut().zip(self.q.values()).for_each(|(mu, q)| *mu -= q);
    }

    /// Goes on from these q and mu, which have the shapes of the present ones.
    pub fn go_on_from(&mut self, start: PredictionStart) {
        (self.q, self.mu) = (start.q, start.mu);
    }

    /// A matrix of the shape of q.
    pub fn zeros(&self) -> HostMatrix {
        HostMatrix::zeros(self.q.rows(), self.q.cols())
    }

    /// What a later run can begin with.
    pub fn start(&self) -> Option<PredictionStart> {
        self.is_split().then(|| PredictionStart { q: self.q.clone(), mu: self.mu.clone() })
    }
}
