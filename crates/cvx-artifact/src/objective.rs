//! The quality of a network: its objective with the bound, and its scores on a set of samples.

use serde::{Deserialize, Serialize};

/// The three values of the certificate, and the gap of the chosen certificate (docs/math.md, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Objective of the returned network.
    pub network: f64,
    /// Objective of a feasible point of the sampled programme; `None` if no point better than zero was computed.
    pub sampled_primal: Option<f64>,
    /// Lower bound of the sampled programme; with the global certificate, of all networks.
    pub dual_bound: f64,
    /// Relative gap of the certificate that the settings chose.
    pub relative_gap: f64,
}

/// Loss and accuracy on one set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The chosen loss, not divided by n; weighted as in training on the training samples, unweighted on others.
    pub loss: f64,
    /// Share of correctly classified samples; `None` for a regression.
    pub accuracy: Option<f64>,
}
