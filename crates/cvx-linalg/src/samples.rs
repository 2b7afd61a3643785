//! Samples, which are held once and read in f64 a tile at a time.

use crate::backend::{Backend, Shape};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::ranks::SampleSums;
use crate::sample_source::SampleSource;
use crate::scratch::Scratch;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of a tile in f64 with all that belongs to its samples: large enough for products at full speed, small beside
/// the samples of a large problem.
pub const TILE_BYTES: usize = 64 << 20;

/// Samples of up to this number of tiles in f64 stay on the device, and are one tile where their rows fit as well: to
/// scale them again for every certificate would take longer than the certificate.
pub const TILES_HELD: usize = 8;

/// A full tile, and the last one.
const TILES_KEPT: usize = 2;

/// A tile begins at a whole word of a [`BitMask`](crate::BitMask), and has at least this number of words: products with
/// fewer samples are slow.
const WORD: usize = 64;
const LEAST_WORDS: usize = 4;

type WideMatrix<B> = <<B as Backend>::Wide as Backend>::Matrix;

/// Samples on a device: in f64 a tile at a time, in storage precision all of them from the first use on.
pub struct Samples<B: Backend> {
    backend: B,
    source: Arc<dyn SampleSource>,
    tile_bytes: usize,
    /// Whether a back end may have a part of them.
    spread: SampleSums,
    /// All samples in f64, where they are few enough.
    whole: Option<WideMatrix<B>>,
    tiles: Mutex<Scratch<B::Wide>>,
    stored: OnceLock<B::Matrix>,
}

impl<B: Backend> Samples<B> {
    /// Reads nothing but samples that are few enough to stay in f64.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] for such samples; fails if the device has no memory for them.
    pub fn new(backend: &B, source: Arc<dyn SampleSource>) -> Result<Self, LinalgError> {
        Samples::in_tiles(backend, source, TILE_BYTES)
    }

    /// [`new`](Samples::new) with tiles of about this number of bytes, and of 256 samples at least.
    ///
    /// # Errors
    /// The same as [`new`](Samples::new).
    pub fn in_tiles(backend: &B, source: Arc<dyn SampleSource>, tile_bytes: usize) -> Result<Self, LinalgError> {
        let (wide, [d, n]) = (backend.wide(), [source.n_features(), source.n_samples()]);
        let mut whole = None;
        if d.saturating_mul(n).saturating_mul(size_of::<f64>()) <= tile_bytes.saturating_mul(TILES_HELD) {
            let mut all = wide.zeros(d, n)?;
            wide.load_samples(&*source, 0, &mut all)?;
            whole = Some(all);
        }
        let tiles = Mutex::new(Scratch::new(&wide, TILES_KEPT));
        let (backend, spread) = (backend.clone(), SampleSums::default());
        Ok(Samples { backend, source, tile_bytes, spread, whole, tiles, stored: OnceLock::new() })
    }

    /// The same as training samples, of which the back end may have a part: `source` has those here.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for another number of samples than the rank has.
    pub fn spread(self) -> Result<Self, LinalgError> {
        let spread = self.backend.samples().clone();
        spread.check_rows("spread", self.n_samples())?;
        Ok(Samples { spread, ..self })
    }

    /// The device.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The samples as they are made.
    pub fn source(&self) -> &Arc<dyn SampleSource> {
        &self.source
    }

    /// Number of features d, the bias included.
    pub fn n_features(&self) -> usize {
        self.source.n_features()
    }

    /// Number of samples n.
    pub fn n_samples(&self) -> usize {
        self.source.n_samples()
    }

    /// All samples (d x n) in storage precision; they stay from now on.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] for a number that overflows the storage precision; fails if the device has no memory
    /// for them.
    pub fn stored(&self) -> Result<&B::Matrix, LinalgError> {
        if self.stored.get().is_none() {
            // Somebody else may have been faster, with the same numbers.
            let _ = self.stored.set(self.columns()?);
        }
        self.stored.get().ok_or_else(|| LinalgError::shape("stored", "no samples"))
    }

    /// The same in a matrix of its own, for work that replaces them.
    ///
    /// # Errors
    /// Those of [`stored`](Samples::stored).
    pub fn columns(&self) -> Result<B::Matrix, LinalgError> {
        // Held-out samples are whole, even where the training samples of the back end are not.
        if self.spread.ranks().is_some() {
            return self.backend.load_columns(&*self.source);
        }
        let mut all = self.backend.zeros(self.n_features(), self.n_samples())?;
        match (self.stored.get(), &self.whole) {
            (Some(stored), _) => self.backend.copy(stored, &mut all)?,
            (None, Some(whole)) if self.backend.scalar_bytes() == 8 => self.backend.narrow(whole, &mut all)?,
            (None, _) => self.backend.load_samples(&*self.source, 0, &mut all)?,
        }
        Ok(all)
    }

    /// Calls `work(samples, xt)` for one tile after the other: the numbers of its samples, and those samples as columns
    /// (d x their number) in f64. A tile begins at a multiple of 64, counted from the first sample of its shard, and
    /// ends with it. `width` is the number of f64 that `work` itself holds for each sample.
    ///
    /// # Errors
    /// Those of `work`; [`LinalgError::NonFinite`] for samples that are none; fails if the device has no memory for a
    /// tile.
    pub fn for_each_tile(
        &self,
        width: usize,
        mut work: impl FnMut(Range<usize>, &WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        self.tiles_of_shards(self.tile(width), &mut work)
    }

    /// [`for_each_tile`](Samples::for_each_tile) where no tile is larger than its bytes, for work that holds more than
    /// what it makes.
    ///
    /// # Errors
    /// Those of [`for_each_tile`](Samples::for_each_tile).
    pub fn for_each_small_tile(
        &self,
        width: usize,
        mut work: impl FnMut(Range<usize>, &WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        self.tiles_of_shards(self.tile_samples(width), &mut work)
    }

    /// The numbers of the samples of each tile of [`for_each_tile`](Samples::for_each_tile), for work that does not
    /// read them.
    pub fn tiles(&self, width: usize) -> Vec<Range<usize>> {
        let tile = self.tile(width);
        self.spread.of_shards(self.n_samples(), |shard| cut(shard, tile)).concat()
    }

    /// `total` += the sum over all samples of what `work(samples, xt, part)` adds to its `part`, for the tiles of
    /// [`for_each_tile`](Samples::for_each_tile): `total` itself where all samples are here, else the sum of a shard.
    ///
    /// # Errors
    /// Those of [`for_each_tile`](Samples::for_each_tile), and of the ranks.
    pub fn sum_tiles(
        &self,
        width: usize,
        total: &mut WideMatrix<B>,
        mut work: impl FnMut(Range<usize>, &WideMatrix<B>, &mut WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        if self.spread.is_one() {
            return self.for_each_tile(width, |samples, xt| work(samples, xt, total));
        }
        let (wide, [rows, cols], tile) = (self.backend.wide(), [total.rows(), total.cols()], self.tile(width));
        let mut part = wide.zeros(rows, cols)?;
        let sums = self.spread.try_sums(self.n_samples(), rows * cols, |samples| {
            wide.fill(0.0, &mut part)?;
            self.tiles_of(samples, tile, &mut |samples, xt| work(samples, xt, &mut part))?;
            Ok(wide.download(&part)?.into_values())
        })?;
        wide.axpby(1.0, &wide.upload(&HostMatrix::from_vec(rows, cols, sums))?, 1.0, total)
    }

    /// Whether these samples are all samples, wherever they are.
    pub fn are_all(&self, samples: &Range<usize>) -> bool {
        samples.len() == self.spread.total(self.n_samples())
    }

    /// [`for_each_tile`](Samples::for_each_tile) with tiles of this number of samples at most.
    fn tiles_of_shards(
        &self,
        tile: usize,
        work: &mut impl FnMut(Range<usize>, &WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        let shards = self.spread.of_shards(self.n_samples(), |samples| samples);
        shards.into_iter().try_for_each(|samples| self.tiles_of(samples, tile, work))
    }

    /// [`for_each_tile`](Samples::for_each_tile) for the samples of one shard.
    fn tiles_of(
        &self,
        shard: Range<usize>,
        tile: usize,
        work: &mut impl FnMut(Range<usize>, &WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        let (wide, d, n) = (self.backend.wide(), self.n_features(), self.n_samples());
        for samples in cut(shard, tile) {
            if let (Some(whole), true) = (&self.whole, samples.len() == n) {
                work(samples, whole)?;
                continue;
            }
            let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
            let (first, mut xt) = (samples.start, tiles.take(d, samples.len())?);
            match &self.whole {
                Some(whole) => wide.read_part(whole, first * d, &mut xt)?,
                None => wide.load_samples(&*self.source, first, &mut xt)?,
            }
            let worked = work(samples, &xt);
            tiles.give(xt);
            worked?;
        }
        Ok(())
    }

    /// Samples of a tile: all of them where they are in f64 and their rows are few enough, too. Over several shards it
    /// depends on neither, so that the number of ranks does not show in the bits.
    fn tile(&self, width: usize) -> usize {
        let n = self.n_samples();
        let rows = n.saturating_mul(width).saturating_mul(size_of::<f64>());
        let is_one = self.spread.is_one() && self.whole.is_some() && rows <= self.tile_bytes.saturating_mul(TILES_HELD);
        if is_one { n } else { self.tile_samples(width) }
    }

    /// All samples (d x n) in f64, for small problems.
    ///
    /// # Errors
    /// Those of [`for_each_tile`](Samples::for_each_tile).
    pub fn to_wide(&self) -> Result<WideMatrix<B>, LinalgError> {
        let wide = self.backend.wide();
        let mut all = wide.zeros(self.n_features(), self.n_samples())?;
        wide.load_samples(&*self.source, 0, &mut all)?;
        Ok(all)
    }

    /// Samples of a tile, with `width` more numbers a sample.
    fn tile_samples(&self, width: usize) -> usize {
        let bytes = self.n_features().saturating_add(width).saturating_mul(size_of::<f64>()).max(1);
        (self.tile_bytes / bytes / WORD).max(LEAST_WORDS) * WORD
    }
}

/// The tiles of a shard, of this number of samples at most.
fn cut(shard: Range<usize>, tile: usize) -> Vec<Range<usize>> {
    shard.clone().step_by(tile.max(1)).map(|first| first..(first + tile).min(shard.end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;

    #[test]
    fn tiles_are_all_samples_in_order_whatever_their_size() {
        let xt = HostMatrix::from_fn(3, 1000, |i, a| (i * 1000 + a) as f64);
        for (bytes, whole, tiles) in [(0, false, 4), (24_000, true, 4), (1 << 20, true, 1)] {
            let samples = Samples::in_tiles(&Cpu::<f32>::new(), Arc::new(xt.clone()), bytes).unwrap();
            assert_eq!(samples.whole.is_some(), whole);
            let (mut seen, mut ranges) = (Vec::new(), Vec::new());
            // Wide enough for the smallest tile, where all samples do not fit.
            let width = if tiles == 1 { 0 } else { 1 << 10 };
            samples
                .for_each_tile(width, |tile, xt| {
                    assert_eq!((tile.start, tile.len()), (seen.len() / 3, xt.cols()));
                    assert!(tile.start.is_multiple_of(64));
                    seen.extend_from_slice(Cpu::<f64>::new().download(xt)?.values());
                    ranges.push(tile);
                    Ok(())
                })
                .unwrap();
            assert_eq!((seen.as_slice(), ranges.len()), (xt.values(), tiles));
            assert_eq!(samples.tiles(width), ranges);
            assert_eq!(Cpu::<f32>::new().download(samples.stored().unwrap()).unwrap(), xt);
            assert_eq!(Cpu::<f64>::new().download(&samples.to_wide().unwrap()).unwrap(), xt);
        }
    }
}
