//! Bounds of rounding errors, and sums that are accurate to them.
//!
//! A number that is the result of at most k rounded operations on terms t_i, each of which enters linearly, is off by
//! at most gamma_k sum |t_i| with gamma_k = k u / (1 - k u) (Higham, Accuracy and Stability of Numerical Algorithms,
//! 2002, section 3.1).

/// Unit roundoff of f64.
const UNIT: f64 = f64::EPSILON / 2.0;

/// Larger than what underflow can add to any sum of this crate.
pub const UNDERFLOW: f64 = 1e-290;

/// Partial sums of [`dot`]; the compiler keeps them in registers.
const LANES: usize = 8;

/// gamma_k for the unit roundoff `unit`, rounded up; infinite where k is too large for a bound.
pub fn gamma_of(k: usize, unit: f64) -> f64 {
    let product = k as f64 * unit;
    if product < 0.01 { 1.02 * product } else { f64::INFINITY }
}

/// gamma_k in f64, rounded up.
pub fn gamma(k: usize) -> f64 {
    gamma_of(k, UNIT)
}

/// x'y.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (x_lanes, x_rest) = x.as_chunks::<LANES>();
    let (y_lanes, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_lanes.iter().zip(y_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// sum |x_k| y_k.
pub fn absolute_dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (x_lanes, x_rest) = x.as_chunks::<LANES>();
    let (y_lanes, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_lanes.iter().zip(y_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane].abs() * y[lane];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x.abs() * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// Rounded operations that a term of [`dot`] goes through: a product, the sums of its lane, those of the lanes.
pub fn dot_roundings(length: usize) -> usize {
    length / LANES + 2 * LANES + 2
}

/// A number that is at least a nearest-rounded result plus the error of one operation.
pub fn up(x: f64) -> f64 {
    x.next_up()
}

/// A number that is at most a nearest-rounded result less the error of one operation.
pub fn down(x: f64) -> f64 {
    x.next_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_plain_loops() {
        for length in [0, 1, 7, 8, 9, 16, 29] {
            let x: Vec<f64> = (0..length).map(|k| (k as f64) - 7.5).collect();
            let y: Vec<f64> = (0..length).map(|k| 1.0 + (k * k % 11) as f64).collect();
            assert_eq!(dot(&x, &y), x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>());
            assert_eq!(absolute_dot(&x, &y), x.iter().zip(&y).map(|(x, y)| x.abs() * y).sum::<f64>());
        }
    }

    #[test]
    fn gamma_is_above_its_definition() {
        for k in [1, 10, 1000, 100_000] {
            let exact = k as f64 * UNIT / (1.0 - k as f64 * UNIT);
            assert!(gamma(k) > exact && gamma(k) < 1.03 * exact);
        }
        assert_eq!(gamma_of(1 << 20, 2f64.powi(-24)), f64::INFINITY);
    }
}
