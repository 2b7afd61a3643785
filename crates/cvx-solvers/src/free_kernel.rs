//! The u-update without cones, by conjugate gradients on the n x n kernel (docs/math.md, section 8).

use crate::conjugate::{Apply, ConjugateGradients, Target};
use cvx_linalg::{
    Accuracy, Backend, Centring, LinalgError, LinearInfo, MaskedSystem, Shape, SystemRhs, SystemSolution,
};

/// What an iteration on (8.3) keeps. Without cones, M = I and V = X', and each pattern and target has one block.
///
/// ```text
/// qhat  = F (v - lambda)                                          (8.2)
/// r + (1/rho) F F' r = qhat - y,  by conjugate gradients          (8.3)
/// u     = v - lambda - F' r / rho                                 (8.4)
/// ```
///
/// Every step is a product with F' and one with F. Its vectors have n x C numbers; those of conjugate gradients on A
/// have d x PC. However early it ends, u is stationary for the r that is returned with it.
pub(crate) struct FreeKernel<B: Backend> {
    /// F'r / rho (d x PC).
    image: B::Matrix,
    /// qhat - y (n x C).
    b: B::Matrix,
    iteration: ConjugateGradients<B>,
    centring: Centring<B>,
}

impl<B: Backend> FreeKernel<B> {
    pub fn new(system: &dyn MaskedSystem<B>) -> Result<Self, LinalgError> {
        let blocks = system.blocks();
        let backend = blocks.backend;
        Ok(FreeKernel {
            image: backend.zeros(blocks.n_rows, blocks.layout.columns())?,
            b: backend.zeros_like(blocks.y)?,
            iteration: ConjugateGradients::new(backend, blocks.y)?,
            centring: Centring::of(&blocks)?,
        })
    }

    /// Calls `look` with the map of the iteration and its preconditioner, which is none.
    pub fn with_maps<R>(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        look: impl FnOnce(&mut Apply<'_, B>, &mut Apply<'_, B>) -> Result<R, LinalgError>,
    ) -> Result<R, LinalgError> {
        let backend = system.blocks().backend.clone();
        let (image, centring) = (&mut self.image, &mut self.centring);
        look(&mut kernel_map(system, image, centring, &backend), &mut |out, r| backend.copy(r, out))
    }

    /// Solves (4a) to `accuracy` in at most `steps`, warm-started at the residual of `solution`.
    pub fn solve(
        &mut self,
        system: &mut dyn MaskedSystem<B>,
        rhs: &SystemRhs<'_, B>,
        accuracy: Accuracy,
        steps: usize,
        solution: &mut SystemSolution<B>,
    ) -> Result<LinearInfo, LinalgError> {
        let (rho, backend) = (system.penalty(), system.blocks().backend.clone());
        let FreeKernel { image, b, iteration, centring } = self;
        system.predict(b, rhs.blocks)?;
        backend.axpby(-1.0, system.blocks().y, 1.0, b)?;
        centring.apply(&backend, b)?;
        // Without cones Gt = 0: an error dr of r moves u by F'dr/rho.
        let root = rho.sqrt();
        let target = Target { accuracy, error_per_residual: 0.5 / root, error_per_energy: 1.0 / root, steps };
        let info = iteration.run(
            &backend,
            &mut kernel_map(system, image, centring, &backend),
            &mut |out, r| backend.copy(r, out),
            b,
            target,
            &mut solution.residual,
        )?;
        backend.copy(rhs.blocks, &mut solution.u)?;
        system.pull(-1.0 / rho, &solution.residual, &mut solution.u)?;
        Ok(info)
    }

    /// Operations of a product with F or F'.
    pub fn product_flops(&self) -> f64 {
        2.0 * [self.b.rows(), self.image.rows(), self.image.cols()].map(|size| size as f64).iter().product::<f64>()
    }
}

/// `out` = r + (1/rho) F F' r.
fn kernel_map<'a, B: Backend>(
    system: &'a mut dyn MaskedSystem<B>,
    image: &'a mut B::Matrix,
    centring: &'a mut Centring<B>,
    backend: &'a B,
) -> impl FnMut(&mut B::Matrix, &B::Matrix) -> Result<(), LinalgError> + 'a {
    move |out, r| {
        backend.fill(0.0, image)?;
        system.pull(1.0 / system.penalty(), r, image)?;
        system.predict(out, image)?;
        centring.apply(backend, out)?;
        backend.axpby(1.0, r, 1.0, out)
    }
}
