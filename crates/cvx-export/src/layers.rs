//! The network as named tensors in row-major order, which every format stores.

use crate::error::ExportError;
use crate::float::Float;
use cvx_artifact::Model;
use cvx_linalg::HostMatrix;

/// A tensor whose values are already rounded.
pub(crate) struct Tensor {
    pub name: &'static str,
    pub shape: Vec<usize>,
    values: Vec<f64>,
    pub float: Float,
}

impl Tensor {
    fn new(name: &'static str, shape: Vec<usize>, values: Vec<f64>, float: Float) -> Result<Self, ExportError> {
        let round = |value: f64| {
            let rounded = float.round(value);
            // A scale of 0 would divide by zero.
            let usable = rounded.is_finite() && (name != "scale" || rounded != 0.0);
            if usable { Ok(rounded) } else { Err(ExportError::Range { tensor: name, value }) }
        };
        let values = values.into_iter().map(round).collect::<Result<_, _>>()?;
        Ok(Tensor { name, shape, values, float })
    }

    /// The values as little-endian bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.float.bytes(&self.values)
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        (self.values.len() * self.float.size()) as u64
    }
}

/// f(x) = max(0, a) w2' + b2 with a = z w1' + b1 and z = (x - offset) / scale. For gated neurons,
/// 1\[z gates' + gate_bias >= 0\] a replaces max(0, a).
pub(crate) struct Layers {
    pub float: Float,
    /// Number of features d of a sample.
    pub n_inputs: usize,
    /// Number of targets C.
    pub n_outputs: usize,
    pub is_gated: bool,
    /// Whether the model knows the probabilities of classes.
    pub has_probabilities: bool,
    /// `offset` and `scale` (d), `w1` (m x d), `b1` (m), `w2` (C x m), `b2` (C), and for gated neurons `gates` (m x d) and
    /// `gate_bias` (m). For probabilities `calibration_scale` (1) and `calibration_offset` (C).
    pub tensors: Vec<Tensor>,
}

impl Layers {
    pub fn of(model: &Model, float: Float) -> Result<Self, ExportError> {
        let (network, transform) = (&model.network, &model.transform);
        let (d, c) = (transform.n_inputs(), network.w2.cols());
        let m = network.n_neurons().max(1);
        let tensor = |name, shape: &[usize], values| Tensor::new(name, shape.to_vec(), values, float);
        // The rounding error of an offset is small, so that it can be corrected in the bias.
        let rests: Vec<f64> = (transform.offset.iter().zip(&transform.scale))
            .map(|(&offset, scale)| (offset - float.round(offset)) / scale)
            .collect();
        let weights = |matrix: &HostMatrix| first_layer(matrix, &rests, transform.bias);
        let (w1, b1) = weights(&network.w1);
        let mut tensors = vec![
            tensor("offset", &[d], transform.offset.clone())?,
            tensor("scale", &[d], transform.scale.clone())?,
            tensor("w1", &[m, d], w1)?,
            tensor("b1", &[m], b1)?,
            tensor("w2", &[c, m], or_zeros(network.w2.values().to_vec(), c))?,
            tensor("b2", &[c], network.output_bias.clone())?,
        ];
        if let Some(gates) = &network.gates {
            let (gates, bias) = weights(gates);
            tensors.extend([tensor("gates", &[m, d], gates)?, tensor("gate_bias", &[m], bias)?]);
        }
        if let Some(calibration) = &model.calibration {
            tensors.push(tensor("calibration_scale", &[1], vec![calibration.scale()])?);
            tensors.push(tensor("calibration_offset", &[c], calibration.offsets().to_vec())?);
        }
        let (is_gated, has_probabilities) = (network.gates.is_some(), model.calibration.is_some());
        Ok(Layers { float, n_inputs: d, n_outputs: c, is_gated, has_probabilities, tensors })
    }
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
