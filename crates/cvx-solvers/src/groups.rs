//! Patterns taken a few at a time.

use cvx_linalg::{Backend, BitMask, LinalgError, Shape};

/// `count` patterns from `first` on. Gates are drawn independently, so neighbours are as random as any other choice.
pub(crate) struct Group<B: Backend> {
    pub first: usize,
    pub count: usize,
    /// Their columns of the patterns (n x count).
    pub mask: B::Mask,
    /// Columns of one target on their way.
    columns: B::Matrix,
}

/// All patterns, in groups of about `size`.
pub(crate) fn groups<B: Backend>(
    backend: &B,
    bits: &BitMask,
    size: usize,
    features: usize,
) -> Result<Vec<Group<B>>, LinalgError> {
    let number = bits.cols().div_ceil(size);
    let bound = |k: usize| k * bits.cols() / number;
    (0..number)
        .map(|k| {
            let (first, count) = (bound(k), bound(k + 1) - bound(k));
            let mask = backend.upload_mask(&bits.columns(first, count))?;
            Ok(Group { first, count, mask, columns: backend.zeros(features, count)? })
        })
        .collect()
}

impl<B: Backend> Group<B> {
    /// The runs of columns that the group has in a matrix with `n_patterns` columns to a run (d x PC or d x 2PC), as
    /// pairs of first entries: in the group's own matrix, and there.
    fn runs(&self, own: &B::Matrix, n_patterns: usize) -> impl Iterator<Item = (usize, usize)> + use<B> {
        let (d, first, count) = (own.rows(), self.first, self.count);
        (0..own.cols() / count).map(move |run| (run * count * d, (run * n_patterns + first) * d))
    }

    /// Puts the group's columns into their places in `all`.
    pub fn write(
        &mut self,
        backend: &B,
        own: &B::Matrix,
        all: &mut B::Matrix,
        n_patterns: usize,
    ) -> Result<(), LinalgError> {
        for (here, there) in self.runs(own, n_patterns) {
            backend.read_part(own, here, &mut self.columns)?;
            backend.write_part(&self.columns, all, there)?;
        }
        Ok(())
    }
}
