//! Options under "Stopping".

use super::values::{by_name, whole};
use clap::Args;
use cvx_admm::{Certify, Settings};

/// When a run ends.
#[derive(Args)]
#[command(next_help_heading = "Stopping")]
pub struct StoppingArgs {
    /// Certified relative gap to stop at [default: 0.001].
    #[arg(long, value_name = "TOL")]
    pub gap: Option<f64>,
    /// network; sampled: the optimum over its patterns; global: over all.
    #[arg(
        long, hide_possible_values = true, value_name = "WHAT", default_value_t = Settings::default().certify,
        value_parser = by_name::<Certify>()
    )]
    pub certify: Certify,
    /// Most iterations.
    #[arg(long, value_name = "K", default_value_t = Settings::default().max_iterations, value_parser = whole)]
    pub max_iterations: usize,
    /// Return the best network so far after this time.
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<f64>,
}
