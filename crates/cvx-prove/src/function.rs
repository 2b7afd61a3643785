//! A function of a two-layer network, as the search and the check of a proof see it.

/// Affine functions w_r'z + b_r of the transformed inputs.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rows {
    /// Number of inputs d.
    pub inputs: usize,
    /// w_r (d for each row, one after the other).
    pub weights: Vec<f64>,
    /// b_r.
    pub biases: Vec<f64>,
    /// How far the stored function may be from the meant one on the whole region, beyond relative errors.
    pub errors: Vec<f64>,
    /// Rounded operations that a stored weight has gone through.
    pub roundings: usize,
}

impl Rows {
    /// No row yet.
    pub fn new(inputs: usize) -> Self {
        Rows { inputs, ..Rows::default() }
    }

    /// Adds a row and returns its number.
    pub fn push(&mut self, weights: &[f64], bias: f64, error: f64) -> usize {
        self.weights.extend_from_slice(weights);
        self.biases.push(bias);
        self.errors.push(error);
        self.biases.len() - 1
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.biases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.biases.is_empty()
    }

    /// w_r.
    pub fn row(&self, r: usize) -> &[f64] {
        &self.weights[r * self.inputs..(r + 1) * self.inputs]
    }
}

/// 1\[h >= 0\] (alpha h + beta + sum_i alpha_i p_i), where h and p_i are rows.
///
/// A ReLU neuron has alpha alone, a gated one a p, and the derivative of a ReLU neuron beta.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// h.
    pub gate: usize,
    /// alpha.
    pub alpha: f64,
    /// beta.
    pub beta: f64,
    /// p_i with its alpha_i.
    pub values: Vec<(usize, f64)>,
}

/// f(z) = l_0 + l'z + sum of switches, up to `error`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Function {
    /// The switches, each with a gate of its own.
    pub switches: Vec<Switch>,
    /// l (d), or empty for zeros.
    pub linear: Vec<f64>,
    /// l_0.
    pub constant: f64,
    /// How far l_0 may be off.
    pub error: f64,
    /// Rounded operations that an alpha is the result of.
    pub roundings: usize,
    /// Rounded operations that an entry of l is the result of.
    pub linear_roundings: usize,
    /// Rows whose absolute value, times a weight, f may be off: what is left of neurons that were merged.
    pub residuals: Vec<(usize, f64)>,
    /// For each row |w2| summed over the outputs that the function is made of; what a rounded evaluation depends on.
    pub absolute: Vec<(usize, f64)>,
    /// Whether the rows of `absolute` are values of gated neurons rather than ReLU neurons.
    pub is_gated: bool,
    /// |output bias| in the same sum.
    pub absolute_bias: f64,
}
