//! How samples are cut into shards.

use std::ops::Range;

/// A shard has at least this many samples, where there is more than one.
const FEWEST: usize = 512;

/// Most shards.
const MOST: usize = 1024;

/// Runs of samples that are summed one by one. Their number depends on that of the samples alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// The first sample of each shard, and the number of samples.
    bounds: Vec<usize>,
}

impl Shards {
    /// The shards of n samples: a power of two, each of 512 samples or more, at most 1,024; below 1,024 samples one.
    pub fn of(n_samples: usize) -> Self {
        let most = (n_samples / FEWEST).clamp(1, MOST);
        Self::cut(n_samples, 1 << most.ilog2())
    }

    /// `count` nearly equal shards: one at least, and at most one for each sample.
    pub fn cut(n_samples: usize, count: usize) -> Self {
        Shards { bounds: even(n_samples, count.clamp(1, n_samples.max(1))) }
    }

    /// The shards of the samples that are not among `chosen`, and those of the samples that are: rows in ascending
    /// order. Each sample stays in its shard, so a shard of either may be empty, and both are made of these shards and
    /// of `chosen` alone.
    pub fn divided(&self, chosen: &[usize]) -> [Shards; 2] {
        let before = |bound: &usize| chosen.partition_point(|row| row < bound);
        let kept = self.bounds.iter().map(|bound| bound - before(bound)).collect();
        [Shards { bounds: kept }, Shards { bounds: self.bounds.iter().map(before).collect() }]
    }

    /// Whether a shard has no sample.
    pub fn has_empty(&self) -> bool {
        self.bounds.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Number of shards.
    pub fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.bounds[self.count()]
    }

    /// The samples of a run of shards.
    pub fn samples(&self, shards: Range<usize>) -> Range<usize> {
        self.bounds[shards.start]..self.bounds[shards.end]
    }

    /// The shards of each of `ranks` ranks.
    pub fn owners(&self, ranks: usize) -> Vec<Range<usize>> {
        even(self.count(), ranks).windows(2).map(|pair| pair[0]..pair[1]).collect()
    }
}

/// Bounds of nearly equal parts of `count`.
pub(super) fn even(count: usize, parts: usize) -> Vec<usize> {
    (0..=parts).map(|part| (count as u128 * part as u128 / parts as u128) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_power_of_two_that_depends_on_the_number_of_samples() {
        let count = |n: usize| Shards::of(n).count();
        assert_eq!([1, 1023, 1024, 2047, 2048, 6000, 1_000_000].map(count), [1, 1, 2, 2, 4, 8, 1024]);
        assert_eq!(count(usize::MAX), 1024);
        let shards = Shards::of(5000);
        let all: Vec<_> = (0..shards.count()).map(|k| shards.samples(k..k + 1)).collect();
        assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len().abs_diff(pair[1].len()) <= 1));
        assert_eq!((all[0].start, all[7].end), (0, 5000));
        assert_eq!([(9, 0), (3, 5), (0, 2)].map(|(n, count)| Shards::cut(n, count).count()), [1, 3, 1]);
    }

    #[test]
    fn divided_samples_stay_in_their_shards() {
        let [kept, chosen] = Shards::cut(10, 3).divided(&[0, 4, 5, 9]);
        assert_eq!((kept.bounds.as_slice(), chosen.bounds.as_slice()), (&[0, 2, 3, 6][..], &[0, 1, 3, 4][..]));
        let [kept, chosen] = Shards::cut(10, 3).divided(&[3, 4, 5]);
        assert!(kept.has_empty() && chosen.has_empty());
        assert_eq!((kept.samples(1..2), chosen.samples(1..2)), (3..3, 0..3));
        assert!(!Shards::cut(10, 3).has_empty());
    }

    #[test]
    fn every_rank_owns_a_run_of_shards() {
        let owners = Shards::cut(64, 8).owners(3);
        assert_eq!(owners, [0..2, 2..5, 5..8]);
    }
}
