//! The longest sum of vectors with free signs, bounded by a semidefinite programme (docs/math.md, section 16).

use cvx_linalg::{HostMatrix, symmetric_eigen};
use cvx_model::PatternSet;
use std::time::Instant;

/// Most vectors: time grows with the third power of their number, and memory with the second.
pub const MOST_VECTORS: usize = 1000;

/// Most sweeps over all vectors, and the relative rise of the value in a sweep that ends them.
const SWEEPS: usize = 2000;
const RISE: f64 = 1e-7;

/// The first excess over the largest eigenvalue at which the multipliers are tried, and its growth.
const EXCESS: f64 = 1e-9;
const GROWTH: f64 = 8.0;
const TRIALS: usize = 12;

/// An upper bound of max ||sum_j s_j q_j|| over |s_j| <= 1, for `vectors` q_j of one length; `None` for more than
/// [`MOST_VECTORS`]. At the time `until` it takes the multipliers that it has, which prove a weaker bound.
///
/// With the matrix M of the products q_i'q_j, any y > 0 with Diag(y) - M positive semidefinite proves that
/// s'M s <= sum_j y_j (16.2).
pub fn longest(vectors: &[Vec<f64>], until: Instant) -> Option<f64> {
    let vectors: Vec<&Vec<f64>> = vectors.iter().filter(|vector| vector.iter().any(|entry| *entry != 0.0)).collect();
    if vectors.len() > MOST_VECTORS {
        return None;
    }
    if vectors.is_empty() {
        return Some(0.0);
    }
    let products = HostMatrix::from_fn(vectors.len(), vectors.len(), |i, j| dot(vectors[i], vectors[j]));
    // Those of the bound by the sum of the norms, and better ones.
    let norms: Vec<f64> = (0..vectors.len()).map(|i| products[(i, i)].sqrt()).collect();
    let found = multipliers(&products, until);
    let size = vectors.first().map_or(0, |vector| vector.len());
    let proved =
        [norms, found].into_iter().filter_map(|y| Some(feasible(&products, &y, size)? * y.iter().sum::<f64>()));
    proved.reduce(f64::min).map(|square| (square * (1.0 + 1e-12)).sqrt())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Multipliers y near the best ones. The dual programme max <M, V V'> over unit rows v_j of V is solved row by row,
/// v_j = sum_i M_ji v_i normalised (Wang, Chang & Kolter 2017), and y_j is the length of that sum.
fn multipliers(products: &HostMatrix, until: Instant) -> Vec<f64> {
    let count = products.rows();
    // A rank from which on no solution of smaller rank is lost.
    let rank = (2.0 * count as f64).sqrt().ceil() as usize + 1;
    let start = PatternSet::sample_gates(rank, count, 0);
    let mut rows: Vec<Vec<f64>> = (0..count).map(|j| start.col(j).to_vec()).collect();
    for row in &mut rows {
        normalise(row);
    }
    let mut y = vec![0.0; count];
    let mut last = 0.0;
    for _ in 0..SWEEPS {
        for j in 0..count {
            let mut sum = vec![0.0; rank];
            for (i, row) in rows.iter().enumerate().filter(|(i, _)| *i != j) {
                let product = products[(i, j)];
                sum.iter_mut().zip(row).for_each(|(sum, entry)| *sum += product * entry);
            }
            y[j] = products[(j, j)] + normalise(&mut sum);
            if sum.iter().any(|entry| *entry != 0.0) {
                rows[j] = sum;
            }
        }
        let value: f64 = y.iter().sum();
        if (value - last).abs() <= RISE * value || Instant::now() >= until {
            break;
        }
        last = value;
    }
    y
}

/// Divides by the norm, and returns it; a vector of zeros stays.
fn normalise(vector: &mut [f64]) -> f64 {
    let norm = dot(vector, vector).sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|entry| *entry /= norm);
    }
    norm
}

/// A number t for which t Diag(y) - M is positive semidefinite: a little more than the largest eigenvalue of
/// A = Y^-1/2 M Y^-1/2, so that the factor of t I - A, less the rounding errors, exists (16.3). `size` is the length of
/// the vectors.
fn feasible(products: &HostMatrix, y: &[f64], size: usize) -> Option<f64> {
    let count = products.rows();
    let scaled = HostMatrix::from_fn(count, count, |i, j| products[(i, j)] / (y[i] * y[j]).sqrt());
    let largest = symmetric_eigen(&scaled).ok()?.values.into_iter().fold(0.0, f64::max);
    // No entry of A exceeds 1: y_j is at least M_jj.
    let doubt = f64::EPSILON * (count * (size + 8)) as f64;
    (0..TRIALS).find_map(|trial| {
        let t = largest * (1.0 + EXCESS * GROWTH.powi(trial as i32)) + 2.0 * doubt;
        is_positive(&scaled, t, doubt).then_some(t)
    })
}

/// Whether t I - A - `doubt` I has a Cholesky factor in floating point, with another part of it that covers the errors
/// of the factor itself: then t I - A is positive semidefinite (Rump 2006).
fn is_positive(matrix: &HostMatrix, t: f64, doubt: f64) -> bool {
    let count = matrix.rows();
    let trace: f64 = (0..count).map(|i| t - matrix[(i, i)]).sum();
    let shift = doubt + 2.0 * (count as f64 + 2.0) * f64::EPSILON * trace;
    let mut factor =
        HostMatrix::from_fn(count, count, |i, j| if i == j { t - matrix[(i, i)] - shift } else { -matrix[(i, j)] });
    for j in 0..count {
        let pivot = factor[(j, j)];
        // A pivot that is not a number is not positive either.
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        let root = pivot.sqrt();
        factor.col_mut(j)[j..].iter_mut().for_each(|entry| *entry /= root);
        let column = factor.col(j).to_vec();
        for k in j + 1..count {
            let scale = column[k];
            factor.col_mut(k)[k..].iter_mut().zip(&column[k..]).for_each(|(entry, c)| *entry -= scale * c);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn norm(vector: &[f64]) -> f64 {
        dot(vector, vector).sqrt()
    }

    /// The longest of all sums with signs.
    fn by_trial(vectors: &[Vec<f64>]) -> f64 {
        let sum = |choice: usize| {
            (0..vectors[0].len())
                .map(|k| {
                    let signed = |(j, q): (usize, &Vec<f64>)| if choice >> j & 1 == 1 { -q[k] } else { q[k] };
                    vectors.iter().enumerate().map(signed).sum::<f64>()
                })
                .collect::<Vec<f64>>()
        };
        (0..1 << vectors.len()).map(|choice| norm(&sum(choice))).fold(0.0, f64::max)
    }

    /// No sum is longer, and the bound is at most pi/2 of the square of the longest one (Nesterov 1998), and at most
    /// the sum of the norms.
    #[test]
    fn the_bound_lies_between_the_longest_sum_and_its_guarantee() {
        for (d, m, seed) in (1..5).flat_map(|d| (1..9).map(move |m| (d, m, (10 * d + m) as u64))) {
            let drawn = PatternSet::sample_gates(d, m, seed);
            let vectors: Vec<Vec<f64>> = (0..m).map(|j| drawn.col(j).to_vec()).collect();
            let (longest, bound) = (by_trial(&vectors), longest(&vectors, soon()).unwrap());
            assert!(longest <= bound * (1.0 + 1e-15), "{longest} {bound}");
            assert!(bound <= longest * std::f64::consts::FRAC_PI_2.sqrt() * (1.0 + 1e-5), "{longest} {bound}");
            assert!(bound <= vectors.iter().map(|q| norm(q)).sum::<f64>() * (1.0 + 1e-6));
        }
    }

    /// Parallel vectors add up, and orthogonal ones have one length whatever their signs are.
    #[test]
    fn parallel_and_orthogonal_vectors_are_exact() {
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() <= 1e-5 && found >= expected;
        let parallel: Vec<Vec<f64>> = (1..30).map(|k| vec![f64::from(k), f64::from(-2 * k)]).collect();
        assert!(near(longest(&parallel, soon()).unwrap(), parallel.iter().map(|q| norm(q)).sum()));
        let orthogonal: Vec<Vec<f64>> =
            (0..20).map(|k| (0..20).map(|j| f64::from(u8::from(j == k))).collect()).collect();
        assert!(near(longest(&orthogonal, soon()).unwrap(), 20f64.sqrt()));
    }

    #[test]
    fn a_late_hour_gives_a_weaker_bound_and_too_many_vectors_none() {
        let vectors: Vec<Vec<f64>> = (0..40).map(|j| PatternSet::sample_gates(6, 1, j).col(0).to_vec()).collect();
        let (now, later) = (longest(&vectors, Instant::now()).unwrap(), longest(&vectors, soon()).unwrap());
        assert!(later <= now && now <= vectors.iter().map(|q| norm(q)).sum::<f64>() * (1.0 + 1e-6), "{later} {now}");
        assert_eq!(longest(&vec![vec![1.0]; MOST_VECTORS + 1], soon()), None);
        assert_eq!(longest(&[], soon()), Some(0.0));
    }

    /// A matrix with an eigenvalue just above t is found out.
    #[test]
    fn multipliers_that_are_not_feasible_are_found_out() {
        let ones = HostMatrix::from_fn(3, 3, |_, _| 1.0);
        assert!(is_positive(&ones, 3.0 + 1e-9, 1e-14));
        assert!(!is_positive(&ones, 3.0, 1e-14) && !is_positive(&ones, 3.0 - 1e-9, 1e-14));
    }
}
