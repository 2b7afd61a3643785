//! A lower bound over all activation patterns and widths, for samples of few features (docs/math.md, section 14).
//!
//! [`ConvexProgram`](crate::ConvexProgram) bounds networks over its own patterns. Here every direction w of a neuron is
//! searched, so that the bound holds for every network.

mod ascent;
mod cone;
mod dual_point;
mod dual_value;
mod search;

use crate::activation::Activation;
use crate::block_cones::{BlockCones, BlockRole};
use crate::weighted::WeightedLoss;
use cone::Cone;
use cvx_linalg::{HostMatrix, StopToken};
use search::Search;
use std::collections::HashSet;

/// Most rows of X, the bias included: the number of cones grows by a power of the size of a cone that is the number of
/// rows less one. The bias is a row as any other to the search.
pub const MOST_ROWS: usize = 5;

/// Cones that one maximum may take.
const MOST_CONES: u64 = 20_000_000;

/// The training problem (1.1) of all networks of ReLU neurons with one output each.
#[derive(Clone, Copy)]
pub struct AllPatterns<'a> {
    /// Samples (d x n), d at most [`MOST_ROWS`].
    pub xt: &'a HostMatrix,
    /// Targets (n x C).
    pub y: &'a HostMatrix,
    /// Loss with its weights.
    pub loss: &'a WeightedLoss,
    /// What the weights of the neurons obey.
    pub cones: Option<&'a BlockCones>,
    /// Weight of the norms, positive.
    pub beta: f64,
}

/// A lower bound of the objective of every network, with its proof.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalBound {
    /// The bound, rounded down.
    pub value: f64,
    /// xi (n x C), a point of the domain of the conjugate; with an output bias its columns sum to exactly zero.
    pub xi: HostMatrix,
    /// For each target an upper bound of max |xi'(Xw)+| over ||w|| <= 1 (C).
    pub maxima: Vec<f64>,
    /// Directions that attain nearly as much, for the patterns of another round (d x any).
    pub directions: HostMatrix,
    /// Cones that were looked at.
    pub cones: u64,
}

/// A direction and +-xi'(Xw)+ there.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// The value, positive.
    pub value: f64,
    /// The unit vector w (d).
    pub direction: Vec<f64>,
}

impl AllPatterns<'_> {
    /// Local maxima of +-xi'(Xw)+ over ||w|| <= 1 for each target (C), the largest first and one of each pattern.
    pub fn peaks(&self, xi: &HostMatrix, seed: u64) -> Vec<Vec<Peak>> {
        let of_target = |c: usize| {
            let sides = self.roles().into_iter().map(|role| {
                let signed = signed(xi.col(c), role.negative);
                ascent::peaks(self.xt, &signed, &self.signs(role), seed)
            });
            let mut peaks: Vec<Peak> = sides.flatten().collect();
            peaks.sort_by(|a, b| b.value.total_cmp(&a.value));
            let mut seen = HashSet::new();
            peaks.retain(|peak| seen.insert(self.pattern(&peak.direction)));
            peaks
        };
        (0..xi.cols()).map(of_target).collect()
    }

    /// The bound that a dual point `xi` (n x C) would prove if the maxima of its targets were `maxima` (C).
    pub fn value(&self, xi: &HostMatrix, maxima: &[f64]) -> f64 {
        let limits: Vec<f64> = maxima.iter().map(|maximum| self.beta / maximum).collect();
        dual_value::lower(self.loss, xi, self.y, &limits)
    }

    /// The lower bound that `xi` (n x C) proves. `peaks` are those of the point; a maximum is found up to the relative
    /// `tolerance`. When the `stop` is due or the limit of cones is reached, the bound is what has been proved by then.
    pub fn bound(&self, xi: &HostMatrix, peaks: &[Vec<Peak>], tolerance: f64, stop: &StopToken) -> GlobalBound {
        let mut cones = 0;
        let mut directions = Vec::new();
        let maxima: Vec<f64> = (0..xi.cols())
            .map(|c| {
                let found = [false, true].map(|negative| {
                    let signed = signed(xi.col(c), negative);
                    let mut search = Search::new(self.xt, &signed, self.starts(negative), MOST_CONES, stop);
                    peaks[c].iter().for_each(|peak| search.try_direction(&peak.direction));
                    let upper = search.upper(self.beta, tolerance);
                    cones += search.cones();
                    directions.extend_from_slice(search.best().unwrap_or_default());
                    upper
                });
                found[0].max(found[1])
            })
            .collect();
        let rows = self.xt.rows();
        GlobalBound {
            value: self.value(xi, &maxima),
            xi: xi.clone(),
            maxima,
            directions: HostMatrix::from_vec(rows, directions.len() / rows, directions),
            cones,
        }
    }

    /// The nearest dual point to `xi` (n x C) that is one in exact arithmetic.
    pub fn dual_point(&self, xi: &HostMatrix) -> HostMatrix {
        dual_point::exact(self.loss, xi, self.y)
    }

    /// 1[X w >= 0].
    fn pattern(&self, w: &[f64]) -> Vec<bool> {
        let is_on = |a: usize| self.xt.col(a).iter().zip(w).map(|(x, w)| x * w).sum::<f64>() >= 0.0;
        (0..self.xt.cols()).map(is_on).collect()
    }

    /// The roles of neurons: their sides and groups.
    fn roles(&self) -> Vec<BlockRole> {
        let groups = self.cones.map_or(1, BlockCones::n_groups);
        (0..groups).flat_map(|group| [false, true].map(|negative| BlockRole { negative, group })).collect()
    }

    /// Whether each entry of a neuron's weights may be positive, and negative (d).
    fn signs(&self, role: BlockRole) -> Vec<[bool; 2]> {
        let sign = |row| self.cones.map_or([true; 2], |cones| cones.entry(Activation::Relu, role, row));
        (0..self.xt.rows()).map(sign).collect()
    }

    /// The orthants that the neurons of one side may lie in.
    fn starts(&self, negative: bool) -> Vec<Cone> {
        let roles = self.roles().into_iter().filter(|role| role.negative == negative);
        let mut starts: Vec<Cone> = roles.flat_map(|role| Cone::orthants(&self.signs(role))).collect();
        // Groups have faces in common.
        starts.dedup();
        starts
    }
}

fn signed(xi: &[f64], negative: bool) -> Vec<f64> {
    xi.iter().map(|xi| if negative { -xi } else { *xi }).collect()
}
