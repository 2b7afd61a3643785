//! The u-update by conjugate gradients on the n x n kernel, preconditioned by M (docs/math.md, section 4).

use crate::conjugate::{Apply, ConjugateGradients, Target};
use crate::coordinates::GramCoordinates;
use crate::deflation::Deflation;
use crate::free_kernel::FreeKernel;
use crate::kind::{SolverKind, SolverSettings};
use cvx_linalg::{
    Accuracy, Backend, Centring, LinalgError, LinearInfo, LinearSolver, LinearStatus, MaskedBlocks, MaskedSystem,
    NystromSketch, Shape, SolverFlops, SolverState, SystemRhs, SystemSolution,
};

/// Conjugate gradients on A preconditioned by M in every block, in the coordinates in which that is cheapest.
///
/// With M = L L', V = L^-1 X' and u = L^-T z, the cone part of A is the identity and only the differences z^+ - z^-
/// meet F, so that the iteration runs on the n x C residuals of (3.3), with K = V'V applied and never formed:
///
/// ```text
/// zhat  = L^-1 (v - lambda) + V (g o e_i o (s - nu))                                                (4.1)
/// qhat  = sum_i d_i o V'(zhat_i^+ - zhat_i^-)                                                       (4.2)
/// r + (2/rho) sum_i d_i o V'V (d_i o r) = qhat - y,  by conjugate gradients                         (4.3)
/// u_i^+ = L^-T (zhat_i^+ - V (d_i o r)/rho),     u_i^- = L^-T (zhat_i^- + V (d_i o r)/rho)          (4.4)
/// ```
///
/// However early (4.3) ends, every block of u is stationary for the r that is returned with it: r, not F u - y, is the
/// dual point and the next warm start.
///
/// The kernel N = K o S = sum_i D_i K D_i of (4.3) contains no rho. Where it is sketched, I + (2/rho) N is
/// preconditioned with the shift rho/2, and a change of rho costs nothing.
///
/// Without cones M = I, and the same iteration runs on I + (1/rho) F F' (docs/math.md, section 8).
pub struct GramPcg<B: Backend> {
    settings: SolverSettings,
    sketched: bool,
    prepared: Option<Prepared<B>>,
    last_iterations: usize,
}

enum Prepared<B: Backend> {
    /// With cones.
    Cones(Box<Factors<B>>),
    /// Without.
    Free(FreeKernel<B>),
}

struct Factors<B: Backend> {
    coordinates: GramCoordinates<B>,
    /// qhat - y (n x C).
    b: B::Matrix,
    iteration: ConjugateGradients<B>,
    deflation: Option<Deflation<B>>,
    /// Of the preconditioned residuals, which a sketch does not keep centred.
    centring: Centring<B>,
}

/// `out` = (2/rho) N r = (2/rho) sum_i d_i o V'V (d_i o r).
fn apply_kernel<B: Backend>(
    coordinates: &mut GramCoordinates<B>,
    blocks: &MaskedBlocks<'_, B>,
    scale: f64,
    r: &B::Matrix,
    out: &mut B::Matrix,
) -> Result<(), LinalgError> {
    coordinates.spread(blocks, scale, r)?;
    coordinates.gather(blocks, out)
}

impl<B: Backend> GramPcg<B> {
    /// Without a sketch, unprepared.
    pub fn new(settings: SolverSettings) -> Self {
        GramPcg { settings, sketched: false, prepared: None, last_iterations: 1 }
    }

    /// With a sketch of the kernel, unprepared.
    pub fn sketched(settings: SolverSettings) -> Self {
        GramPcg { sketched: true, ..GramPcg::new(settings) }
    }

    /// Calls `look` with the map of (4.3) and its preconditioner.
    pub(crate) fn with_maps<R>(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        look: impl FnOnce(&mut Apply<'_, B>, &mut Apply<'_, B>) -> Result<R, LinalgError>,
    ) -> Result<R, LinalgError> {
        if self.prepared.is_none() {
            self.prepare(system)?;
        }
        match self.prepared.as_mut().ok_or(LinalgError::NoEigenvalues)? {
            Prepared::Free(kernel) => kernel.with_maps(system, look),
            Prepared::Cones(factors) => {
                let (rho, blocks) = (system.penalty(), system.blocks());
                look(
                    &mut kernel_map(&mut factors.coordinates, &blocks, rho),
                    &mut preconditioner(&mut factors.deflation, &mut factors.centring, blocks.backend),
                )
            }
        }
    }
}

/// The map of (4.3): `out` = r + (2/rho) N r.
fn kernel_map<'a, B: Backend>(
    coordinates: &'a mut GramCoordinates<B>,
    blocks: &'a MaskedBlocks<'a, B>,
    rho: f64,
) -> impl FnMut(&mut B::Matrix, &B::Matrix) -> Result<(), LinalgError> + 'a {
    let weight = coordinates.weight(rho);
    move |out, r| {
        apply_kernel(coordinates, blocks, weight, r, out)?;
        blocks.backend.axpby(1.0, r, 1.0, out)
    }
}

/// Its preconditioner: the sketch, where there is one.
fn preconditioner<'a, B: Backend>(
    deflation: &'a mut Option<Deflation<B>>,
    centring: &'a mut Centring<B>,
    backend: &'a B,
) -> impl FnMut(&mut B::Matrix, &B::Matrix) -> Result<(), LinalgError> + 'a {
    move |out, r| match deflation {
        Some(deflation) => {
            deflation.apply(backend, r, out)?;
            centring.apply(backend, out)
        }
        None => backend.copy(r, out),
    }
}

impl<B: Backend> Factors<B> {
    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        steps: usize,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        let (rho, blocks) = (system.penalty(), system.blocks());
        let backend = blocks.backend;
        let Factors { coordinates, b, iteration, deflation, centring } = self;
        let [_, xu, residual] = solution.expect_xu("gram-pcg")?;
        coordinates.enter(&blocks, rhs, xu, b)?;
        // With B r = b for (4.3), an error dr of r moves u by (du, Gt du) of the squared norm dr'(B - I)dr/rho, at most
        // a quarter of ||B dr||^2/rho because t - t^2 <= 1/4 for the inverse eigenvalues t of B.
        let root = rho.sqrt();
        let target = Target { accuracy, error_per_residual: 0.5 / root, error_per_energy: 1.0 / root, steps };
        let info = iteration.run(
            backend,
            &mut kernel_map(coordinates, &blocks, rho),
            &mut preconditioner(deflation, centring, backend),
            b,
            target,
            residual,
        )?;
        coordinates.spread(&blocks, 1.0 / rho, residual)?;
        coordinates.leave(&blocks, 1.0, solution)?;
        Ok(info)
    }
}

impl<B: Backend> LinearSolver<B> for GramPcg<B> {
    fn name(&self) -> &'static str {
        if self.sketched { SolverKind::GramNystromPcg.name() } else { SolverKind::GramPcg.name() }
    }

    fn prepare(&mut self, system: &mut dyn MaskedSystem<B>) -> Result<(), LinalgError> {
        self.prepared = None;
        if !self.sketched && system.blocks().cones.is_none() {
            self.prepared = Some(Prepared::Free(FreeKernel::new(system)?));
            return Ok(());
        }
        let mut coordinates = GramCoordinates::new(system)?;
        let rho = system.penalty();
        let blocks = system.blocks();
        let (backend, n, targets) = (blocks.backend, blocks.n_samples(), blocks.y.cols());
        let mut deflation = None;
        if self.sketched {
            let rank = self.settings.sketch_rank(SolverKind::GramNystromPcg, 10.0 * coordinates.shift(rho));
            // The kernel is applied to C columns at once; for a smaller batch the rest is zero.
            let (mut x, mut image) = (backend.zeros(n, targets)?, backend.zeros(n, targets)?);
            let sketch = NystromSketch::new(backend, n, rank, targets, self.settings.seed, &mut |out, test| {
                backend.fill(0.0, &mut x)?;
                backend.write_part(test, &mut x, 0)?;
                apply_kernel(&mut coordinates, &blocks, 1.0, &x, &mut image)?;
                backend.read_part(&image, 0, out)
            })?;
            deflation = Some(Deflation::new(backend, sketch, coordinates.shift(rho), targets)?);
        }
        let (b, iteration) = (backend.zeros_like(blocks.y)?, ConjugateGradients::new(backend, blocks.y)?);
        let factors = Factors { coordinates, b, iteration, deflation, centring: Centring::of(&blocks)? };
        self.prepared = Some(Prepared::Cones(Box::new(factors)));
        Ok(())
    }

    fn update_penalty(&mut self, system: &mut dyn MaskedSystem<B>, rho: f64) -> Result<(), LinalgError> {
        system.set_penalty(rho);
        match &mut self.prepared {
            Some(Prepared::Cones(factors)) => match &mut factors.deflation {
                Some(deflation) => deflation.set_shift(system.blocks().backend, factors.coordinates.shift(rho)),
                // Nothing else that is kept depends on rho.
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        if self.prepared.is_none() {
            self.prepare(system)?;
        }
        let steps = self.settings.steps;
        let mut info = LinearInfo { status: LinearStatus::Converged, iterations: 0, relative_residual: None };
        match &mut self.prepared {
            Some(Prepared::Cones(factors)) => info = factors.solve(system, rhs, accuracy, steps, solution)?,
            Some(Prepared::Free(kernel)) => info = kernel.solve(system, rhs, accuracy, steps, solution)?,
            None => {}
        }
        self.last_iterations = info.iterations;
        Ok(info)
    }

    fn flops(&self) -> SolverFlops {
        // A step is two products, of which the first residual and (4.4) take as many.
        let products = 2.0 * (2.0 + self.last_iterations as f64);
        let solve = match &self.prepared {
            None => 0.0,
            Some(Prepared::Cones(factors)) => {
                let (way, product) = factors.coordinates.flops();
                way + product * products
            }
            Some(Prepared::Free(kernel)) => kernel.product_flops() * products,
        };
        SolverFlops { update: 0.0, solve }
    }

    fn state(&self, _: &B) -> Result<SolverState, LinalgError> {
        Ok(SolverState::of_words(&[self.last_iterations as u64]))
    }

    fn restore(&mut self, _: &B, state: &SolverState) -> Result<(), LinalgError> {
        let [last_iterations] = state.words()?;
        self.last_iterations = last_iterations as usize;
        Ok(())
    }
}
