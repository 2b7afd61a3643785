//! Numbers by plain loops.

use cvx_linalg::HostMatrix;
use std::num::NonZero;
use std::thread;

/// Number of steps of the search for the best multiple; each removes a third of the interval.
const THIRDS: usize = 100;

/// Limit on the halvings of the interval of a shift of xi.
const HALVINGS: usize = 200;

/// -p log p.
pub(super) fn entropy(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

/// The root of a nondecreasing function by bisection.
pub(super) fn halved((mut low, mut high): (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if value(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// One row of a matrix.
pub(super) fn row(matrix: &HostMatrix, a: usize) -> Vec<f64> {
    (0..matrix.cols()).map(|c| matrix[(a, c)]).collect()
}

/// The largest value of a concave function on an interval, by a ternary search.
pub(super) fn maximum((mut low, mut high): (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    let mut best = value(high);
    for _ in 0..THIRDS {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        let (at_left, at_right) = (value(left), value(right));
        best = best.max(at_left).max(at_right);
        if at_left < at_right { low = left } else { high = right }
    }
    best
}

/// Sum of products, eight at a time.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        (0..8).for_each(|k| sums[k] += a[k] * b[k]);
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// f(0), .., f(count - 1), computed on as many threads as there are cores.
pub(super) fn in_parallel<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let run = count.div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .step_by(run)
            .map(|first| {
                let f = &f;
                scope.spawn(move || (first..(first + run).min(count)).map(f).collect::<Vec<R>>())
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
