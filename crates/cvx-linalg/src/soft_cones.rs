//! Cones whose violation the loss prices (docs/math.md, section 17), one sample and target at a time.

use crate::error::LinalgError;
use crate::layout::BlockLayout;
use crate::shape;

/// Most steps of a root. A few are usual; the others halve the bracket.
const STEPS: usize = 200;

/// Partial sums of violations.
const LANES: usize = 8;

/// The derivative of a convex loss l(q; y) of one number with respect to q.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossSlope {
    /// q - y.
    Squared,
    /// -y / (1 + exp(y q)), for y = -1 or +1.
    Logistic,
    /// -y max(0, 1 - y q), for y = -1 or +1.
    SquaredHinge,
    /// q - y, cut to \[-delta, delta\].
    Huber {
        /// The largest slope.
        delta: f64,
    },
}

impl LossSlope {
    /// l'(q; y) and l''(q; y).
    #[inline]
    pub fn at(self, q: f64, y: f64) -> [f64; 2] {
        match self {
            LossSlope::Squared => [q - y, 1.0],
            LossSlope::Logistic => {
                let tail = (-(y * q).abs()).exp();
                let share = if y * q >= 0.0 { tail / (1.0 + tail) } else { 1.0 / (1.0 + tail) };
                [-y * share, tail / ((1.0 + tail) * (1.0 + tail))]
            }
            LossSlope::SquaredHinge => {
                let short = 1.0 - y * q;
                if short > 0.0 { [-y * short, 1.0] } else { [0.0, 0.0] }
            }
            LossSlope::Huber { delta } => {
                let distance = q - y;
                [distance.clamp(-delta, delta), f64::from(u8::from(distance.abs() <= delta))]
            }
        }
    }
}

/// What a joint step of predictions and cones depends on beside its iterates (17.2): a mask `K`, a matrix `M` and
/// matrices `W` in f64 of a back end.
pub struct SoftCones<'a, K, M, W> {
    /// The blocks.
    pub layout: BlockLayout,
    /// Their patterns (n x P).
    pub mask: &'a K,
    /// Row weights g (n x 1).
    pub scale: &'a M,
    /// l'.
    pub slope: LossSlope,
    /// Targets y (n x C).
    pub y: &'a W,
    /// Weights of the samples (n x 1).
    pub weights: &'a W,
    /// The weight of the predictions.
    pub kappa: f64,
    /// The weight of the cones.
    pub rho: f64,
}

/// Checks that mask, scale, weights, y, q, xu, s and nu have the shapes of the layout, for the samples of the mask.
pub(crate) fn check_shapes(
    layout: BlockLayout,
    mask: (usize, usize),
    [scale, weights, y, q, xu, s, nu]: [(usize, usize); 7],
) -> Result<(), LinalgError> {
    let n = mask.0;
    let (column, targets, blocks) = ((n, 1), (n, layout.targets), (n, layout.columns()));
    for (what, found, expected) in [
        ("the mask", mask, (n, layout.patterns)),
        ("scale", scale, column),
        ("weights", weights, column),
        ("y", y, targets),
        ("q", q, targets),
        ("xu", xu, blocks),
        ("s", s, blocks),
        ("nu", nu, blocks),
    ] {
        shape::expect("soft_slack_step", what, found, expected)?;
    }
    Ok(())
}

/// The numbers of one sample and target.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub slope: LossSlope,
    pub y: f64,
    pub weight: f64,
    pub kappa: f64,
    /// 1/(rho g^2): by how much a unit of price lowers a violation; 0 without a row, which has none.
    pub give: f64,
}

/// One side of the loss with the violations of its blocks.
struct Side<'a> {
    entry: Entry,
    /// 1 for the upper side of the loss with positive blocks, -1 for the lower side with negative ones.
    sign: f64,
    violations: &'a [f64],
}

impl Side<'_> {
    /// What remains of the violations at a price, and how many remain.
    #[inline(always)]
    fn left(&self, price: f64) -> [f64; 2] {
        let given = price * self.entry.give;
        // Partial sums, so that the loop can be compiled for vectors.
        let (mut sums, mut counts) = ([0.0; LANES], [0.0; LANES]);
        let mut add = |part: &[f64]| {
            for ((sum, count), violation) in sums.iter_mut().zip(&mut counts).zip(part) {
                let left = violation - given;
                *sum += if left > 0.0 { left } else { 0.0 };
                *count += if left > 0.0 { 1.0 } else { 0.0 };
            }
        };
        let parts = self.violations.chunks_exact(LANES);
        add(parts.remainder());
        parts.for_each(add);
        [sums.iter().sum(), counts.iter().sum()]
    }

    /// omega l' on this side at the prediction `t`, and its derivative, both at least 0.
    #[inline(always)]
    fn price_at(&self, t: f64) -> [f64; 2] {
        let [slope, curvature] = self.entry.slope.at(t, self.entry.y);
        let price = self.sign * self.entry.weight * slope;
        if price > 0.0 { [price, self.entry.weight * curvature] } else { [0.0, 0.0] }
    }

    /// The price theta = omega l'(q +- V(theta)) on this side (17.3), sought from `from` on, and by how much it changes
    /// with +-q.
    #[inline(always)]
    fn price(&self, q: f64, from: f64) -> [f64; 2] {
        let (mut bracket, mut price, mut change) = (Bracket::new(0.0), from, 0.0);
        for _ in 0..STEPS {
            let [sum, count] = self.left(price);
            let [at, curvature] = self.price_at(q + self.sign * sum);
            // The difference of price and answer increases, with a slope of at least 1: the root is between the two.
            let (excess, slope) = (price - at, 1.0 + curvature * self.entry.give * count);
            bracket.narrow(excess, price, at);
            let next = bracket.step(price - excess / slope);
            let step = (next - price).abs();
            (price, change) = (next, curvature / slope);
            if step <= 2.0 * f64::EPSILON * price || step.is_nan() {
                break;
            }
        }
        [price, change]
    }
}

/// The q of (17.2) with its two prices, for the start `target` and the violations -z/g > 0 of positive and negative
/// blocks.
#[inline(always)]
pub(crate) fn joint_step(entry: Entry, target: f64, [positive, negative]: [&[f64]; 2]) -> [f64; 3] {
    let upper = Side { entry, sign: 1.0, violations: positive };
    let lower = Side { entry, sign: -1.0, violations: negative };
    // kappa (q - target) + theta - theta' increases with q.
    let mut bracket = Bracket::new(f64::NEG_INFINITY);
    let (mut q, mut theta, mut theta_lower) = (target, 0.0, 0.0);
    for _ in 0..STEPS {
        let (up, down);
        ([theta, up], [theta_lower, down]) = (upper.price(q, theta), lower.price(q, theta_lower));
        let (pull, excess) = (theta - theta_lower, entry.kappa * (q - target) + theta - theta_lower);
        // The prices move against q, so the root lies between q and where they would put it.
        bracket.narrow(excess, q, target - pull / entry.kappa);
        let next = bracket.step(q - excess / (entry.kappa + up + down));
        let close = (next - q).abs() <= 2.0 * f64::EPSILON * q.abs().max(target.abs());
        q = next;
        if close || !excess.is_finite() {
            break;
        }
    }
    [q, theta, theta_lower]
}

/// Two numbers between which a root lies.
struct Bracket {
    low: f64,
    high: f64,
    /// Its widths before the last two steps.
    widths: [f64; 2],
}

impl Bracket {
    fn new(low: f64) -> Self {
        Bracket { low, high: f64::INFINITY, widths: [f64::INFINITY; 2] }
    }

    /// Narrows it by what is known at `at`, where an increasing function has the sign of `excess`: the root lies
    /// between `at` and `other`.
    #[inline(always)]
    fn narrow(&mut self, excess: f64, at: f64, other: f64) {
        if excess > 0.0 {
            (self.low, self.high) = (self.low.max(other), at);
        } else {
            (self.low, self.high) = (at, self.high.min(other));
        }
    }

    /// A step of Newton's method to `newton`, or to the middle where that is outside, or where the last two steps have
    /// not halved the bracket: between two linear pieces Newton's method may cycle.
    #[inline(always)]
    fn step(&mut self, newton: f64) -> f64 {
        let width = self.high - self.low;
        let halved = width <= 0.5 * self.widths[0];
        self.widths = [self.widths[1], width];
        let inside = newton >= self.low && newton <= self.high;
        if halved && inside { newton } else { 0.5 * (self.low + self.high) }
    }
}

/// [`Entry::give`] of a row with the weight `g`.
pub(crate) fn give(rho: f64, g: f64) -> f64 {
    if g > 0.0 { 1.0 / (rho * g * g) } else { 0.0 }
}

/// What moves a negative slack towards 0: its price over rho g. Without a row there is nothing to violate.
pub(crate) fn step_of(price: f64, rho: f64, g: f64) -> f64 {
    if g > 0.0 { price / (rho * g) } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn losses() -> impl Strategy<Value = LossSlope> {
        prop_oneof![
            Just(LossSlope::Squared),
            Just(LossSlope::Logistic),
            Just(LossSlope::SquaredHinge),
            (0.01..2.0).prop_map(|delta| LossSlope::Huber { delta }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The conditions of (17.3), for each of the unknowns.
        #[test]
        fn the_joint_step_is_stationary(
            slope in losses(),
            y in -2.0..2.0,
            target in -5.0..5.0,
            weight in 0.1..5.0,
            [kappa, give] in [0.01..10.0, 0.001..100.0],
            positive in prop::collection::vec(0.0001..3.0, 0..6),
            negative in prop::collection::vec(0.0001..3.0, 0..6),
        ) {
            let of_signs = matches!(slope, LossSlope::Logistic | LossSlope::SquaredHinge);
            let y = if of_signs { f64::signum(y) } else { y };
            let entry = Entry { slope, y, weight, kappa, give };
            let [q, theta, lower] = joint_step(entry, target, [&positive, &negative]);
            let left = |violations: &[f64], price: f64| -> f64 {
                violations.iter().map(|violation| (violation - give * price).max(0.0)).sum()
            };
            let scale = 1.0 + kappa * (q.abs() + target.abs()) + theta + lower;
            prop_assert!((kappa * (q - target) + theta - lower).abs() <= 1e-11 * scale);
            let upper_slope = weight * slope.at(q + left(&positive, theta), y)[0];
            prop_assert!((theta - upper_slope.max(0.0)).abs() <= 1e-10 * scale, "{theta} and {upper_slope}");
            let lower_slope = weight * slope.at(q - left(&negative, lower), y)[0];
            prop_assert!((lower - (-lower_slope).max(0.0)).abs() <= 1e-10 * scale, "{lower} and {lower_slope}");
        }
    }

    #[test]
    fn without_violations_it_is_the_proximal_point() {
        let entry = Entry { slope: LossSlope::Squared, y: 1.0, weight: 2.0, kappa: 0.5, give: 1.0 };
        let [q, theta, lower] = joint_step(entry, -1.0, [&[], &[]]);
        assert!((q - 0.6).abs() < 1e-15 && theta == 0.0 && (lower - 0.8).abs() < 1e-15, "{q} {theta} {lower}");
    }

    #[test]
    fn a_sample_without_a_row_has_a_slope() {
        let entry = Entry { slope: LossSlope::Logistic, y: -1.0, weight: 2.0, kappa: 1.0, give: give(0.5, 0.0) };
        let [price, change] = Side { entry, sign: 1.0, violations: &[] }.price(3.0, 0.0);
        assert!((price - 2.0 / (1.0 + (-3f64).exp())).abs() < 1e-15 && change > 0.0, "{price} {change}");
    }

    #[test]
    fn what_is_not_finite_comes_back() {
        let entry = Entry { slope: LossSlope::Squared, y: 1.0, weight: 1.0, kappa: 1.0, give: 1.0 };
        assert!(joint_step(entry, f64::NAN, [&[1.0], &[]])[0].is_nan());
    }
}
