//! The longest sum of vectors with free signs, bounded by a semidefinite programme (docs/math.md, section 16).

use crate::verify::dot;
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

/// Vectors whose entries are all smaller than this share of the largest entry are bounded one by one: their products
/// would be subnormal numbers.
const SMALL: f64 = 1e-100;

/// An upper bound of max ||sum_j s_j q_j|| over |s_j| <= 1, for `vectors` q_j of one length; `None` for more than
/// [`MOST_VECTORS`], or entries that are not finite. At the time `until` it takes the multipliers that it has, which
/// prove a weaker bound.
///
/// With the matrix M of the products q_i'q_j, any y > 0 with Diag(y) - M positive semidefinite proves that
/// s'M s <= sum_j y_j (16.2).
pub fn longest(vectors: &[Vec<f64>], until: Instant) -> Option<f64> {
    let size = |vector: &[f64]| vector.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
    let largest = vectors.iter().map(|vector| size(vector)).fold(0.0, f64::max);
    if vectors.iter().flatten().any(|entry| !entry.is_finite()) {
        return None;
    }
    if largest == 0.0 {
        return Some(0.0);
    }
    // In a unit near the largest entry no product overflows; it is a power of two, which rounds nothing.
    let unit = power_of_two(largest);
    let in_unit = |vector: &Vec<f64>| vector.iter().map(|entry| entry / unit).collect::<Vec<f64>>();
    let (vectors, small): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        vectors.iter().map(in_unit).partition(|vector| size(vector) >= SMALL);
    if vectors.len() > MOST_VECTORS {
        return None;
    }
    let small: f64 = small.iter().flatten().map(|entry| entry.abs()).sum();
    let products = HostMatrix::from_fn(vectors.len(), vectors.len(), |i, j| dot(&vectors[i], &vectors[j]));
    // Those of the bound by the sum of the norms, and better ones.
    let norms: Vec<f64> = (0..vectors.len()).map(|i| products[(i, i)].sqrt()).collect();
    let found = multipliers(&products, until);
    let terms = vectors.first().map_or(0, |vector| vector.len());
    let proved =
        [norms, found].into_iter().filter_map(|y| Some(feasible(&products, &y, terms)? * y.iter().sum::<f64>()));
    let square = proved.reduce(f64::min)?;
    Some((((square * (1.0 + 1e-12)).sqrt() + 2.0 * small) * unit).next_up())
}

/// The power of two next below a positive number, or the least normal one.
pub fn power_of_two(number: f64) -> f64 {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    f64::from_bits(number.max(f64::MIN_POSITIVE).to_bits() & !MANTISSA)
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
/// A = Y^-1/2 M Y^-1/2, so that the factor of t I - A, less the rounding errors, exists (16.3). A product has so many
/// `terms`.
fn feasible(products: &HostMatrix, y: &[f64], terms: usize) -> Option<f64> {
    let count = products.rows();
    let scaled = HostMatrix::from_fn(count, count, |i, j| products[(i, j)] / (y[i].sqrt() * y[j].sqrt()));
    let largest = symmetric_eigen(&scaled).ok()?.values.into_iter().fold(0.0, f64::max);
    // No entry of a positive semidefinite matrix exceeds the largest on the diagonal.
    let entry = (0..count).map(|i| scaled[(i, i)]).fold(0.0, f64::max);
    let doubt = f64::EPSILON * (count * (terms + 8)) as f64 * entry;
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

    /// The unit of the vectors changes nothing, neither where squares of them overflow nor where they are subnormal.
    #[test]
    fn large_and_small_vectors_are_as_good_as_others() {
        let drawn = PatternSet::sample_gates(3, 6, 1);
        let vectors: Vec<Vec<f64>> = (0..6).map(|j| drawn.col(j).to_vec()).collect();
        let scaled = |factor: f64| -> Vec<Vec<f64>> {
            vectors.iter().map(|vector| vector.iter().map(|entry| factor * entry).collect()).collect()
        };
        let bound = longest(&vectors, soon()).unwrap();
        for factor in [2f64.powi(266), 2f64.powi(600), 2f64.powi(1000), 2f64.powi(-300), 2f64.powi(-900)] {
            assert_eq!(longest(&scaled(factor), soon()).unwrap() / factor, bound, "{factor:e}");
        }
        // Slopes of 1e80 have squares whose products overflow.
        let found = longest(&scaled(1e80), soon()).unwrap() / 1e80;
        assert!((found / bound - 1.0).abs() <= 1e-12 && found >= by_trial(&vectors), "{found} {bound}");
        // Of subnormal numbers not all digits are there.
        let found = longest(&scaled(1e-315), soon()).unwrap() / 1e-315;
        assert!((found / bound - 1.0).abs() <= 1e-6, "{found} {bound}");
    }

    #[test]
    fn vectors_that_are_far_smaller_than_others_count_and_entries_that_are_no_numbers_give_no_bound() {
        for small in [1e-90, 1e-150, 1e-250, 5e-324] {
            let bound = longest(&[vec![1.0, 0.0], vec![small, small], vec![0.0, small]], soon()).unwrap();
            assert!((1.0..1.0 + 1e-8).contains(&bound), "{small:e}: {bound}");
            assert!(longest(&[vec![small], vec![small]], soon()).unwrap() >= 2.0 * small, "{small:e}");
        }
        for entry in [f64::NAN, f64::INFINITY] {
            assert_eq!(longest(&[vec![1.0], vec![entry]], soon()), None);
        }
    }

    /// Products that are too small by as much as their rounding allows still prove the bound of those in exact
    /// arithmetic, for multipliers of any size.
    #[test]
    fn the_rounding_of_products_is_covered() {
        const TERMS: usize = 1 << 30;
        let lost = 0.5 * f64::EPSILON * TERMS as f64;
        for (entry, y) in [(1.0, 1.0), (1e4, 1e2), (1e-4, 1e-2)] {
            let rounded = HostMatrix::from_fn(3, 3, |_, _| entry * (1.0 - lost));
            let t = feasible(&rounded, &[y; 3], TERMS).unwrap();
            // The largest eigenvalue of a matrix of ones is 3.
            assert!(t >= 3.0 * entry / y, "{t}");
        }
    }

    /// A matrix with an eigenvalue just above t is found out.
    #[test]
    fn multipliers_that_are_not_feasible_are_found_out() {
        let ones = HostMatrix::from_fn(3, 3, |_, _| 1.0);
        assert!(is_positive(&ones, 3.0 + 1e-9, 1e-14));
        assert!(!is_positive(&ones, 3.0, 1e-14) && !is_positive(&ones, 3.0 - 1e-9, 1e-14));
    }
}
