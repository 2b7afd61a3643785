//! Roots of monotone functions, and maxima of concave ones.

use cvx_linalg::{HostMatrix, symmetric_eigen};

/// Number of steps, far more than are needed.
const STEPS: usize = 200;

/// Relative width of a bracket at which the search ends.
const WIDTH: f64 = 1e-15;

/// Relative width of the bracket of a maximiser at which its search ends. The value is then accurate to twice as many
/// digits, because it is flat at the optimum.
const MAXIMUM_WIDTH: f64 = 1e-12;

/// Limit on the number of doublings of a maximiser: some functions rise for ever.
const DOUBLINGS: usize = 60;

/// Limits on the Newton steps for several unknowns, and on the halvings of one.
const NEWTON_STEPS: usize = 100;
const HALVINGS: i32 = 12;

/// A gradient of this many times the value that counts as zero may be rounding.
const UNRESOLVED: f64 = 1e3;

/// Eigenvalues below this share of the largest one are those of directions along which nothing changes.
const FLAT_DIRECTION: f64 = 1e-13;

/// A root of the nondecreasing function `f` in [low, high], by the Illinois variant of regula falsi, with a bisection
/// in every third step for functions with jumps. If `f` has one sign on the interval, the end that is nearer to a root.
/// Values of at most `flat` count as zero.
pub(crate) fn increasing_root(mut f: impl FnMut(f64) -> f64, low: f64, high: f64, flat: f64) -> f64 {
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

/// A root of the nondecreasing function `f`, searched for in growing intervals around zero. Values of at most `flat`
/// count as zero. Some functions have their root at infinity: the search then ends where `f` is flat.
pub(crate) fn root_near_zero(f: impl Fn(f64) -> f64, flat: f64) -> f64 {
    let start = f(0.0);
    if start.abs() <= flat || !start.is_finite() {
        return 0.0;
    }
    let (mut near, mut far) = (0.0, -start.signum());
    for _ in 0..DOUBLINGS {
        if f(far) * start <= flat * start.abs() {
            break;
        }
        (near, far) = (far, 2.0 * far);
    }
    increasing_root(f, near.min(far), near.max(far), flat)
}

/// A root of the gradient of a convex function, by Newton's method from zero. `evaluate` returns the gradient at a
/// point and, if wanted, adds the Hessian to a matrix of zeros; it may be singular. A step is halved until it shortens
/// the gradient to half. Where no step does this, because the function is almost linear but for some kinks, each
/// unknown is moved to its own root in turn. The search ends where no entry of the gradient exceeds `flat`, up to
/// rounding.
pub(crate) fn gradient_root(
    count: usize,
    flat: f64,
    evaluate: impl Fn(&[f64], Option<&mut HostMatrix>) -> Vec<f64>,
) -> Vec<f64> {
    let largest = |gradient: &[f64]| gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
    let mut point = vec![0.0; count];
    for _ in 0..NEWTON_STEPS {
        let mut hessian = HostMatrix::zeros(count, count);
        let gradient = evaluate(&point, Some(&mut hessian));
        if largest(&gradient) <= flat {
            break;
        }
        if let Some(next) = newton_step(&point, &gradient, &hessian, |point| evaluate(point, None)) {
            point = next;
            continue;
        }
        if largest(&gradient) <= UNRESOLVED * flat {
            break;
        }
        for c in 0..count {
            let moved = |step: f64| {
                let mut moved = point.clone();
                moved[c] += step;
                moved
            };
            point = moved(root_near_zero(|step| evaluate(&moved(step), None)[c], flat));
        }
    }
    point
}

/// The point of the longest halved Newton step whose gradient is at most half as long; `None` if there is none. Where
/// the function is almost linear, a step may lead out of all proportion, to a gradient of another almost linear piece:
/// a step is at most twice as long as the way to the point.
fn newton_step(
    point: &[f64],
    gradient: &[f64],
    hessian: &HostMatrix,
    evaluate: impl Fn(&[f64]) -> Vec<f64>,
) -> Option<Vec<f64>> {
    let square = |gradient: &[f64]| gradient.iter().map(|g| g * g).sum::<f64>();
    let eigen = symmetric_eigen(hessian).ok()?;
    let least = FLAT_DIRECTION * eigen.values.last().copied().unwrap_or(0.0);
    let mut step = vec![0.0; point.len()];
    for (k, value) in eigen.values.iter().enumerate().filter(|(_, value)| **value > least) {
        let vector = eigen.vectors.col(k);
        let slope: f64 = vector.iter().zip(gradient).map(|(v, g)| v * g).sum();
        step.iter_mut().zip(vector).for_each(|(step, v)| *step -= slope / value * v);
    }
    let length = |vector: &[f64]| vector.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let longest = 1.0 + 2.0 * length(point);
    let shares = (0..HALVINGS).map(|k| 0.5f64.powi(k)).filter(|share| share * length(&step) <= longest);
    let along = |share: f64| point.iter().zip(&step).map(|(p, s)| p + share * s).collect::<Vec<f64>>();
    shares.map(along).find(|next| square(&evaluate(next)) <= 0.25 * square(gradient))
}

/// The maximiser of a concave function on [0, limit], by bisection of its derivative `slope`.
pub(crate) fn concave_maximum(slope: impl Fn(f64) -> f64, limit: f64) -> f64 {
    // A NaN counts as a negative slope.
    let rises = |t: f64| slope(t) >= 0.0;
    if !(limit > 0.0 && rises(0.0)) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, limit.min(1.0));
    for _ in 0..DOUBLINGS {
        if !rises(high) {
            break;
        }
        if high == limit {
            return limit;
        }
        (low, high) = (high, limit.min(2.0 * high));
    }
    while high - low > MAXIMUM_WIDTH * high {
        let middle = 0.5 * (low + high);
        if rises(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_smooth_flat_and_broken_functions() {
        type Case = (fn(f64) -> f64, f64, f64, f64);
        let cases: [Case; 5] = [
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

    #[test]
    fn the_gradient_of_a_convex_function_with_a_flat_direction() {
        // log(exp(x) + exp(y)) - 0.9 x - 0.1 y: x - y = ln 9.
        let found = gradient_root(2, 1e-15, |p, hessian| {
            let share = 1.0 / (1.0 + (p[1] - p[0]).exp());
            if let Some(hessian) = hessian {
                let curvature = share * (1.0 - share);
                *hessian = HostMatrix::from_fn(2, 2, |i, j| if i == j { curvature } else { -curvature });
            }
            vec![share - 0.9, 0.9 - share]
        });
        assert!((found[0] - found[1] - 9f64.ln()).abs() < 1e-14, "{found:?}");
    }

    #[test]
    fn maxima_inside_at_the_limit_and_nowhere() {
        assert!((concave_maximum(|t| 3.0 - t, f64::INFINITY) - 3.0).abs() < 1e-11);
        assert_eq!((concave_maximum(|t| 3.0 - t, 2.0), concave_maximum(|t| -1.0 - t, 2.0)), (2.0, 0.0));
        assert!(concave_maximum(|_| 1.0, f64::INFINITY) > 1e17 && concave_maximum(|_| f64::NAN, 1.0) == 0.0);
    }
}
