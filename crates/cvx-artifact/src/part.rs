//! The parts of a model: each is the network of one programme, with its own certificate.

use crate::certify::Certify;
use crate::objective::Objective;
use cvx_linalg::{BitMask, BlockLayout, HostMatrix, Signs};
use cvx_model::Network;

/// Most parts of a model that can be saved: some seeds, each with some folds.
pub const MOST_PARTS: usize = 800;

/// The network of one programme, and the witness of its bound. A model is the mean of the networks of its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The training samples that the programme did not contain, in ascending order.
    pub held_out: Vec<usize>,
    /// Weight of the group norm.
    pub beta: f64,
    /// The certificate of this part.
    pub objective: Objective,
    /// Number of its neurons. The neurons of the parts follow each other in the network of the model.
    pub neurons: usize,
    /// Output bias of its network (C).
    pub output_bias: Vec<f64>,
    /// The witness of a bound over its patterns.
    pub witness: Option<Witness>,
    /// The witness of a bound over all patterns, in the place of the other one.
    pub global: Option<GlobalWitness>,
}

/// The dual point that proves a bound over all patterns (docs/math.md, section 15).
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalWitness {
    /// xi (n x C).
    pub xi: HostMatrix,
    /// For each target an upper bound of max |xi'(Xw)+| over ||w|| <= 1 (C).
    pub maxima: Vec<f64>,
}

/// The dual point that proves the bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// Gates h_i (d x P).
    pub gates: HostMatrix,
    /// Their patterns on the samples of the part (n x P). If x'h is zero to rounding, the bit is part of the claim.
    pub patterns: BitMask,
    /// The group of features that each pattern serves (P); all 0 without groups.
    pub groups: Vec<usize>,
    /// The blocks of each pattern: the programme has no others.
    pub signs: Signs,
    /// xi (n x C).
    pub xi: HostMatrix,
    /// e_i o g o eta_i (n x 2PC, or n x PC for a block of one sign each), with the sign of e_i in every entry.
    pub multipliers: HostMatrix,
}

impl Witness {
    /// The blocks of the programme for `targets` targets.
    pub fn layout(&self, targets: usize) -> BlockLayout {
        BlockLayout { patterns: self.gates.cols(), targets, signs: self.signs }
    }
}

/// The mean of networks: all their neurons, with the second layers and output biases over their number. Networks on
/// patches have to have the same patches.
pub fn mean_network(networks: &[Network]) -> Option<Network> {
    let (first, count) = (networks.first()?, networks.len() as f64);
    if networks.iter().any(|network| network.patches != first.patches) {
        return None;
    }
    let neurons: usize = networks.iter().map(Network::n_neurons).sum();
    let (d, c) = (first.w1.rows(), first.w2.cols());
    let joined = |columns: &dyn Fn(&Network) -> &HostMatrix| {
        HostMatrix::from_vec(
            d,
            neurons,
            networks.iter().flat_map(|network| columns(network).values()).copied().collect(),
        )
    };
    let rows: Vec<(usize, usize)> = (0..networks.len())
        .flat_map(|part| (0..networks[part].n_neurons()).map(move |neuron| (part, neuron)))
        .collect();
    let gates = networks.iter().map(|network| network.gates.as_ref()).collect::<Option<Vec<_>>>();
    Some(Network {
        w1: joined(&|network| &network.w1),
        w2: HostMatrix::from_fn(neurons, c, |row, column| {
            let (part, neuron) = rows[row];
            networks[part].w2[(neuron, column)] / count
        }),
        gates: gates.map(|gates| {
            let values = gates.iter().flat_map(|gates| gates.values()).copied().collect();
            HostMatrix::from_vec(gates[0].rows(), neurons, values)
        }),
        patches: first.patches.clone(),
        output_bias: (0..c)
            .map(|c| networks.iter().map(|network| network.output_bias[c]).sum::<f64>() / count)
            .collect(),
    })
}

/// The certificate of several programmes together: their objectives and bounds are summed. The gap of the sums is at
/// most the largest gap of a part.
pub fn joint_objective(parts: &[Objective], certify: Certify) -> Option<Objective> {
    if let [part] = parts {
        return Some(*part);
    }
    let sum = |value: fn(&Objective) -> f64| parts.iter().map(value).sum::<f64>();
    let (network, dual_bound) = (sum(|objective| objective.network), sum(|objective| objective.dual_bound));
    let gap = network - dual_bound;
    let relative_gap = match certify {
        // Comparisons would take it for a gap of 0.
        _ if !gap.is_finite() => f64::INFINITY,
        Certify::Network | Certify::Global if gap > 0.0 => gap / network,
        Certify::Network | Certify::Global => 0.0,
        // A part without a better point has the zero network's objective as upper bound, which is not stored.
        Certify::Sampled => parts.iter().map(|part| part.relative_gap).fold(0.0, f64::max),
    };
    let sampled_primal = parts.iter().map(|part| part.sampled_primal).sum();
    (!parts.is_empty()).then_some(Objective { network, sampled_primal, dual_bound, relative_gap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_without_a_finite_objective_have_no_gap() {
        let part = |network, dual_bound| Objective { network, sampled_primal: None, dual_bound, relative_gap: 0.0 };
        for certify in [Certify::Network, Certify::Sampled, Certify::Global] {
            for odd in [part(f64::NAN, 1.0), part(1.0, f64::NAN), part(f64::INFINITY, 1.0)] {
                let joint = joint_objective(&[part(1.0, 1.0), odd], certify).unwrap();
                assert_eq!(joint.relative_gap, f64::INFINITY, "{certify:?}");
            }
        }
        let joint = joint_objective(&[part(3.0, 2.0), part(1.0, 1.0)], Certify::Network).unwrap();
        assert_eq!((joint.network, joint.dual_bound, joint.relative_gap), (4.0, 3.0, 0.25));
    }
}
