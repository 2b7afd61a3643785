//! What descent on the non-convex objective needs, each one pass over its matrices.

use super::kernel::CpuScalar;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::{AdamStep, Shape};
use crate::error::LinalgError;

pub(super) fn gate<T: CpuScalar>(z: &CpuMatrix<T>, g: &mut CpuMatrix<T>) -> Result<(), LinalgError> {
    expect_shape("gate", "g", g, (z.rows(), z.cols()))?;
    tiles::for_each_column(z.rows(), g.values_mut(), |j, column| {
        for (g, &z) in column.iter_mut().zip(z.col(j)) {
            *g = if z <= T::ZERO { T::ZERO } else { *g };
        }
    });
    Ok(())
}

pub(super) fn adam_step<T: CpuScalar>(
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
    let AdamStep { rate, first_decay, second_decay, root_scale, epsilon, weight_decay } = *step;
    tiles::for_each_column_of_three(shape.0, [m.values_mut(), v.values_mut(), w.values_mut()], |j, [m, v, w]| {
        for (((m, v), w), gradient) in m.iter_mut().zip(v).zip(w).zip(gradient.col(j)) {
            let g = gradient.to_f64() + weight_decay * w.to_f64();
            let first = first_decay * m.to_f64() + (1.0 - first_decay) * g;
            let second = second_decay * v.to_f64() + (1.0 - second_decay) * g * g;
            (*m, *v) = (T::from_f64(first), T::from_f64(second));
            *w = T::from_f64(w.to_f64() - rate * first / (root_scale * second.sqrt() + epsilon));
        }
    });
    Ok(())
}
