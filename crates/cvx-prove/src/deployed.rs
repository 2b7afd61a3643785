//! The arithmetic in which a network is evaluated.

use cvx_linalg::named;
use serde::{Deserialize, Serialize};

/// The arithmetic that a claim is about. Claims of a rounded arithmetic hold for sums in any order, with or without
/// fused operations, and for weights that are rounded to it. They take equal gates to be on or off together, and leave
/// overflow and underflow aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Deployed {
    /// Real numbers: the function of the stored weights.
    Exact,
    /// f64, as [`Model::predict`](cvx_artifact::Model::predict).
    #[default]
    F64,
    /// f32, as an exported graph.
    F32,
}

impl Deployed {
    /// Its unit roundoff.
    pub fn unit(self) -> f64 {
        match self {
            Deployed::Exact => 0.0,
            Deployed::F64 => 2f64.powi(-53),
            Deployed::F32 => 2f64.powi(-24),
        }
    }

    /// The larger of a number and what the arithmetic stores for it: an end of a range that predictions are clipped to
    /// may be rounded either way.
    pub(crate) fn above(self, x: f64) -> f64 {
        -self.below(-x)
    }

    /// The smaller of the two.
    pub(crate) fn below(self, x: f64) -> f64 {
        if self == Deployed::F32 { x.min(f64::from(x as f32)) } else { x }
    }
}

named!(Deployed, "arithmetic": F64 = "f64", F32 = "f32", Exact = "exact");
