//! Samples, which are held once and read in f64 a tile at a time.

use crate::backend::Backend;
use crate::error::LinalgError;
use crate::sample_source::SampleSource;
use crate::scratch::Scratch;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of a tile in f64 with all that belongs to its samples: large enough for products at full speed, small beside
/// the samples of a large problem.
pub const TILE_BYTES: usize = 64 << 20;

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
    /// All samples in f64, where they fit in a tile.
    whole: Option<WideMatrix<B>>,
    tiles: Mutex<Scratch<B::Wide>>,
    stored: OnceLock<B::Matrix>,
}

impl<B: Backend> Samples<B> {
    /// Reads nothing but samples that fit in one tile.
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
        if d.saturating_mul(n).saturating_mul(size_of::<f64>()) <= tile_bytes {
            let mut all = wide.zeros(d, n)?;
            wide.load_samples(&*source, 0, &mut all)?;
            whole = Some(all);
        }
        let tiles = Mutex::new(Scratch::new(&wide, TILES_KEPT));
        Ok(Samples { backend: backend.clone(), source, tile_bytes, whole, tiles, stored: OnceLock::new() })
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
            let mut all = self.backend.zeros(self.n_features(), self.n_samples())?;
            match &self.whole {
                Some(whole) if self.backend.scalar_bytes() == 8 => self.backend.narrow(whole, &mut all)?,
                _ => self.backend.load_samples(&*self.source, 0, &mut all)?,
            }
            // Somebody else may have been faster, with the same numbers.
            let _ = self.stored.set(all);
        }
        self.stored.get().ok_or_else(|| LinalgError::shape("stored", "no samples"))
    }

    /// Calls `work(samples, xt)` for one tile after the other: the numbers of its samples, and those samples as columns
    /// (d x their number) in f64. A tile begins at a multiple of 64. `width` is the number of f64 that `work` itself
    /// holds for each sample.
    ///
    /// # Errors
    /// Those of `work`; [`LinalgError::NonFinite`] for samples that are none; fails if the device has no memory for a
    /// tile.
    pub fn for_each_tile(
        &self,
        width: usize,
        mut work: impl FnMut(Range<usize>, &WideMatrix<B>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        let (wide, [d, n]) = (self.backend.wide(), [self.n_features(), self.n_samples()]);
        let tile = self.tile_samples(width).min(n.max(1));
        if let (Some(whole), true) = (&self.whole, tile >= n) {
            return work(0..n, whole);
        }
        let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        for first in (0..n).step_by(tile) {
            let samples = first..(first + tile).min(n);
            let mut xt = tiles.take(d, samples.len())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Shape;
    use crate::cpu::Cpu;
    use crate::host::HostMatrix;

    #[test]
    fn tiles_are_all_samples_in_order_whatever_their_size() {
        let xt = HostMatrix::from_fn(3, 1000, |i, a| (i * 1000 + a) as f64);
        for (bytes, whole, tiles) in [(0, false, 4), (24_000, true, 4), (1 << 20, true, 1)] {
            let samples = Samples::in_tiles(&Cpu::<f32>::new(), Arc::new(xt.clone()), bytes).unwrap();
            assert_eq!(samples.whole.is_some(), whole);
            let (mut seen, mut count) = (Vec::new(), 0);
            // Wide enough for the smallest tile, where all samples do not fit.
            let width = if tiles == 1 { 0 } else { 1 << 10 };
            samples
                .for_each_tile(width, |tile, xt| {
                    assert_eq!((tile.start, tile.len()), (seen.len() / 3, xt.cols()));
                    assert!(tile.start.is_multiple_of(64));
                    seen.extend_from_slice(Cpu::<f64>::new().download(xt)?.values());
                    count += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!((seen.as_slice(), count), (xt.values(), tiles));
            assert_eq!(Cpu::<f32>::new().download(samples.stored().unwrap()).unwrap(), xt);
            assert_eq!(Cpu::<f64>::new().download(&samples.to_wide().unwrap()).unwrap(), xt);
        }
    }
}
