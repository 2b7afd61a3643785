//! Reads the source that is its argument (`-` is standard input), and prints a line of JSON: rows, features, the bytes
//! of their numbers and of the labels, the peak memory of the process, and seconds. Only Linux tells the peak.

use cvx_data::{Request, open};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = std::env::args().nth(1).ok_or("the source is missing")?;
    let begin = Instant::now();
    let data = open(&source, &Request::default())?.train;
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
