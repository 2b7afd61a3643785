//! Chores of the workspace: `cargo xtask tidy`, `cargo xtask ci`.

mod ci;
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
        Command::Ci => ci::run(&root),
    }
}

/// The folder of the workspace: cargo says where this package lies, which is one folder below it.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask ..`")?;
    let root = PathBuf::from(package).parent().map(PathBuf::from);
    root.context("the package xtask has to lie in the workspace's folder")
}
