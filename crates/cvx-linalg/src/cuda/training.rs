//! Adam's two operations, each one pass over its matrices.

use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_entries};
use super::matrix::{CudaMatrix, expect_shape};
use super::scalar::CudaScalar;
use crate::backend::Shape;
use crate::error::LinalgError;
use crate::training::{AdamBackend, AdamStep};

impl<T: CudaScalar> AdamBackend for Cuda<T> {
    fn gate(&self, z: &CudaMatrix<T>, g: &mut CudaMatrix<T>) -> Result<(), LinalgError> {
        expect_shape("gate", "g", g, (z.rows(), z.cols()))?;
        let (count, grid) = (z.len() as u64, over_entries(z.len()));
        launch!(&self.device, Kernel::Gate, T, grid, &count, z.values(), g.values_mut())
    }

    fn adam_step(
        &self,
        step: &AdamStep,
        gradient: &CudaMatrix<T>,
        m: &mut CudaMatrix<T>,
        v: &mut CudaMatrix<T>,
        w: &mut CudaMatrix<T>,
    ) -> Result<(), LinalgError> {
        let shape = (gradient.rows(), gradient.cols());
        expect_shape("adam_step", "m", m, shape)?;
        expect_shape("adam_step", "v", v, shape)?;
        expect_shape("adam_step", "w", w, shape)?;
        let (count, grid) = (gradient.len() as u64, over_entries(gradient.len()));
        let AdamStep { rate, first_decay, second_decay, root_scale, epsilon, weight_decay } = step;
        launch!(
            &self.device,
            Kernel::AdamStep,
            T,
            grid,
            &count,
            rate,
            first_decay,
            second_decay,
            root_scale,
            epsilon,
            weight_decay,
            gradient.values(),
            m.values_mut(),
            v.values_mut(),
            w.values_mut()
        )
    }
}
