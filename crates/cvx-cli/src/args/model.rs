//! Options under "Model".

use super::patterns::Patterns;
use super::values::by_name;
use clap::Args;
use cvx_admm::Settings;
use cvx_model::{Activation, Loss};
use std::path::PathBuf;

/// The network and what it minimises.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// relu or gated [default: gated if train chooses beta, else relu].
    #[arg(long, hide_possible_values = true, value_name = "KIND", value_parser = by_name::<Activation>())]
    pub activation: Option<Activation>,
    /// Gates to sample, or auto [default: auto if train chooses beta, else 50].
    #[arg(long, value_name = "P|auto")]
    pub patterns: Option<Patterns>,
    /// gaussian, whitened, local (images), pairs, mixed, conv (patches) or a file [default: conv for images if train
    /// chooses beta].
    #[arg(long, value_name = "KIND|FILE")]
    pub gates: Option<PathBuf>,
    /// Seed of the sampled patterns.
    #[arg(long, default_value_t = Settings::default().seed)]
    pub seed: u64,
    /// squared, logistic, multinomial, squared-hinge, huber.
    #[arg(long, hide_possible_values = true, default_value_t = Settings::default().loss, value_parser = by_name::<Loss>())]
    pub loss: Loss,
    /// Error beyond which the Huber loss grows linearly [default: 1].
    #[arg(long, value_name = "DELTA")]
    pub huber_delta: Option<f64>,
    /// Add a bias column (the default).
    #[arg(long, overrides_with = "no_bias")]
    pub bias: bool,
    /// Add no bias column.
    #[arg(long)]
    pub no_bias: bool,
    /// Add a number to each output (the default if cvx train chooses beta).
    #[arg(long, overrides_with = "no_output_bias")]
    pub output_bias: bool,
    /// Add no such number (the default otherwise).
    #[arg(long)]
    pub no_output_bias: bool,
    /// Keep neurons that do not change the predictions on the training samples.
    #[arg(long)]
    pub no_prune: bool,
}
