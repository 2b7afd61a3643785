//! The iterates and their updates: equations (4a) to (4c) of `docs/math.md`.

use crate::checkpoint::codec::{CheckpointError, Recorder, Replay};
use crate::iterates::anderson::{Anderson, Point};
use crate::iterates::penalty::{Rescaling, Residuals, Weights};
use crate::iterates::split_loss::{SplitLoss, SplitStart};
use cvx_linalg::{
    Accuracy, Backend, ConeRhs, HostMatrix, LinalgError, LinearInfo, LinearOperator, LinearSolver, LossSlope,
    SlackNorms, SoftCones, SystemRhs, SystemSolution,
};
use cvx_model::{Certificate, ConeForm, ConeOperator, ConvexProgram, PredictionOperator, RowScale, SystemOperator};

/// Iterates from which a later run on the same samples and gates can start.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmStart {
    /// v (d x 2PC).
    pub v: HostMatrix,
    /// Scaled dual of u = v (d x 2PC).
    pub lambda: HostMatrix,
    /// s (n x 2PC).
    pub s: HostMatrix,
    /// Scaled dual of Gt u = s (n x 2PC).
    pub nu: HostMatrix,
    /// q and mu, if the loss is split off; without them a run starts from the prediction 0.
    pub split: Option<SplitStart>,
    /// The penalty that the duals are scaled by.
    pub rho: f64,
    /// The weight that s and nu are scaled by.
    pub sigma: f64,
}

/// Iterates on the device, with the names of the algorithm box.
pub(crate) struct State<B: Backend> {
    backend: B,
    n_samples: usize,
    pub v: B::Matrix,
    pub lambda: B::Matrix,
    /// `None` for gated neurons.
    pub cones: Option<ConeIterates<B>>,
    pub split: SplitLoss,
    pub solution: SystemSolution<B>,
    /// `None` without acceleration.
    points: Option<Points<B>>,
    /// Scratch (d x 2PC): uh + lambda for (4b).
    lifted: B::Matrix,
    /// v at the start of the iteration (d x 2PC).
    previous: B::Matrix,
    /// Scratch (d x 2PC): v - lambda for (4a), then uh.
    blocks: B::Matrix,
}

/// The fixed-point variable z.
struct Points<B: Backend> {
    /// At the start of the iteration.
    start: Point<B>,
    /// At its end.
    image: Point<B>,
}

/// The iterates of the cones.
pub(crate) struct ConeIterates<B: Backend> {
    /// Slack (n x 2PC).
    pub s: B::Matrix,
    /// Scaled dual of Gt u = s (n x 2PC).
    pub nu: B::Matrix,
    /// What prices their violation; `None` where they are constraints.
    soft: Option<SoftLoss<B>>,
}

/// The loss for the joint steps of predictions and cones (17.2), in f64 on the device.
struct SoftLoss<B: Backend> {
    slope: LossSlope,
    /// n x C.
    y: <B::Wide as Backend>::Matrix,
    /// n x 1.
    weights: <B::Wide as Backend>::Matrix,
}

impl<B: Backend> SoftLoss<B> {
    /// `None` for a programme whose cones are constraints.
    fn of(program: &ConvexProgram<B>) -> Result<Option<Self>, LinalgError> {
        let (wide, loss, n) = (program.backend().wide(), program.loss(), program.n_samples());
        let Some(slope) = loss.slope().filter(|_| program.cone_form() == ConeForm::Soft) else { return Ok(None) };
        let weights = HostMatrix::from_vec(n, 1, loss.weights().map_or_else(|| vec![1.0; n], <[f64]>::to_vec));
        Ok(Some(SoftLoss { slope, y: wide.upload_rows(program.y_host())?, weights: wide.upload_rows(&weights)? }))
    }
}

impl<B: Backend> ConeIterates<B> {
    /// s - nu for (4a).
    fn rhs(&self) -> ConeRhs<'_, B> {
        ConeRhs { s: &self.s, nu: Some(&self.nu) }
    }
}

impl<B: Backend> State<B> {
    /// Zeros, or the iterates of a warm start; with `accelerated`, also z.
    pub fn new(
        program: &ConvexProgram<B>,
        warm: Option<&WarmStart>,
        kappa: f64,
        accelerated: bool,
    ) -> Result<Self, LinalgError> {
        let backend = program.backend();
        let (d, n) = (program.n_features(), program.n_samples());
        let (columns, cones) = (program.n_blocks(), program.n_cones());
        let start = |given: Option<&HostMatrix>| {
            given.map_or_else(|| backend.zeros(d, columns), |matrix| backend.upload(matrix))
        };
        let rows = |given: Option<&HostMatrix>| {
            given.map_or_else(|| backend.sample_rows(n, cones), |matrix| backend.upload_rows(matrix))
        };
        let mut v = start(warm.map(|warm| &warm.v))?;
        // That of a warm start may lie anywhere, and a network is recovered from it.
        program.confine(&mut v)?;
        let cones = if cones > 0 {
            let [s, nu] = [rows(warm.map(|warm| &warm.s))?, rows(warm.map(|warm| &warm.nu))?];
            Some(ConeIterates { s, nu, soft: SoftLoss::of(program)? })
        } else {
            None
        };
        let s = cones.as_ref().map(|cones| &cones.s);
        let split = match warm.and_then(|warm| warm.split.clone()).filter(|_| program.splits_loss()) {
            Some(SplitStart { q, mu, .. }) => SplitLoss::started(program, q, mu),
            None => SplitLoss::new(program, kappa),
        };
        Ok(State {
            lambda: start(warm.map(|warm| &warm.lambda))?,
            solution: SystemSolution {
                u: start(warm.map(|warm| &warm.v))?,
                xu: s.map(|s| backend.zeros_like(s)).transpose()?,
                residual: backend.zeros_like(program.y())?,
            },
            points: if accelerated {
                let zero = || Point::zeros_like(backend, &v, s, &split.zeros());
                Some(Points { start: zero()?, image: zero()? })
            } else {
                None
            },
            lifted: backend.zeros(d, columns)?,
            split,
            previous: backend.zeros(d, columns)?,
            blocks: backend.zeros(d, columns)?,
            v,
            cones,
            n_samples: n,
            backend: backend.clone(),
        })
    }

    /// Starts at the optimum of the largest betas: zero, with its multiplier lambda = F'xi/rho. Only without cones:
    /// with cones, nu takes a part of F'xi.
    pub fn at_zero(program: &ConvexProgram<B>, weights: Weights, accelerated: bool) -> Result<Self, LinalgError> {
        let mut state = State::new(program, None, weights.kappa, accelerated)?;
        let xi = program.backend().upload_rows(&program.xi_at_zero())?;
        PredictionOperator::new(program)?.apply_adjoint(&mut state.lambda, &xi)?;
        program.backend().scale(1.0 / weights.rho, &mut state.lambda)?;
        Ok(state)
    }

    /// Starts at the network `v` (d x 2PC), which lies in its cones: s = Gt v, and lambda is beta v/||v|| over rho, the
    /// multiplier of an optimum. F'xi is much larger, since nu takes the part that keeps blocks in their cones; with
    /// lambda = F'xi/rho and nu = 0 the first iterates diverge.
    pub fn at(
        program: &ConvexProgram<B>,
        v: &HostMatrix,
        row_scale: RowScale,
        Weights { rho, kappa }: Weights,
        accelerated: bool,
    ) -> Result<Self, LinalgError> {
        let backend = program.backend();
        let mut state = State::new(program, None, kappa, accelerated)?;
        state.v = backend.upload(v)?;
        backend.copy(&state.v, &mut state.solution.u)?;
        let mut multipliers = v.clone();
        for j in 0..v.cols() {
            let norm = v.col(j).iter().map(|v| v * v).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { program.beta() / (rho * norm) } else { 0.0 };
            multipliers.col_mut(j).iter_mut().for_each(|value| *value *= scale);
        }
        state.lambda = backend.upload(&multipliers)?;
        state.split = SplitLoss::at(program, &state.v, kappa)?;
        if let Some(cones) = &mut state.cones {
            ConeOperator::new(program, row_scale)?.apply(&mut cones.s, &state.v)?;
            // Removes negative entries, which come from rounding alone.
            backend.positive_part(1.0, &mut cones.s)?;
        }
        Ok(state)
    }

    /// Scales the multipliers of the cones by `share`.
    pub fn loosen_cones(&mut self, share: f64) -> Result<(), LinalgError> {
        self.cones.as_mut().map_or(Ok(()), |cones| self.backend.scale(share, &mut cones.nu))
    }

    /// (4a) u = argmin 1/2 ||F u - y||^2 + rho/2 ||u - v + lambda||^2 + rho/2 ||Gt u - s + nu||^2; (6.2) for other
    /// losses.
    pub fn u_update(
        &mut self,
        linear: &mut dyn LinearSolver<B>,
        system: &mut SystemOperator<'_, B>,
        accuracy: Accuracy,
    ) -> Result<LinearInfo, LinalgError> {
        self.split.set_target(system)?;
        combine(&self.backend, &self.v, -1.0, &self.lambda, &mut self.blocks)?;
        let rhs = SystemRhs { blocks: &self.blocks, rows: self.cones.as_ref().map(ConeIterates::rhs) };
        linear.solve(system, &rhs, accuracy, &mut self.solution)
    }

    /// Relative residual of (4a) in f64; call it right after [`u_update`](State::u_update).
    pub fn linear_residual(
        &self,
        certificate: &mut Certificate<'_, B>,
        system: &SystemOperator<'_, B>,
    ) -> Result<f64, LinalgError> {
        let rhs = SystemRhs { blocks: &self.blocks, rows: self.cones.as_ref().map(ConeIterates::rhs) };
        certificate.system_residual(system, &self.solution.u, &rhs)
    }

    /// ||F'xi|| of each block at xi = -kappa r, projected onto the cones of its entries, without a product: without
    /// cones of patterns, (4a) gives F'xi = rho (u - (v - lambda)). As accurate as the u-update; call it right after
    /// that.
    pub fn gradient_norms(&mut self, program: &ConvexProgram<B>, rho: f64) -> Result<Vec<f64>, LinalgError> {
        self.backend.axpby(1.0, &self.solution.u, -1.0, &mut self.blocks)?;
        program.confine(&mut self.blocks)?;
        let norms = self.backend.column_norms(&self.blocks)?;
        Ok(norms.into_iter().map(|norm| rho * norm).collect())
    }

    /// (4b) v = group soft-threshold of uh + lambda, projected onto the cones of the entries (13.1), with
    /// uh = alpha u + (1 - alpha) v.
    pub fn v_update(&mut self, program: &ConvexProgram<B>, alpha: f64, threshold: f64) -> Result<(), LinalgError> {
        let backend = &self.backend;
        backend.copy(&self.solution.u, &mut self.blocks)?;
        backend.axpby(1.0 - alpha, &self.v, alpha, &mut self.blocks)?;
        combine(backend, &self.blocks, 1.0, &self.lambda, &mut self.lifted)?;
        program.confine(&mut self.lifted)?;
        std::mem::swap(&mut self.v, &mut self.previous);
        backend.group_soft_threshold(&self.lifted, threshold, &mut self.v)
    }

    /// (4b, 4c) s = max(gh + nu, 0) and nu += gamma (gh - s), with gh = alpha Gt u + (1 - alpha) s, and (6.3) for q and
    /// mu; s and q are one step (17.2) where the loss prices the cones.
    pub fn slack_update(
        &mut self,
        program: &ConvexProgram<B>,
        row_scale: &B::Matrix,
        [alpha, gamma]: [f64; 2],
        weights: Weights,
    ) -> Result<SlackNorms, LinalgError> {
        let State { backend, split, solution, cones, .. } = self;
        let (SystemSolution { xu, residual, .. }, steps) = (solution, [alpha, gamma]);
        if let (Some(xu), Some(ConeIterates { s, nu, soft: Some(loss) })) = (&xu, &mut *cones) {
            split.lift(backend, residual, alpha)?;
            let norms = soft_step(program, row_scale, loss, weights, xu, steps, split.q_mut(), [s, nu])?;
            split.settle(backend, steps);
            return Ok(norms);
        }
        split.update(backend, residual, steps, weights.kappa)?;
        match (xu, cones) {
            (Some(xu), Some(ConeIterates { s, nu, .. })) => {
                backend.slack_step(program.mask(), row_scale, xu, alpha, gamma, s, nu)
            }
            _ => Ok(SlackNorms::default()),
        }
    }

    /// -xi of this iterate, if it is not the residual r = F u - y itself: kappa r, with which the optimality condition
    /// of every block of u holds. kappa mu is nearer to the domain of the conjugate, but further from dual feasible.
    pub fn scaled_residual(&self, kappa: f64) -> Result<Option<B::Matrix>, LinalgError> {
        if !self.split.is_split() {
            return Ok(None);
        }
        let residual = &self.solution.residual;
        let mut scaled = self.backend.zeros_like(residual)?;
        self.backend.axpby(kappa, residual, 0.0, &mut scaled)?;
        Ok(Some(scaled))
    }

    /// (4c) lambda += gamma (uh - v).
    pub fn dual_update(&mut self, gamma: f64) -> Result<(), LinalgError> {
        self.backend.axpby(gamma, &self.blocks, 1.0, &mut self.lambda)?;
        self.backend.axpby(-gamma, &self.v, 1.0, &mut self.lambda)
    }

    /// Norms of the iteration that just ended; overwrites `previous` and `blocks`.
    pub fn residuals(&mut self, slack: &SlackNorms) -> Result<Residuals, LinalgError> {
        let backend = &self.backend;
        combine(backend, &self.solution.u, -1.0, &self.v, &mut self.blocks)?;
        backend.axpby(-1.0, &self.v, 1.0, &mut self.previous)?;
        let hypot = |part: f64, squares: f64| part.hypot(squares.sqrt());
        Ok(Residuals {
            primal: hypot(backend.norm(&self.blocks)?, slack.residual),
            change: hypot(backend.norm(&self.previous)?, slack.change),
            primal_scale: hypot(backend.norm(&self.solution.u)?, slack.image),
            dual_scale: hypot(backend.norm(&self.lambda)?, slack.dual),
        })
    }

    /// Whether z is stored.
    #[cfg(test)]
    pub fn keeps_start(&self) -> bool {
        self.points.is_some()
    }

    /// Stores z at the start of an iteration, if the iteration is accelerated.
    pub fn keep_start(&mut self, weights: Weights) -> Result<(), LinalgError> {
        let State { backend, v, lambda, cones, split, points, .. } = self;
        points.as_mut().map_or(Ok(()), |Points { start, .. }| {
            write_point(backend, [v, lambda], cones.as_ref(), split, weights, start)
        })
    }

    /// Moves to the extrapolated point.
    pub fn accelerate(
        &mut self,
        program: &ConvexProgram<B>,
        row_scale: &B::Matrix,
        anderson: &mut Anderson<B>,
        weights: Weights,
    ) -> Result<(), LinalgError> {
        let Some(mut points) = self.points.take() else { return Ok(()) };
        let Points { start, image } = &mut points;
        let mut moved = || {
            write_point(&self.backend, [&self.v, &self.lambda], self.cones.as_ref(), &self.split, weights, image)?;
            if anderson.extrapolate(start, image)? { self.set_from(program, row_scale, weights, image) } else { Ok(()) }
        };
        let moved = moved();
        // Also after an error, such as a stop: a later call continues.
        self.points = Some(points);
        moved
    }

    /// z, for [`extrapolate`](State::extrapolate).
    pub fn point(&self, weights: Weights) -> Result<Point<B>, LinalgError> {
        let mut point = self.zero_point()?;
        write_point(&self.backend, [&self.v, &self.lambda], self.cones.as_ref(), &self.split, weights, &mut point)?;
        Ok(point)
    }

    /// Continues from `last` through the current point, `step` times as far. Optima at neighbouring betas lie nearly on
    /// a line as long as the set of neurons stays the same.
    pub fn extrapolate(
        &mut self,
        program: &ConvexProgram<B>,
        row_scale: &B::Matrix,
        last: &Point<B>,
        step: f64,
        weights: Weights,
    ) -> Result<(), LinalgError> {
        let mut image = self.point(weights)?;
        image.add(&self.backend, -step, last, 1.0 + step)?;
        self.set_from(program, row_scale, weights, &image)
    }

    /// v, s and q are the proximal points of z = `image`; lambda, nu and mu are the remainders. Overwrites `blocks`.
    fn set_from(
        &mut self,
        program: &ConvexProgram<B>,
        row_scale: &B::Matrix,
        weights: Weights,
        image: &Point<B>,
    ) -> Result<(), LinalgError> {
        let backend = &self.backend;
        let threshold = program.beta() / weights.rho;
        if program.cones().is_some() {
            // The image itself is still needed for lambda.
            backend.copy(&image.blocks, &mut self.blocks)?;
            program.confine(&mut self.blocks)?;
            backend.group_soft_threshold(&self.blocks, threshold, &mut self.v)?;
        } else {
            backend.group_soft_threshold(&image.blocks, threshold, &mut self.v)?;
        }
        combine(backend, &image.blocks, -1.0, &self.v, &mut self.lambda)?;
        let (Some(rows), Some(ConeIterates { s, nu, soft })) = (&image.rows, &mut self.cones) else {
            self.split.set_from_point(weights, &image.prediction);
            return Ok(());
        };
        backend.copy(rows, s)?;
        if let Some(loss) = soft {
            self.split.lift_from_point(weights, &image.prediction);
            backend.fill(0.0, nu)?;
            // A step from s = z that takes nothing of X u.
            let still = [0.0, 1.0];
            soft_step(program, row_scale, loss, weights, rows, still, self.split.q_mut(), [s, nu])?;
            self.split.take_remainder();
            return Ok(());
        }
        self.split.set_from_point(weights, &image.prediction);
        backend.positive_part(1.0, s)?;
        combine(backend, rows, -1.0, s, nu)
    }

    /// Rescales the duals, which are the multipliers over the penalties, for other penalties.
    pub fn rescale_duals(&mut self, Rescaling { duals, split }: Rescaling) -> Result<(), LinalgError> {
        if split != 1.0 {
            self.split.rescale(split);
        }
        if duals == 1.0 {
            return Ok(());
        }
        self.backend.scale(duals, &mut self.lambda)?;
        self.cones.as_mut().map_or(Ok(()), |cones| self.backend.scale(duals, &mut cones.nu))
    }

    /// Takes the new loss and targets of the programme; q and mu start from zero.
    pub fn restart_split(&mut self, program: &ConvexProgram<B>, kappa: f64) -> Result<(), LinalgError> {
        self.split = SplitLoss::new(program, kappa);
        if let Some(cones) = &mut self.cones {
            cones.soft = SoftLoss::of(program)?;
        }
        if self.points.is_some() {
            self.points = Some(Points { start: self.zero_point()?, image: self.zero_point()? });
        }
        Ok(())
    }

    /// A fixed-point variable with the shape of this one.
    fn zero_point(&self) -> Result<Point<B>, LinalgError> {
        let s = self.cones.as_ref().map(|cones| &cones.s);
        Point::zeros_like(&self.backend, &self.v, s, &self.split.zeros())
    }

    /// An acceleration for the iteration of this state.
    pub fn accelerator(&self, differences: usize) -> Result<Anderson<B>, LinalgError> {
        let s = self.cones.as_ref().map(|cones| &cones.s);
        Anderson::new(&self.backend, differences, &self.v, s, &self.split.zeros())
    }

    /// Writes the values that the next iteration depends on to a checkpoint.
    pub fn save(&self, out: &mut Recorder<'_, B>) -> Result<(), CheckpointError> {
        let SystemSolution { u, xu, residual } = &self.solution;
        let State { v, lambda, .. } = self;
        for (name, matrix) in [("v", v), ("lambda", lambda), ("u", u), ("residual", residual)] {
            out.matrix(name, matrix)?;
        }
        if let Some(ConeIterates { s, nu, .. }) = &self.cones {
            out.matrix("s", s)?;
            out.matrix("nu", nu)?;
        }
        if let Some(xu) = xu {
            out.matrix("xu", xu)?;
        }
        for (name, matrix) in self.split.parts() {
            out.host_rows(name, matrix)?;
        }
        Ok(())
    }

    /// Restores these values from a checkpoint.
    pub fn restore(&mut self, saved: &mut Replay<'_, B>) -> Result<(), CheckpointError> {
        let SystemSolution { u, xu, residual } = &mut self.solution;
        let State { v, lambda, .. } = self;
        for (name, matrix) in [("v", v), ("lambda", lambda), ("u", u), ("residual", residual)] {
            saved.matrix(name, matrix)?;
        }
        if let Some(ConeIterates { s, nu, .. }) = &mut self.cones {
            saved.matrix("s", s)?;
            saved.matrix("nu", nu)?;
        }
        if let Some(xu) = xu {
            saved.matrix("xu", xu)?;
        }
        for (name, matrix) in self.split.parts_mut() {
            saved.host_rows(name, matrix)?;
        }
        Ok(())
    }

    /// The iterates from which a later run can start.
    pub fn warm_start(&self, Weights { rho, kappa }: Weights, sigma: f64) -> Result<WarmStart, LinalgError> {
        let backend = &self.backend;
        let (s, nu) = match &self.cones {
            Some(ConeIterates { s, nu, .. }) => (backend.download(s)?, backend.download(nu)?),
            None => (HostMatrix::zeros(self.n_samples, 0), HostMatrix::zeros(self.n_samples, 0)),
        };
        Ok(WarmStart {
            v: backend.download(&self.v)?,
            lambda: backend.download(&self.lambda)?,
            s,
            nu,
            split: self.split.start(kappa),
            rho,
            sigma,
        })
    }
}

/// (17.2) for `q` (n x C), s and nu (n x 2PC) with alpha and gamma.
#[allow(clippy::too_many_arguments)]
fn soft_step<B: Backend>(
    program: &ConvexProgram<B>,
    row_scale: &B::Matrix,
    SoftLoss { slope, y, weights }: &SoftLoss<B>,
    Weights { rho, kappa }: Weights,
    xu: &B::Matrix,
    [alpha, gamma]: [f64; 2],
    q: &mut HostMatrix,
    [s, nu]: [&mut B::Matrix; 2],
) -> Result<SlackNorms, LinalgError> {
    let (backend, wide) = (program.backend(), program.backend().wide());
    let cones = SoftCones {
        layout: program.layout(),
        mask: program.mask(),
        scale: row_scale,
        slope: *slope,
        y,
        weights,
        kappa,
        rho,
    };
    let mut prediction = wide.upload_rows(q)?;
    let norms = backend.soft_slack_step(&cones, xu, alpha, gamma, &mut prediction, s, nu)?;
    *q = wide.download(&prediction)?;
    Ok(norms)
}

/// The fixed-point variable z = (v + lambda, s + nu), with q + mu if the loss is split off. The next iteration is a
/// function of z.
fn write_point<B: Backend>(
    backend: &B,
    [v, lambda]: [&B::Matrix; 2],
    cones: Option<&ConeIterates<B>>,
    split: &SplitLoss,
    weights: Weights,
    out: &mut Point<B>,
) -> Result<(), LinalgError> {
    split.to_point(weights, &mut out.prediction);
    combine(backend, v, 1.0, lambda, &mut out.blocks)?;
    match (cones, &mut out.rows) {
        (Some(ConeIterates { s, nu, .. }), Some(rows)) => combine(backend, s, 1.0, nu, rows),
        _ => Ok(()),
    }
}

/// out = a + factor b.
fn combine<B: Backend>(
    backend: &B,
    a: &B::Matrix,
    factor: f64,
    b: &B::Matrix,
    out: &mut B::Matrix,
) -> Result<(), LinalgError> {
    backend.copy(a, out)?;
    backend.axpby(factor, b, 1.0, out)
}
