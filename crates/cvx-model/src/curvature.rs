//! The way in which a prediction bends along features.

use cvx_linalg::named;
use serde::{Deserialize, Serialize};

/// How the prediction bends where some features move along a line and all others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Curvature {
    /// It is never above its chords.
    Convex,
    /// It is never below its chords.
    Concave,
}

named!(Curvature, "curvature": Convex = "convex", Concave = "concave");
