//! The continuation of a run at another beta.

use crate::api::settings::Settings;
use crate::iterates::penalty::THRESHOLD;
use cvx_artifact::Certify;
use cvx_model::Activation;

/// How the iterates of one beta become the initial iterates of the next (docs/math.md, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// Along the line through the last two optima, with the whole history of the acceleration.
    Extrapolated,
    /// The iterates unchanged, with half of the cones' multipliers. As networks, early iterates of ReLU neurons are
    /// better than the sampled optimum, since they are not in their cones yet (section 5). A path with unchanged
    /// multipliers would lose this advantage.
    LooserCones,
}

/// The share of the cones' multipliers that remains. From 0 to 0.7, a larger share gives fewer iterations of a path but
/// worse networks; at 1, the networks are no longer better than the sampled optimum.
const CONE_SHARE: f64 = 0.5;

/// An extrapolated run updates its solver if rho changes by at least this factor: a beta takes few iterations, and an
/// update costs several.
const EXTRAPOLATED_THRESHOLD: f64 = 4.0;

impl Continuation {
    /// The continuation for the neurons and the certificate of these settings.
    pub fn of(settings: &Settings) -> Self {
        match (settings.activation, settings.certify) {
            (Activation::Relu, Certify::Network) => Continuation::LooserCones,
            _ => Continuation::Extrapolated,
        }
    }

    /// The share of the cones' multipliers that remains; `None` for all of them.
    pub(crate) fn cone_share(self) -> Option<f64> {
        match self {
            Continuation::Extrapolated => None,
            Continuation::LooserCones => Some(CONE_SHARE),
        }
    }

    /// Whether the multipliers of the last bound are evaluated at the next beta.
    pub(crate) fn keeps_proof(self) -> bool {
        self == Continuation::LooserCones
    }

    /// Whether the certificate may be skipped until the gap seems to be reached. Looser cones need every evaluation,
    /// because an early network reaches the gap.
    pub(crate) fn evaluates_sparingly(self) -> bool {
        self == Continuation::Extrapolated
    }

    /// A change of beta updates rho in the solver only if rho changes by at least this factor.
    pub(crate) fn rho_threshold(self) -> f64 {
        match self {
            Continuation::Extrapolated => EXTRAPOLATED_THRESHOLD,
            Continuation::LooserCones => THRESHOLD,
        }
    }
}
