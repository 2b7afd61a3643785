//! Neurons on patches as tensors: the weights of all neurons of a gate add up.

use crate::error::ExportError;
use crate::float::Float;
use crate::tensor::Tensor;
use cvx_linalg::{HostMatrix, PatchPlan};
use cvx_model::{Network, Patches};

/// Neurons on patches, as one weight for each feature of each distinct gate. Features are ordered by region, then by
/// gate, then by value.
pub(crate) struct FoldedPatches {
    /// Patches and distinct gates.
    pub plan: PatchPlan,
    /// Weights in the order of the plan: by gate, region and value (features x C).
    weights: HostMatrix,
}

impl FoldedPatches {
    pub fn of(network: &Network, patches: &Patches) -> Self {
        let (mut gates, mut weights) = network.weights_of_gates(patches);
        if gates.cols() == 0 {
            // Runtimes differ on matrices without columns, so a network without neurons gets a gate of weight zero.
            gates = HostMatrix::zeros(patches.gate_rows(), 1);
            weights = HostMatrix::zeros(patches.block_rows(), network.w2.cols());
        }
        FoldedPatches { plan: patches.plan(gates), weights }
    }

    /// `values` (V x s s channels) and `value_bias` (V), `gates` (K x s s channels) and `gate_bias` (K), `w2`
    /// (C x R R K V).
    pub fn tensors(&self, float: Float) -> Result<Vec<Tensor>, ExportError> {
        let FoldedPatches { plan, weights } = self;
        let (pixels, values, gates) = (plan.n_patch_pixels(), plan.values.cols(), plan.gates.cols());
        let (value_rows, value_bias) = rows(&plan.values);
        let (gate_rows, gate_bias) = rows(&plan.gates);
        Ok(vec![
            Tensor::new("values", vec![values, pixels], value_rows, float)?,
            Tensor::new("value_bias", vec![values], value_bias, float)?,
            Tensor::new("gates", vec![gates, pixels], gate_rows, float)?,
            Tensor::new("gate_bias", vec![gates], gate_bias, float)?,
            Tensor::new("w2", vec![weights.cols(), weights.rows()], self.by_region(), float)?,
        ])
    }

    /// The weights of each output, ordered by region, gate and value.
    fn by_region(&self) -> Vec<f64> {
        let (regions, values) = (self.plan.regions * self.plan.regions, self.plan.values.cols());
        let mut out = Vec::with_capacity(self.weights.values().len());
        for c in 0..self.weights.cols() {
            let blocks: Vec<&[f64]> = self.weights.col(c).chunks_exact(values).collect();
            for region in 0..regions {
                (region..blocks.len()).step_by(regions).for_each(|at| out.extend_from_slice(blocks[at]));
            }
        }
        out
    }
}

/// The columns of `matrix` as rows, and their last entries, the factors of the 1 of a patch.
fn rows(matrix: &HostMatrix) -> (Vec<f64>, Vec<f64>) {
    let last = matrix.rows() - 1;
    let columns = || (0..matrix.cols()).map(|j| matrix.col(j));
    (columns().flat_map(|column| &column[..last]).copied().collect(), columns().map(|column| column[last]).collect())
}
