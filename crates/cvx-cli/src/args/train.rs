//! `cvx train`.

use super::choice::ChoiceArgs;
use super::fit::FitArgs;
use super::sources::sources;
use super::values::whole;
use clap::Args;
use cvx_admm::Settings;
use std::path::PathBuf;

const EXAMPLES: &str = concat!(
    "\
Examples:
  cvx train --data table.csv --test held-out.csv --model model.cvx
  cvx train --data table.csv --task regression --loss huber --json run.json --report report
  cvx train --data table.csv --checkpoint run.ckpt --resume run.ckpt
  cvx train --data cifar10 --classes cat,dog --patterns 50 --beta 10 --verbose

",
    sources!()
);

/// `cvx train`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// How beta is chosen.
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// How to train.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Weight beta of the regulariser [default: chosen by held-out samples].
    #[arg(long, help_heading = "Model")]
    pub beta: Option<f64>,
    /// beta over its largest value [default: 0.001 for a single run].
    #[arg(long, value_name = "R", help_heading = "Model", conflicts_with = "beta")]
    pub beta_fraction: Option<f64>,
    /// Most rounds of refinement, which improve the patterns.
    #[arg(long, value_name = "K", help_heading = "Model", default_value_t = Settings::default().refine, value_parser = whole)]
    pub refine: usize,
    /// Write checkpoints here, also when the run is stopped.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub checkpoint: Option<PathBuf>,
    /// Time between two checkpoints.
    #[arg(long, value_name = "SECONDS", help_heading = "Output", default_value_t = 60.0, requires = "checkpoint")]
    pub checkpoint_every: f64,
    /// Continue the run of this checkpoint; give its options again.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub resume: Option<PathBuf>,
}
