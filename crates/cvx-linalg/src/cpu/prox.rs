//! Proximal steps, each one pass over its matrix.

use super::blas::norm_slice;
use super::kernel::CpuScalar;
use super::masks::for_each_bit;
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::{Shape, SlackNorms};
use crate::error::LinalgError;
use crate::mask::BitMask;

pub(super) fn positive_part<T: CpuScalar>(scale: f64, x: &mut CpuMatrix<T>) {
    tiles::for_each_column(x.rows(), x.values_mut(), |_, column| {
        for value in column {
            *value = T::from_f64((scale * value.to_f64()).max(0.0));
        }
    });
}

pub(super) fn group_soft_threshold<T: CpuScalar>(
    x: &CpuMatrix<T>,
    threshold: f64,
    out: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let rows = x.rows();
    expect_shape("group_soft_threshold", "out", out, (rows, x.cols()))?;
    tiles::for_each_column(rows, out.values_mut(), |j, column| {
        let norm = norm_slice(x.col(j));
        let factor = if norm > threshold { 1.0 - threshold / norm } else { 0.0 };
        for (out, value) in column.iter_mut().zip(x.col(j)) {
            *out = T::from_f64(factor * value.to_f64());
        }
    });
    Ok(())
}

pub(super) fn slack_step<T: CpuScalar>(
    mask: &BitMask,
    scale: &CpuMatrix<T>,
    xu: &CpuMatrix<T>,
    relaxation: f64,
    dual_step: f64,
    s: &mut CpuMatrix<T>,
    nu: &mut CpuMatrix<T>,
) -> Result<SlackNorms, LinalgError> {
    let rows = mask.rows();
    let shape = (rows, xu.cols());
    expect_shape("slack_step", "scale", scale, (rows, 1))?;
    expect_shape("slack_step", "xu", xu, shape)?;
    expect_shape("slack_step", "s", s, shape)?;
    expect_shape("slack_step", "nu", nu, shape)?;
    let scale = scale.values();
    let [residual, change, image, dual] = tiles::sum_over_columns(rows, s.values_mut(), nu.values_mut(), |j, s, nu| {
        let xu = xu.col(j);
        let mut sums = [0.0; 4];
        for_each_bit(mask.column(j % mask.cols()), rows, |bit, at| {
            let image = scale[at].to_f64() * xu[at].to_f64();
            let gu = if bit { image } else { -image };
            let old = s[at].to_f64();
            let gh = relaxation * gu + (1.0 - relaxation) * old;
            let new = (gh + nu[at].to_f64()).max(0.0);
            let dual = nu[at].to_f64() + dual_step * (gh - new);
            (s[at], nu[at]) = (T::from_f64(new), T::from_f64(dual));
            sums[0] += (gu - new).powi(2);
            sums[1] += (new - old).powi(2);
            sums[2] += gu * gu;
            sums[3] += dual * dual;
        });
        sums
    });
    Ok(SlackNorms { residual, change, image, dual })
}
