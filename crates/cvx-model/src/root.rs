//! Roots of monotone functions of one variable.

/// Number of steps, far more than are needed.
const STEPS: usize = 200;

/// Relative width of a bracket at which the search ends.
const WIDTH: f64 = 1e-15;

/// A root of the nondecreasing function `f` in [low, high], by the Illinois variant of regula falsi, with a bisection
/// in every third step for functions with jumps. If `f` has one sign on the interval, the end that is nearer to a root.
/// Values of at most `flat` count as zero.
pub(crate) fn increasing_root(f: impl Fn(f64) -> f64, low: f64, high: f64, flat: f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    // The comparisons are false for a NaN, which ends the search.
    if fa >= -flat {
        return a;
    }
    if fb <= flat {
        return b;
    }
    let mut last_side = 0;
    for step in 1..=STEPS {
        let secant = b - fb * (b - a) / (fb - fa);
        let useful = step % 3 != 0 && secant > a && secant < b;
        let middle = if useful { secant } else { 0.5 * (a + b) };
        let value = f(middle);
        if value.abs() <= flat || (b - a) <= WIDTH * (a.abs() + b.abs()) || value.is_nan() {
            return middle;
        }
        if value < 0.0 {
            (a, fa) = (middle, value);
            // The other end has not moved twice: halving its value moves the secant towards it.
            if last_side == -1 {
                fb *= 0.5;
            }
            last_side = -1;
        } else {
            (b, fb) = (middle, value);
            if last_side == 1 {
                fa *= 0.5;
            }
            last_side = 1;
        }
    }
    0.5 * (a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_smooth_flat_and_broken_functions() {
        let cases: [(fn(f64) -> f64, f64, f64, f64); 5] = [
            (|x| x * x * x - 2.0, -10.0, 10.0, 2f64.cbrt()),
            (|x| x.exp() - 1e-8, -100.0, 100.0, 1e-8f64.ln()),
            (|x| if x < 0.25 { -1.0 } else { 1e6 }, -1.0, 1.0, 0.25),
            (|x| x + 5.0, 0.0, 1.0, 0.0),
            (|x| x - 5.0, 0.0, 1.0, 1.0),
        ];
        for (k, (f, low, high, root)) in cases.into_iter().enumerate() {
            let found = increasing_root(f, low, high, 0.0);
            assert!((found - root).abs() <= 1e-12 * (1.0 + root.abs()), "{k}: {found}");
        }
        assert!(increasing_root(|_| f64::NAN, 0.0, 1.0, 0.0).is_finite());
    }
}
