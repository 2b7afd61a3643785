//! The network as named tensors in row-major order, which every format stores.

use crate::error::ExportError;
use crate::float::Float;
use crate::patches::FoldedPatches;
use crate::tensor::Tensor;
use cvx_artifact::Model;
use cvx_linalg::HostMatrix;

/// What the hidden layer is made of.
pub(crate) enum Hidden {
    /// max(0, a) with a = z w1' + b1 and z = (x - offset) / scale.
    Relu,
    /// 1\[z gates' + gate_bias >= 0\] a.
    Gated,
    /// The features of patches of z for all gates, in the order of [`FoldedPatches`].
    Patches(FoldedPatches),
}

/// f(x) = h w2' + b2 for the hidden layer h.
pub(crate) struct Layers {
    pub float: Float,
    /// Number of features d of a sample.
    pub n_inputs: usize,
    /// Number of targets C.
    pub n_outputs: usize,
    pub hidden: Hidden,
    /// Whether the model knows the probabilities of classes.
    pub has_probabilities: bool,
    /// `offset` and `scale` (d), those of the hidden layer, `w2` (C x m), `b2` (C). For probabilities
    /// `calibration_scale` (1). The hidden layer has `w1` (m x d), `b1` (m), and for gated
    /// neurons `gates` (m x d) and `gate_bias` (m); that of patches has its own.
    pub tensors: Vec<Tensor>,
}

impl Layers {
    pub fn of(model: &Model, float: Float) -> Result<Self, ExportError> {
        let (network, transform) = (&model.network, &model.transform);
        let (d, c) = (transform.n_inputs(), network.w2.cols());
        let tensor = |name, shape: &[usize], values| Tensor::new(name, shape.to_vec(), values, float);
        let mut tensors =
            vec![tensor("offset", &[d], transform.offset.clone())?, tensor("scale", &[d], transform.scale.clone())?];
        let hidden = match &network.patches {
            Some(patches) => {
                let folded = FoldedPatches::of(network, patches);
                tensors.extend(folded.tensors(float)?);
                Hidden::Patches(folded)
            }
            None => {
                tensors.extend(neurons(model, float)?);
                if network.gates.is_some() { Hidden::Gated } else { Hidden::Relu }
            }
        };
        tensors.push(tensor("b2", &[c], network.output_bias.clone())?);
        if let Some(calibration) = &model.calibration {
            tensors.push(tensor("calibration_scale", &[1], vec![calibration.scale()])?);
        }
        let has_probabilities = model.calibration.is_some();
        Ok(Layers { float, n_inputs: d, n_outputs: c, hidden, has_probabilities, tensors })
    }
}

/// The layers of neurons that see the whole sample.
fn neurons(model: &Model, float: Float) -> Result<Vec<Tensor>, ExportError> {
    let (network, transform) = (&model.network, &model.transform);
    let (d, c, m) = (transform.n_inputs(), network.w2.cols(), network.n_neurons().max(1));
    // The rounding error of an offset is small, so that it can be corrected in the bias.
    let rests: Vec<f64> = (transform.offset.iter().zip(&transform.scale))
        .map(|(&offset, scale)| (offset - float.round(offset)) / scale)
        .collect();
    let weights = |matrix: &HostMatrix| first_layer(matrix, &rests, transform.bias);
    let (w1, b1) = weights(&network.w1);
    let mut tensors = vec![
        Tensor::new("w1", vec![m, d], w1, float)?,
        Tensor::new("b1", vec![m], b1, float)?,
        Tensor::new("w2", vec![c, m], or_zeros(network.w2.values().to_vec(), c), float)?,
    ];
    if let Some(gates) = &network.gates {
        let (gates, bias) = weights(gates);
        tensors.push(Tensor::new("gates", vec![m, d], gates, float)?);
        tensors.push(Tensor::new("gate_bias", vec![m], bias, float)?);
    }
    Ok(tensors)
}

/// The rows of a first layer, one for each column of `matrix`, and their biases, which correct the offsets by `rests`.
fn first_layer(matrix: &HostMatrix, rests: &[f64], bias: bool) -> (Vec<f64>, Vec<f64>) {
    let d = rests.len();
    let (mut weights, mut biases) = (Vec::with_capacity(matrix.cols() * d), Vec::with_capacity(matrix.cols()));
    for neuron in 0..matrix.cols() {
        let column = matrix.col(neuron);
        let own = if bias { column[d] } else { 0.0 };
        let rest: f64 = column.iter().zip(rests).map(|(weight, rest)| weight * rest).sum();
        weights.extend_from_slice(&column[..d]);
        biases.push(own - rest);
    }
    (or_zeros(weights, d), or_zeros(biases, 1))
}

/// Zeros in place of no values. Runtimes differ on matrices without rows, so a network without neurons gets a neuron of
/// weight zero.
fn or_zeros(values: Vec<f64>, count: usize) -> Vec<f64> {
    if values.is_empty() { vec![0.0; count] } else { values }
}
