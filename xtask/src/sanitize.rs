//! `cargo xtask sanitize`: tests under AddressSanitizer, which finds reads and writes out of bounds, uses after free,
//! and leaks.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// The target that is tested; its standard library comes with the sanitizer's run time.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The compiler's option. It is unstable, hence the nightly toolchain.
const FLAGS: &str = "-Zsanitizer=address";

/// A target folder of its own, so that other builds are kept.
const FOLDER: &str = "target/sanitize/address";

/// A program with an error that has to be reported.
const CANARY: &str = "xtask/canary.rs";

/// What is tested.
#[derive(clap::Args)]
pub struct Args {
    /// Packages whose tests run [default: the one with unsafe code].
    #[arg(default_value = "cvx-linalg")]
    packages: Vec<String>,
}

/// Checks that the sanitizer reports a known error, then runs the tests under it.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(cfg!(all(target_arch = "x86_64", target_os = "linux")), "AddressSanitizer is run on {TARGET} only");
    let version = Command::new("cargo").args(["+nightly", "--version"]).output();
    if !version.as_ref().is_ok_and(|output| output.status.success()) {
        bail!("sanitizers need a nightly toolchain: `rustup toolchain install nightly`");
    }
    println!("{}", String::from_utf8_lossy(&version?.stdout).trim());
    canary(root)?;
    for package in &args.packages {
        let status = Command::new("cargo")
            .args(["+nightly", "test", "--locked", "--lib", "--tests", "--package", package])
            .args(["--target", TARGET, "--target-dir", FOLDER])
            .env("RUSTFLAGS", FLAGS)
            .current_dir(root)
            .status()?;
        ensure!(status.success(), "{package}: {status}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Compiles the program with the error, and fails unless it is reported.
fn canary(root: &Path) -> Result<()> {
    let program = root.join(FOLDER).join("canary");
    std::fs::create_dir_all(root.join(FOLDER))?;
    let compiled = Command::new("rustc")
        .args(["+nightly", "--edition", "2024", FLAGS, "--target", TARGET, CANARY, "-o"])
        .arg(&program)
        .current_dir(root)
        .status()?;
    ensure!(compiled.success(), "{CANARY} does not compile: {compiled}");
    let output = Command::new(&program).output().with_context(|| program.display().to_string())?;
    ensure!(is_reported(&output), "{CANARY} reads out of bounds, and AddressSanitizer does not report it");
    println!("AddressSanitizer reports {CANARY}, as it should");
    Ok(())
}

/// Whether a program was ended with the expected report.
fn is_reported(output: &Output) -> bool {
    let report = String::from_utf8_lossy(&output.stderr);
    !output.status.success() && report.contains("AddressSanitizer: heap-buffer-overflow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_a_program_that_ends_with_the_report_counts() {
        use std::os::unix::process::ExitStatusExt;
        use std::process::ExitStatus;
        let ended = |code: i32, report: &str| {
            let (status, stderr) = (ExitStatus::from_raw(code << 8), report.as_bytes().to_vec());
            is_reported(&Output { status, stdout: Vec::new(), stderr })
        };
        assert!(ended(1, "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1"));
        assert!(!ended(0, "AddressSanitizer: heap-buffer-overflow") && !ended(101, "panicked"));
    }
}
