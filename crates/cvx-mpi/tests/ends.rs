//! How a job ends when its last rank does, under Open MPI.

use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than any of these jobs takes; a rank that waits for another takes for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn job(ranks: usize, end: &str) -> Output {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-np", &ranks.to_string()]).args([env!("CARGO_BIN_EXE_cvx-mpi-rank"), end]);
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{ranks} ranks, {end}: they wait for each other");
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn sums_are_those_of_all_ranks() {
    for ranks in 1..=4 {
        let output = job(ranks, "nothing");
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "17997000\n".repeat(ranks));
    }
}

#[test]
fn a_rank_that_ends_ends_the_job() {
    for (end, code) in [("panic", 70), ("error", 2), ("exit", 3)] {
        let output = job(3, end);
        assert_eq!(output.status.code(), Some(code), "{end}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
