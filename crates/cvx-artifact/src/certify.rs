//! Which gap a run certifies.

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

impl Certify {
    /// Both of them.
    pub const ALL: [Certify; 2] = [Certify::Network, Certify::Sampled];

    /// `network` or `sampled`.
    pub fn name(self) -> &'static str {
        match self {
            Certify::Network => "network",
            Certify::Sampled => "sampled",
        }
    }
}
