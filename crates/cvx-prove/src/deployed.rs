//! The arithmetic in which a network is evaluated.

use serde::{Deserialize, Serialize};

/// The arithmetic that a claim is about. Claims of a rounded arithmetic hold for sums in any order, with or without
/// fused operations, and for weights that are rounded to it; overflow aside.
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

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Deployed::Exact => "exact",
            Deployed::F64 => "f64",
            Deployed::F32 => "f32",
        }
    }
}
