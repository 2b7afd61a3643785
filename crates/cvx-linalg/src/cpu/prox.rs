//! Proximal steps, each one pass over its matrix.

use super::blas::norm_slice;
use super::kernel::CpuScalar;
use super::masks::{WORD, for_each_word, signed};
use super::matrix::{CpuMatrix, expect_shape};
use super::tiles;
use super::vector::vectorised;
use crate::backend::{Shape, SlackNorms};
use crate::error::LinalgError;
use crate::mask::BitMask;
use crate::shape;
use crate::soft_cones::{Entry, SoftCones, check_shapes, give, joint_step, step_of};
use rayon::prelude::*;

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
    let project = |_| {
        #[inline(always)]
        |z: f64, _| z.max(0.0)
    };
    Ok(slack_columns(mask, scale, xu, [relaxation, dual_step], project, s, nu))
}

/// The step in all columns; `project(j)` makes s of gh + nu and the number of the sample in column `j`.
#[inline(always)]
fn slack_columns<T: CpuScalar, P: Fn(f64, usize) -> f64>(
    mask: &BitMask,
    scale: &CpuMatrix<T>,
    xu: &CpuMatrix<T>,
    steps: [f64; 2],
    project: impl Fn(usize) -> P + Sync,
    s: &mut CpuMatrix<T>,
    nu: &mut CpuMatrix<T>,
) -> SlackNorms {
    let scale = scale.values();
    let [residual, change, image, dual] = tiles::sum_over_columns(
        mask.rows(),
        s.values_mut(),
        nu.values_mut(),
        #[inline(always)]
        |j, s, nu| slack_column(mask.column(j % mask.cols()), scale, xu.col(j), steps, project(j), s, nu),
    );
    SlackNorms { residual, change, image, dual }
}

/// First the steps of all samples and targets, which need the rows; then the columns.
pub(super) fn soft_slack_step<T: CpuScalar>(
    cones: &SoftCones<'_, BitMask, CpuMatrix<T>, CpuMatrix<f64>>,
    xu: &CpuMatrix<T>,
    [relaxation, dual_step]: [f64; 2],
    q: &mut CpuMatrix<f64>,
    s: &mut CpuMatrix<T>,
    nu: &mut CpuMatrix<T>,
) -> Result<SlackNorms, LinalgError> {
    let SoftCones { layout, mask, scale, y, weights, .. } = *cones;
    let rows = mask.rows();
    let stored = [scale, xu, s, nu].map(|matrix| (matrix.rows(), matrix.cols()));
    let wide = [weights, y, q].map(|matrix| (matrix.rows(), matrix.cols()));
    let ([scale_shape, xu_shape, s_shape, nu_shape], [weights, y, q_shape]) = (stored, wide);
    let shapes = [scale_shape, weights, y, q_shape, xu_shape, s_shape, nu_shape];
    check_shapes(layout, (rows, mask.cols()), shapes)?;
    let steps = joint_steps(cones, xu, relaxation, q, s, nu);
    let project = |j| {
        let steps = &steps[layout.target(j) * rows..(layout.target(j) + 1) * rows];
        let side = usize::from(layout.is_negative(j));
        move |z: f64, a: usize| if z >= 0.0 { z } else { (z + steps[a][side]).min(0.0) }
    };
    Ok(slack_columns(mask, scale, xu, [relaxation, dual_step], project, s, nu))
}

/// What a word of samples needs for its joint steps.
struct WordScratch {
    /// Row weights g.
    g: [f64; WORD],
    /// The violations of each sample, by the sign of their blocks.
    violations: [[Vec<f64>; 2]; WORD],
}

impl WordScratch {
    fn new() -> Self {
        WordScratch { g: [0.0; WORD], violations: std::array::from_fn(|_| [Vec::new(), Vec::new()]) }
    }
}

/// The new q, and the steps of negative slacks of positive and negative blocks for each sample and target (n C).
fn joint_steps<T: CpuScalar>(
    cones: &SoftCones<'_, BitMask, CpuMatrix<T>, CpuMatrix<f64>>,
    xu: &CpuMatrix<T>,
    relaxation: f64,
    q: &mut CpuMatrix<f64>,
    s: &CpuMatrix<T>,
    nu: &CpuMatrix<T>,
) -> Vec<[f64; 2]> {
    let SoftCones { layout, mask, scale, slope, y, weights, kappa, rho } = *cones;
    let rows = mask.rows();
    let mut steps = vec![[0.0; 2]; q.values().len()];
    for (target, (q, steps)) in
        q.values_mut().chunks_exact_mut(rows.max(1)).zip(steps.chunks_exact_mut(rows.max(1))).enumerate()
    {
        let columns = target * layout.per_target()..(target + 1) * layout.per_target();
        let words = q.par_chunks_mut(WORD).zip(steps.par_chunks_mut(WORD)).enumerate();
        words.for_each_init(WordScratch::new, |WordScratch { g, violations }, (w, (q, steps))| {
            let samples = w * WORD..w * WORD + q.len();
            g.iter_mut().zip(&scale.values()[samples.clone()]).for_each(|(g, scale)| *g = scale.to_f64());
            violations.iter_mut().flatten().for_each(Vec::clear);
            for j in columns.clone() {
                let (word, side) = (mask.column(layout.pattern(j))[w], usize::from(layout.is_negative(j)));
                let [xu, s, nu] = [xu, s, nu].map(|matrix| &matrix.col(j)[samples.clone()]);
                for (bit, (((xu, s), nu), g)) in xu.iter().zip(s).zip(nu).zip(&*g).enumerate() {
                    let gu = signed(word, bit, g * xu.to_f64());
                    let z = relaxation * gu + (1.0 - relaxation) * s.to_f64() + nu.to_f64();
                    if z < 0.0 && *g > 0.0 {
                        violations[bit][side].push(-z / g);
                    }
                }
            }
            vectorised(
                #[inline(always)]
                || {
                    for (bit, (q, steps)) in q.iter_mut().zip(steps).enumerate() {
                        let (a, g) = (w * WORD + bit, g[bit]);
                        let (y, weight) = (y.col(target)[a], weights.values()[a]);
                        let entry = Entry { slope, y, weight, kappa, give: give(rho, g) };
                        let [positive, negative] = &violations[bit];
                        let [new, upper, lower] = joint_step(entry, *q, [positive, negative]);
                        *q = new;
                        *steps = [upper, lower].map(|price| step_of(price, rho, g));
                    }
                },
            );
        });
    }
    steps
}

/// One column of the step, with its share of the four sums of squares. `project` makes s of gh + nu and the number of
/// the sample.
#[inline(always)]
fn slack_column<T: CpuScalar>(
    words: &[u64],
    scale: &[T],
    xu: &[T],
    [relaxation, dual_step]: [f64; 2],
    project: impl Fn(f64, usize) -> f64,
    s: &mut [T],
    nu: &mut [T],
) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    for_each_word(words, s.len(), |word, rows| {
        let first = rows.start;
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
            let new = project(gh + nu.to_f64(), first + bit);
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
