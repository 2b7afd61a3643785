//! `cargo xtask ci`: everything that a change has to pass, in one place.

use crate::{cuda, onnx, python, tidy};
use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What the sources have to pass before the program is built for release.
const CHECKS: [&[&str]; 4] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    &["test", "--workspace", "--locked"],
    &["doc", "--workspace", "--no-deps", "--locked"],
];

/// The feature in every crate that has it.
const CUDA: &str = "cvx-linalg/cuda,cvx-admm/cuda,cvx-cli/cuda,cvx-bench/cuda";

/// Tests of the CUDA back end: package, target, and the name of the tests in it.
pub const CUDA_TESTS: [(&str, &str, &str); 3] =
    [("cvx-linalg", "cuda", ""), ("cvx-admm", "cuda", ""), ("cvx-cli", "program", "cuda::")];

/// The keys of the report that `--json` writes; the tests of the program check their types too.
const REPORT_KEYS: &str = "crates/cvx-cli/tests/report_keys.txt";

/// Runs every step and stops at the first that fails.
pub fn run(root: &Path) -> Result<ExitCode> {
    let start = Instant::now();
    for arguments in CHECKS {
        step(&format!("cargo {}", arguments.join(" ")), || cargo(root, arguments))?;
    }
    step("cargo xtask tidy", || match tidy::check(root)? {
        0 => Ok(()),
        violations => bail!("{violations} violations"),
    })?;
    step("the CUDA back end", || cuda(root))?;
    step("the Python package", || python::check(root))?;
    step("cargo build --release", || cargo(root, &["build", "--release", "--locked", "--package", "cvx-cli"]))?;
    step("cvx train", || smoke(root))?;
    step("onnxruntime", || onnx::check(root, &released()?))?;
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

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    if arguments.first() == Some(&"doc") {
        // A broken link is a warning elsewhere.
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    let status = command.status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The release build of the program, in the same target folder as this one.
fn released() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let target = this.ancestors().nth(2).context("this program is in no target folder")?;
    Ok(target.join("release").join(format!("cvx{}", env::consts::EXE_SUFFIX)))
}

/// Compiles the kernels, and runs the CUDA back end on libraries that stand in for a GPU.
fn cuda(root: &Path) -> Result<()> {
    if let Err(error) = cuda::install(root) {
        println!("The kernels are compiled only where a compiler is: {error:#}");
    }
    cuda::check(root)?;
    cargo(root, &["clippy", "--workspace", "--all-targets", "--features", CUDA, "--locked", "--", "-D", "warnings"])?;
    let Some(stand_in) = cuda::stand_in::build(root)? else {
        println!("The CUDA back end is compiled, not run: libraries that stand in for a GPU take g++ on x86-64.");
        return Ok(());
    };
    let path = cuda::stand_in::search_path(stand_in)?;
    for (package, test, filter) in CUDA_TESTS {
        let arguments = ["test", "--package", package, "--features", "cuda", "--locked", "--test", test, filter];
        // Threads forwards, and backwards with what nobody promises to keep overwritten.
        let orders: &[&[(&str, &str)]] = match package {
            "cvx-linalg" => &[&[], &[("CVX_STAND_IN_REVERSE", "1"), ("CVX_STAND_IN_SCRIBBLE", "1")]],
            _ => &[&[]],
        };
        for order in orders {
            let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            command.args(arguments).current_dir(root).envs(order.iter().copied());
            command.env("LD_LIBRARY_PATH", &path).env("CVX_REQUIRE_CUDA", "1");
            let status = command.status()?;
            ensure!(status.success(), "{package}: {status}");
        }
    }
    Ok(())
}

/// Trains on the built-in data with the release build and looks into the report.
fn smoke(root: &Path) -> Result<()> {
    let folder = env::temp_dir().join(format!("cvx-ci-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let report = folder.join("report.json");
    let path = report.to_str().context("the temporary folder has a name that is no Unicode")?;
    let build = ["run", "--release", "--locked", "--quiet", "--package", "cvx-cli", "--"];
    let trained = cargo(root, &[&build[..], &["train", "--quiet", "--json", path]].concat());
    let text = fs::read_to_string(&report);
    fs::remove_dir_all(&folder)?;
    trained?;
    let keys = fs::read_to_string(root.join(REPORT_KEYS)).context(REPORT_KEYS)?;
    check_report(&text.context("no report was written")?, &keys)
}

/// The report says Optimal and holds every key; whether it is well-formed is for the tests of the program.
fn check_report(report: &str, keys: &str) -> Result<()> {
    ensure!(report.contains("\"status\": \"Optimal\""), "the status is not Optimal");
    for key in keys.lines().filter_map(|line| line.split_whitespace().next()) {
        let name = key.rsplit('.').next().unwrap_or(key);
        ensure!(report.contains(&format!("\"{name}\":")), "the report lacks the key {key}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_not_optimal_or_lacks_a_key_fails() {
        let keys = "status text\nobjective.network number\n";
        assert!(check_report(r#"{ "status": "Optimal", "objective": { "network": 1 } }"#, keys).is_ok());
        assert!(check_report(r#"{ "status": "TimeLimit", "objective": { "network": 1 } }"#, keys).is_err());
        assert!(check_report(r#"{ "status": "Optimal", "objective": {} }"#, keys).is_err());
    }
}
