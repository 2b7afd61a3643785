//! Options under "Advanced".

use super::values::{by_name, device, whole};
use clap::Args;
use cvx_admm::{Device, Precision, Settings, SolverChoice};
use std::path::PathBuf;

/// How the run is computed.
#[derive(Args)]
#[command(next_help_heading = "Advanced")]
pub struct AdvancedArgs {
    /// Read options from a TOML file; the command line has precedence.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// auto, cholesky, gram-pcg, gram-nystrom-pcg, nystrom-rbcd, rbcd, nystrom-pcg, jacobi-pcg or cg.
    #[arg(long, hide_possible_values = true, default_value_t = Settings::default().solver, value_parser = by_name::<SolverChoice>())]
    pub solver: SolverChoice,
    /// Rank of the solver's Nystrom sketch [default: adaptive].
    #[arg(long, value_name = "R", value_parser = whole)]
    pub rank: Option<usize>,
    /// auto, cpu, cuda or cuda:I.
    #[arg(long, default_value_t = Settings::default().device, value_parser = device)]
    pub device: Device,
    /// f32 or f64 for matrices; the certificate is in f64.
    #[arg(long, hide_possible_values = true, default_value_t = Settings::default().precision, value_parser = by_name::<Precision>())]
    pub precision: Precision,
    /// CPU threads, 0 for all cores; no result depends on it.
    #[arg(long, value_name = "N", default_value_t = Settings::default().threads, value_parser = whole)]
    pub threads: usize,
    /// Gigabytes that the run may use [default: 9/10 of what is free].
    #[arg(long, value_name = "GB")]
    pub memory_budget: Option<f64>,
    /// Starting penalty [default: from the data].
    #[arg(long)]
    pub rho: Option<f64>,
    /// Weight of the cones [default: 1/4, for iterative solvers 1/16].
    #[arg(long)]
    pub sigma: Option<f64>,
}
