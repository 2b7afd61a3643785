//! A weighted loss of rows over all samples (docs/math.md, sections 6 and 11).

use crate::multinomial::{Multinomial, softmax};
use crate::root::{concave_maximum, gradient_root};
use cvx_linalg::HostMatrix;

/// A slope along the output biases, or a sum of a column of xi, that is this small relative to the sum of the weights,
/// is zero.
const FLAT: f64 = 1e-14;

/// sum_a omega_a l(q_a; k_a) with the rows q_a of predictions (n x C) and the classes k_a of one-hot targets.
pub(crate) struct WeightedRows<'a> {
    loss: Multinomial,
    weights: Option<&'a [f64]>,
    /// Class of each sample.
    classes: Vec<usize>,
    /// C.
    count: usize,
}

/// Row `a` of a matrix.
fn read(matrix: &HostMatrix, a: usize, out: &mut [f64]) {
    out.iter_mut().enumerate().for_each(|(c, out)| *out = matrix[(a, c)]);
}

impl<'a> WeightedRows<'a> {
    /// For targets `y` of -1 and +1 (n x C).
    pub fn new(loss: Multinomial, weights: Option<&'a [f64]>, y: &HostMatrix) -> Self {
        let mut row = vec![0.0; y.cols()];
        let mut class = |a| {
            read(y, a, &mut row);
            loss.class(&row)
        };
        WeightedRows { loss, weights, classes: (0..y.rows()).map(&mut class).collect(), count: y.cols() }
    }

    fn weight(&self, a: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[a])
    }

    /// The total weight of each class.
    fn class_weights(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.count];
        self.classes.iter().enumerate().for_each(|(a, &class)| totals[class] += self.weight(a));
        totals
    }

    /// Changes each row of `matrix` (n x C).
    fn each_row(&self, matrix: &mut HostMatrix, mut change: impl FnMut(usize, usize, &mut [f64])) {
        let mut row = vec![0.0; self.count];
        for (a, &class) in self.classes.iter().enumerate() {
            read(matrix, a, &mut row);
            change(a, class, &mut row);
            row.iter().enumerate().for_each(|(c, &value)| matrix[(a, c)] = value);
        }
    }

    /// sum_a omega_a l(q_a; k_a).
    pub fn total(&self, q: &HostMatrix) -> f64 {
        let mut row = vec![0.0; self.count];
        let mut value = |(a, &class): (usize, &usize)| {
            read(q, a, &mut row);
            self.weight(a) * self.loss.value(&row, class)
        };
        self.classes.iter().enumerate().map(&mut value).sum()
    }

    /// -omega grad l(q) (n x C).
    pub fn xi_at(&self, q: &HostMatrix) -> HostMatrix {
        let (mut xi, mut gradient) = (q.clone(), vec![0.0; self.count]);
        self.each_row(&mut xi, |a, class, row| {
            self.loss.gradient(row, class, &mut gradient);
            row.iter_mut().zip(&gradient).for_each(|(xi, gradient)| *xi = -self.weight(a) * gradient);
        });
        xi
    }

    /// Replaces z (n x C) by q = argmin of sum omega l(q) + kappa/2 ||q - z||^2.
    pub fn prox(&self, z: &mut HostMatrix, kappa: f64) {
        self.each_row(z, |a, class, row| self.loss.prox(row, class, self.weight(a) / kappa));
    }

    /// The b (C) that minimises sum_a omega_a l(q_a + b; k_a), by Newton's method. It is determined up to a constant;
    /// if a class has no samples, the search ends where the slope is flat.
    pub fn best_bias(&self, q: &HostMatrix) -> Vec<f64> {
        let classes = self.class_weights();
        gradient_root(self.count, FLAT * classes.iter().sum::<f64>(), |b, mut hessian| {
            let (mut p, mut row) = (vec![0.0; self.count], vec![0.0; self.count]);
            let mut gradient: Vec<f64> = classes.iter().map(|weight| -weight).collect();
            for a in 0..self.classes.len() {
                read(q, a, &mut row);
                row.iter_mut().zip(b).for_each(|(q, b)| *q += b);
                softmax(&row, &mut p);
                let weight = self.weight(a);
                gradient.iter_mut().zip(&p).for_each(|(g, p)| *g += weight * p);
                if let Some(hessian) = &mut hessian {
                    for i in 0..self.count {
                        hessian[(i, i)] += weight * p[i];
                        (0..=i).for_each(|j| hessian[(i, j)] -= weight * p[i] * p[j]);
                    }
                }
            }
            gradient
        })
    }

    /// Moves xi (n x C) into the domain of the conjugate, where e - xi_a / omega_a is a point of the simplex. With an
    /// output bias, to the nearest such point whose columns sum to zero (11.8): the projection of xi + s for the s (C)
    /// at which they do.
    pub fn clip(&self, xi: &mut HostMatrix, output_bias: bool) {
        if !output_bias {
            return self.project(xi, &vec![0.0; self.count], &vec![true; self.count], None);
        }
        let classes = self.class_weights();
        // The entries of the other classes are at most 0. If no sample is of a class, its column sums to zero only at
        // 0.
        let present: Vec<bool> = classes.iter().map(|&weight| weight > 0.0).collect();
        let total: f64 = classes.iter().sum();
        let shift = gradient_root(self.count, FLAT * total, |s, hessian| {
            let mut projected = xi.clone();
            self.project(&mut projected, s, &present, hessian);
            sums(&projected)
        });
        self.project(xi, &shift, &present, None);
        self.balance(xi, &classes, total);
    }

    /// Projects each row of xi + s to the domain. Adds the derivatives of the sums of the columns with respect to s to
    /// `jacobian`: those of a row are I - 1 1'/m on its m entries that are not at a bound.
    fn project(&self, xi: &mut HostMatrix, s: &[f64], allowed: &[bool], mut jacobian: Option<&mut HostMatrix>) {
        self.each_row(xi, |a, class, row| {
            let weight = self.weight(a);
            row.iter_mut().zip(s).for_each(|(xi, s)| *xi = -(*xi + s) / weight);
            self.loss.project(row, class, allowed);
            if let Some(jacobian) = &mut jacobian {
                let is_free = |c: usize| if c == class { row[c] > -1.0 } else { row[c] > 0.0 };
                let free: Vec<usize> = (0..row.len()).filter(|&c| is_free(c)).collect();
                for &i in &free {
                    jacobian[(i, i)] += 1.0;
                    free.iter().for_each(|&j| jacobian[(i, j)] -= 1.0 / free.len() as f64);
                }
            }
            row.iter_mut().for_each(|value| *value *= -weight);
        });
    }

    /// Makes the sums of the columns zero within the domain. With the sums delta of xi, the shares p of the classes and
    /// pi_c = (1 - theta) / theta delta_c / W, it is xi (1 - theta) + theta omega (e - p - pi), with the smallest theta
    /// for which p + pi >= 0.
    fn balance(&self, xi: &mut HostMatrix, classes: &[f64], total: f64) {
        let sums = sums(xi);
        let present = || classes.iter().zip(&sums).filter(|(weight, _)| **weight > 0.0);
        let ratio = present().map(|(weight, sum)| -sum / weight).fold(0.0, f64::max);
        if present().all(|(_, sum)| *sum == 0.0) {
            return;
        }
        // A little more than is needed, for rounding.
        let theta = (2.0 * ratio / (1.0 + 2.0 * ratio)).max(f64::EPSILON);
        let centre: Vec<f64> = (0..self.count)
            .map(|c| if classes[c] > 0.0 { (theta * classes[c] + (1.0 - theta) * sums[c]) / total } else { 0.0 })
            .collect();
        self.each_row(xi, |a, class, row| {
            let mut others = 0.0;
            for c in (0..row.len()).filter(|&c| c != class) {
                row[c] = ((1.0 - theta) * row[c] - self.weight(a) * centre[c]).min(0.0);
                others += row[c];
            }
            row[class] = -others;
        });
    }

    /// The maximum over t in [0, `limit`] of -sum_a omega_a l*(-t xi_a / omega_a; k_a). `xi` (n x C) is in the domain.
    pub fn bound(&self, xi: &HostMatrix, limit: f64) -> f64 {
        let (mut row, mut limit) = (vec![0.0; self.count], limit);
        // Up to which t the class itself has a share that is not negative.
        for (a, &class) in self.classes.iter().enumerate() {
            read(xi, a, &mut row);
            let others: f64 = (0..self.count).filter(|&c| c != class).map(|c| -row[c]).sum();
            if others > 0.0 {
                limit = limit.min(self.weight(a) / others);
            }
        }
        let slope = |t: f64| -> f64 {
            let mut slope = 0.0;
            for (a, &class) in self.classes.iter().enumerate() {
                let weight = self.weight(a);
                let mut others = 0.0;
                for c in (0..self.count).filter(|&c| c != class && xi[(a, c)] < 0.0) {
                    let z = -xi[(a, c)] / weight;
                    slope -= weight * z * (t * z).ln();
                    others += z;
                }
                if others > 0.0 {
                    slope += weight * others * (-t * others).max(-1.0).ln_1p();
                }
            }
            slope
        };
        let t = concave_maximum(slope, limit);
        let mut value = 0.0;
        for (a, &class) in self.classes.iter().enumerate() {
            read(xi, a, &mut row);
            let weight = self.weight(a);
            row.iter_mut().for_each(|xi| *xi = -t * *xi / weight);
            value -= weight * self.loss.conjugate(&row, class);
        }
        value
    }

    /// The t >= 0 that minimises the loss of t f plus t `decay`, and the loss there, at the best output bias if there
    /// is one.
    pub fn best_multiple(&self, f: &HostMatrix, decay: f64, output_bias: bool) -> (f64, f64) {
        let predictions = |t: f64| {
            let mut q = HostMatrix::from_fn(f.rows(), f.cols(), |a, c| t * f[(a, c)]);
            if output_bias {
                let bias = self.best_bias(&q);
                (0..self.count).for_each(|c| q.col_mut(c).iter_mut().for_each(|q| *q += bias[c]));
            }
            q
        };
        // At the best bias, the derivative with respect to t is the partial one.
        let slope = |t: f64| -> f64 {
            let xi = self.xi_at(&predictions(t));
            xi.values().iter().zip(f.values()).map(|(xi, f)| xi * f).sum::<f64>() - decay
        };
        let t = concave_maximum(slope, f64::INFINITY);
        (t, self.total(&predictions(t)))
    }
}

/// The sums of the columns.
fn sums(matrix: &HostMatrix) -> Vec<f64> {
    (0..matrix.cols()).map(|c| matrix.col(c).iter().sum()).collect()
}
