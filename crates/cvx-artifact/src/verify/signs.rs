//! The signs of the weights under constraints, read from the file and followed by rules of their own: nothing here is
//! shared with the cones of the trainer.

use super::numbers::row;
use cvx_model::{BlockCones, Curvature, Network, Trend};

/// The signs of the weights that constraints allow.
#[derive(Clone, Copy)]
pub(super) struct Signs<'a> {
    cones: &'a BlockCones,
    gated: bool,
}

impl<'a> Signs<'a> {
    pub(super) fn new(cones: &'a BlockCones, gated: bool) -> Self {
        Signs { cones, gated }
    }

    /// Whether a neuron of group `group`, whose output is multiplied by a number of sign `side`, may have `weight` at
    /// this feature. A last row beyond the features is the bias.
    pub(super) fn allows(&self, group: usize, side: f64, feature: usize, weight: f64) -> bool {
        let cones = self.cones;
        if weight == 0.0 {
            return true;
        }
        if side < 0.0 && cones.is_nonnegative() && !self.gated {
            return false;
        }
        let Some(trend) = cones.trends().get(feature) else { return true };
        let moves = weight * side;
        let rises_wrongly = match trend {
            Some(Trend::Increasing) => moves < 0.0,
            Some(Trend::Decreasing) => moves > 0.0,
            None => false,
        };
        let bends_wrongly = match cones.curvatures()[feature] {
            Some(Curvature::Convex) => side < 0.0,
            Some(Curvature::Concave) => side > 0.0,
            None => false,
        };
        let outside = cones.groups().get(group).is_some_and(|features| !features.contains(&feature));
        !rises_wrongly && !outside && (self.gated || !bends_wrongly)
    }

    /// The norm of the part of a gradient that a block of this group and side can follow.
    pub(super) fn norm(&self, group: usize, side: f64, gradient: &[f64]) -> f64 {
        let kept = |(feature, g): (usize, &f64)| if self.allows(group, side, feature, *g) { g * g } else { 0.0 };
        gradient.iter().enumerate().map(kept).sum::<f64>().sqrt()
    }

    /// Whether every neuron has weights that are allowed, and the output bias too, on features that are scaled by
    /// positive numbers.
    pub(super) fn hold(&self, network: &Network, scale: &[f64]) -> bool {
        let shifted = self.cones.is_nonnegative() && network.output_bias.iter().any(|bias| *bias < 0.0);
        !shifted
            && scale.iter().all(|scale| *scale > 0.0)
            && (0..network.n_neurons()).all(|neuron| {
                let outputs = row(&network.w2, neuron);
                let w1 = network.w1.col(neuron);
                let gate = network.gates.as_ref().map(|gates| gates.col(neuron));
                (0..self.cones.groups().len().max(1)).any(|group| {
                    let fits = |side: f64| w1.iter().enumerate().all(|(k, w)| self.allows(group, side, k, *w));
                    let mut sides = outputs.iter().filter(|w2| **w2 != 0.0);
                    sides.all(|w2| fits(w2.signum())) && gate.is_none_or(|gate| self.is_blind(group, gate))
                })
            })
    }

    /// Whether the gate of a gated neuron of this group does not see what is constrained.
    fn is_blind(&self, group: usize, gate: &[f64]) -> bool {
        let cones = self.cones;
        (0..cones.trends().len()).all(|k| {
            let inside = cones.groups().get(group).is_none_or(|features| features.contains(&k));
            gate[k] == 0.0 || inside && cones.trends()[k].is_none() && cones.curvatures()[k].is_none()
        })
    }
}
