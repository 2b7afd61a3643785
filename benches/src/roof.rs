//! What a device can do at best, measured in the run that it is compared with: a plain product and a plain copy.

use crate::operations::filled;
use crate::place::Place;
use anyhow::Result;
use cvx_linalg::{Backend, Cpu, Transpose};
use rayon::prelude::*;
use std::time::Instant;

/// Quietest seconds of `f` over at least `rounds` runs and `seconds` in all.
pub fn quietest(rounds: usize, seconds: f64, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let (mut best, mut spent, mut done) = (f64::INFINITY, 0.0, 0);
    while done < rounds.max(1) || spent < seconds {
        let begin = Instant::now();
        f()?;
        let run = begin.elapsed().as_secs_f64();
        (best, spent, done) = (best.min(run), spent + run, done + 1);
    }
    Ok(best)
}

/// Operations per second of a 2048 x 2048 x 2048 product in f32 and in f64.
pub struct ProductRoof {
    f32: f64,
    f64: f64,
}

impl ProductRoof {
    /// Measures it, the quietest of `rounds`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn measure(place: &Place, rounds: usize) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if let Some(cuda) = place.cuda() {
            return Self::of(cuda, rounds);
        }
        let _ = place;
        Self::of(&Cpu::<f32>::new(), rounds)
    }

    fn of<B: Backend>(backend: &B, rounds: usize) -> Result<Self> {
        Ok(ProductRoof { f32: product_rate(backend, rounds)?, f64: product_rate(&backend.wide(), rounds)? })
    }

    /// The rate of numbers of this many bytes.
    pub fn rate(&self, scalar_bytes: usize) -> f64 {
        if scalar_bytes == 4 { self.f32 } else { self.f64 }
    }
}

fn product_rate<B: Backend>(backend: &B, rounds: usize) -> Result<f64> {
    const SIDE: usize = 2048;
    let (a, b) = (backend.upload(&filled(SIDE, SIDE, 1))?, backend.upload(&filled(SIDE, SIDE, 2))?);
    let mut c = backend.zeros(SIDE, SIDE)?;
    let seconds = quietest(rounds, 0.0, || {
        backend.gemm(1.0, &a, Transpose::No, &b, Transpose::No, 0.0, &mut c)?;
        Ok(backend.synchronize()?)
    })?;
    Ok(2.0 * (SIDE as f64).powi(3) / seconds)
}

/// A copy that reads and writes `bytes` together: the roof of a pass over as much memory, which lies in the same
/// caches.
pub struct CopyRoof {
    bytes: f64,
    copy: Box<dyn FnMut() -> Result<()>>,
}

impl CopyRoof {
    /// Largest copy; beyond it nothing is left in a cache, and the rate is that of any longer copy.
    const LARGEST: f64 = 256e6;
    /// Numbers that one task copies.
    const RUN: usize = 1 << 15;

    /// The buffers.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn new(place: &Place, bytes: f64) -> Result<Self> {
        let words = (bytes.min(Self::LARGEST) / 16.0).max(1.0) as usize;
        let bytes = 16.0 * words as f64;
        #[cfg(feature = "cuda")]
        if let Some(cuda) = place.cuda() {
            let cuda = cuda.wide();
            let (from, mut to) = (cuda.zeros(words, 1)?, cuda.zeros(words, 1)?);
            let copy = move || {
                cuda.copy(&from, &mut to)?;
                Ok(cuda.synchronize()?)
            };
            return Ok(CopyRoof { bytes, copy: Box::new(copy) });
        }
        let _ = place;
        let (from, mut to) = (vec![1_u64; words], vec![0_u64; words]);
        let copy = move || {
            let runs = to.par_chunks_mut(Self::RUN).zip(from.par_chunks(Self::RUN));
            runs.for_each(|(to, from)| to.copy_from_slice(from));
            std::hint::black_box(&to);
            Ok(())
        };
        Ok(CopyRoof { bytes, copy: Box::new(copy) })
    }

    /// Bytes per second of one copy.
    ///
    /// # Errors
    /// When the device fails.
    pub fn rate(&mut self) -> Result<f64> {
        let begin = Instant::now();
        (self.copy)()?;
        Ok(self.bytes / begin.elapsed().as_secs_f64())
    }
}
