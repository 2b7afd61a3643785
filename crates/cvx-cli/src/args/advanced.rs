//! Options under "Advanced".

use super::values::{device, one_of};
use clap::Args;
use cvx_admm::{Device, Precision, Settings, SolverChoice, SolverKind};
use std::path::PathBuf;

/// How numbers are stored.
const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F64];

/// How the run is computed.
#[derive(Args)]
#[command(next_help_heading = "Advanced")]
pub struct AdvancedArgs {
    /// Read options from a TOML file; the command line has precedence.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Solver of the linear system.
    #[arg(long, default_value = "auto", value_parser = one_of(solvers()))]
    pub solver: SolverChoice,
    /// Rank of the solver's Nystrom sketch [default: adaptive].
    #[arg(long, value_name = "R")]
    pub rank: Option<usize>,
    /// auto, cpu, cuda or cuda:I.
    #[arg(long, default_value = "auto", value_parser = device)]
    pub device: Device,
    /// Precision of matrices; the certificate is in f64.
    #[arg(
        long, default_value = Settings::default().precision.name(),
        value_parser = one_of(PRECISIONS.map(|precision| (precision.name(), precision)))
    )]
    pub precision: Precision,
    /// CPU threads, 0 for one per core; the result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = Settings::default().threads)]
    pub threads: usize,
    /// Gigabytes that the run may use [default: 9/10 of what is free].
    #[arg(long, value_name = "GB", allow_negative_numbers = true)]
    pub memory_budget: Option<f64>,
    /// Starting penalty [default: from the data].
    #[arg(long, allow_negative_numbers = true)]
    pub rho: Option<f64>,
    /// Weight of the cones [default: 1/4, for iterative solvers 1/16].
    #[arg(long, allow_negative_numbers = true)]
    pub sigma: Option<f64>,
}

/// Every solver by its name, and auto.
fn solvers() -> impl Iterator<Item = (&'static str, SolverChoice)> {
    let kinds = SolverKind::ALL.into_iter().map(|kind| (kind.name(), SolverChoice::Kind(kind)));
    std::iter::once(("auto", SolverChoice::Auto)).chain(kinds)
}
