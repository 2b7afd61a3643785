//! A weighted loss of rows over all samples (docs/math.md, sections 6 and 11).

use crate::multinomial::{Multinomial, softmax};
use crate::root::{concave_maximum, gradient_root};
use cvx_linalg::{HostMatrix, SampleSums};
use std::ops::Range;

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
    samples: &'a SampleSums,
}

/// Row `a` of a matrix.
fn read(matrix: &HostMatrix, a: usize, out: &mut [f64]) {
    out.iter_mut().enumerate().for_each(|(c, out)| *out = matrix[(a, c)]);
}

impl<'a> WeightedRows<'a> {
    /// For targets `y` of -1 and +1 (n x C).
    pub fn new(loss: Multinomial, weights: Option<&'a [f64]>, y: &HostMatrix, samples: &'a SampleSums) -> Self {
        let mut row = vec![0.0; y.cols()];
        let mut class = |a| {
            read(y, a, &mut row);
            loss.class(&row)
        };
        WeightedRows { loss, weights, classes: (0..y.rows()).map(&mut class).collect(), count: y.cols(), samples }
    }

    fn weight(&self, a: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[a])
    }

    /// The total weight of each class.
    fn class_weights(&self) -> Vec<f64> {
        self.sums(self.count, |rows, totals| rows.for_each(|a| totals[self.classes[a]] += self.weight(a)))
    }

    /// Sums over all samples of what `add` adds for a range of the rows here.
    fn sums(&self, length: usize, mut add: impl FnMut(Range<usize>, &mut [f64])) -> Vec<f64> {
        self.samples.sums(self.classes.len(), length, |rows| {
            let mut totals = vec![0.0; length];
            add(rows, &mut totals);
            totals
        })
    }

    /// Changes each row of `matrix` (n x C).
    fn each_row(&self, matrix: &mut HostMatrix, change: impl FnMut(usize, usize, &mut [f64])) {
        self.each_of(0..self.classes.len(), matrix, change);
    }

    /// Changes these rows of `matrix` (n x C).
    fn each_of(&self, rows: Range<usize>, matrix: &mut HostMatrix, mut change: impl FnMut(usize, usize, &mut [f64])) {
        let mut row = vec![0.0; self.count];
        for a in rows {
            read(matrix, a, &mut row);
            change(a, self.classes[a], &mut row);
            row.iter().enumerate().for_each(|(c, &value)| matrix[(a, c)] = value);
        }
    }

    /// sum_a omega_a l(q_a; k_a).
    pub fn total(&self, q: &HostMatrix) -> f64 {
        let mut row = vec![0.0; self.count];
        let mut value = |a: usize| {
            read(q, a, &mut row);
            self.weight(a) * self.loss.value(&row, self.classes[a])
        };
        let [total] = self.samples.sum(self.classes.len(), |rows| [rows.map(&mut value).sum()]);
        total
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
        gradient_root(self.count, FLAT * classes.iter().sum::<f64>(), |b, hessian| {
            let length = self.count + hessian.as_ref().map_or(0, |_| self.count * self.count);
            let (mut p, mut row) = (vec![0.0; self.count], vec![0.0; self.count]);
            let totals = self.sums(length, |rows, totals| {
                let (gradient, hessian) = totals.split_at_mut(self.count);
                if self.samples.first() + rows.start == 0 {
                    gradient.iter_mut().zip(&classes).for_each(|(g, weight)| *g = -weight);
                }
                for a in rows {
                    read(q, a, &mut row);
                    row.iter_mut().zip(b).for_each(|(q, b)| *q += b);
                    softmax(&row, &mut p);
                    let weight = self.weight(a);
                    gradient.iter_mut().zip(&p).for_each(|(g, p)| *g += weight * p);
                    for (i, hessian) in hessian.chunks_exact_mut(self.count).enumerate() {
                        hessian[i] += weight * p[i];
                        (0..=i).for_each(|j| hessian[j] -= weight * p[i] * p[j]);
                    }
                }
            });
            self.split(totals, hessian)
        })
    }

    /// Moves xi (n x C) into the domain of the conjugate, where e - xi_a / omega_a is a point of the simplex. With an
    /// output bias, to the nearest such point whose columns sum to zero (11.8): the projection of xi + s for the s (C)
    /// at which they do.
    pub fn clip(&self, xi: &mut HostMatrix, output_bias: bool) {
        if !output_bias {
            let rows = 0..self.classes.len();
            return self.project(xi, rows, &vec![0.0; self.count], &vec![true; self.count], &mut []);
        }
        let classes = self.class_weights();
        // The entries of the other classes are at most 0. If no sample is of a class, its column sums to zero only at
        // 0.
        let present: Vec<bool> = classes.iter().map(|&weight| weight > 0.0).collect();
        let total: f64 = classes.iter().sum();
        let shift = gradient_root(self.count, FLAT * total, |s, hessian| {
            let mut projected = xi.clone();
            let length = self.count + hessian.as_ref().map_or(0, |_| self.count * self.count);
            let totals = self.sums(length, |rows, totals| {
                let (sums, jacobian) = totals.split_at_mut(self.count);
                self.project(&mut projected, rows.clone(), s, &present, jacobian);
                add_columns(&projected, rows, sums);
            });
            self.split(totals, hessian)
        });
        self.project(xi, 0..self.classes.len(), &shift, &present, &mut []);
        self.balance(xi, &classes, total);
    }

    /// The first C of these numbers; the others, rows of a matrix, are written to `matrix` if there is one.
    fn split(&self, mut totals: Vec<f64>, matrix: Option<&mut HostMatrix>) -> Vec<f64> {
        if let Some(matrix) = matrix {
            *matrix = HostMatrix::from_fn(self.count, self.count, |i, j| totals[(i + 1) * self.count + j]);
        }
        totals.truncate(self.count);
        totals
    }

    /// Projects these rows of xi + s to the domain. Adds the derivatives of the sums of the columns with respect to s
    /// to `jacobian`, rows of a C x C matrix or nothing: those of a row are I - 1 1'/m on its m entries that are not at
    /// a bound.
    fn project(&self, xi: &mut HostMatrix, rows: Range<usize>, s: &[f64], allowed: &[bool], jacobian: &mut [f64]) {
        self.each_of(rows, xi, |a, class, row| {
            let weight = self.weight(a);
            row.iter_mut().zip(s).for_each(|(xi, s)| *xi = -(*xi + s) / weight);
            self.loss.project(row, class, allowed);
            if !jacobian.is_empty() {
                let is_free = |c: usize| if c == class { row[c] > -1.0 } else { row[c] > 0.0 };
                let free: Vec<usize> = (0..row.len()).filter(|&c| is_free(c)).collect();
                for &i in &free {
                    let derivatives = &mut jacobian[i * self.count..(i + 1) * self.count];
                    derivatives[i] += 1.0;
                    free.iter().for_each(|&j| derivatives[j] -= 1.0 / free.len() as f64);
                }
            }
            row.iter_mut().for_each(|value| *value *= -weight);
        });
    }

    /// Makes the sums of the columns zero within the domain. With the sums delta of xi, the shares p of the classes and
    /// pi_c = (1 - theta) / theta delta_c / W, it is xi (1 - theta) + theta omega (e - p - pi), with the smallest theta
    /// for which p + pi >= 0.
    fn balance(&self, xi: &mut HostMatrix, classes: &[f64], total: f64) {
        let sums = self.sums(self.count, |rows, sums| add_columns(xi, rows, sums));
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
        let limit = self.samples.smallest(limit);
        let slope_of = |t: f64, rows: Range<usize>| {
            let mut slope = 0.0;
            for a in rows {
                let (class, weight) = (self.classes[a], self.weight(a));
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
        let n = self.classes.len();
        let slope = |t: f64| {
            let [slope] = self.samples.sum(n, |rows| [slope_of(t, rows)]);
            slope
        };
        let t = concave_maximum(slope, limit);
        let [value] = self.samples.sum(n, |rows| {
            let mut value = 0.0;
            for a in rows {
                read(xi, a, &mut row);
                let weight = self.weight(a);
                row.iter_mut().for_each(|xi| *xi = -t * *xi / weight);
                value -= weight * self.loss.conjugate(&row, self.classes[a]);
            }
            [value]
        });
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
            let [product] = self.samples.sum(f.rows(), |rows| {
                let pairs = (0..f.cols()).flat_map(|c| xi.col(c)[rows.clone()].iter().zip(&f.col(c)[rows.clone()]));
                [pairs.map(|(xi, f)| xi * f).sum()]
            });
            product - decay
        };
        let t = concave_maximum(slope, f64::INFINITY);
        (t, self.total(&predictions(t)))
    }
}

/// Adds these rows of the columns.
fn add_columns(matrix: &HostMatrix, rows: Range<usize>, sums: &mut [f64]) {
    sums.iter_mut().enumerate().for_each(|(c, sum)| *sum += matrix.col(c)[rows.clone()].iter().sum::<f64>());
}
