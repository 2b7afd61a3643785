//! Products of blocks with the samples that they share.

use cvx_linalg::{Backend, BlockLayout, LinalgError, Scratch, Shape, Transpose};

/// Most bytes of a matrix with a row for each sample and a column for each block. Where all blocks would take more, a
/// product takes the blocks of some targets at a time.
const ROW_BYTES: usize = 256 << 20;

/// Samples and patterns of the blocks of a layout.
pub(crate) struct Shared<'a, B: Backend> {
    pub backend: &'a B,
    /// d x n, in storage precision.
    pub xt: &'a B::Matrix,
    /// The patterns (n x P); `None` for the positive parts of the products.
    pub mask: Option<&'a B::Mask>,
    pub layout: BlockLayout,
}

/// Targets that are taken at a time.
struct Part {
    layout: BlockLayout,
    /// The first entry of their blocks among those of all, and of their predictions.
    block: usize,
    entry: usize,
}

impl<B: Backend> Shared<'_, B> {
    /// All targets in parts, each with at most `row_bytes` of rows. `rows` has a row for each sample. Their number is
    /// that of all samples, so that ranks take the same parts.
    fn parts(&self, row_bytes: usize, rows: &B::Matrix) -> impl Iterator<Item = Part> + use<B> {
        let (layout, d, n) = (self.layout, self.xt.rows(), self.xt.cols());
        let columns = layout.columns() / layout.targets.max(1);
        let row = columns * self.backend.scalar_bytes();
        let most = row_bytes / (self.backend.total_rows(rows) * row).max(1);
        let step = most.clamp(1, layout.targets.max(1));
        (0..layout.targets).step_by(step).map(move |first| Part {
            layout: BlockLayout { targets: step.min(layout.targets - first), ..layout },
            block: first * columns * d,
            entry: first * n,
        })
    }
}

/// The products with their scratch.
pub(crate) struct Products<B: Backend> {
    /// Matrices with a row for each sample.
    rows: Scratch<B>,
    /// The blocks of some targets.
    blocks: Scratch<B>,
    row_bytes: usize,
}

impl<B: Backend> Products<B> {
    pub fn new(backend: &B) -> Self {
        Products { rows: Scratch::new(backend, 4), blocks: Scratch::new(backend, 1), row_bytes: ROW_BYTES }
    }

    /// `out` (n x C) = F u (`u`: d x 2PC), or the sum of the positive parts of X u without patterns.
    pub fn predict(&mut self, shared: &Shared<'_, B>, u: &B::Matrix, out: &mut B::Matrix) -> Result<(), LinalgError> {
        let Shared { backend, xt, .. } = *shared;
        for Part { layout, block, entry } in shared.parts(self.row_bytes, out) {
            if layout == shared.layout {
                return self.predict_part(shared, layout, u, out);
            }
            let mut blocks = self.blocks.take(xt.rows(), layout.columns())?;
            let mut prediction = self.rows.take_rows(xt, layout.targets)?;
            backend.read_part(u, block, &mut blocks)?;
            self.predict_part(shared, layout, &blocks, &mut prediction)?;
            backend.write_part(&prediction, out, entry)?;
            self.blocks.give(blocks);
            self.rows.give(prediction);
        }
        Ok(())
    }

    fn predict_part(
        &mut self,
        shared: &Shared<'_, B>,
        part: BlockLayout,
        u: &B::Matrix,
        out: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let Shared { backend, xt, mask, .. } = *shared;
        let mut rows = self.rows.take_rows(xt, part.columns())?;
        backend.gemm(1.0, xt, Transpose::Yes, u, Transpose::No, 0.0, &mut rows)?;
        if mask.is_none() {
            backend.positive_part(1.0, &mut rows)?;
        }
        backend.masked_row_sum(part, mask, &rows, out)?;
        self.rows.give(rows);
        Ok(())
    }

    /// `u` (d x PC) += alpha F'r (`r`: n x C), for blocks of one sign.
    pub fn pull(
        &mut self,
        shared: &Shared<'_, B>,
        alpha: f64,
        r: &B::Matrix,
        u: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let Shared { backend, xt, .. } = *shared;
        for Part { layout, block, entry } in shared.parts(self.row_bytes, r) {
            if layout == shared.layout {
                return self.pull_part(shared, alpha, r, u);
            }
            let mut blocks = self.blocks.take(xt.rows(), layout.columns())?;
            let mut residual = self.rows.take_rows(xt, layout.targets)?;
            backend.read_part(r, entry, &mut residual)?;
            backend.read_part(u, block, &mut blocks)?;
            self.pull_part(shared, alpha, &residual, &mut blocks)?;
            backend.write_part(&blocks, u, block)?;
            self.blocks.give(blocks);
            self.rows.give(residual);
        }
        Ok(())
    }

    fn pull_part(
        &mut self,
        shared: &Shared<'_, B>,
        alpha: f64,
        r: &B::Matrix,
        u: &mut B::Matrix,
    ) -> Result<(), LinalgError> {
        let Shared { backend, xt, mask, .. } = *shared;
        let mask = mask.ok_or_else(|| LinalgError::Shape {
            operation: "pull",
            detail: "positive parts have no transpose".to_string(),
        })?;
        let mut masked = self.rows.take_rows(xt, u.cols())?;
        backend.masked_broadcast(mask, alpha, r, &mut masked)?;
        backend.gemm(1.0, xt, Transpose::No, &masked, Transpose::No, 1.0, u)?;
        self.rows.give(masked);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::PatternSet;
    use cvx_linalg::{BitMask, Cpu, HostMatrix};

    #[test]
    fn some_targets_at_a_time_are_as_good_as_all() {
        let (cpu, [d, n, p, targets]) = (Cpu::<f64>::new(), [4, 30, 6, 5]);
        let random = |rows, columns, seed| PatternSet::sample_gates(rows, columns, seed);
        let xt = cpu.upload(&random(d, n, 1)).unwrap();
        let mask = cpu.upload_mask(&BitMask::from_fn(n, p, |a, i| (a * 7 + i * 3) % 5 < 2)).unwrap();
        for (layout, mask) in [
            (BlockLayout::one(p, targets), Some(&mask)),
            (BlockLayout::both(p, targets), Some(&mask)),
            (BlockLayout::both(p, targets), None),
        ] {
            let shared = Shared { backend: &cpu, xt: &xt, mask, layout };
            let (u, r) = (random(d, layout.columns(), 2), random(n, targets, 3));
            // All targets, two and one at a time.
            let of_target = n * layout.columns() / targets * size_of::<f64>();
            let found = [ROW_BYTES, 2 * of_target, 0].map(|row_bytes| {
                let mut products = Products { row_bytes, ..Products::new(&cpu) };
                let (mut f, mut v) = (cpu.zeros(n, targets).unwrap(), cpu.upload(&u).unwrap());
                products.predict(&shared, &v, &mut f).unwrap();
                let pulled = products.pull(&shared, 0.3, &cpu.upload(&r).unwrap(), &mut v);
                assert_eq!(pulled.is_ok(), mask.is_some() && layout.columns() == p * targets);
                [f, v].map(|matrix: <Cpu<f64> as Backend>::Matrix| cpu.download(&matrix).unwrap())
            });
            let same = |a: &HostMatrix, b: &HostMatrix| {
                a.values().iter().zip(b.values()).all(|(a, b)| (a - b).abs() <= 1e-13 * (1.0 + b.abs()))
            };
            for [f, v] in &found[1..] {
                assert!(same(f, &found[0][0]) && same(v, &found[0][1]), "{layout:?}");
            }
        }
    }
}
