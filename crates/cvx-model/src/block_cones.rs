//! The cones of the blocks, entry by entry: what makes a network monotone, convex, additive or non-negative
//! (docs/math.md, section 13).

use crate::activation::Activation;
use crate::curvature::Curvature;
use crate::trend::Trend;
use serde::{Deserialize, Serialize};

/// For each block a closed convex cone Q that is given by the signs of its entries: free, >= 0, <= 0 or 0. The blocks
/// of a network whose blocks all lie in their cones obey the constraints, whatever their values are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockCones {
    /// Of each feature, without the bias (d).
    trends: Vec<Option<Trend>>,
    /// Of each feature (d).
    curvatures: Vec<Option<Curvature>>,
    /// Sets of features, in ascending order, that the features of a block are all in one of; none if a block may have
    /// all features.
    groups: Vec<Vec<usize>>,
    /// Whether there are no negative blocks.
    nonnegative: bool,
}

/// The block of a pattern that an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRole {
    /// Whether the block is subtracted. Blocks of gated neurons are not.
    pub negative: bool,
    /// The group of its features; 0 if there are no groups.
    pub group: usize,
}

impl BlockCones {
    /// Cones for d features with these trends and curvatures (d each). `groups` are sets of features in ascending
    /// order; none if a block may have all features.
    pub fn new(
        trends: Vec<Option<Trend>>,
        curvatures: Vec<Option<Curvature>>,
        groups: Vec<Vec<usize>>,
        nonnegative: bool,
    ) -> Self {
        BlockCones { trends, curvatures, groups, nonnegative }
    }

    /// Number of features, without the bias.
    pub fn n_inputs(&self) -> usize {
        self.trends.len()
    }

    /// The trend of each feature (d).
    pub fn trends(&self) -> &[Option<Trend>] {
        &self.trends
    }

    /// The curvature of each feature (d).
    pub fn curvatures(&self) -> &[Option<Curvature>] {
        &self.curvatures
    }

    /// The groups of features; none if a block may have all features.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// Whether there are no negative blocks.
    pub fn is_nonnegative(&self) -> bool {
        self.nonnegative
    }

    /// Number of groups, at least 1.
    pub fn n_groups(&self) -> usize {
        self.groups.len().max(1)
    }

    /// Whether all numbers fit `n_inputs` features; a file may hold others.
    pub fn is_usable(&self, n_inputs: usize) -> bool {
        let fits = |group: &Vec<usize>| {
            !group.is_empty() && group.windows(2).all(|pair| pair[0] < pair[1]) && group.iter().all(|&k| k < n_inputs)
        };
        self.trends.len() == n_inputs && self.curvatures.len() == n_inputs && self.groups.iter().all(fits)
    }

    /// Whether entry `row` of a block may be positive, and whether it may be negative. Rows from the number of features
    /// on are those of the bias, which is free.
    ///
    /// A positive block adds (x'u)+, which rises with feature k if u_k >= 0 and is convex; a negative one subtracts it.
    /// A gated neuron is linear where its gate does not change.
    pub fn entry(&self, activation: Activation, BlockRole { negative, group }: BlockRole, row: usize) -> [bool; 2] {
        const ZERO: [bool; 2] = [false, false];
        if negative && self.nonnegative {
            return ZERO;
        }
        if row >= self.n_inputs() {
            return [true, true];
        }
        let bent_wrongly = match self.curvatures[row].filter(|_| activation == Activation::Relu) {
            None => false,
            Some(Curvature::Convex) => negative,
            Some(Curvature::Concave) => !negative,
        };
        if bent_wrongly || !self.in_group(group, row) {
            return ZERO;
        }
        match self.trends[row] {
            None => [true, true],
            Some(trend) => {
                let positive = (trend == Trend::Increasing) != negative;
                [positive, !positive]
            }
        }
    }

    /// The same for entry `row` of the gate of a block. The gate of a ReLU neuron lies in the cone of the block, so
    /// that the block can be any multiple of it. A gated neuron must not jump along a constrained feature.
    pub fn gate_entry(&self, activation: Activation, role: BlockRole, row: usize) -> [bool; 2] {
        match activation {
            Activation::Gated if row < self.n_inputs() => {
                let free = self.trends[row].is_none() && self.curvatures[row].is_none();
                [free && self.in_group(role.group, row); 2]
            }
            _ => self.entry(activation, role, row),
        }
    }

    /// Whether a block of this role may have the weights `block`.
    pub fn contains(&self, activation: Activation, role: BlockRole, block: &[f64]) -> bool {
        fits(block, |row| self.entry(activation, role, row))
    }

    /// The groups that a gate serves: it lies in the cone of a block of the group. None for a gate that cannot serve.
    pub fn groups_of(&self, activation: Activation, gate: &[f64]) -> Vec<usize> {
        let serves = |group: &usize| {
            let role = |negative| BlockRole { negative, group: *group };
            [false, true].into_iter().any(|negative| fits(gate, |row| self.gate_entry(activation, role(negative), row)))
        };
        (0..self.n_groups()).filter(serves).collect()
    }

    /// The roles whose gates may depend on a feature: gates are drawn for them in turns.
    pub fn roles(&self, activation: Activation) -> Vec<BlockRole> {
        let negatives: &[bool] = if activation == Activation::Relu { &[false, true] } else { &[false] };
        let all =
            (0..self.n_groups()).flat_map(|group| negatives.iter().map(move |&negative| BlockRole { negative, group }));
        all.filter(|&role| (0..self.n_inputs()).any(|row| self.gate_entry(activation, role, row) != [false, false]))
            .collect()
    }

    /// Turns the entries of a gate that have the wrong sign around, or sets them to zero where neither sign fits.
    pub fn mirror(&self, activation: Activation, role: BlockRole, gate: &mut [f64]) {
        for (row, h) in gate.iter_mut().enumerate() {
            *h = match self.gate_entry(activation, role, row) {
                [true, true] => *h,
                [true, false] => h.abs(),
                [false, true] => -h.abs(),
                [false, false] => 0.0,
            };
        }
    }

    fn in_group(&self, group: usize, row: usize) -> bool {
        self.groups.get(group).is_none_or(|features| features.binary_search(&row).is_ok())
    }
}

fn fits(entries: &[f64], allowed: impl Fn(usize) -> [bool; 2]) -> bool {
    entries.iter().enumerate().all(|(row, &value)| {
        let [positive, negative] = allowed(row);
        value == 0.0 || value > 0.0 && positive || value < 0.0 && negative
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITIVE: BlockRole = BlockRole { negative: false, group: 0 };
    const NEGATIVE: BlockRole = BlockRole { negative: true, group: 0 };
    const FREE: [bool; 2] = [true, true];
    const ZERO: [bool; 2] = [false, false];

    /// Feature 0 increasing, 1 decreasing, 2 convex, 3 concave, 4 free; row 5 is the bias.
    fn cones(groups: Vec<Vec<usize>>, nonnegative: bool) -> BlockCones {
        let trends = vec![Some(Trend::Increasing), Some(Trend::Decreasing), None, None, None];
        let curvatures = vec![None, None, Some(Curvature::Convex), Some(Curvature::Concave), None];
        BlockCones::new(trends, curvatures, groups, nonnegative)
    }

    #[test]
    fn the_table_of_signs() {
        let of = |cones: &BlockCones, role| [0, 1, 2, 3, 4, 5].map(|row| cones.entry(Activation::Relu, role, row));
        let (up, down) = ([true, false], [false, true]);
        assert_eq!(of(&cones(Vec::new(), false), POSITIVE), [up, down, FREE, ZERO, FREE, FREE]);
        assert_eq!(of(&cones(Vec::new(), false), NEGATIVE), [down, up, ZERO, FREE, FREE, FREE]);
        assert_eq!(of(&cones(Vec::new(), true), POSITIVE), [up, down, FREE, ZERO, FREE, FREE]);
        assert_eq!(of(&cones(Vec::new(), true), NEGATIVE), [ZERO; 6]);
        let grouped = cones(vec![vec![0, 4], vec![1, 2, 3]], false);
        assert_eq!(of(&grouped, POSITIVE), [up, ZERO, ZERO, ZERO, FREE, FREE]);
        assert_eq!(of(&grouped, BlockRole { group: 1, ..NEGATIVE }), [ZERO, up, ZERO, FREE, ZERO, FREE]);
    }

    #[test]
    fn gated_neurons_have_signs_of_weights_and_gates_that_are_blind_to_constrained_features() {
        let cones = cones(Vec::new(), false);
        let gate = [0, 1, 2, 3, 4, 5].map(|row| cones.gate_entry(Activation::Gated, POSITIVE, row));
        assert_eq!(gate, [ZERO, ZERO, ZERO, ZERO, FREE, FREE]);
        let block = [0, 1, 2, 3, 4, 5].map(|row| cones.entry(Activation::Gated, POSITIVE, row));
        assert_eq!(block, [[true, false], [false, true], FREE, FREE, FREE, FREE]);
    }

    #[test]
    fn mirrored_gates_serve_their_group_and_others_are_found_out() {
        let cones = cones(vec![vec![0, 4], vec![1, 2, 3, 4]], false);
        for activation in [Activation::Relu, Activation::Gated] {
            for role in cones.roles(activation) {
                let mut gate = [-1.0, 2.0, -3.0, 4.0, -5.0, 6.0];
                cones.mirror(activation, role, &mut gate);
                assert!(cones.groups_of(activation, &gate).contains(&role.group), "{gate:?}");
            }
        }
        assert_eq!(cones.groups_of(Activation::Relu, &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]), [0, 1], "in both groups");
        assert_eq!(cones.groups_of(Activation::Relu, &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]), [0; 0], "falls and is convex");
        assert_eq!(cones.groups_of(Activation::Relu, &[1.0, 1.0, 0.0, 0.0, 0.0, 1.0]), [0; 0], "of two groups");
    }
}
