//! Ridge regression in closed form, by the smaller of its two systems.

use cvx_linalg::{Backend, Half, HostMatrix, LinalgError, Transpose};

/// A linear function of features.
#[derive(Clone, Debug)]
pub struct Linear {
    /// A column for each output (features x C).
    pub weights: HostMatrix,
    /// Added to each output.
    pub offset: Vec<f64>,
}

/// Standardised features Z (features x n) and centred targets Y (n x C), with the smaller of Z Z' and Z'Z.
///
/// Of min 1/2 ||Z'w - y||^2 + lambda/2 ||w||^2 the solution is (Z Z' + lambda)^-1 Z y = Z (Z'Z + lambda)^-1 y.
pub struct Ridge<W: Backend> {
    backend: W,
    means: Vec<f64>,
    scales: Vec<f64>,
    target_means: Vec<f64>,
    z: W::Matrix,
    y: W::Matrix,
    n: usize,
    /// Lower triangle.
    gram: HostMatrix,
    /// Whether it is Z Z'.
    of_features: bool,
}

impl<W: Backend<Wide = W>> Ridge<W> {
    /// The systems of these features (features x n) and targets (n x C).
    pub fn new(backend: W, features: &HostMatrix, y: &HostMatrix) -> Result<Self, LinalgError> {
        let (d, n) = (features.rows(), features.cols());
        let (means, scales) = moments(features);
        let mut z = features.clone();
        for a in 0..n {
            for ((z, mean), scale) in z.col_mut(a).iter_mut().zip(&means).zip(&scales) {
                *z = (*z - mean) / scale;
            }
        }
        let target_means: Vec<f64> = (0..y.cols()).map(|c| y.col(c).iter().sum::<f64>() / n as f64).collect();
        let y = backend.upload(&HostMatrix::from_fn(n, y.cols(), |a, c| y[(a, c)] - target_means[c]))?;
        let of_features = d <= n;
        let smaller = if of_features { backend.upload(&z)? } else { backend.upload(&z.transposed())? };
        let ones = backend.upload(&HostMatrix::from_fn(d.max(n), 1, |_, _| 1.0))?;
        let mut gram = backend.zeros(d.min(n), d.min(n))?;
        backend.weighted_gram(&smaller, &ones, 0.0, &mut gram)?;
        let (z, gram) = (backend.upload(&z)?, backend.download(&gram)?);
        Ok(Ridge { backend, means, scales, target_means, z, y, n, gram, of_features })
    }

    /// The solution for lambda = `ridge` times the number of samples, as a function of the features as they were given.
    pub fn solve(&self, ridge: f64) -> Result<Linear, LinalgError> {
        let Ridge { backend, z, y, .. } = self;
        let (d, targets) = (self.means.len(), self.target_means.len());
        let mut shifted = self.gram.clone();
        (0..shifted.rows()).for_each(|i| shifted[(i, i)] += ridge * self.n as f64);
        let mut factor = backend.upload(&shifted)?;
        backend.cholesky(&mut factor)?;
        let product = |right: &W::Matrix| {
            let mut out = backend.zeros(d, targets)?;
            backend.gemm(1.0, z, Transpose::No, right, Transpose::No, 0.0, &mut out)?;
            Ok::<_, LinalgError>(out)
        };
        let weights = if self.of_features {
            let mut weights = product(y)?;
            backend.solve(&factor, Half::Both, &mut weights)?;
            weights
        } else {
            let mut dual = backend.zeros(self.n, targets)?;
            backend.copy(y, &mut dual)?;
            backend.solve(&factor, Half::Both, &mut dual)?;
            product(&dual)?
        };
        let mut weights = backend.download(&weights)?;
        let mut offset = self.target_means.clone();
        for (c, offset) in offset.iter_mut().enumerate() {
            for ((weight, mean), scale) in weights.col_mut(c).iter_mut().zip(&self.means).zip(&self.scales) {
                *weight /= scale;
                *offset -= *weight * mean;
            }
        }
        Ok(Linear { weights, offset })
    }
}

impl Linear {
    /// The outputs for features (features x n) as n x C numbers.
    pub fn predict<W: Backend>(&self, backend: &W, features: &HostMatrix) -> Result<HostMatrix, LinalgError> {
        let mut out =
            backend.upload(&HostMatrix::from_fn(features.cols(), self.offset.len(), |_, c| self.offset[c]))?;
        let (features, weights) = (backend.upload(features)?, backend.upload(&self.weights)?);
        backend.gemm(1.0, &features, Transpose::Yes, &weights, Transpose::No, 1.0, &mut out)?;
        backend.download(&out)
    }
}

/// Mean and standard deviation of each feature; 1 where it is constant.
fn moments(features: &HostMatrix) -> (Vec<f64>, Vec<f64>) {
    let (d, share) = (features.rows(), 1.0 / features.cols() as f64);
    let (mut means, mut squares) = (vec![0.0; d], vec![0.0; d]);
    for a in 0..features.cols() {
        means.iter_mut().zip(features.col(a)).for_each(|(mean, x)| *mean += share * x);
    }
    for a in 0..features.cols() {
        let column = features.col(a).iter().zip(&means);
        squares.iter_mut().zip(column).for_each(|(square, (x, mean))| *square += share * (x - mean).powi(2));
    }
    let scale = |(square, mean): (&f64, &f64)| if square.sqrt() > 1e-9 * mean.abs() { square.sqrt() } else { 1.0 };
    let scales = squares.iter().zip(&means).map(scale).collect();
    (means, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::Cpu;

    fn entry(seed: usize) -> impl Fn(usize, usize) -> f64 {
        move |i, j| ((i * 7919 + j * 104_729 + seed * 31) % 1013) as f64 / 506.5 - 0.7
    }

    /// The gradient of the objective by plain loops, in standardised features, vanishes for both systems.
    #[test]
    fn the_solution_is_where_the_gradient_vanishes() {
        for (d, n) in [(5, 12), (12, 7)] {
            // The last feature is constant, and the first in another unit.
            let features = HostMatrix::from_fn(d, n, |i, a| match i {
                0 => 100.0 * entry(1)(0, a),
                _ if i + 1 == d => 3.0,
                _ => entry(1)(i, a),
            });
            let (y, ridge) = (HostMatrix::from_fn(n, 2, entry(2)), 0.3);
            let cpu = Cpu::<f64>::new();
            let linear = Ridge::new(cpu.clone(), &features, &y).unwrap().solve(ridge).unwrap();
            let prediction = linear.predict(&cpu, &features).unwrap();
            let (means, scales) = moments(&features);
            for c in 0..2 {
                let residuals: Vec<f64> = (0..n).map(|a| prediction[(a, c)] - y[(a, c)]).collect();
                assert!(residuals.iter().sum::<f64>().abs() < 1e-10, "the offset is free");
                for i in 0..d {
                    let z = |a: usize| (features[(i, a)] - means[i]) / scales[i];
                    let slope: f64 = (0..n).map(|a| z(a) * residuals[a]).sum();
                    let gradient = slope + ridge * n as f64 * scales[i] * linear.weights[(i, c)];
                    assert!(gradient.abs() < 1e-10, "feature {i} of {d}: {gradient}");
                }
            }
        }
    }
}
