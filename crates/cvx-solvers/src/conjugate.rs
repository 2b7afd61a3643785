//! The iteration of conjugate gradients, for any system and preconditioner.

use cvx_linalg::{Accuracy, Backend, LinalgError, LinearInfo, LinearStatus};

/// Steps whose decrease of the energy estimates what the error was before them (Strakos & Tichy 2002). The estimate is
/// from below, so it has to be this many times smaller than the requested error.
const DELAY: usize = 12;
pub(crate) const ESTIMATE_SAFETY: f64 = 3.0;

/// Iterations between two looks at the true residual.
const RECOMPUTE: usize = 50;

/// `out` = a symmetric positive definite map of `x`: `(out, x)`.
pub(crate) type Apply<'a, B> =
    dyn FnMut(&mut <B as Backend>::Matrix, &<B as Backend>::Matrix) -> Result<(), LinalgError> + 'a;

/// Where an iteration may end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub accuracy: Accuracy,
    /// Bound of ||(du, Gt du)|| over the norm of the residual.
    pub error_per_residual: f64,
    /// Bound of ||(du, Gt du)|| over the energy norm of the error of x.
    pub error_per_energy: f64,
    /// Most iterations.
    pub steps: usize,
}

impl Target {
    /// The squared energy of the error that suffices; 0 if a residual was requested.
    fn energy(&self) -> f64 {
        match self.accuracy {
            Accuracy::Relative(_) => 0.0,
            Accuracy::Error(tolerance) => (tolerance / (ESTIMATE_SAFETY * self.error_per_energy)).powi(2),
        }
    }
}

/// Preconditioned conjugate gradients (Hestenes & Stiefel 1952), warm-started, stopped on the true residual, or, where
/// an error of u is requested, also on an estimate of that error.
pub(crate) struct ConjugateGradients<B: Backend> {
    residual: B::Matrix,
    /// The preconditioned residual.
    z: B::Matrix,
    direction: B::Matrix,
    image: B::Matrix,
}

impl<B: Backend> ConjugateGradients<B> {
    /// For unknowns of the shape of `like`.
    pub fn new(backend: &B, like: &B::Matrix) -> Result<Self, LinalgError> {
        Ok(ConjugateGradients {
            residual: backend.zeros_like(like)?,
            z: backend.zeros_like(like)?,
            direction: backend.zeros_like(like)?,
            image: backend.zeros_like(like)?,
        })
    }

    /// residual = b - A x, and its norm.
    fn true_residual(
        &mut self,
        backend: &B,
        system: &mut Apply<'_, B>,
        b: &B::Matrix,
        x: &B::Matrix,
    ) -> Result<f64, LinalgError> {
        system(&mut self.residual, x)?;
        backend.axpby(1.0, b, -1.0, &mut self.residual)?;
        backend.norm(&self.residual)
    }

    /// Restarts along the preconditioned residual z; returns r'z.
    fn restart(&mut self, backend: &B, precondition: &mut Apply<'_, B>) -> Result<f64, LinalgError> {
        precondition(&mut self.z, &self.residual)?;
        backend.copy(&self.z, &mut self.direction)?;
        backend.dot(&self.residual, &self.z)
    }

    /// Solves `system` x = `b` to the accuracy of `target`, from the x that is given. `residual` is then b - A x.
    pub fn run(
        &mut self,
        backend: &B,
        system: &mut Apply<'_, B>,
        precondition: &mut Apply<'_, B>,
        b: &B::Matrix,
        target: Target,
        x: &mut B::Matrix,
    ) -> Result<LinearInfo, LinalgError> {
        let b_norm = backend.norm(b)?;
        let wanted = target.accuracy.residual(b_norm, target.error_per_residual);
        let residual_target = wanted.max(attainable(backend) * b_norm);
        let mut norm = self.true_residual(backend, system, b, x)?;
        let mut best = norm;
        let mut product = self.restart(backend, precondition)?;
        let mut iterations = 0;
        // By how much each of the last steps lowered the squared energy of the error.
        let mut decreases = [f64::INFINITY; DELAY];
        let energy_target = target.energy();
        let status = loop {
            if !norm.is_finite() {
                break LinearStatus::NonFinite;
            }
            if norm <= residual_target || decreases.iter().sum::<f64>() < energy_target {
                break LinearStatus::Converged;
            }
            if iterations == target.steps {
                break LinearStatus::IterationLimit;
            }
            backend.stop().check()?;
            system(&mut self.image, &self.direction)?;
            let curvature = backend.dot(&self.direction, &self.image)?;
            if curvature <= 0.0 || !curvature.is_finite() {
                break LinearStatus::Breakdown;
            }
            // Not r'z: after the true residual has replaced the recursive one, it is no longer orthogonal to the
            // earlier directions.
            let step = backend.dot(&self.direction, &self.residual)? / curvature;
            backend.axpby(step, &self.direction, 1.0, x)?;
            backend.axpby(-step, &self.image, 1.0, &mut self.residual)?;
            decreases[iterations % DELAY] = step * step * curvature;
            iterations += 1;
            let mut next = backend.norm(&self.residual)?;
            if next <= residual_target || iterations % RECOMPUTE == 0 {
                // The recursive residual drifts from the true one; where it has, the iteration restarts.
                let recursive = next;
                next = self.true_residual(backend, system, b, x)?;
                if next > residual_target && next > 2.0 * recursive {
                    if next >= 0.5 * best {
                        norm = next;
                        break LinearStatus::Breakdown;
                    }
                    product = self.restart(backend, precondition)?;
                    (norm, best) = (next, next);
                    continue;
                }
                best = best.min(next);
            }
            norm = next;
            if norm <= residual_target {
                continue;
            }
            precondition(&mut self.z, &self.residual)?;
            let next_product = backend.dot(&self.residual, &self.z)?;
            backend.axpby(1.0, &self.z, next_product / product, &mut self.direction)?;
            product = next_product;
        };
        let norm = match status {
            // Just recomputed.
            LinearStatus::Converged if norm <= residual_target => norm,
            LinearStatus::Breakdown => norm,
            _ => self.true_residual(backend, system, b, x)?,
        };
        Ok(LinearInfo { status, iterations, relative_residual: Some(if b_norm > 0.0 { norm / b_norm } else { norm }) })
    }
}

/// The relative residual below which rounding in the storage precision decides.
pub(crate) fn attainable<B: Backend>(backend: &B) -> f64 {
    if backend.scalar_bytes() == 4 { 1e-6 } else { 1e-14 }
}
