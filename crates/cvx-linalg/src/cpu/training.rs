//! Adam's two operations, each one pass over its matrices.

use super::Cpu;
use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::{Backend, Shape};
use crate::error::LinalgError;
use crate::training::{AdamBackend, AdamStep};

impl<T: CpuScalar> AdamBackend for Cpu<T>
where
    Cpu<T>: Backend<Matrix = CpuMatrix<T>>,
{
    fn gate(&self, z: &CpuMatrix<T>, g: &mut CpuMatrix<T>) -> Result<(), LinalgError> {
        expect_shape("gate", "g", g, (z.rows(), z.cols()))?;
        tiles::for_each_column(z.rows(), g.values_mut(), |j, column| {
            for (g, &z) in column.iter_mut().zip(z.col(j)) {
                *g = if z <= T::ZERO { T::ZERO } else { *g };
            }
        });
        Ok(())
    }

    fn adam_step(
        &self,
        step: &AdamStep,
        gradient: &CpuMatrix<T>,
        m: &mut CpuMatrix<T>,
        v: &mut CpuMatrix<T>,
        w: &mut CpuMatrix<T>,
    ) -> Result<(), LinalgError> {
        let shape = (gradient.rows(), gradient.cols());
        expect_shape("adam_step", "m", m, shape)?;
        expect_shape("adam_step", "v", v, shape)?;
        expect_shape("adam_step", "w", w, shape)?;
        // There are no sums, so the storage precision loses nothing; roots and quotients are four times as fast in it.
        let [rate, root_scale, epsilon, decay] =
            [step.rate, step.root_scale, step.epsilon, step.weight_decay].map(T::from_f64);
        let [keep_m, keep_v] = [step.first_decay, step.second_decay].map(T::from_f64);
        let [take_m, take_v] = [1.0 - step.first_decay, 1.0 - step.second_decay].map(T::from_f64);
        tiles::for_each_column_of_three(shape.0, [m.values_mut(), v.values_mut(), w.values_mut()], |j, [m, v, w]| {
            for (((m, v), w), &gradient) in m.iter_mut().zip(v).zip(w).zip(gradient.col(j)) {
                let g = gradient + decay * *w;
                *m = keep_m * *m + take_m * g;
                *v = keep_v * *v + take_v * g * g;
                *w = *w - rate * *m / (root_scale * v.sqrt() + epsilon);
            }
        });
        Ok(())
    }
}
