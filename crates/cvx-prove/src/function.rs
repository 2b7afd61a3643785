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
    /// What errors of an evaluation are proportional to, beyond |w_r|'reach + |b_r|.
    pub extra: Vec<f64>,
    /// Rounded operations that a stored weight has gone through.
    pub roundings: usize,
}

impl Rows {
    /// No row yet.
    pub fn new(inputs: usize) -> Self {
        Rows { inputs, ..Rows::default() }
    }

    /// Adds a row and returns its number.
    pub fn push(&mut self, row: &Row) -> usize {
        self.weights.extend_from_slice(&row.weights);
        self.biases.push(row.bias);
        self.errors.push(row.error);
        self.extra.push(row.extra);
        self.biases.len() - 1
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.biases.len()
    }

    /// The row of this number.
    pub fn get(&self, r: usize) -> Row {
        Row { weights: self.row(r).to_vec(), bias: self.biases[r], error: self.errors[r], extra: self.extra[r] }
    }

    /// w_r.
    pub fn row(&self, r: usize) -> &[f64] {
        &self.weights[r * self.inputs..(r + 1) * self.inputs]
    }
}

/// One of them, before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// w (d).
    pub weights: Vec<f64>,
    /// b.
    pub bias: f64,
    /// Its entry of [`Rows::errors`].
    pub error: f64,
    /// Its entry of [`Rows::extra`].
    pub extra: f64,
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

/// A neuron in the sum of absolute values that rounding errors are proportional to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The row of a ReLU neuron, or of the value of a gated one.
    pub row: usize,
    /// What the neuron's own row has beyond `row`, if it was merged with another neuron.
    pub residual: Option<usize>,
    /// |w2| summed over the outputs that the function is made of.
    pub weight: f64,
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
    /// Every neuron that the function is made of.
    pub absolute: Vec<Term>,
    /// Whether some rows of `absolute` are values of gated neurons rather than ReLU neurons.
    pub is_gated: bool,
    /// |output bias| in the same sum.
    pub absolute_bias: f64,
}
