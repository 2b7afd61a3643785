//! Reads the source that is its first argument (`-` is standard input), and prints a line of JSON: rows, features, the
//! bytes of their numbers and of the labels, the peak memory of the process, and seconds. Only Linux tells the peak.
//!
//! A second argument is a number of ranks, a power of two: the source is read as by the first of them.

use cvx_data::{Request, open, open_over};
use cvx_linalg::{Communicator, RankError, Ranks, SampleSums, Shards};
use std::sync::Arc;
use std::time::Instant;

/// The first of several ranks, of which the others say what it says.
struct Echo(usize);

impl Communicator for Echo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        self.0
    }

    fn neighbours(&self) -> usize {
        1
    }

    fn gather(&self, mine: &[u8], _: &[usize]) -> Result<Vec<u8>, RankError> {
        Ok(mine.repeat(self.0))
    }

    fn exchange(&self, mine: &[u8], to: &[usize], _: &[usize]) -> Result<Vec<u8>, RankError> {
        Ok(mine[..to[0]].repeat(self.0))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = std::env::args().nth(1).ok_or("the source is missing")?;
    let ranks: Option<usize> = std::env::args().nth(2).map(|text| text.parse()).transpose()?;
    let (begin, request) = (Instant::now(), Request::default());
    let data = match ranks {
        None => open(&source, &request)?.train,
        Some(ranks) => {
            let over = |n: usize| Ok(SampleSums::of_rank(Arc::new(Ranks::new(Arc::new(Echo(ranks)), Shards::of(n))?)));
            open_over(&source, &request, &|_| {}, &over)?.train
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    let (rows, features) = (data.n_samples(), data.n_features());
    let bytes = rows * (features + 1) * size_of::<f64>();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak = peak.ok_or("the system does not tell the peak memory")?.parse::<usize>()? * 1024;
    println!(
        r#"{{"rows": {rows}, "features": {features}, "bytes": {bytes}, "peak_bytes": {peak}, "seconds": {seconds:.2}}}"#
    );
    Ok(())
}
