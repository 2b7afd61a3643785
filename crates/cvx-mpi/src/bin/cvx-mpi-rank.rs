//! A rank whose last one ends as it is told: `mpirun -np 3 cvx-mpi-rank panic` (or `error`, `exit`, `nothing`).

use cvx_linalg::{Communicator, Ranks, SampleSums, Shards};
use cvx_mpi::together;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let end = std::env::args().nth(1).unwrap_or_default();
    let done = together(|world| work(world, &end), |error: &String| eprintln!("error: {error}"));
    match done {
        Ok(sum) => {
            println!("{sum}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The sum of 0, 1 .. 5,999 over all ranks, long and short.
fn work(world: impl Communicator + 'static, end: &str) -> Result<f64, String> {
    let is_last = world.rank() + 1 == world.size();
    let ranks = Ranks::new(Arc::new(world), Shards::of(6000)).map_err(|error| error.to_string())?;
    let (first, rows) = (ranks.own().start, ranks.own().len());
    let samples = SampleSums::of_rank(Arc::new(ranks));
    let part = |rows: std::ops::Range<usize>| rows.map(|row| (first + row) as f64).sum::<f64>();
    let [short] = samples.sum(rows, |rows| [part(rows)]);
    match end {
        "panic" if is_last => panic!("as told"),
        "error" if is_last => return Err("as told".to_string()),
        "exit" if is_last => std::process::exit(3),
        _ => {}
    }
    let long = samples.sums(rows, 10_000, |rows| vec![part(rows); 10_000]);
    samples.check().map_err(|error| error.to_string())?;
    if long.iter().all(|&sum| sum == short) { Ok(short) } else { Err("the sums differ".to_string()) }
}
