//! Losses of one prediction q for one target y, with the operations that ADMM and the certificate need (docs/math.md,
//! section 6).

use cvx_linalg::LossSlope;

/// Limit on the number of Newton steps. A few steps are usually enough.
const NEWTON_STEPS: usize = 100;

/// A loss l(q; y) of one number. Every one is convex in q, has the infimum 0 and a Lipschitz derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntryLoss {
    /// 1/2 (q - y)^2.
    Squared,
    /// log(1 + exp(-y q)), for y = -1 or +1.
    Logistic,
    /// 1/2 max(0, 1 - y q)^2, for y = -1 or +1.
    SquaredHinge,
    /// 1/2 (q - y)^2 for |q - y| <= delta, otherwise delta |q - y| - delta^2/2: the derivative is at most delta.
    Huber {
        /// Distance from y at which the loss becomes linear.
        delta: f64,
    },
}

impl EntryLoss {
    /// l(q; y).
    pub fn value(self, q: f64, y: f64) -> f64 {
        match self {
            EntryLoss::Squared => 0.5 * (q - y) * (q - y),
            EntryLoss::Logistic => {
                let margin = y * q;
                (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
            }
            EntryLoss::SquaredHinge => 0.5 * (1.0 - y * q).max(0.0).powi(2),
            EntryLoss::Huber { delta } => {
                let distance = (q - y).abs();
                if distance <= delta { 0.5 * distance * distance } else { delta * (distance - 0.5 * delta) }
            }
        }
    }

    /// l'(q; y), the derivative with respect to q.
    pub fn derivative(self, q: f64, y: f64) -> f64 {
        self.slope().at(q, y)[0]
    }

    /// l' as the joint steps of predictions and cones take it.
    pub fn slope(self) -> LossSlope {
        match self {
            EntryLoss::Squared => LossSlope::Squared,
            EntryLoss::Logistic => LossSlope::Logistic,
            EntryLoss::SquaredHinge => LossSlope::SquaredHinge,
            EntryLoss::Huber { delta } => LossSlope::Huber { delta },
        }
    }

    /// The Lipschitz constant of l', the largest curvature of l.
    pub fn curvature(self) -> f64 {
        match self {
            EntryLoss::Squared | EntryLoss::SquaredHinge | EntryLoss::Huber { .. } => 1.0,
            EntryLoss::Logistic => 0.25,
        }
    }

    /// argmin over q of tau l(q; y) + 1/2 (q - z)^2, for tau > 0.
    ///
    /// $$ \arg\min_q \tau l(q; y) + \tfrac12 (q - z)^2 $$
    pub fn prox(self, z: f64, y: f64, tau: f64) -> f64 {
        match self {
            EntryLoss::Squared => (z + tau * y) / (1.0 + tau),
            EntryLoss::Logistic => y * logistic_prox(y * z, tau),
            EntryLoss::SquaredHinge => {
                let margin = y * z;
                if margin >= 1.0 { z } else { y * (margin + tau) / (1.0 + tau) }
            }
            EntryLoss::Huber { delta } => {
                let distance = z - y;
                // The shorter of two steps: that of the square and that of the slope delta.
                let step = (distance * tau / (1.0 + tau)).clamp(-tau * delta, tau * delta);
                z - step
            }
        }
    }

    /// The closed interval of z in which [`conjugate`](EntryLoss::conjugate) is finite. It contains 0, because l is
    /// bounded below.
    pub fn domain(self, y: f64) -> (f64, f64) {
        let (low, high) = match self {
            EntryLoss::Squared => return (f64::NEG_INFINITY, f64::INFINITY),
            EntryLoss::Huber { delta } => return (-delta, delta),
            EntryLoss::Logistic => (-1.0, 0.0),
            EntryLoss::SquaredHinge => (f64::NEG_INFINITY, 0.0),
        };
        // The derivative has the sign of -y.
        if y > 0.0 { (low, high) } else { (-high, -low) }
    }

    /// l*(z; y) = sup over q of z q - l(q; y); infinite outside the [`domain`](EntryLoss::domain).
    ///
    /// $$ l^{\ast}(z; y) = \sup_q \bigl( z q - l(q; y) \bigr) $$
    pub fn conjugate(self, z: f64, y: f64) -> f64 {
        let (low, high) = self.domain(y);
        if !(low..=high).contains(&z) {
            return f64::INFINITY;
        }
        match self {
            EntryLoss::Squared | EntryLoss::Huber { .. } => z * (y + 0.5 * z),
            EntryLoss::Logistic => {
                let share = -y * z;
                let entropy = |p: f64, log: f64| if p > 0.0 { p * log } else { 0.0 };
                entropy(share, share.ln()) + entropy(1.0 - share, (-share).ln_1p())
            }
            EntryLoss::SquaredHinge => {
                let slope = -y * z;
                slope * (0.5 * slope - 1.0)
            }
        }
    }

    /// The q at which the supremum of [`conjugate`](EntryLoss::conjugate) is attained: l'(q; y) = z. Infinite if it is
    /// not attained.
    pub fn attained_at(self, z: f64, y: f64) -> f64 {
        match self {
            EntryLoss::Squared | EntryLoss::Huber { .. } => y + z,
            EntryLoss::Logistic => {
                let share = -y * z;
                y * ((-share).ln_1p() - share.ln())
            }
            EntryLoss::SquaredHinge => y * (1.0 + y * z),
        }
    }
}

/// 1 / (1 + exp(-x)).
fn sigmoid(x: f64) -> f64 {
    // Only exp of a non-positive number is computed, which cannot overflow.
    let tail = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + tail) } else { tail / (1.0 + tail) }
}

/// The root m of m - z = tau sigmoid(-m), by Newton's method with bisection in the bracket [z, z + tau].
fn logistic_prox(z: f64, tau: f64) -> f64 {
    let (mut low, mut high) = (z, z + tau);
    let mut m = if z < 0.0 { high.min(0.0) } else { low };
    for _ in 0..NEWTON_STEPS {
        let share = sigmoid(-m);
        let excess = m - z - tau * share;
        if excess > 0.0 {
            high = m
        } else {
            low = m
        }
        let newton = m - excess / (1.0 + tau * share * (1.0 - share));
        let next = if (low..=high).contains(&newton) { newton } else { 0.5 * (low + high) };
        if (next - m).abs() <= 2.0 * f64::EPSILON * m.abs().max(f64::MIN_POSITIVE) {
            return next;
        }
        m = next;
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn losses() -> impl Strategy<Value = EntryLoss> {
        prop_oneof![
            Just(EntryLoss::Squared),
            Just(EntryLoss::Logistic),
            Just(EntryLoss::SquaredHinge),
            (0.01..5.0).prop_map(|delta| EntryLoss::Huber { delta }),
        ]
    }

    /// Whether y is -1 or +1.
    fn is_of_signs(loss: EntryLoss) -> bool {
        matches!(loss, EntryLoss::Logistic | EntryLoss::SquaredHinge)
    }

    /// A loss with a valid target.
    fn cases() -> impl Strategy<Value = (EntryLoss, f64)> {
        (losses(), -3.0..3.0).prop_map(|(loss, y)| (loss, if is_of_signs(loss) { f64::signum(y) } else { y }))
    }

    proptest! {
        #[test]
        fn the_derivative_is_that_of_the_value_and_no_steeper_than_the_curvature(
            (loss, y) in cases(), q in -20.0..20.0, other in -20.0..20.0
        ) {
            let h = 1e-5;
            let difference = (loss.value(q + h, y) - loss.value(q - h, y)) / (2.0 * h);
            prop_assert!((loss.derivative(q, y) - difference).abs() < 1e-5 * (1.0 + difference.abs()));
            let [_, curvature] = loss.slope().at(q, y);
            prop_assert!((0.0..=loss.curvature()).contains(&curvature));
            let change = (loss.derivative(q, y) - loss.derivative(other, y)).abs();
            prop_assert!(change <= loss.curvature() * (q - other).abs() * (1.0 + 1e-12) + 1e-15);
            prop_assert!(loss.value(q, y) >= 0.0);
        }

        /// l(q) + l*(z) >= z q, with equality at z = l'(q).
        #[test]
        fn fenchel_young((loss, y) in cases(), q in -20.0..20.0, share in 0.0..1.0) {
            let (low, high) = loss.domain(y);
            let z = low.max(-30.0) + share * (high.min(30.0) - low.max(-30.0));
            let slack = loss.value(q, y) + loss.conjugate(z, y) - z * q;
            prop_assert!(slack >= -1e-12 * (1.0 + (z * q).abs()), "{slack}");
            let z = loss.derivative(q, y);
            prop_assert!((low..=high).contains(&z));
            let slack = loss.value(q, y) + loss.conjugate(z, y) - z * q;
            prop_assert!(slack.abs() <= 1e-11 * (1.0 + (z * q).abs()), "{slack}");
        }

        #[test]
        fn the_conjugate_is_infinite_outside_its_domain_and_attained_inside(
            (loss, y) in cases(), share in 0.01..0.99
        ) {
            let (low, high) = loss.domain(y);
            for beyond in [low - 1e-3, high + 1e-3] {
                prop_assert!(beyond.is_infinite() || loss.conjugate(beyond, y) == f64::INFINITY);
            }
            prop_assert_eq!(loss.conjugate(0.0, y), 0.0, "the minimum of l is 0");
            let z = low.max(-30.0) + share * (high.min(30.0) - low.max(-30.0));
            let q = loss.attained_at(z, y);
            prop_assert!((loss.derivative(q, y) - z).abs() <= 1e-12 * (1.0 + z.abs()));
        }

        /// q - z + tau l'(q) = 0.
        #[test]
        fn the_prox_is_stationary((loss, y) in cases(), z in -50.0..50.0, exponent in -3.0..4.0) {
            let tau = 10f64.powf(exponent);
            let q = loss.prox(z, y, tau);
            let residual = q - z + tau * loss.derivative(q, y);
            prop_assert!(residual.abs() <= 1e-12 * (1.0 + z.abs() + tau * (1.0 + q.abs())), "{residual}");
        }
    }

    #[test]
    fn extreme_predictions_stay_numbers() {
        let logistic = EntryLoss::Logistic;
        assert_eq!(logistic.value(1e300, 1.0), 0.0);
        assert_eq!(logistic.value(-1e300, 1.0), 1e300);
        assert_eq!(logistic.derivative(-1e300, 1.0), -1.0);
        assert_eq!(logistic.derivative(1e300, 1.0), 0.0);
        assert_eq!(logistic.prox(1e300, 1.0, 4.0), 1e300);
        assert_eq!(logistic.prox(-1e300, 1.0, 4.0), -1e300);
        assert_eq!((logistic.conjugate(0.0, 1.0), logistic.conjugate(-1.0, 1.0)), (0.0, 0.0));
        let huber = EntryLoss::Huber { delta: 2.0 };
        assert_eq!((huber.value(1e300, 0.0), huber.derivative(-1e300, 0.0)), (2e300, -2.0));
        assert_eq!(EntryLoss::SquaredHinge.value(1e300, 1.0), 0.0);
        for q in [0.0, -0.0, 1e-320, 700.0, -800.0] {
            for loss in [EntryLoss::Squared, logistic, EntryLoss::SquaredHinge, huber] {
                for y in [-1.0, 1.0] {
                    let numbers = [loss.value(q, y), loss.derivative(q, y), loss.prox(q, y, 3.0)];
                    assert!(numbers.iter().all(|number| number.is_finite()), "{loss:?} {q} {y}: {numbers:?}");
                }
            }
        }
    }

    #[test]
    fn a_weak_pull_is_a_small_step_and_a_strong_one_the_target() {
        for loss in [EntryLoss::Squared, EntryLoss::SquaredHinge, EntryLoss::Huber { delta: 0.5 }] {
            assert!((loss.prox(-2.0, 1.0, 1e9) - 1.0).abs() < 1e-8, "{loss:?}");
            assert!((loss.prox(-2.0, 1.0, 1e-9) + 2.0).abs() < 1e-8, "{loss:?}");
        }
        // The logistic loss has no minimiser: the step grows with the logarithm of tau.
        let far = EntryLoss::Logistic.prox(-2.0, 1.0, 1e9);
        assert!((15.0..25.0).contains(&far), "{far}");
    }
}
