//! The two-layer network of a point of the programme.

use crate::activation::Activation;
use crate::patches::Patches;
use crate::patterns::bits_of_columns;
use cvx_linalg::{
    Backend, BitMask, BlockLayout, HostMatrix, LinalgError, SampleSource, Samples, Shape, TILE_BYTES, Transpose,
};
use std::sync::Arc;

/// f(x) = b + sum_j (x'w1_j)_+ w2_j on transformed features. For gated neurons, the sum is that of
/// 1\[x'h_j >= 0\] x'w1_j w2_j.
///
/// $$ f(x) = b + \sum_j \max(0, x^\top w_{1j}) w_{2j} $$
///
/// A neuron on patches is z_j(x)'w1_j w2_j with the features z_j of its gate ([`PatchPlan`](cvx_linalg::PatchPlan)).
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// First layer, one column per neuron (d x m; for neurons on patches, d is the number of features of a gate).
    pub w1: HostMatrix,
    /// Second layer, one row per neuron (m x C).
    pub w2: HostMatrix,
    /// Gates h of gated neurons (d x m, or with the rows of gates of patches); `None` for ReLU.
    pub gates: Option<HostMatrix>,
    /// The patches that the gates look at; `None` where they look at the whole sample.
    pub patches: Option<Arc<Patches>>,
    /// Added to the outputs (C); zeros without an output bias.
    pub output_bias: Vec<f64>,
}

impl Network {
    /// The network of these layers and gates, with an output bias of zero.
    pub fn new(w1: HostMatrix, w2: HostMatrix, gates: Option<HostMatrix>) -> Self {
        Network { output_bias: vec![0.0; w2.cols()], w1, w2, gates, patches: None }
    }

    /// The network of the blocks `v` of `layout` (d x 2PC or d x PC). A block with ||v_i|| > 0 becomes a neuron
    /// w1 = v_i / sqrt(||v_i||) with w2 = +-sqrt(||v_i||) for its target, with the sign of the block (Pilanci & Ergen
    /// 2020, theorem 1). A gated neuron keeps its gate of `gates` (d x P). The output bias is zero.
    pub fn from_blocks(v: &HostMatrix, activation: Activation, gates: &HostMatrix, layout: BlockLayout) -> Self {
        let n_targets = layout.targets;
        let norms: Vec<f64> = (0..v.cols()).map(|j| norm(v.col(j))).collect();
        let active: Vec<usize> = (0..v.cols()).filter(|&j| norms[j] > 0.0).collect();
        let mut network = Network {
            w1: HostMatrix::zeros(v.rows(), active.len()),
            w2: HostMatrix::zeros(active.len(), n_targets),
            gates: match activation {
                Activation::Relu => None,
                Activation::Gated => Some(HostMatrix::from_fn(gates.rows(), active.len(), |row, neuron| {
                    gates[(row, layout.pattern(active[neuron]))]
                })),
            },
            patches: None,
            output_bias: vec![0.0; n_targets],
        };
        for (neuron, &j) in active.iter().enumerate() {
            let root = norms[j].sqrt();
            for (weight, value) in network.w1.col_mut(neuron).iter_mut().zip(v.col(j)) {
                *weight = value / root;
            }
            network.w2[(neuron, layout.target(j))] = layout.sign(j) * root;
        }
        network
    }

    /// The activation of its neurons.
    pub fn activation(&self) -> Activation {
        self.gates.as_ref().map_or(Activation::Relu, |_| Activation::Gated)
    }

    /// Number of neurons m.
    pub fn n_neurons(&self) -> usize {
        self.w1.cols()
    }

    /// Predictions (n x C) for the transformed samples `xt` (d x n), computed by the back end.
    ///
    /// # Errors
    /// [`LinalgError`] if the shapes do not fit or an operation of the back end fails.
    pub fn predict<B: Backend>(&self, backend: &B, xt: &B::Matrix) -> Result<HostMatrix, LinalgError> {
        let n = xt.cols();
        if self.n_neurons() == 0 {
            return Ok(HostMatrix::from_fn(n, self.w2.cols(), |_, c| self.output_bias[c]));
        }
        if let Some(patches) = &self.patches {
            return self.predict_images(patches, backend, &backend.download(xt)?);
        }
        let (hidden, w2) = (self.hidden(backend, xt)?, backend.upload(&self.w2)?);
        let mut out = backend.zeros(n, self.w2.cols())?;
        backend.gemm(1.0, &hidden, Transpose::No, &w2, Transpose::No, 0.0, &mut out)?;
        let mut out = backend.download(&out)?;
        for (c, bias) in self.output_bias.iter().enumerate() {
            out.col_mut(c).iter_mut().for_each(|f| *f += bias);
        }
        Ok(out)
    }

    /// Predictions (n x C) for samples of any number, computed in f64 a tile at a time.
    ///
    /// # Errors
    /// Those of [`predict`](Network::predict).
    pub fn predict_samples<B: Backend>(&self, samples: &Samples<B>) -> Result<HostMatrix, LinalgError> {
        let mut out = HostMatrix::zeros(samples.n_samples(), self.w2.cols());
        samples.for_each_tile(self.n_neurons(), |tile, xt| {
            let part = self.predict(&samples.backend().wide(), xt)?;
            (0..part.cols()).for_each(|c| out.col_mut(c)[tile.clone()].copy_from_slice(part.col(c)));
            Ok(())
        })?;
        Ok(out)
    }

    /// Predictions (n x C) for transformed samples by plain loops: every sample with the same
    /// operations in the same order. Each is a rounded operation that is monotone in its operands, so that a weight
    /// without the wrong sign never moves the prediction the wrong way, not by one unit in the last place. For networks
    /// that see whole samples, not patches.
    pub fn predict_in_order(&self, samples: &dyn SampleSource) -> HostMatrix {
        // By feature, so that the sums of all neurons grow together.
        let (w1, gates) = (self.w1.transposed(), self.gates.as_ref().map(HostMatrix::transposed));
        let (n, mut x) = (samples.n_samples(), vec![0.0; samples.n_features()]);
        let mut out = HostMatrix::zeros(n, self.w2.cols());
        for a in 0..n {
            samples.write(a, &mut x);
            let mut hidden = products(&w1, &x);
            match &gates {
                None => hidden.iter_mut().filter(|z| **z < 0.0).for_each(|z| *z = 0.0),
                Some(gates) => {
                    let off = hidden.iter_mut().zip(products(gates, &x)).filter(|(_, h)| *h < 0.0);
                    off.for_each(|(z, _)| *z = 0.0);
                }
            }
            for (c, bias) in self.output_bias.iter().enumerate() {
                out[(a, c)] = hidden.iter().zip(self.w2.col(c)).fold(0.0, |sum, (z, w)| sum + z * w) + bias;
            }
        }
        out
    }

    /// Numbers that [`hidden`](Self::hidden) holds for each sample: with gates the sample once more, and their products
    /// twice.
    pub(crate) fn hidden_width(&self) -> usize {
        let (d, m) = (self.w1.rows(), self.n_neurons());
        if self.gates.is_some() { d + 2 * m } else { m }
    }

    /// The output of the first layer (n x m).
    pub(crate) fn hidden<B: Backend>(&self, backend: &B, xt: &B::Matrix) -> Result<B::Matrix, LinalgError> {
        let n = xt.cols();
        if let Some(patches) = &self.patches {
            return self.hidden_on_patches(patches, backend, &backend.download(xt)?);
        }
        let bits = self.gates.as_ref().map(|gates| gate_bits(backend, xt, gates)).transpose()?;
        let mut hidden = backend.zeros(n, self.n_neurons())?;
        backend.gemm(1.0, xt, Transpose::Yes, &backend.upload(&self.w1)?, Transpose::No, 0.0, &mut hidden)?;
        let Some(bits) = bits else {
            backend.positive_part(1.0, &mut hidden)?;
            return Ok(hidden);
        };
        // On the host: this is needed only once per run, and the back end has no operation for it.
        let mut z = backend.download(&hidden)?;
        drop(hidden);
        for neuron in 0..z.cols() {
            let column = z.col_mut(neuron).iter_mut().enumerate();
            column.filter(|(a, _)| !bits.get(*a, neuron)).for_each(|(_, z)| *z = 0.0);
        }
        backend.upload(&z)
    }

    /// The neurons with the sign + in the second layer, then the others; and the number of the first.
    pub fn by_sign(&self) -> (Vec<usize>, usize) {
        let is_positive = |neuron: &usize| (0..self.w2.cols()).all(|c| self.w2[(*neuron, c)] >= 0.0);
        let (mut order, others): (Vec<usize>, Vec<usize>) = (0..self.n_neurons()).partition(is_positive);
        let positive = order.len();
        order.extend(others);
        (order, positive)
    }

    /// The network of these neurons, in this order.
    pub fn select(&self, neurons: &[usize]) -> Self {
        let columns =
            |matrix: &HostMatrix| HostMatrix::from_fn(matrix.rows(), neurons.len(), |i, j| matrix[(i, neurons[j])]);
        Network {
            w1: columns(&self.w1),
            w2: HostMatrix::from_fn(neurons.len(), self.w2.cols(), |j, c| self.w2[(neurons[j], c)]),
            gates: self.gates.as_ref().map(columns),
            patches: self.patches.clone(),
            output_bias: self.output_bias.clone(),
        }
    }

    /// The neurons that output `c` depends on, in their order.
    pub fn neurons_of(&self, c: usize) -> Vec<usize> {
        (0..self.n_neurons()).filter(|&j| self.w2[(j, c)] != 0.0).collect()
    }

    /// beta/2 sum_j (||w1_j||^2 + ||w2_j||^2), the weight decay.
    pub fn weight_decay(&self, beta: f64) -> f64 {
        let squares = |matrix: &HostMatrix| matrix.values().iter().map(|w| w * w).sum::<f64>();
        0.5 * beta * (squares(&self.w1) + squares(&self.w2))
    }

    /// beta sum_j ||w1_j|| ||w2_j||: the smallest weight decay of a network with the same predictions whose neurons are
    /// (c w1_j, w2_j / c), each with its own c > 0. It equals [`weight_decay`](Self::weight_decay) if the two norms of
    /// every neuron are equal.
    pub fn balanced_weight_decay(&self, beta: f64) -> f64 {
        let second = |neuron| (0..self.w2.cols()).map(|c| self.w2[(neuron, c)].powi(2)).sum::<f64>().sqrt();
        beta * (0..self.n_neurons()).map(|neuron| norm(self.w1.col(neuron)) * second(neuron)).sum::<f64>()
    }
}

/// 1\[X H >= 0\] (n x m) in f64, for the columns of X' = `xt` (d x n), a tile at a time: `xt` may be all samples.
fn gate_bits<B: Backend>(backend: &B, xt: &B::Matrix, gates: &HostMatrix) -> Result<BitMask, LinalgError> {
    let (d, n, wide) = (xt.rows(), xt.cols(), backend.wide());
    let most = (TILE_BYTES / (d * size_of::<f64>()).max(1)).max(1);
    let part = |first: usize| {
        let count = most.min(n - first);
        let mut wider = wide.zeros(d, count)?;
        if count == n {
            backend.widen(xt, &mut wider)?;
        } else {
            let mut some = backend.zeros(d, count)?;
            backend.read_part(xt, first * d, &mut some)?;
            backend.widen(&some, &mut wider)?;
        }
        bits_of_columns(&wide, &wider, gates)
    };
    let parts = (0..n).step_by(most).map(part).collect::<Result<Vec<_>, LinalgError>>()?;
    Ok(BitMask::stacked(gates.cols(), &parts))
}

/// x'w of each neuron, for weights by feature (m x d), feature by feature.
fn products(weights: &HostMatrix, x: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; weights.rows()];
    for (k, x) in x.iter().enumerate() {
        sums.iter_mut().zip(weights.col(k)).for_each(|(sum, w)| *sum += w * x);
    }
    sums
}

pub(crate) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn balanced_weight_decay_is_the_least_over_rescaled_neurons() {
        let v = HostMatrix::from_vec(2, 4, vec![3.0, 4.0, 0.0, 0.0, -1.0, 0.5, 0.2, 0.1]);
        let network = Network::from_blocks(&v, Activation::Relu, &HostMatrix::zeros(2, 2), BlockLayout::both(2, 1));
        let least = network.balanced_weight_decay(0.7);
        assert_relative_eq!(least, network.weight_decay(0.7), max_relative = 1e-14);
        for factor in [0.5, 2.0] {
            let mut rescaled = network.clone();
            rescaled.w1.values_mut().iter_mut().for_each(|w| *w *= factor);
            rescaled.w2.values_mut().iter_mut().for_each(|w| *w /= factor);
            assert_relative_eq!(rescaled.balanced_weight_decay(0.7), least, max_relative = 1e-14);
            assert!(rescaled.weight_decay(0.7) > 1.1 * least);
        }
    }
}
