//! Benchmarks: each prints a table and can append a JSON line with host and revision.

mod certified_run;
mod comparison;
mod condition_sweep;
mod constraint_sweep;
mod contender;
mod convolution;
mod exact_iteration;
mod gates;
mod gpu;
mod held_out;
mod host;
mod image;
mod operation_table;
mod penalty_sweep;
mod problems;
mod report;
mod row;
mod scaling;
mod selection;
mod source;
mod triangle;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cvx-bench")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One training run to a certified gap, as a row.
    CertifiedRun(certified_run::Args),
    /// All contenders on one problem, from several seeds, as rows with their traces.
    Comparison(comparison::Args),
    /// Condition numbers of the u-update under every preconditioner, and what its solves then cost.
    ConditionSweep(condition_sweep::Args),
    /// Iterations to a certified gap under constraints, beside those of free runs.
    ConstraintSweep(constraint_sweep::Args),
    /// Set-up and one exact iteration, stage by stage, against the operation count.
    ExactIteration(exact_iteration::Args),
    /// Figures and tables of a comparison, from its rows.
    Figures(report::Args),
    /// The kinds of gates against each other: for each, the network that a path chooses on held-out samples.
    Gates(gates::Args),
    /// The processor against a GPU: the task of Feng et al., a sweep of sizes, every solver.
    Gpu(gpu::Args),
    /// Iterations to a certified gap for multiples of the starting rho: is the default near the best?
    PenaltySweep(penalty_sweep::Args),
    /// Set-up, iteration and memory over n, d, P and the number of classes, with fitted exponents.
    Scaling(scaling::Args),
    /// Which network a user ends up with when held-out samples choose everything: convex paths beside a tuned Adam.
    Selection(selection::Args),
    /// Each operation of an iteration and of its set-up, against the roof of the machine.
    #[command(alias = "verbs")]
    Operations(operation_table::Args),
}

fn main() -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("warning: a debug build: these times mean nothing; run with --release");
    }
    match Cli::parse().bench {
        Bench::CertifiedRun(args) => certified_run::run(&args),
        Bench::Comparison(args) => comparison::run(&args),
        Bench::ConditionSweep(args) => condition_sweep::run(&args),
        Bench::ConstraintSweep(args) => constraint_sweep::run(&args),
        Bench::ExactIteration(args) => exact_iteration::run(&args),
        Bench::Figures(args) => report::run(&args),
        Bench::Gates(args) => gates::run(&args),
        Bench::Gpu(args) => gpu::run(&args),
        Bench::PenaltySweep(args) => penalty_sweep::run(&args),
        Bench::Scaling(args) => scaling::run(&args),
        Bench::Selection(args) => selection::run(&args),
        Bench::Operations(args) => operation_table::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_of_every_benchmark_hold_together() {
        Cli::command().debug_assert();
    }
}
