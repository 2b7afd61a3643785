//! Chores of the workspace: `cargo xtask tidy`, `cargo xtask ci`, `cargo xtask condition-sweep`.

mod bench;
mod bench_check;
mod ci;
mod cuda;
mod rust;
mod tidy;
mod tree;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Chores of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the invariants of docs/architecture.md; one line per violation.
    Tidy,
    /// Condition numbers of the u-update under every preconditioner, with the steps and the time that they cost: rows and
    /// pictures. Takes the arguments of `cvx-bench condition-sweep`; see its --help.
    #[command(disable_help_flag = true)]
    ConditionSweep {
        /// Passed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Set-up, iteration and memory over n, d, P and the number of classes. Takes the arguments of `cvx-bench scaling`; see
    /// its --help.
    #[command(disable_help_flag = true)]
    Scaling {
        /// Passed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Whether verbs have become slower between two revisions, both measured in one run.
    BenchCheck(bench_check::Args),
    /// Compile the CUDA kernels to the PTX that the program carries, or check it.
    BuildCuda(cuda::Args),
    /// Build the libraries that stand in for a GPU in the tests, and say how to use them.
    CudaStandIn,
    /// Run everything that a change has to pass.
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let root = root()?;
    match command {
        Command::Tidy => tidy::run(&root),
        Command::ConditionSweep { arguments } => bench::run(&root, "condition-sweep", &arguments),
        Command::Scaling { arguments } => bench::run(&root, "scaling", &arguments),
        Command::BenchCheck(args) => bench_check::run(&root, &args),
        Command::BuildCuda(args) => cuda::build(&root, &args),
        Command::CudaStandIn => {
            let folder = cuda::stand_in::build(&root)?.context("it takes g++ and x86-64")?;
            println!("export LD_LIBRARY_PATH={}", folder.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Ci => ci::run(&root),
    }
}

/// The folder of the workspace: cargo says where this package lies, which is one folder below it.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask ..`")?;
    let root = PathBuf::from(package).parent().map(PathBuf::from);
    root.context("the package xtask has to lie in the workspace's folder")
}
