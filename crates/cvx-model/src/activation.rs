//! What switches a hidden neuron on: the two models that share the programme.

use cvx_linalg::Signs;
use serde::{Deserialize, Serialize};

/// When a neuron passes x'w on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Where x'w >= 0: (x'w)_+. Each block has to stay in the cone of its pattern, and its sign is that of the second layer, so there
    /// are 2 P C of them.
    #[default]
    Relu,
    /// Where x'h >= 0 for a fixed gate h, whatever w: 1\[x'h >= 0\] x'w. No cones, and P C blocks: a weight w and its negative are
    /// one block (Mishkin, Sahiner & Pilanci, *Fast convex optimization for two-layer ReLU networks*, ICML 2022).
    Gated,
}

impl Activation {
    /// `relu` or `gated`.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Gated => "gated",
        }
    }

    /// Blocks per pattern and target.
    pub fn signs(self) -> Signs {
        match self {
            Activation::Relu => Signs::Both,
            Activation::Gated => Signs::One,
        }
    }
}
