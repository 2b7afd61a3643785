//! A direction in which a neuron would lower the objective.

/// A direction and +-xi'(Xw)+ there.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// The value, positive.
    pub value: f64,
    /// The unit vector w (d).
    pub direction: Vec<f64>,
}
