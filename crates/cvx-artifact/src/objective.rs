//! What a network achieves: its objective with the bound on it, and its scores on a set of samples.

use serde::{Deserialize, Serialize};

/// The three numbers of the certificate and the gap of the chosen one (docs/math.md, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Of the returned network.
    pub network: f64,
    /// Of a feasible point of the sampled programme; `None` where none better than zero was computed.
    pub sampled_primal: Option<f64>,
    /// Lower bound of the sampled programme.
    pub dual_bound: f64,
    /// Of the certificate that the run was asked for.
    pub relative_gap: f64,
}

/// Loss and accuracy on one set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The chosen loss, not divided by n; weighted as in training on the training samples, unweighted on others.
    pub loss: f64,
    /// Share of samples in the right class; `None` for a regression.
    pub accuracy: Option<f64>,
}
