//! `cvx path`.

use super::choice::ChoiceArgs;
use super::fit::FitArgs;
use super::sources::sources;
use super::values::{by_name, whole};
use clap::Args;
use cvx_admm::{Choice, PathSettings, Returned};
use std::path::PathBuf;

const EXAMPLES: &str = concat!(
    "\
Examples:
  cvx path --data table.csv --folds 5 --choose sparsest --model model.cvx
  cvx path --data cifar10 --classes cat,dog --activation gated --patterns 1000 --plot path

",
    sources!()
);

/// `cvx path`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct PathArgs {
    /// Number of betas in equal ratios, down from the largest value.
    #[arg(long, value_name = "K", help_heading = "Path", default_value_t = PathSettings::default().betas, value_parser = whole)]
    pub betas: usize,
    /// The smallest beta over the largest, whose network is zero.
    #[arg(
        long,
        value_name = "R",
        help_heading = "Path",
        default_value_t = PathSettings::default().ratio
    )]
    pub beta_ratio: f64,
    /// Certified relative gap at every beta; --gap is for the end.
    #[arg(
        long,
        value_name = "TOL",
        help_heading = "Path",
        default_value_t = PathSettings::default().gap
    )]
    pub path_gap: f64,
    /// The samples that choose beta.
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// retrained on all samples, or the mean of the folds.
    #[arg(
        long = "final", hide_possible_values = true, value_name = "NETWORK", help_heading = "Path", default_value_t = Returned::Retrained,
        value_parser = by_name::<Returned>()
    )]
    pub returned: Returned,
    /// The beta: best, or sparsest within a standard error of it.
    #[arg(
        long, hide_possible_values = true, value_name = "RULE", help_heading = "Path", default_value_t = PathSettings::default().choice,
        value_parser = by_name::<Choice>()
    )]
    pub choose: Choice,
    /// How to train.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Plot accuracy, objective and neurons against beta, as STEM.svg and STEM.png.
    #[arg(long, value_name = "STEM", help_heading = "Output")]
    pub plot: Option<PathBuf>,
}
