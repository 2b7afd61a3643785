//! Proximal steps, each one pass over its matrix.

use super::blas::norm_slice;
use super::kernel::CpuScalar;
use super::masks::{WORD, for_each_word, signed};
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use crate::backend::{Shape, SlackNorms};
use crate::error::LinalgError;
use crate::mask::BitMask;
use crate::shape;

/// Running sums of one norm; a divisor of [`WORD`].
const LANES: usize = 8;

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

pub(super) fn keep_signs<T: CpuScalar>(
    above: &BitMask,
    below: &BitMask,
    x: &mut CpuMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, patterns) = (x.rows(), above.cols());
    shape::expect("keep_signs", "the masks", (below.rows(), below.cols()), (above.rows(), patterns))?;
    shape::expect("keep_signs", "the masks", (above.rows(), patterns), (rows, patterns))?;
    if patterns == 0 || !x.cols().is_multiple_of(patterns) {
        return Err(LinalgError::shape("keep_signs", format!("{} columns under {patterns} of the masks", x.cols())));
    }
    tiles::for_each_column(rows, x.values_mut(), |j, column| {
        let [above, below] = [above, below].map(|mask| mask.column(j % patterns));
        for (i, value) in column.iter_mut().enumerate() {
            let (word, bit) = (i / WORD, i % WORD);
            let number = value.to_f64();
            // A NaN is neither: it has to reach whoever looks for one.
            let cut = number > 0.0 && above[word] >> bit & 1 == 0 || number < 0.0 && below[word] >> bit & 1 == 0;
            if cut {
                *value = T::from_f64(0.0);
            }
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
    let [residual, change, image, dual] = tiles::sum_over_columns(
        rows,
        s.values_mut(),
        nu.values_mut(),
        #[inline(always)]
        |j, s, nu| slack_column(mask.column(j % mask.cols()), scale, xu.col(j), [relaxation, dual_step], s, nu),
    );
    Ok(SlackNorms { residual, change, image, dual })
}

/// One column of the step, with its share of the four sums of squares.
#[inline(always)]
fn slack_column<T: CpuScalar>(
    words: &[u64],
    scale: &[T],
    xu: &[T],
    [relaxation, dual_step]: [f64; 2],
    s: &mut [T],
    nu: &mut [T],
) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    for_each_word(words, s.len(), |word, rows| {
        let (scale, xu) = (&scale[rows.clone()], &xu[rows.clone()]);
        let (s, nu) = (&mut s[rows.clone()], &mut nu[rows]);
        // What is summed goes through memory: loops without sums, and sums without the rest, become vectors.
        let mut terms = [[0.0; WORD]; 4];
        let [residual, change, image, dual] = &mut terms;
        let outputs = residual.iter_mut().zip(change).zip(image.iter_mut().zip(dual));
        let entries = scale.iter().zip(xu).zip(s.iter_mut().zip(nu)).zip(outputs).enumerate();
        for (bit, (((scale, xu), (s, nu)), ((residual, change), (image, dual)))) in entries {
            let gu = signed(word, bit, scale.to_f64() * xu.to_f64());
            let old = s.to_f64();
            let gh = relaxation * gu + (1.0 - relaxation) * old;
            let new = (gh + nu.to_f64()).max(0.0);
            let multiplier = nu.to_f64() + dual_step * (gh - new);
            (*s, *nu) = (T::from_f64(new), T::from_f64(multiplier));
            (*residual, *change, *image, *dual) = (gu - new, new - old, gu, multiplier);
        }
        for (sums, terms) in sums.iter_mut().zip(&terms) {
            for terms in terms.chunks_exact(LANES) {
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term * term);
            }
        }
    });
    sums.map(|sums| sums.iter().sum())
}
