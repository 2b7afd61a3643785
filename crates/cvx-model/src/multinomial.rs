//! The multinomial logistic loss of one row, with the operations that ADMM and the certificate need (docs/math.md,
//! section 6).

/// Limit on the number of Newton steps. A few steps are usually enough.
const NEWTON_STEPS: usize = 100;

/// Limit on the halvings of a Newton step.
const HALVINGS: usize = 10;

/// The sum of probabilities is 1 up to this.
const ROUNDING: f64 = 1e-12;

/// log sum_c exp(q_c) - q_k for the predictions q (C numbers) of a sample of class k. It is convex in q, and its
/// infimum is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multinomial;

impl Multinomial {
    /// The class that the targets of a row encode: the entry +1 among -1.
    pub fn class(self, y: &[f64]) -> usize {
        (0..y.len()).fold(0, |best, c| if y[c] > y[best] { c } else { best })
    }

    /// l(q; k).
    pub fn value(self, q: &[f64], class: usize) -> f64 {
        let highest = largest(q);
        let others = |skipped: usize| -> f64 {
            (0..q.len()).filter(|&c| c != skipped).map(|c| (q[c] - highest).exp()).sum::<f64>()
        };
        // Terms that are small beside 1 are not added to it.
        let first = (0..q.len()).find(|&c| q[c] == highest).unwrap_or(class);
        (highest - q[class]) + others(if q[class] == highest { class } else { first }).ln_1p()
    }

    /// The gradient of l(q; k) with respect to q: softmax(q) - e_k.
    pub fn gradient(self, q: &[f64], class: usize, out: &mut [f64]) {
        softmax(q, out);
        out[class] = -others(out, class);
    }

    /// The largest curvature: diag(p) - p p' has no eigenvalue above 1/2.
    pub fn curvature(self) -> f64 {
        0.5
    }

    /// Replaces z by argmin over q of tau l(q; k) + 1/2 ||q - z||^2, for tau > 0.
    ///
    /// Newton's method on q - z + tau (p - e_k) = 0. Its matrix I + tau (diag(p) - p p') is a diagonal one minus one of
    /// rank 1, which the formula of Sherman and Morrison inverts. A step is halved until it lowers the residual.
    pub fn prox(self, z: &mut [f64], class: usize, tau: f64) {
        let count = z.len();
        let (mut q, mut next, mut step) = (z.to_vec(), vec![0.0; count], vec![0.0; count]);
        let (mut residual, mut trial) = (vec![0.0; count], vec![0.0; count]);
        let mut p = vec![0.0; count];
        let z: &mut [f64] = z;
        let evaluate = |q: &[f64], z: &[f64], residual: &mut [f64]| -> f64 {
            self.gradient(q, class, residual);
            residual.iter_mut().zip(q.iter().zip(z)).for_each(|(r, (q, z))| *r = (q - z) + tau * *r);
            residual.iter().map(|r| r * r).sum::<f64>()
        };
        let mut square = evaluate(&q, z, &mut residual);
        for _ in 0..NEWTON_STEPS {
            softmax(&q, &mut p);
            // 1 - tau p'D^-1 p = sum p / (1 + tau p), with D = I + tau diag(p): no cancellation.
            let (mut product, mut rest) = (0.0, 0.0);
            for c in 0..count {
                let diagonal = 1.0 + tau * p[c];
                step[c] = residual[c] / diagonal;
                product += p[c] * step[c];
                rest += p[c] / diagonal;
            }
            let common = tau * product / rest;
            (0..count).for_each(|c| step[c] += common * p[c] / (1.0 + tau * p[c]));
            let size = |values: &[f64]| values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
            if size(&step) <= 2.0 * f64::EPSILON * size(&q).max(f64::MIN_POSITIVE) {
                break;
            }
            let (mut length, mut lower) = (1.0, false);
            for _ in 0..HALVINGS {
                next.iter_mut().zip(q.iter().zip(&step)).for_each(|(next, (q, step))| *next = q - length * step);
                let found = evaluate(&next, z, &mut trial);
                if found < square {
                    (square, lower) = (found, true);
                    break;
                }
                length *= 0.5;
            }
            // At the level of rounding, no step lowers the residual.
            if !lower {
                break;
            }
            std::mem::swap(&mut q, &mut next);
            std::mem::swap(&mut residual, &mut trial);
        }
        z.copy_from_slice(&q);
    }

    /// The conjugate sup over q of z'q - l(q; k), as a function of the entries z_c = p_c of the other classes, with p_k
    /// = 1 - sum_c p_c: it is sum p log p over all classes, and infinite outside the simplex. z_k, which is p_k - 1, is
    /// not read.
    pub fn conjugate(self, z: &[f64], class: usize) -> f64 {
        let total = others(z, class);
        if total > 1.0 + ROUNDING || (0..z.len()).any(|c| c != class && z[c] < 0.0) {
            return f64::INFINITY;
        }
        let entropy = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
        let last = if total < 1.0 { (1.0 - total) * (-total).ln_1p() } else { 0.0 };
        (0..z.len()).filter(|&c| c != class).map(|c| entropy(z[c])).sum::<f64>() + last
    }

    /// Moves z to the nearest point of the domain of the [`conjugate`](Multinomial::conjugate) with p_c = 0 where
    /// `allowed` is false: z + e_k becomes its projection onto that face of the simplex. k is allowed.
    pub fn project(self, z: &mut [f64], class: usize, allowed: &[bool]) {
        z[class] += 1.0;
        let mut sorted: Vec<f64> = (0..z.len()).filter(|&c| allowed[c]).map(|c| z[c]).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        // The largest number of positive entries for which the shift leaves them positive.
        let (mut sum, mut shift) = (0.0, 0.0);
        for (k, value) in sorted.iter().enumerate() {
            sum += value;
            let candidate = (sum - 1.0) / (k + 1) as f64;
            if *value > candidate {
                shift = candidate;
            }
        }
        (0..z.len()).for_each(|c| z[c] = if allowed[c] { (z[c] - shift).max(0.0) } else { 0.0 });
        // The shift of large numbers has their rounding errors.
        let total: f64 = z.iter().sum();
        z.iter_mut().for_each(|p| *p /= total);
        z[class] = -others(z, class);
    }
}

fn largest(q: &[f64]) -> f64 {
    q.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The sum of all entries but one.
fn others(values: &[f64], skipped: usize) -> f64 {
    (0..values.len()).filter(|&c| c != skipped).map(|c| values[c]).sum()
}

/// exp(q_c) / sum exp(q).
pub(crate) fn softmax(q: &[f64], out: &mut [f64]) {
    let highest = largest(q);
    out.iter_mut().zip(q).for_each(|(out, q)| *out = (q - highest).exp());
    let total: f64 = out.iter().sum();
    out.iter_mut().for_each(|out| *out /= total);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry_loss::EntryLoss;
    use proptest::prelude::*;

    const LOSS: Multinomial = Multinomial;

    /// A row with a class, and a second row.
    fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, usize)> {
        (2usize..7).prop_flat_map(|count| {
            let row = |scale: f64| prop::collection::vec(-scale..scale, count);
            (row(20.0), row(3.0), 0..count)
        })
    }

    fn norm(x: &[f64]) -> f64 {
        x.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn the_gradient_is_that_of_the_value_and_no_steeper_than_the_curvature((q, other, class) in rows()) {
            let (mut gradient, h) = (vec![0.0; q.len()], 1e-5);
            LOSS.gradient(&q, class, &mut gradient);
            for c in 0..q.len() {
                let at = |step: f64| {
                    let mut moved = q.clone();
                    moved[c] += step;
                    LOSS.value(&moved, class)
                };
                prop_assert!((gradient[c] - (at(h) - at(-h)) / (2.0 * h)).abs() < 1e-6);
            }
            prop_assert!(LOSS.value(&q, class) >= 0.0);
            let mut there = vec![0.0; q.len()];
            LOSS.gradient(&other, class, &mut there);
            let change: Vec<f64> = gradient.iter().zip(&there).map(|(a, b)| a - b).collect();
            let way: Vec<f64> = q.iter().zip(&other).map(|(a, b)| a - b).collect();
            prop_assert!(norm(&change) <= LOSS.curvature() * norm(&way) * (1.0 + 1e-12) + 1e-15);
        }

        /// l(q) + l*(z) >= z'q for every z of the domain, with equality at the gradient.
        #[test]
        fn fenchel_young((q, other, class) in rows()) {
            let mut z = other;
            LOSS.project(&mut z, class, &vec![true; q.len()]);
            prop_assert!(z.iter().sum::<f64>().abs() < 1e-14 && LOSS.conjugate(&z, class) <= 0.0);
            let product = |z: &[f64]| z.iter().zip(&q).map(|(z, q)| z * q).sum::<f64>();
            let slack = LOSS.value(&q, class) + LOSS.conjugate(&z, class) - product(&z);
            prop_assert!(slack >= -1e-12, "{slack}");
            LOSS.gradient(&q, class, &mut z);
            let slack = LOSS.value(&q, class) + LOSS.conjugate(&z, class) - product(&z);
            prop_assert!(slack.abs() <= 1e-11, "{slack}");
        }

        /// q - z + tau grad l(q) = 0.
        #[test]
        fn the_prox_is_stationary((z, _, class) in rows(), exponent in -3.0..4.0, scale in -2.0..3.0) {
            let (tau, scale) = (10f64.powf(exponent), 10f64.powf(scale));
            let z: Vec<f64> = z.iter().map(|z| scale * z).collect();
            let (mut q, mut gradient) = (z.clone(), vec![0.0; z.len()]);
            LOSS.prox(&mut q, class, tau);
            LOSS.gradient(&q, class, &mut gradient);
            for c in 0..z.len() {
                let residual = q[c] - z[c] + tau * gradient[c];
                prop_assert!(residual.abs() <= 1e-12 * (1.0 + norm(&z) + tau), "{residual} of {tau} {z:?}");
            }
        }

        /// The projection is a point of the simplex, and no other one is nearer.
        #[test]
        fn the_projection_is_the_nearest_point((z, other, class) in rows(), scale in -2.0..6.0) {
            let scale = 10f64.powf(scale);
            let z: Vec<f64> = z.iter().map(|z| scale * z).collect();
            let all = vec![true; z.len()];
            let (mut near, mut member) = (z.clone(), other);
            LOSS.project(&mut near, class, &all);
            LOSS.project(&mut member, class, &all);
            prop_assert!(LOSS.conjugate(&near, class).is_finite());
            // (z - near)'(member - near) <= 0 characterises the projection.
            let angle: f64 = (0..z.len()).map(|c| (z[c] - near[c]) * (member[c] - near[c])).sum();
            prop_assert!(angle <= 1e-12 * (1.0 + norm(&z)), "{angle}");
            let mut again = near.clone();
            LOSS.project(&mut again, class, &all);
            prop_assert!(again.iter().zip(&near).all(|(a, b)| (a - b).abs() < 1e-14));
        }

        /// Two classes with predictions q and 0: the logistic loss of q.
        #[test]
        fn two_classes_are_the_logistic_loss(q in -50.0..50.0) {
            let value = LOSS.value(&[q, 0.0], 0);
            let logistic = EntryLoss::Logistic.value(q, 1.0);
            prop_assert!((value - logistic).abs() <= 1e-14 * (1.0 + logistic), "{value} {logistic}");
        }
    }

    #[test]
    fn extreme_predictions_stay_numbers() {
        for q in [[1e300, -1e300, 0.0], [-1e300, 1e300, 5.0], [700.0, -800.0, 1e-320], [0.0; 3]] {
            for class in 0..3 {
                let mut gradient = [0.0; 3];
                LOSS.gradient(&q, class, &mut gradient);
                let mut prox = q;
                LOSS.prox(&mut prox, class, 4.0);
                assert!(gradient.iter().chain(&prox).all(|number| number.is_finite()), "{q:?} {class}: {prox:?}");
                assert!(LOSS.value(&q, class) >= 0.0);
            }
        }
        assert_eq!(LOSS.value(&[1e300, 0.0], 0), 0.0);
        assert_eq!(LOSS.value(&[-1e300, 0.0], 0), 1e300);
        assert_eq!(LOSS.conjugate(&[-1.0, 1.0, 0.0], 0), 0.0);
        assert_eq!(LOSS.conjugate(&[-1.0, 1.1, 0.0], 0), f64::INFINITY);
        assert_eq!(LOSS.conjugate(&[-1.0, -0.1, 0.0], 0), f64::INFINITY);
    }
}
