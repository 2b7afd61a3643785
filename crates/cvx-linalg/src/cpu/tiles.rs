//! How work is cut: by shape alone, so that no sum depends on the number of threads.

use super::vector::vectorised;
use rayon::prelude::*;

/// Entries below which a pass over memory is not worth a second thread.
const SEQUENTIAL: usize = 1 << 15;

/// Rows of a GEMM tile. Small enough that sixteen threads find work in 3,000 rows, large enough that packing the
/// other operand once per tile does not show (measured: 512 to 1,280 rows within 5 % of each other).
pub(super) const GEMM_ROWS: usize = 512;

/// Entries of a run; sums of them in f64 stay in the first cache.
pub(super) const RUN: usize = 1 << 11;

/// Most partial sums of a reduction.
const PARTIALS: usize = 64;

/// Calls `f(j, column)` for each column of length `rows` in `values`.
pub(super) fn for_each_column<T: Send>(rows: usize, values: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    if rows == 0 {
        return;
    }
    let f = |(j, column): (usize, &mut [T])| {
        vectorised(
            #[inline(always)]
            || f(j, column),
        )
    };
    if values.len() <= SEQUENTIAL {
        values.chunks_exact_mut(rows).enumerate().for_each(f);
    } else {
        values.par_chunks_exact_mut(rows).enumerate().for_each(f);
    }
}

#[cfg(feature = "training")]
/// [`for_each_column`] over three matrices of one shape at once.
pub(super) fn for_each_column_of_three<T: Send>(
    rows: usize,
    [a, b, c]: [&mut [T]; 3],
    f: impl Fn(usize, [&mut [T]; 3]) + Sync,
) {
    if rows == 0 {
        return;
    }
    if a.len() <= SEQUENTIAL {
        let columns = a.chunks_exact_mut(rows).zip(b.chunks_exact_mut(rows)).zip(c.chunks_exact_mut(rows));
        columns.enumerate().for_each(|(j, ((a, b), c))| f(j, [a, b, c]));
    } else {
        let (a, b, c) = (a.par_chunks_exact_mut(rows), b.par_chunks_exact_mut(rows), c.par_chunks_exact_mut(rows));
        a.zip(b).zip(c).enumerate().for_each(|(j, ((a, b), c))| f(j, [a, b, c]));
    }
}

/// `total` = the sum of what `f(j, sums)` adds to `sums` for each j of `0..count`, in runs whose bounds depend on
/// `count` alone; `work` is the number of entries read. A single sum allocates nothing.
pub(super) fn sums(count: usize, work: usize, total: &mut [f64], f: impl Fn(usize, &mut [f64]) + Sync) {
    total.fill(0.0);
    let length = total.len();
    if length == 0 {
        return;
    }
    let (mut one, mut several) = ([0.0; PARTIALS], Vec::new());
    let partials = if length == 1 {
        &mut one[..]
    } else {
        several.resize(PARTIALS * length, 0.0);
        &mut several[..]
    };
    let run = count.div_ceil(PARTIALS).max(1);
    let fill = |(part, partial): (usize, &mut [f64])| {
        for j in (part * run).min(count)..((part + 1) * run).min(count) {
            vectorised(
                #[inline(always)]
                || f(j, partial),
            );
        }
    };
    if work <= SEQUENTIAL {
        partials.chunks_exact_mut(length).enumerate().for_each(fill);
    } else {
        partials.par_chunks_exact_mut(length).enumerate().for_each(fill);
    }
    for partial in partials.chunks_exact(length) {
        total.iter_mut().zip(partial).for_each(|(total, part)| *total += part);
    }
}

/// Calls `f(first, run)` for runs of at most [`RUN`] entries of `values`, the first of which has this number.
pub(super) fn for_each_run<T: Send>(values: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    let f = |(index, run): (usize, &mut [T])| {
        vectorised(
            #[inline(always)]
            || f(index * RUN, run),
        )
    };
    if values.len() <= SEQUENTIAL {
        values.chunks_mut(RUN).enumerate().for_each(f);
    } else {
        values.par_chunks_mut(RUN).enumerate().for_each(f);
    }
}

/// [`for_each_column`] over two matrices of one shape at once, with sums of what `f` returns.
pub(super) fn sum_over_columns<T: Send, const K: usize>(
    rows: usize,
    a: &mut [T],
    b: &mut [T],
    f: impl Fn(usize, &mut [T], &mut [T]) -> [f64; K] + Sync,
) -> [f64; K] {
    let mut partials = [[0.0; K]; PARTIALS];
    if rows == 0 || a.is_empty() {
        return [0.0; K];
    }
    let run = (a.len() / rows).div_ceil(PARTIALS);
    type Run<'a, T, const K: usize> = ((&'a mut [f64; K], &'a mut [T]), &'a mut [T]);
    let fill = |(part, ((partial, a), b)): (usize, Run<'_, T, K>)| {
        let columns = a.chunks_exact_mut(rows).zip(b.chunks_exact_mut(rows));
        for (j, (a, b)) in columns.enumerate() {
            add(
                partial,
                vectorised(
                    #[inline(always)]
                    || f(part * run + j, a, b),
                ),
            );
        }
    };
    if a.len() <= SEQUENTIAL {
        let runs = partials.iter_mut().zip(a.chunks_mut(run * rows)).zip(b.chunks_mut(run * rows));
        runs.enumerate().for_each(fill);
    } else {
        let runs = partials.par_iter_mut().zip(a.par_chunks_mut(run * rows)).zip(b.par_chunks_mut(run * rows));
        runs.enumerate().for_each(fill);
    }
    let mut total = [0.0; K];
    partials.into_iter().for_each(|partial| add(&mut total, partial));
    total
}

fn add<const K: usize>(total: &mut [f64; K], part: [f64; K]) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
}
