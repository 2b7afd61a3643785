//! `cargo xtask sanitize`: tests under AddressSanitizer, which sees reads and writes out of bounds, after the end, and leaks.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// The one target whose standard library comes with the sanitizer's run time and is tested here.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The compiler's switch; unstable, hence the nightly toolchain.
const FLAGS: &str = "-Zsanitizer=address";

/// What is built with it lies apart, so that other builds stay.
const FOLDER: &str = "target/sanitize/address";

/// A program that has to be reported.
const CANARY: &str = "xtask/canary.rs";

/// What is tested.
#[derive(clap::Args)]
pub struct Args {
    /// Packages whose tests run; by default the one with the unsafe code.
    #[arg(default_value = "cvx-linalg")]
    packages: Vec<String>,
}

/// Looks whether the tool sees anything, then runs the tests under it.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(cfg!(all(target_arch = "x86_64", target_os = "linux")), "AddressSanitizer is run on {TARGET} alone");
    let version = Command::new("cargo").args(["+nightly", "--version"]).output();
    if !version.as_ref().is_ok_and(|output| output.status.success()) {
        bail!("sanitizers take a nightly toolchain: `rustup toolchain install nightly`");
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

/// Compiles the program that is wrong, and fails unless it is reported.
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
    ensure!(is_reported(&output), "the tool sees nothing: {CANARY} reads out of bounds and is not reported");
    println!("the canary is reported: reads out of bounds are seen");
    Ok(())
}

/// Whether a program was ended with the report that it has to get.
fn is_reported(output: &Output) -> bool {
    let report = String::from_utf8_lossy(&output.stderr);
    !output.status.success() && report.contains("AddressSanitizer: heap-buffer-overflow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_program_that_ends_well_or_otherwise_is_not_reported() {
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
