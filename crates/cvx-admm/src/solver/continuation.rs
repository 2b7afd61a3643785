//! How a run continues at another beta.

use crate::api::settings::Settings;
use crate::iterates::penalty::THRESHOLD;
use cvx_artifact::Certify;
use cvx_model::Activation;

/// How the iterates of one beta become the first ones of the next (docs/math.md, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// Along the line through the last two optima, with everything that the acceleration remembers.
    Extrapolated,
    /// As they are, with half of the cones' multipliers. As networks, early iterates of ReLU neurons are better than
    /// the sampled optimum, since they do not lie in their cones yet (section 5); a path that continued unchanged would
    /// lose that.
    LooserCones,
}

/// The share of the cones' multipliers that stays. From 0 to 0.7 a path takes fewer iterations with a larger share and
/// its networks get worse; at 1 they lose what makes them better than the sampled optimum.
const CONE_SHARE: f64 = 0.5;

/// Change of rho from which on an extrapolated run updates its solver: a beta takes few iterations, and an update costs
/// several.
const EXTRAPOLATED_THRESHOLD: f64 = 4.0;

impl Continuation {
    /// What suits the neurons and the certificate of these settings.
    pub fn of(settings: &Settings) -> Self {
        match (settings.activation, settings.certify) {
            (Activation::Relu, Certify::Network) => Continuation::LooserCones,
            _ => Continuation::Extrapolated,
        }
    }

    /// The share of the cones' multipliers that stays, where it is not all of them.
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

    /// Whether the certificate may wait until the gap seems to be reached. Looser cones need every evaluation: it is an
    /// early network that reaches the gap.
    pub(crate) fn evaluates_sparingly(self) -> bool {
        self == Continuation::Extrapolated
    }

    /// Change of rho, by another beta, from which on it is worth an update of the solver.
    pub(crate) fn rho_threshold(self) -> f64 {
        match self {
            Continuation::Extrapolated => EXTRAPOLATED_THRESHOLD,
            Continuation::LooserCones => THRESHOLD,
        }
    }
}
