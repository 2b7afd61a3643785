//! The direction in which a prediction moves with a feature.

use cvx_linalg::named;
use serde::{Deserialize, Serialize};

/// How the prediction changes where one feature grows and all others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trend {
    /// It never falls.
    Increasing,
    /// It never rises.
    Decreasing,
}

named!(Trend, "trend": Increasing = "increasing", Decreasing = "decreasing");
