//! `cargo xtask ci`: everything that a change has to pass.
//!
//! Three things keep it short. Cargo compiles a dependency once for each set of its features, and the packages that a
//! command selects decide that set: so every command of the dev profile selects the whole workspace. The wheel alone is
//! built for release. And downloads are made while the first steps compile.

use crate::{cuda, machete, mpi, onnx, python, tidy};
use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

/// What the sources have to pass before anything is built for release. Clippy sees all features; what is compiled
/// only without them is a few lines, which the tests compile.
const CHECKS: [&[&str]; 4] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--features", CUDA, "--locked", "--", "-D", "warnings"],
    &["test", "--workspace", "--locked"],
    &["doc", "--workspace", "--no-deps", "--locked"],
];

/// The feature in every crate that has it.
pub const CUDA: &str = "cvx-linalg/cuda,cvx-admm/cuda,cvx-cli/cuda,cvx-bench/cuda";

/// Tests of the CUDA back end: target, and what their names contain.
pub const CUDA_TESTS: [(&str, &str); 2] = [("cuda", ""), ("program", "cuda::")];

/// The tests that every back end has to pass, among those of the target `cuda`.
const CONFORMANCE: &str = "cuda_f";

/// The keys of the report that `--json` writes; the tests of the program check their types too.
const REPORT_KEYS: &str = "crates/cvx-cli/tests/report_keys.txt";

/// Runs every step and stops at the first that fails.
pub fn run(root: &Path) -> Result<ExitCode> {
    let start = Instant::now();
    // A download that fails is tried again, and reported, by the step that needs it.
    let downloads = thread::spawn({
        let root = root.to_path_buf();
        move || (machete::install(&root), cuda::install(&root).ok(), python::install(&root).ok(), onnx::install(&root))
    });
    // The rules take seconds and the tests minutes: what fails soonest is first.
    step("cargo xtask tidy", || match tidy::check(root)? {
        0 => Ok(()),
        violations => bail!("{violations} violations"),
    })?;
    for arguments in CHECKS {
        step(&format!("cargo {}", arguments.join(" ")), || run_cargo(&mut cargo(root, arguments)))?;
    }
    // Were it to panic, the steps below would download.
    let _ = downloads.join();
    step("Open MPI", || mpi::check(root))?;
    step("cargo machete", || machete::check(root))?;
    step("the CUDA back end", || cuda(root))?;
    step("the Python package", || python::check(root))?;
    let cvx = python::program(root)?;
    step("cvx train", || smoke(root, &cvx))?;
    step("onnxruntime", || onnx::check(root, &cvx))?;
    println!("\nall steps passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Runs one step and says how long it took.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n==> {name}");
    let start = Instant::now();
    let result = work();
    println!("<== {name}: {:.1} s", start.elapsed().as_secs_f64());
    result.with_context(|| format!("{name} failed"))
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    if arguments.first() == Some(&"doc") {
        // A broken link is a warning elsewhere.
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    command
}

fn run_cargo(command: &mut Command) -> Result<()> {
    let status = command.status().context("cargo cannot be started")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Compiles the kernels, and runs the CUDA back end on libraries that stand in for a GPU.
fn cuda(root: &Path) -> Result<()> {
    if let Err(error) = cuda::install(root) {
        println!("The kernels are compiled only where a compiler is: {error:#}");
    }
    cuda::check(root)?;
    let Some(stand_in) = cuda::stand_in::build(root)? else {
        println!("The CUDA back end is compiled, not run: the libraries that stand in for a GPU need g++ on x86-64.");
        return Ok(());
    };
    let path = cuda::stand_in::search_path(stand_in)?;
    for (target, filter) in CUDA_TESTS {
        run_cargo(cuda_test(root, target, &path).arg(filter))?;
    }
    // Adam's two operations, which the benchmarks alone use.
    run_cargo(&mut cuda_test(root, "training", &path))?;
    // Once more with blocks and threads in descending order, and NaNs wherever a routine may leave anything behind.
    let mut reversed = cuda_test(root, CUDA_TESTS[0].0, &path);
    run_cargo(reversed.arg(CONFORMANCE).envs([("CVX_STAND_IN_REVERSE", "1"), ("CVX_STAND_IN_SCRIBBLE", "1")]))
}

/// Tests of the CUDA back end on the libraries in these folders.
fn cuda_test(root: &Path, target: &str, libraries: &OsString) -> Command {
    let mut command = cargo(root, &["test", "--workspace", "--features", CUDA, "--locked", "--test", target]);
    command.env("LD_LIBRARY_PATH", libraries).env("CVX_REQUIRE_CUDA", "1");
    command
}

/// Trains on the built-in data and checks the report.
fn smoke(root: &Path, cvx: &Path) -> Result<()> {
    let folder = env::temp_dir().join(format!("cvx-ci-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let report = folder.join("report.json");
    let trained = Command::new(cvx).args(["train", "--quiet", "--json"]).arg(&report).status();
    let text = fs::read_to_string(&report);
    fs::remove_dir_all(&folder)?;
    let trained = trained.with_context(|| format!("{} cannot be started", cvx.display()))?;
    ensure!(trained.success(), "{trained}");
    let keys = fs::read_to_string(root.join(REPORT_KEYS)).context(REPORT_KEYS)?;
    check_report(&text.context("no report was written")?, &keys)
}

/// The report says Optimal and has every key, but for those below a key that may be null; the tests of the program
/// check that it is well-formed.
fn check_report(report: &str, keys: &str) -> Result<()> {
    ensure!(report.contains("\"status\": \"Optimal\""), "the status is not Optimal");
    let keys: Vec<(&str, &str)> = keys.lines().filter_map(|line| line.split_once(' ')).collect();
    let nullable = |parent: &str| keys.iter().any(|(key, kind)| *key == parent && kind.ends_with('?'));
    for (key, _) in &keys {
        let mut parents = key.match_indices('.').map(|(end, _)| &key[..end]);
        let name = key.rsplit('.').next().unwrap_or(key);
        let there = parents.any(nullable) || report.contains(&format!("\"{name}\":"));
        ensure!(there, "the report lacks the key {key}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_not_optimal_or_lacks_a_key_fails() {
        let keys = "status text\nobjective.network number\npatches object?\npatches.side count\n";
        assert!(
            check_report(r#"{ "status": "Optimal", "objective": { "network": 1 }, "patches": null }"#, keys).is_ok()
        );
        assert!(
            check_report(r#"{ "status": "TimeLimit", "objective": { "network": 1 }, "patches": null }"#, keys).is_err()
        );
        assert!(check_report(r#"{ "status": "Optimal", "objective": {}, "patches": null }"#, keys).is_err());
    }
}
