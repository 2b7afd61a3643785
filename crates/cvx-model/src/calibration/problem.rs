//! The scale and the offsets of the smallest log loss.

use cvx_linalg::HostMatrix;

/// Weight of the penalty (log a)^2 + ||b||^2 beside the log loss summed over the samples, for outputs of spread 1. It
/// keeps the parameters finite where the classes are separated, and is small beside the loss of one sample.
const RIDGE: f64 = 1e-2;

/// Limit on the number of Newton steps. About ten steps are usual.
const NEWTON_STEPS: usize = 100;

/// Shortest share of a Newton step that is tried.
const SHORTEST: f64 = 1e-12;

/// Replaces logits by probabilities and returns log(sum of their exponentials).
pub fn softmax(logits: &mut [f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|z| *z /= sum);
    largest + sum.ln()
}

/// The log loss of softmax(exp(t) f + b) with the penalty, in the unknowns (t, b). The first of two classes that share
/// one column has the logit 0, and no unknowns.
pub struct Problem<'a> {
    /// Centred outputs of spread 1 (n x C).
    pub f: &'a HostMatrix,
    /// The class of each sample.
    pub classes: &'a [usize],
    /// The weight of each sample.
    pub weights: Vec<f64>,
}

/// Value, gradient, and the lower triangles, row by row, of the Hessian and of its part that is always positive
/// definite. That part leaves out the curvature of exp(t).
struct Model {
    value: f64,
    gradient: Vec<f64>,
    hessian: Vec<Vec<f64>>,
    definite: Vec<Vec<f64>>,
}

impl Problem<'_> {
    /// The classes that have no column of their own: 1 of the two of one column, otherwise 0.
    fn implied(&self) -> usize {
        usize::from(self.f.cols() == 1)
    }

    /// The probabilities of sample `a`, and its log loss.
    fn sample(&self, x: &[f64], a: usize, p: &mut [f64]) -> f64 {
        let (implied, scale) = (self.implied(), x[0].exp());
        p[..implied].fill(0.0);
        for (c, b) in x[1..].iter().enumerate() {
            p[c + implied] = scale * self.f[(a, c)] + b;
        }
        let own = p[self.classes[a]];
        softmax(p) - own
    }

    fn value(&self, x: &[f64]) -> f64 {
        let mut p = vec![0.0; self.f.cols() + self.implied()];
        let loss: f64 = (0..self.f.rows()).map(|a| self.weights[a] * self.sample(x, a, &mut p)).sum();
        loss + RIDGE * x.iter().map(|x| x * x).sum::<f64>()
    }

    fn model(&self, x: &[f64]) -> Model {
        let (columns, implied, scale) = (self.f.cols(), self.implied(), x[0].exp());
        let mut p = vec![0.0; columns + implied];
        let mut value = RIDGE * x.iter().map(|x| x * x).sum::<f64>();
        let mut gradient: Vec<f64> = x.iter().map(|x| 2.0 * RIDGE * x).collect();
        let mut hessian: Vec<Vec<f64>> = (0..=columns).map(|i| vec![0.0; i + 1]).collect();
        let mut pull = 0.0;
        for a in 0..self.f.rows() {
            let weight = self.weights[a];
            value += weight * self.sample(x, a, &mut p);
            let (own, p) = (self.classes[a].checked_sub(implied), &p[implied..]);
            let mean: f64 = (0..columns).map(|c| p[c] * self.f[(a, c)]).sum();
            pull += weight * (mean - own.map_or(0.0, |own| self.f[(a, own)]));
            // The mean square less the squared mean, as a sum of squares; the implied class has the output 0.
            let rest = if implied == 1 { (1.0 - p[0]) * mean * mean } else { 0.0 };
            let variance: f64 = (0..columns).map(|c| p[c] * (self.f[(a, c)] - mean).powi(2)).sum();
            hessian[0][0] += weight * scale * scale * (variance + rest);
            for c in 0..columns {
                gradient[c + 1] += weight * (p[c] - f64::from(u8::from(own == Some(c))));
                hessian[c + 1][0] += weight * scale * p[c] * (self.f[(a, c)] - mean);
                for other in 0..=c {
                    hessian[c + 1][other + 1] -= weight * p[c] * p[other];
                }
                hessian[c + 1][c + 1] += weight * p[c];
            }
        }
        gradient[0] += scale * pull;
        (0..=columns).for_each(|i| hessian[i][i] += 2.0 * RIDGE);
        let definite = hessian.clone();
        hessian[0][0] += scale * pull;
        Model { value, gradient, hessian, definite }
    }

    /// Newton's method with a line search. Where the Hessian is not positive definite, the step is that of the part of
    /// it that is: it descends too.
    pub fn minimise(&self) -> Vec<f64> {
        let mut x = vec![0.0; self.f.cols() + 1];
        for _ in 0..NEWTON_STEPS {
            let Model { value, gradient, hessian, definite } = self.model(&x);
            let Some(step) = solve(hessian, &gradient).or_else(|| solve(definite, &gradient)) else { break };
            let decrease: f64 = step.iter().zip(&gradient).map(|(step, slope)| step * slope).sum();
            if decrease <= 4.0 * f64::EPSILON * value {
                break;
            }
            let mut length = 1.0;
            let moved = loop {
                let moved: Vec<f64> = x.iter().zip(&step).map(|(x, step)| x - length * step).collect();
                if self.value(&moved) <= value - 1e-4 * length * decrease {
                    break moved;
                }
                length *= 0.5;
                if length < SHORTEST {
                    return x;
                }
            };
            x = moved;
        }
        x
    }
}

/// Solves M x = rhs by Cholesky's factorisation of a lower triangle; `None` if M is not positive definite.
fn solve(mut m: Vec<Vec<f64>>, rhs: &[f64]) -> Option<Vec<f64>> {
    let n = rhs.len();
    let mut x = rhs.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| m[i][k] * m[j][k]).sum();
            let rest = m[i][j] - dot;
            if i == j && (rest.is_nan() || rest <= f64::EPSILON * m[i][i]) {
                return None;
            }
            m[i][j] = if i == j { rest.sqrt() } else { rest / m[j][j] };
        }
        x[i] = (x[i] - (0..i).map(|k| m[i][k] * x[k]).sum::<f64>()) / m[i][i];
    }
    for i in (0..n).rev() {
        x[i] = (x[i] - (i + 1..n).map(|k| m[k][i] * x[k]).sum::<f64>()) / m[i][i];
    }
    Some(x)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Outputs (n x C) with a class each.
    pub fn cases() -> impl Strategy<Value = (HostMatrix, Vec<usize>)> {
        (1usize..5, 1usize..30).prop_flat_map(|(columns, n)| {
            let outputs = prop::collection::vec(-3.0..3.0, n * columns);
            let classes = prop::collection::vec(0..columns.max(2), n);
            (outputs, classes).prop_map(move |(f, classes)| (HostMatrix::from_vec(n, columns, f), classes))
        })
    }

    proptest! {
        #[test]
        fn gradient_and_hessian_are_those_of_the_value(
            (f, classes) in cases(), point in prop::collection::vec(-2.0..2.0, 5), seed in 0.1..2.0
        ) {
            let weights: Vec<f64> = (0..f.rows()).map(|a| 0.5 + f64::sin(a as f64 * seed).abs()).collect();
            let problem = Problem { f: &f, classes: &classes, weights };
            let x = &point[..=f.cols()];
            let model = problem.model(x);
            prop_assert!((model.value - problem.value(x)).abs() < 1e-12 * (1.0 + model.value));
            let moved = |i: usize, by: f64| (0..x.len()).map(|k| if k == i { x[k] + by } else { x[k] }).collect();
            let h = 1e-5;
            for i in 0..x.len() {
                let (up, down): (Vec<f64>, Vec<f64>) = (moved(i, h), moved(i, -h));
                let slope = (problem.value(&up) - problem.value(&down)) / (2.0 * h);
                prop_assert!((slope - model.gradient[i]).abs() < 1e-5 * (1.0 + slope.abs()), "{i}");
                let (up, down) = (problem.model(&up), problem.model(&down));
                for j in 0..=i {
                    let curvature = (up.gradient[j] - down.gradient[j]) / (2.0 * h);
                    prop_assert!((curvature - model.hessian[i][j]).abs() < 1e-5 * (1.0 + curvature.abs()), "{i} {j}");
                }
            }
        }

        #[test]
        fn the_minimiser_is_stationary((f, classes) in cases()) {
            let problem = Problem { f: &f, classes: &classes, weights: vec![1.0; f.rows()] };
            let gradient = problem.model(&problem.minimise()).gradient;
            prop_assert!(gradient.iter().all(|slope| slope.abs() < 1e-5), "{gradient:?}");
        }
    }
}
