//! `cargo xtask ci`: everything that a change has to pass, in one place.

use crate::tidy;
use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What the sources have to pass before the program is built for release.
const CHECKS: [&[&str]; 4] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    &["test", "--workspace", "--locked"],
    &["doc", "--workspace", "--no-deps", "--locked"],
];

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
    step("cargo build --release", || cargo(root, &["build", "--release", "--locked", "--package", "cvx-cli"]))?;
    step("cvx train", || smoke(root))?;
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
