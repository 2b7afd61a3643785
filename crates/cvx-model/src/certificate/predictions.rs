//! Predictions of a network, a tile of samples at a time.

use super::{Certificate, CertificateWorkspace, WideMatrix};
use crate::activation::Activation;
use cvx_linalg::{Backend, BitMask, BlockLayout, HostMatrix, LinalgError, Shape, Transpose};

/// Blocks of one target, from which predictions are computed without the others.
pub(super) struct Columns<B: Backend> {
    pub target: usize,
    /// d x their number k.
    pub blocks: WideMatrix<B>,
    pub sum: Sum<B>,
}

/// How the products of the blocks with the samples become a prediction.
pub(super) enum Sum<B: Backend> {
    /// Their positive parts, with these signs (k x 1).
    Signed(WideMatrix<B>),
    /// They count where the bits of their patterns (n x k) are set.
    Masked(BitMask),
}

impl<B: Backend> Certificate<'_, B> {
    /// The network's predictions, computed from all of `blocks`.
    pub(super) fn predict_all(&mut self) -> Result<(), LinalgError> {
        let CertificateWorkspace { wide, blocks, prediction, rows: scratch, .. } = &mut *self.work;
        let (layout, activation) = (self.program.layout(), self.program.activation());
        self.program.for_each_tile(layout.columns(), |tile| {
            let count = tile.samples.len();
            let (mut rows, mut out) = (scratch.take(count, layout.columns())?, scratch.take(count, layout.targets)?);
            wide.gemm(1.0, tile.xt, Transpose::Yes, blocks, Transpose::No, 0.0, &mut rows)?;
            if activation == Activation::Relu {
                wide.positive_part(1.0, &mut rows)?;
            }
            let mask = (activation == Activation::Gated).then_some(tile.mask);
            wide.masked_row_sum(layout, mask, &rows, &mut out)?;
            wide.write_rows(&out, prediction, tile.samples.start)?;
            [rows, out].into_iter().for_each(|used| scratch.give(used));
            Ok(())
        })
    }

    /// The neurons of these columns of `blocks`, target by target.
    pub(super) fn columns_of(&self, neurons: &[usize]) -> Result<Vec<Columns<B>>, LinalgError> {
        let (program, wide, layout) = (self.program, &self.work.wide, self.program.layout());
        let in_targets = neurons.chunk_by(|&a, &b| layout.target(a) == layout.target(b));
        let columns = in_targets.map(|neurons| {
            let sum = match program.activation() {
                Activation::Relu => {
                    Sum::Signed(wide.upload(&HostMatrix::from_fn(neurons.len(), 1, |j, _| layout.sign(neurons[j])))?)
                }
                Activation::Gated => Sum::Masked(self.patterns_of(neurons)),
            };
            Ok(Columns { target: layout.target(neurons[0]), blocks: self.gather(neurons)?, sum })
        });
        columns.collect()
    }

    /// The patterns of these blocks (n x their number).
    pub(super) fn patterns_of(&self, blocks: &[usize]) -> BitMask {
        let patterns: Vec<usize> = blocks.iter().map(|&j| self.program.layout().pattern(j)).collect();
        self.program.patterns().bits().select(&patterns)
    }

    /// Predictions of these blocks alone.
    pub(super) fn predict_columns(&mut self, columns: &[Columns<B>]) -> Result<(), LinalgError> {
        let (program, n) = (self.program, self.program.n_samples());
        let CertificateWorkspace { wide, prediction, rows: scratch, .. } = &mut *self.work;
        wide.fill(0.0, prediction)?;
        let widest = columns.iter().map(|columns| columns.blocks.cols()).max().unwrap_or(0);
        program.for_each_tile(widest, |tile| {
            let (first, count) = (tile.samples.start, tile.samples.len());
            for Columns { target, blocks, sum } in columns {
                // Not of the scratch, which would keep one for every number of neurons.
                let mut rows = wide.zeros(count, blocks.cols())?;
                let mut out = scratch.take(count, 1)?;
                wide.gemm(1.0, tile.xt, Transpose::Yes, blocks, Transpose::No, 0.0, &mut rows)?;
                match sum {
                    Sum::Signed(signs) => {
                        wide.positive_part(1.0, &mut rows)?;
                        wide.gemm(1.0, &rows, Transpose::No, signs, Transpose::No, 0.0, &mut out)?;
                    }
                    Sum::Masked(bits) => {
                        let mask = wide.upload_mask(&bits.row_range(first, count))?;
                        wide.masked_row_sum(BlockLayout::one(blocks.cols(), 1), Some(&mask), &rows, &mut out)?;
                    }
                }
                wide.write_part(&out, prediction, target * n + first)?;
                scratch.give(out);
            }
            Ok(())
        })
    }

    /// F (n x C) of blocks in cones that are zero but for the `used` ones.
    pub(super) fn masked_predictions(
        &mut self,
        blocks: &HostMatrix,
        used: &[usize],
    ) -> Result<HostMatrix, LinalgError> {
        let (layout, wide) = (self.program.layout(), self.work.wide.clone());
        let in_targets = used.chunk_by(|&a, &b| layout.target(a) == layout.target(b));
        let columns = in_targets.map(|used| {
            let signed =
                HostMatrix::from_fn(blocks.rows(), used.len(), |i, k| layout.sign(used[k]) * blocks[(i, used[k])]);
            let sum = Sum::Masked(self.patterns_of(used));
            Ok(Columns { target: layout.target(used[0]), blocks: wide.upload(&signed)?, sum })
        });
        let columns = columns.collect::<Result<Vec<_>, LinalgError>>()?;
        self.predict_columns(&columns)?;
        wide.download(&self.work.prediction)
    }
}
