//! Activation of hidden neurons: the two models that share the programme.

use cvx_linalg::{BlockLayout, named};
use serde::{Deserialize, Serialize};

/// The condition under which a neuron with weights w returns x'w instead of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x'w >= 0: the neuron is (x'w)_+. Each block must be in the cone of its pattern, and has the sign of its weight
    /// in the second layer. There are 2 P C blocks for P patterns and C targets.
    #[default]
    Relu,
    /// x'h >= 0 for a fixed gate h: the neuron is 1\[x'h >= 0\] x'w. There are no cones, and only P C blocks, because
    /// one block represents both signs (Mishkin, Sahiner & Pilanci, *Fast convex optimization for two-layer ReLU
    /// networks*, ICML 2022).
    Gated,
}

named!(Activation, "activation": Relu = "relu", Gated = "gated");

impl Activation {
    /// The blocks of P sampled patterns and C targets.
    pub fn layout(self, patterns: usize, targets: usize) -> BlockLayout {
        match self {
            Activation::Relu => BlockLayout::both(patterns, targets),
            Activation::Gated => BlockLayout::one(patterns, targets),
        }
    }

    /// Blocks per sampled pattern and target.
    pub fn blocks_per_pattern(self) -> usize {
        self.layout(1, 1).columns()
    }
}
