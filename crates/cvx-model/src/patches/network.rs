//! A network on patches, evaluated on images.

use crate::network::Network;
use crate::patches::Patches;
use crate::patches::runs::for_each_run;
use cvx_linalg::{Backend, HostMatrix, LinalgError, Transpose};
use std::collections::HashMap;

/// Gates whose neurons are computed by one product.
const GATES: usize = 16;

impl Network {
    /// Predictions (n x C) for transformed images (pixels x n).
    pub(crate) fn predict_images<B: Backend>(
        &self,
        patches: &Patches,
        backend: &B,
        images: &HostMatrix,
    ) -> Result<HostMatrix, LinalgError> {
        let (gates, weights) = self.weights_of_gates(patches);
        let (plan, outputs) = (patches.plan(gates), self.w2.cols());
        let weights = backend.upload(&weights)?;
        let mut prediction = HostMatrix::from_fn(images.cols(), outputs, |_, c| self.output_bias[c]);
        for_each_run(&plan, backend, images, |features, run| {
            let mut out = backend.zeros(run.len(), outputs)?;
            backend.gemm(1.0, features, Transpose::Yes, &weights, Transpose::No, 0.0, &mut out)?;
            let out = backend.download(&out)?;
            (0..outputs).for_each(|c| add(&mut prediction.col_mut(c)[run.clone()], out.col(c)));
            Ok(())
        })?;
        Ok(prediction)
    }

    /// The distinct gates of the neurons, and the weights of their features (block rows times gates x C): those of all
    /// neurons of a gate, added up.
    pub fn weights_of_gates(&self, patches: &Patches) -> (HostMatrix, HostMatrix) {
        let (gates, gate_of) = self.distinct_gates();
        let (rows, outputs) = (patches.block_rows(), self.w2.cols());
        let mut weights = HostMatrix::zeros(gates.cols() * rows, outputs);
        for (neuron, &gate) in gate_of.iter().enumerate() {
            for c in (0..outputs).filter(|&c| self.w2[(neuron, c)] != 0.0) {
                let block = &mut weights.col_mut(c)[gate * rows..(gate + 1) * rows];
                let second = self.w2[(neuron, c)];
                block.iter_mut().zip(self.w1.col(neuron)).for_each(|(sum, weight)| *sum += weight * second);
            }
        }
        (gates, weights)
    }

    /// z_j'w1_j of each neuron (n x m) for transformed images (pixels x n).
    pub(crate) fn hidden_on_patches<B: Backend>(
        &self,
        patches: &Patches,
        backend: &B,
        images: &HostMatrix,
    ) -> Result<B::Matrix, LinalgError> {
        let (gates, gate_of) = self.distinct_gates();
        let (plan, rows) = (patches.plan(gates), patches.block_rows());
        let mut hidden = HostMatrix::zeros(images.cols(), self.n_neurons());
        for first in (0..plan.gates.cols()).step_by(GATES) {
            let chunk = first..(first + GATES).min(plan.gates.cols());
            let neurons: Vec<usize> = (0..gate_of.len()).filter(|&neuron| chunk.contains(&gate_of[neuron])).collect();
            let mut weights = HostMatrix::zeros(chunk.len() * rows, neurons.len());
            for (j, &neuron) in neurons.iter().enumerate() {
                let at = (gate_of[neuron] - first) * rows;
                weights.col_mut(j)[at..at + rows].copy_from_slice(self.w1.col(neuron));
            }
            let weights = backend.upload(&weights)?;
            for_each_run(&plan.select(chunk), backend, images, |features, run| {
                let mut out = backend.zeros(run.len(), neurons.len())?;
                backend.gemm(1.0, features, Transpose::Yes, &weights, Transpose::No, 0.0, &mut out)?;
                let out = backend.download(&out)?;
                for (j, &neuron) in neurons.iter().enumerate() {
                    add(&mut hidden.col_mut(neuron)[run.clone()], out.col(j));
                }
                Ok(())
            })?;
        }
        backend.upload(&hidden)
    }

    /// The distinct gates (as columns), and the one of each neuron: neurons of several outputs, and of several folds,
    /// share gates. A ReLU network has none.
    pub fn distinct_gates(&self) -> (HostMatrix, Vec<usize>) {
        let none = HostMatrix::zeros(0, 0);
        let gates = self.gates.as_ref().unwrap_or(&none);
        let (mut seen, mut first) = (HashMap::new(), Vec::new());
        let gate_of = (0..gates.cols())
            .map(|neuron| {
                let bits: Vec<u64> = gates.col(neuron).iter().map(|weight| weight.to_bits()).collect();
                *seen.entry(bits).or_insert_with(|| {
                    first.push(neuron);
                    first.len() - 1
                })
            })
            .collect();
        (HostMatrix::from_fn(gates.rows(), first.len(), |row, j| gates[(row, first[j])]), gate_of)
    }
}

fn add(sum: &mut [f64], values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
