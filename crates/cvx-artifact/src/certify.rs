//! Which gap a run certifies.

use cvx_linalg::named;
use serde::{Deserialize, Serialize};

/// Which certificate ends the run (docs/math.md, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certify {
    /// The recovered network's own objective against the dual bound.
    #[default]
    Network,
    /// A feasible point of the sampled programme against the dual bound.
    Sampled,
}

named!(Certify, "certificate": Network = "network", Sampled = "sampled");
