//! What the machine can do at best, measured in the run that it is compared with: a plain product and a plain copy.

use crate::verbs::filled;
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
    pub fn measure(rounds: usize) -> Result<Self> {
        let cpu = Cpu::<f32>::new();
        Ok(ProductRoof { f32: product_rate(&cpu, rounds)?, f64: product_rate(&cpu.wide(), rounds)? })
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
        Ok(())
    })?;
    Ok(2.0 * (SIDE as f64).powi(3) / seconds)
}

/// A copy on all threads that reads and writes `bytes` together: the roof of a pass over as much memory, which lies in
/// the same caches.
pub struct CopyRoof {
    from: Vec<u64>,
    to: Vec<u64>,
}

impl CopyRoof {
    /// Largest copy; beyond it nothing is left in a cache, and the rate is that of any longer copy.
    const LARGEST: f64 = 256e6;
    /// Numbers that one task copies.
    const RUN: usize = 1 << 15;

    /// The buffers.
    pub fn new(bytes: f64) -> Self {
        let words = (bytes.min(Self::LARGEST) / 16.0).max(1.0) as usize;
        CopyRoof { from: vec![1; words], to: vec![0; words] }
    }

    /// Bytes per second of one copy.
    pub fn rate(&mut self) -> f64 {
        let begin = Instant::now();
        let runs = self.to.par_chunks_mut(Self::RUN).zip(self.from.par_chunks(Self::RUN));
        runs.for_each(|(to, from)| to.copy_from_slice(from));
        let seconds = begin.elapsed().as_secs_f64();
        std::hint::black_box(&self.to);
        16.0 * self.to.len() as f64 / seconds
    }
}
