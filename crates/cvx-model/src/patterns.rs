//! Activation patterns d_i = 1\[X h_i >= 0\] of sampled or given gates.

use crate::error::ModelError;
use cvx_linalg::{Backend, BitMask, HostMatrix, LinalgError, SampleSums, Samples, Shape, Transpose};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::HashMap;

/// Gates and their distinct patterns, in the order of the gates.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternSet {
    gates: HostMatrix,
    bits: BitMask,
    /// The group of features that each pattern serves; all 0 without groups.
    groups: Vec<usize>,
    /// The patterns of each given gate, one for each group that it serves; none for a gate that was dropped.
    patterns_of: Vec<Vec<usize>>,
    /// How many patterns a positive block may have.
    positive: usize,
}

impl PatternSet {
    /// `count` standard normal gates (d x `count`). A longer draw begins with the shorter one.
    pub fn sample_gates(n_features: usize, count: usize, seed: u64) -> HostMatrix {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(seed);
        HostMatrix::from_fn(n_features, count, |_, _| StandardNormal.sample(&mut rng))
    }

    /// The patterns of `gates` (d x P) on these samples. Gates with equal patterns are merged. Gates
    /// without an active sample are dropped, because their blocks of F are zero.
    ///
    /// If no pattern remains, -gates is used instead: -h activates every sample that h leaves inactive.
    ///
    /// # Errors
    /// [`LinalgError`] if the product X H fails.
    pub fn from_gates<B: Backend>(samples: &Samples<B>, gates: &HostMatrix) -> Result<Self, LinalgError> {
        let set = Self::distinct(samples, gates, gates.cols(), |_| vec![0])?;
        if set.bits.cols() > 0 {
            return Ok(set);
        }
        let turned = HostMatrix::from_fn(gates.rows(), gates.cols(), |i, j| -gates[(i, j)]);
        Self::distinct(samples, &turned, gates.cols(), |_| vec![0])
    }

    /// The patterns of neurons (d x m), of which the first `positive` have the sign + and the others the sign -. Gates
    /// with equal patterns are merged if their signs are equal.
    ///
    /// # Errors
    /// [`LinalgError`] if the product X H fails.
    pub fn with_signs<B: Backend>(
        samples: &Samples<B>,
        gates: &HostMatrix,
        positive: usize,
    ) -> Result<Self, LinalgError> {
        Self::distinct(samples, gates, positive, |_| vec![0])
    }

    /// The patterns of gates that serve groups of features: a gate has a pattern for each of the groups that
    /// `groups_of` gives for it, and gates are merged if group and pattern are equal. Unlike
    /// [`from_gates`](Self::from_gates), it never turns gates around.
    ///
    /// # Errors
    /// [`LinalgError`] if the product X H fails.
    pub fn in_groups<B: Backend>(
        samples: &Samples<B>,
        gates: &HostMatrix,
        groups_of: impl Fn(&[f64]) -> Vec<usize>,
    ) -> Result<Self, LinalgError> {
        Self::distinct(samples, gates, gates.cols(), groups_of)
    }

    /// 1\[X H >= 0\] (n x P), for any samples and gates H (d x P), by products in f64.
    ///
    /// # Errors
    /// [`LinalgError`] if a product fails.
    pub fn bits_of<B: Backend>(samples: &Samples<B>, gates: &HostMatrix) -> Result<BitMask, LinalgError> {
        let mut parts = Vec::new();
        samples.for_each_tile(2 * gates.cols(), |_, xt| {
            parts.push(bits_of_columns(&samples.backend().wide(), xt, gates)?);
            Ok(())
        })?;
        Ok(BitMask::stacked(gates.cols(), &parts))
    }

    /// Gates of patches, which have a bit for every patch: those are not kept.
    pub(crate) fn of_patches(gates: &HostMatrix) -> Self {
        PatternSet {
            gates: gates.clone(),
            bits: BitMask::from_fn(0, gates.cols(), |_, _| false),
            groups: vec![0; gates.cols()],
            patterns_of: (0..gates.cols()).map(|gate| vec![gate]).collect(),
            positive: gates.cols(),
        }
    }

    fn distinct<B: Backend>(
        samples: &Samples<B>,
        gates: &HostMatrix,
        positive: usize,
        groups_of: impl Fn(&[f64]) -> Vec<usize>,
    ) -> Result<Self, LinalgError> {
        let all = Self::bits_of(samples, gates)?;
        let (first, is_active) = compare(samples.backend().samples(), &all);
        let (mut seen, mut kept) = (HashMap::new(), Vec::new());
        let mut pattern = |gate: usize, group: usize| {
            *seen.entry((gate < positive, group, &first[gate])).or_insert_with(|| {
                kept.push((gate, group));
                kept.len() - 1
            })
        };
        let active = (0..all.cols()).map(|gate| if is_active[gate] { groups_of(gates.col(gate)) } else { vec![] });
        let patterns_of = active
            .enumerate()
            .map(|(gate, groups)| groups.into_iter().map(|group| pattern(gate, group)).collect())
            .collect();
        Ok(PatternSet {
            gates: HostMatrix::from_fn(gates.rows(), kept.len(), |row, i| gates[(row, kept[i].0)]),
            bits: BitMask::from_fn(all.rows(), kept.len(), |a, i| all.get(a, kept[i].0)),
            groups: kept.iter().map(|&(_, group)| group).collect(),
            patterns_of,
            positive: kept.iter().filter(|(gate, _)| *gate < positive).count(),
        })
    }

    /// The gates of the patterns (d x P).
    pub fn gates(&self) -> &HostMatrix {
        &self.gates
    }

    /// The patterns (n x P): bit (a, i) is 1\[x_a'h_i >= 0\]. For gates of patches it has no rows.
    pub fn bits(&self) -> &BitMask {
        &self.bits
    }

    /// Number of patterns P.
    pub fn len(&self) -> usize {
        self.bits.cols()
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The group of features that each pattern serves (P); all 0 without groups.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Number of patterns of positive neurons, which are the first: all patterns of [`from_gates`](Self::from_gates),
    /// whose gates have no sign.
    pub fn positive(&self) -> usize {
        self.positive
    }

    /// Number of gates that were merged or dropped. Gates that serve several groups have several patterns.
    pub fn merged(&self) -> usize {
        self.patterns_of.len().saturating_sub(self.len())
    }

    /// The index of the first pattern of a given gate; `None` for a gate without an active sample.
    pub fn pattern_of(&self, gate: usize) -> Option<usize> {
        self.patterns_of[gate].first().copied()
    }

    /// The patterns of a given gate, one for each group that it serves.
    pub fn patterns_of(&self, gate: usize) -> &[usize] {
        &self.patterns_of[gate]
    }
}

/// 1\[X H >= 0\] (n x P) for the columns of X' = `xt` (d x n).
pub(crate) fn bits_of_columns<B: Backend>(
    backend: &B,
    xt: &B::Matrix,
    gates: &HostMatrix,
) -> Result<BitMask, LinalgError> {
    let mut product = backend.zeros(xt.cols(), gates.cols())?;
    backend.gemm(1.0, xt, Transpose::Yes, &backend.upload(gates)?, Transpose::No, 0.0, &mut product)?;
    let product = backend.download(&product)?;
    Ok(BitMask::from_fn(product.rows(), product.cols(), |a, i| product[(a, i)] >= 0.0))
}

/// For each column, the first one that is equal to it, on each rank: columns are equal on all samples if these are. And
/// whether it has a bit that is set.
fn compare(samples: &SampleSums, bits: &BitMask) -> (Vec<Vec<usize>>, Vec<bool>) {
    let mut seen = HashMap::new();
    let first = (0..bits.cols()).map(|column| *seen.entry(bits.column(column)).or_insert(column) as f64);
    let is_active = (0..bits.cols()).map(|column| f64::from(u8::from(bits.count(column) > 0)));
    let ranks = samples.gather(first.chain(is_active).collect());
    let of_ranks = |at: usize| ranks.iter().map(move |rank| rank[at] as usize);
    let columns = 0..bits.cols();
    (
        columns.clone().map(|column| of_ranks(column).collect()).collect(),
        columns.map(|column| of_ranks(bits.cols() + column).any(|active| active > 0)).collect(),
    )
}

/// Checks given gates: at least one column, d rows, all values finite.
///
/// # Errors
/// [`ModelError::Empty`], [`ModelError::Shape`] or [`ModelError::NonFinite`].
pub(crate) fn check_gates(gates: &HostMatrix, n_features: usize) -> Result<(), ModelError> {
    if gates.cols() == 0 {
        return Err(ModelError::Empty { what: "gates" });
    }
    if gates.rows() != n_features {
        return Err(ModelError::Shape {
            what: "gates",
            expected: format!("{n_features} rows, one per feature (the bias among them)"),
            found: gates.rows().to_string(),
        });
    }
    match gates.values().iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ModelError::NonFinite { what: "gates", row: at % gates.rows(), column: at / gates.rows() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::Cpu;
    use std::sync::Arc;

    fn patterns(xt: &HostMatrix, gates: &HostMatrix) -> PatternSet {
        let samples = Samples::new(&Cpu::<f64>::new(), Arc::new(xt.clone())).unwrap();
        PatternSet::from_gates(&samples, gates).unwrap()
    }

    #[test]
    fn r7_duplicates_and_zero_patterns_are_merged_in_stable_order() {
        let xt = HostMatrix::from_vec(1, 3, vec![1.0, -1.0, 2.0]);
        let gates = HostMatrix::from_vec(1, 4, vec![0.5, 3.0, -1.0, -0.1]);
        let set = patterns(&xt, &gates);
        assert_eq!((set.len(), set.merged()), (2, 2));
        assert_eq!(set.gates().values(), [0.5, -1.0]);
        let zero = patterns(&HostMatrix::from_vec(1, 2, vec![1.0, 2.0]), &HostMatrix::from_vec(1, 2, vec![-1.0, 2.0]));
        assert_eq!(zero.gates().values(), [2.0]);
    }

    #[test]
    fn r8_a_zero_row_and_a_tie_count_as_active() {
        let xt = HostMatrix::from_vec(2, 3, vec![0.0, 0.0, 1.0, -1.0, -1.0, 0.0]);
        let set = patterns(&xt, &HostMatrix::from_vec(2, 1, vec![1.0, 1.0]));
        assert_eq!((0..3).map(|a| set.bits().get(a, 0)).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_draw_of_inactive_gates_is_turned_around() {
        let set = patterns(&HostMatrix::from_vec(1, 1, vec![2.0]), &HostMatrix::from_vec(1, 1, vec![-3.0]));
        assert_eq!(set.gates().values(), [3.0]);
    }

    #[test]
    fn a_longer_draw_begins_with_the_shorter_one() {
        let (short, long) = (PatternSet::sample_gates(4, 3, 7), PatternSet::sample_gates(4, 9, 7));
        assert_eq!(short.values(), &long.values()[..12]);
        assert_ne!(short.values(), PatternSet::sample_gates(4, 3, 8).values());
    }
}
