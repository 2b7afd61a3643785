//! The gap that a run certifies.

use cvx_linalg::named;
use serde::{Deserialize, Serialize};

/// The certificate that ends the run (docs/math.md, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certify {
    /// Compares the recovered network's own objective with the dual bound.
    #[default]
    Network,
    /// Compares a feasible point of the sampled programme with the dual bound.
    Sampled,
    /// Compares the recovered network's own objective with a bound over all activation patterns and widths, for samples
    /// of few features (docs/math.md, section 15).
    Global,
}

named!(Certify, "certificate": Network = "network", Sampled = "sampled", Global = "global");
