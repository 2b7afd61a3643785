//! Pruning: fewer neurons with the same predictions on the training samples (docs/math.md, section 7).

use crate::network::{Network, norm};
use cvx_linalg::{Backend, HostMatrix, LinalgError, Samples, Transpose, symmetric_eigen};

/// A combination of unit contributions whose norm is below this counts as zero. Rounding leaves a norm of about 1e-15,
/// and a combination changes predictions by at most its norm.
const ZERO: f64 = 1e-12;

/// Eigenvalues of the Gram matrix below this are examined again. They are squares of norms, with an error of about
/// 1e-14 for a hundred neurons, so that norms below 1e-7 cannot be distinguished from zero. This limit has a wide
/// margin.
const NEAR: f64 = 1e-10;

/// Largest change of the predictions, relative to the sum of the norms of the contributions.
const SAME: f64 = 1e-11;

/// Largest relative increase of the weight decay by rounding.
const ROUNDING: f64 = 1e-13;

/// A network after pruning.
#[derive(Clone, Debug, PartialEq)]
pub struct Pruned {
    /// The remaining network: equal predictions on the samples, and no larger weight decay.
    pub network: Network,
    /// Number of neurons removed.
    pub removed: usize,
}

impl Network {
    /// Removes neurons that are inactive on every one of these samples, and rescales the others until the
    /// contributions of the remaining neurons are linearly independent. The predictions on these samples change only by
    /// rounding, and the weight decay does not increase. On other samples the predictions may differ. All is computed
    /// in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if the shapes do not fit, an operation of the back end fails, or the hidden layer is not finite.
    pub fn prune<B: Backend>(&self, samples: &Samples<B>) -> Result<Pruned, LinalgError> {
        let wide = samples.backend().wide();
        let mut scales = vec![0.0; self.n_neurons()];
        for neurons in self.groups() {
            let contributions = Contributions::new(self, &neurons, samples)?;
            for (&neuron, scale) in neurons.iter().zip(contributions.scales(&wide)?) {
                scales[neuron] = scale;
            }
        }
        let network = self.rescaled(&scales);
        Ok(Pruned { removed: self.n_neurons() - network.n_neurons(), network })
    }

    /// Number of floating-point operations of [`prune`](Self::prune) on n samples: hidden layer, Gram matrix and
    /// eigenvalues of each group.
    pub fn prune_flops(&self, n_samples: usize) -> f64 {
        let (n, d) = (n_samples as f64, self.w1.rows() as f64);
        let sizes = self.groups().into_iter().map(|neurons| neurons.len() as f64);
        sizes.map(|m| 2.0 * n * m * (d + m) + 10.0 * m.powi(3)).sum()
    }

    /// Groups of neurons that contribute to a common output, directly or through other neurons. The contributions of
    /// two groups are orthogonal. With one output weight per neuron, each output is a group. A neuron without output is
    /// in no group.
    fn groups(&self) -> Vec<Vec<usize>> {
        let outputs = |neuron: usize| (0..self.w2.cols()).filter(move |&c| self.w2[(neuron, c)] != 0.0);
        let mut label: Vec<usize> = (0..self.w2.cols()).collect();
        for neuron in 0..self.n_neurons() {
            for pair in outputs(neuron).collect::<Vec<_>>().windows(2) {
                let (kept, merged) = (label[pair[0]], label[pair[1]]);
                label.iter_mut().filter(|label| **label == merged).for_each(|label| *label = kept);
            }
        }
        let mut groups = vec![Vec::new(); self.w2.cols()];
        for neuron in 0..self.n_neurons() {
            if let Some(output) = outputs(neuron).next() {
                groups[label[output]].push(neuron);
            }
        }
        groups.retain(|neurons| !neurons.is_empty());
        groups
    }

    /// The network with every contribution multiplied by its scale >= 0. Neurons of scale 0 are removed. Both layers
    /// are multiplied by the square root, so that the weight decay of the neuron is multiplied by the scale too.
    fn rescaled(&self, scales: &[f64]) -> Self {
        let kept: Vec<usize> = (0..scales.len()).filter(|&neuron| scales[neuron] > 0.0).collect();
        let scaled = |weight: f64, neuron: usize| match scales[neuron] {
            1.0 => weight,
            scale => weight * scale.sqrt(),
        };
        Network {
            w1: HostMatrix::from_fn(self.w1.rows(), kept.len(), |i, j| scaled(self.w1[(i, kept[j])], kept[j])),
            w2: HostMatrix::from_fn(kept.len(), self.w2.cols(), |j, c| scaled(self.w2[(kept[j], c)], kept[j])),
            gates: self.select(&kept).gates,
            patches: self.patches.clone(),
            output_bias: self.output_bias.clone(),
        }
    }
}

/// Contributions of the neurons of one group to the predictions: q_j = (X w1_j)+ w2_j', or (d_j o X w1_j) w2_j' for a
/// gated neuron. They are scaled to norm 1 unless they are zero.
struct Contributions<B: Backend> {
    /// (X w1_j)+ or d_j o X w1_j of every neuron of the group (n x m).
    hidden: B::Matrix,
    /// w2_j / ||q_j||, or 0 if q_j is 0 (m x C).
    second: HostMatrix,
    /// ||q_j||.
    sizes: Vec<f64>,
    /// (||w1_j||^2 + ||w2_j||^2) / 2, the weight decay divided by beta.
    decays: Vec<f64>,
    /// Number of samples here.
    n: usize,
}

impl<W: Backend> Contributions<W> {
    fn new<B: Backend<Wide = W>>(
        network: &Network,
        neurons: &[usize],
        samples: &Samples<B>,
    ) -> Result<Self, LinalgError> {
        let (n, m, outputs) = (samples.n_samples(), neurons.len(), network.w2.cols());
        let (backend, group) = (samples.backend().wide(), network.select(neurons));
        let mut hidden = backend.sample_rows(n, m)?;
        samples.for_each_small_tile(group.hidden_width(), |tile, xt| {
            backend.write_rows(&group.hidden(&backend, xt)?, &mut hidden, tile.start)
        })?;
        let Network { w1, w2: mut second, .. } = group;
        let mut sizes = backend.column_norms(&hidden)?;
        let mut decays = vec![0.0; m];
        for j in 0..m {
            let w2 = norm(&(0..outputs).map(|c| second[(j, c)]).collect::<Vec<_>>());
            decays[j] = 0.5 * (norm(w1.col(j)).powi(2) + w2 * w2);
            sizes[j] *= w2;
            for c in 0..outputs {
                second[(j, c)] = if sizes[j] > 0.0 { second[(j, c)] / sizes[j] } else { 0.0 };
            }
        }
        Ok(Contributions { hidden, second, sizes, decays, n })
    }

    /// The scale of each contribution. The contributions with scales above 0 are linearly independent.
    fn scales(&self, backend: &W) -> Result<Vec<f64>, LinalgError> {
        let mut unchanged: Vec<f64> = self.sizes.iter().map(|&size| f64::from(u8::from(size != 0.0))).collect();
        let basis = self.dependencies(backend)?;
        if basis.is_empty() {
            return Ok(unchanged);
        }
        let lengths = purify(&self.sizes, &self.decays, basis);
        // The change of each contribution. If rounding makes the total too large, nothing is changed.
        let taken: Vec<f64> = self.sizes.iter().zip(&lengths).map(|(old, new)| old - new).collect();
        let taken = self.combined(backend, &[taken])?;
        let change = self.inner(backend, taken.values(), taken.values()).sqrt();
        let scales: Vec<f64> = (lengths.iter().zip(&self.sizes))
            .map(|(&new, &old)| if new == old { f64::from(u8::from(old != 0.0)) } else { new / old })
            .collect();
        let decay = |scales: &[f64]| scales.iter().zip(&self.decays).map(|(scale, decay)| scale * decay).sum::<f64>();
        let same = change <= SAME * self.sizes.iter().sum::<f64>();
        if same && decay(&scales) <= (1.0 + ROUNDING) * decay(&unchanged) {
            unchanged = scales;
        }
        Ok(unchanged)
    }

    /// Orthonormal vectors c (each of length m) with sum_j c_j q_j/||q_j|| = 0.
    fn dependencies(&self, backend: &W) -> Result<Vec<Vec<f64>>, LinalgError> {
        let m = self.sizes.len();
        let mut products = backend.zeros(m, m)?;
        backend.gemm(1.0, &self.hidden, Transpose::Yes, &self.hidden, Transpose::No, 0.0, &mut products)?;
        let products = backend.download(&products)?;
        let active: Vec<usize> = (0..m).filter(|&j| self.sizes[j] != 0.0).collect();
        let gram = HostMatrix::from_fn(active.len(), active.len(), |a, b| {
            let (j, k) = (active[a], active[b]);
            let outputs: f64 = (0..self.second.cols()).map(|c| self.second[(j, c)] * self.second[(k, c)]).sum();
            products[(j, k)] * outputs
        });
        let eigen = symmetric_eigen(&gram)?;
        let split = eigen.values.iter().take_while(|&&value| value <= NEAR).count();
        if split == 0 {
            return Ok(Vec::new());
        }
        let vectors: Vec<Vec<f64>> = (0..active.len())
            .map(|a| {
                let mut c = vec![0.0; m];
                active.iter().zip(eigen.vectors.col(a)).for_each(|(&j, value)| c[j] = *value);
                c
            })
            .collect();
        let (near, far) = vectors.split_at(split);
        // Rounding of the Gram matrix mixes other eigenvectors into these, by about 1e-16 / their eigenvalue. The
        // combinations themselves are not squared, and show by how much.
        let mut near = near.to_vec();
        let slopes = self.slopes(backend, &self.combined(backend, &near)?)?;
        for (c, slope) in near.iter_mut().zip(&slopes) {
            for (other, value) in far.iter().zip(&eigen.values[split..]) {
                let weight = dot(other, slope) / value;
                c.iter_mut().zip(other).for_each(|(c, other)| *c -= weight * other);
            }
        }
        let combined = self.combined(backend, &near)?;
        let inner = |a: usize, b: usize| self.inner(backend, combined.col(a), combined.col(b));
        let eigen = symmetric_eigen(&HostMatrix::from_fn(near.len(), near.len(), inner))?;
        let zero = (0..near.len()).take_while(|&a| eigen.values[a] <= ZERO * ZERO);
        Ok(zero.map(|a| combination(&near, eigen.vectors.col(a))).collect())
    }

    /// The inner product of q_j/||q_j|| with each column r (n C numbers), for every neuron.
    fn slopes(&self, backend: &W, columns: &HostMatrix) -> Result<Vec<Vec<f64>>, LinalgError> {
        let (m, outputs) = (self.sizes.len(), self.second.cols());
        let columns = HostMatrix::from_vec(self.n, outputs * columns.cols(), columns.values().to_vec());
        let mut products = backend.zeros(m, columns.cols())?;
        let columns = backend.upload_rows(&columns)?;
        backend.gemm(1.0, &self.hidden, Transpose::Yes, &columns, Transpose::No, 0.0, &mut products)?;
        let products = backend.download(&products)?;
        let slope =
            |k: usize, j: usize| (0..outputs).map(|c| self.second[(j, c)] * products[(j, k * outputs + c)]).sum();
        Ok((0..products.cols() / outputs).map(|k| (0..m).map(|j| slope(k, j)).collect()).collect())
    }

    /// The inner product of two columns of nC numbers.
    fn inner(&self, backend: &W, x: &[f64], y: &[f64]) -> f64 {
        let (n, outputs) = (self.n, self.second.cols());
        let [product] = backend.samples().sum(n, |rows| {
            let places = (0..outputs).flat_map(|c| c * n + rows.start..c * n + rows.end);
            [places.map(|at| x[at] * y[at]).sum()]
        });
        product
    }

    /// sum_j c_j q_j/||q_j|| for each c, as columns (nC x number of c).
    fn combined(&self, backend: &W, coefficients: &[Vec<f64>]) -> Result<HostMatrix, LinalgError> {
        let (m, outputs, k) = (self.sizes.len(), self.second.cols(), coefficients.len());
        let second = HostMatrix::from_fn(m, outputs * k, |j, column| {
            coefficients[column / outputs][j] * self.second[(j, column % outputs)]
        });
        let mut out = backend.sample_rows(self.n, outputs * k)?;
        let second = backend.upload(&second)?;
        backend.gemm(1.0, &self.hidden, Transpose::No, &second, Transpose::No, 0.0, &mut out)?;
        Ok(HostMatrix::from_vec(self.n * outputs, k, backend.download(&out)?.values().to_vec()))
    }
}

/// sum_a weights_a basis_a.
fn combination(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; basis[0].len()];
    for (column, weight) in basis.iter().zip(weights) {
        sum.iter_mut().zip(column).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Moves the norms `sizes` of the contributions along the dependencies in `basis` (orthonormal) without an increase of
/// the weight decay, until the contributions with nonzero norms are independent: from a point of a polyhedron to a
/// vertex.
fn purify(sizes: &[f64], decays: &[f64], mut basis: Vec<Vec<f64>>) -> Vec<f64> {
    let mut lengths = sizes.to_vec();
    let rates: Vec<f64> =
        sizes.iter().zip(decays).map(|(&size, decay)| if size > 0.0 { decay / size } else { 0.0 }).collect();
    while !basis.is_empty() {
        // Steepest descent of the weight decay. If it is constant, the direction is arbitrary.
        let slopes: Vec<f64> = basis.iter().map(|column| dot(column, &rates)).collect();
        let mut direction = match norm(&slopes) > ZERO * norm(&rates) {
            true => combination(&basis, &slopes),
            false => basis[0].clone(),
        };
        if dot(&direction, &rates) < 0.0 {
            direction.iter_mut().for_each(|c| *c = -*c);
        }
        // Every rate is positive, so that a direction that does not increase the decay has a positive entry.
        let steps = (0..lengths.len()).filter(|&j| direction[j] > 0.0).map(|j| (lengths[j] / direction[j], j));
        let Some((step, first)) = steps.reduce(|best, next| if next.0 < best.0 { next } else { best }) else { break };
        for (length, c) in lengths.iter_mut().zip(&direction) {
            *length -= step * c;
        }
        // Others may reach zero at the same step.
        lengths[first] = 0.0;
        deflate(&mut basis, first);
        for j in 0..lengths.len() {
            if j != first && sizes[j] > 0.0 && lengths[j] <= f64::EPSILON * sizes[j] {
                lengths[j] = 0.0;
                deflate(&mut basis, j);
            }
        }
    }
    lengths
}

/// Reduces `basis` to the part of its span with entry j zero, by a reflection that moves that entry to the last column.
fn deflate(basis: &mut Vec<Vec<f64>>, j: usize) {
    let mut reflector: Vec<f64> = basis.iter().map(|column| column[j]).collect();
    let length = norm(&reflector);
    let Some(last) = reflector.last_mut().filter(|_| length > 0.1 * ZERO) else {
        // Zero except for rounding: no vector of the span has this entry.
        basis.iter_mut().for_each(|column| column[j] = 0.0);
        return;
    };
    *last += length.copysign(*last);
    let along = combination(basis, &reflector);
    let factor = 2.0 / dot(&reflector, &reflector);
    for (column, weight) in basis.iter_mut().zip(&reflector) {
        column.iter_mut().zip(&along).for_each(|(value, along)| *value -= factor * weight * along);
        column[j] = 0.0;
    }
    basis.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_a_neuron_shares_make_one_group() {
        let w2 = HostMatrix::from_vec(5, 3, {
            let columns = [[1.0, 0.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, -1.0, 0.0]];
            columns.concat()
        });
        let network = Network::new(HostMatrix::zeros(2, 5), w2, None);
        assert_eq!(network.groups(), [vec![0, 2, 3], vec![1]], "0 and 2 meet in 3, and 4 has no output");
    }

    #[test]
    fn deflation_keeps_what_has_no_part_in_the_entry() {
        let root = 0.5f64.sqrt();
        let mut basis = vec![vec![root, root, 0.0], vec![0.5, -0.5, root]];
        deflate(&mut basis, 0);
        let [column] = &basis[..] else { panic!("one dimension less") };
        assert_eq!(column[0], 0.0);
        assert!((norm(column) - 1.0).abs() < 1e-15);
        // Orthogonal to the direction outside the span.
        assert!(dot(column, &[0.5, -0.5, -root]).abs() < 1e-15);
        // An entry that is zero in all vectors does not reduce the basis.
        let mut untouched = vec![vec![1.0, 0.0]];
        deflate(&mut untouched, 1);
        assert_eq!(untouched, [[1.0, 0.0]]);
    }
}
