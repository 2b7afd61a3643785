//! Tasks of the workspace: `cargo xtask tidy`, `ci`, `python`, `reliability`, `sanitize`, `mpi`, `mutants`, `release`,
//! `report`, and benchmarks by their names.

mod bench;
mod bench_check;
mod ci;
mod cuda;
mod machete;
mod modules;
mod mpi;
mod mutants;
mod onnx;
mod python;
mod release;
mod reliability;
mod report;
mod rows;
mod rust;
mod sanitize;
mod sbom;
mod tables;
mod tidy;
mod tool;
mod tree;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tasks of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of docs/architecture.md that neither the compiler nor clippy checks; one line per violation.
    Tidy,
    /// Condition numbers of the u-update under every preconditioner, with steps and seconds: rows and figures. Takes
    /// the arguments of `cvx-bench condition-sweep`; see its --help.
    #[command(disable_help_flag = true)]
    ConditionSweep(Passed),
    /// The processor against a GPU: the task of Feng et al., a sweep of sizes, every solver; rows, a table, figures 3
    /// and 4. Takes the arguments of `cvx-bench gpu`; see its --help.
    #[command(disable_help_flag = true)]
    BenchGpu(Passed),
    /// Set-up, iteration and memory over n, d, P and the number of classes. Takes the arguments of `cvx-bench scaling`;
    /// see its --help.
    #[command(disable_help_flag = true)]
    Scaling(Passed),
    /// The network that is chosen by held-out samples: convex paths beside a tuned Adam, as rows. Takes the arguments
    /// of `cvx-bench selection`; see its --help.
    #[command(disable_help_flag = true)]
    Selection(Passed),
    /// The kinds of gates compared, each along a path, as rows. Takes the arguments of `cvx-bench gates`; see its
    /// --help.
    #[command(disable_help_flag = true)]
    Gates(Passed),
    /// The Python package beside MLP, SVM, forests and others on public tables: rows, a report and a figure. See its
    /// --help.
    #[command(disable_help_flag = true)]
    Tables(Passed),
    /// Whether the back end's operations have become slower between two revisions, both measured in one run.
    BenchCheck(bench_check::Args),
    /// Build the Python package and run its tests in an environment of their own.
    Python,
    /// Compile the CUDA kernels to the PTX that the program contains, or check it.
    BuildCuda(cuda::Args),
    /// Build the libraries that stand in for a GPU in the tests, and print how to use them.
    CudaStandIn,
    /// All contenders on one problem, as rows. Takes the arguments of `cvx-bench comparison`; see its --help.
    #[command(disable_help_flag = true)]
    Comparison(Passed),
    /// Figures 1, 3 and 4 and Table 1 from the rows of a comparison (`--only figure4`). Takes the arguments of
    /// `cvx-bench figures`; see its --help.
    #[command(disable_help_flag = true)]
    Figures(Passed),
    /// Measure and draw every figure and table of Feng et al.: the condition sweep, the comparison, and the page.
    Report(report::Args),
    /// The rows of docs/reliability.md, each with the result of its tests.
    Reliability(reliability::Args),
    /// Run the tests of the program on the ranks of an MPI job, where there is Open MPI.
    Mpi,
    /// Whether the tests notice small changes of the code: cargo-mutants, part by part; hours.
    Mutants(mutants::Args),
    /// Run tests under AddressSanitizer, after a check that it finds a known error; needs a nightly toolchain.
    Sanitize(sanitize::Args),
    /// Go through a release up to the tag and the uploads: checks, packages, SBOM, checksums.
    Release(release::Args),
    /// Run everything that a change has to pass.
    Ci,
}

/// Arguments for another program.
#[derive(clap::Args)]
struct Passed {
    /// Passed on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
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
        Command::ConditionSweep(Passed { arguments }) => bench::run(&root, "condition-sweep", &arguments, &[]),
        Command::BenchGpu(Passed { arguments }) => bench::run(&root, "gpu", &arguments, &["cuda"]),
        Command::Scaling(Passed { arguments }) => bench::run(&root, "scaling", &arguments, &[]),
        Command::Selection(Passed { arguments }) => bench::run(&root, "selection", &arguments, &[]),
        Command::Gates(Passed { arguments }) => bench::run(&root, "gates", &arguments, &[]),
        Command::Tables(Passed { arguments }) => tables::run(&root, &arguments),
        Command::BenchCheck(args) => bench_check::run(&root, &args),
        Command::BuildCuda(args) => cuda::build(&root, &args),
        Command::Python => {
            python::check(&root)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CudaStandIn => {
            let folder = cuda::stand_in::build(&root)?.context("this needs g++ on x86-64")?;
            println!("export LD_LIBRARY_PATH={}", folder.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Comparison(Passed { arguments }) => bench::run(&root, "comparison", &arguments, &[]),
        Command::Figures(Passed { arguments }) => bench::run(&root, "figures", &arguments, &[]),
        Command::Report(args) => report::run(&root, &args),
        Command::Reliability(args) => reliability::run(&root, &args),
        Command::Mutants(args) => mutants::run(&root, &args),
        Command::Mpi => {
            mpi::check(&root)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Sanitize(args) => sanitize::run(&root, &args),
        Command::Release(args) => release::run(&root, &args),
        Command::Ci => ci::run(&root),
    }
}

/// The folder of the workspace, one above this package's, which cargo names.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = PathBuf::from(package).parent().map(PathBuf::from);
    root.context("the package xtask must lie in the workspace's folder")
}
