//! The cones of entries that the blocks of a programme are in (docs/math.md, section 13).

use crate::activation::Activation;
use crate::block_cones::{BlockCones, BlockRole};
use crate::patterns::PatternSet;
use cvx_linalg::{Backend, BitMask, LinalgError};
use std::sync::Arc;

/// The cones of the blocks with the signs that entries may have, as two masks (d x 2P, or d x P for gated neurons).
pub(crate) struct Confined<B: Backend> {
    pub cones: Arc<BlockCones>,
    /// Whether an entry may be positive.
    pub above: B::Mask,
    /// Whether an entry may be negative.
    pub below: B::Mask,
}

impl<B: Backend> Confined<B> {
    pub fn new(
        backend: &B,
        cones: Arc<BlockCones>,
        activation: Activation,
        patterns: &PatternSet,
    ) -> Result<Self, LinalgError> {
        let (rows, columns) = (patterns.gates().rows(), activation.layout(patterns.len(), 1).columns());
        let entry = |row: usize, j: usize| cones.entry(activation, role(activation, patterns, j), row);
        let [above, below] = [0, 1].map(|side| BitMask::from_fn(rows, columns, |row, j| entry(row, j)[side]));
        Ok(Confined { above: backend.upload_mask(&above)?, below: backend.upload_mask(&below)?, cones })
    }
}

/// The role of the block in column `j` of the blocks.
pub(crate) fn role(activation: Activation, patterns: &PatternSet, j: usize) -> BlockRole {
    let layout = activation.layout(patterns.len(), 1);
    BlockRole { negative: layout.is_negative(j), group: patterns.groups()[layout.pattern(j)] }
}
