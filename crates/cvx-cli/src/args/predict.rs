//! `cvx predict`.

use super::data::SourceArgs;
use clap::Args;
use std::path::PathBuf;

/// The default of `--interval`.
pub const COVERAGE: f64 = 0.9;

/// `cvx predict`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cvx predict planes.cvx --data new-images
  cvx predict model.cvx --data new.csv --unlabelled --out predictions.csv")]
pub struct PredictArgs {
    /// A trained model.
    pub model: PathBuf,
    /// The samples. If the source has test samples, those are predicted.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Ignore labels; every column of a table is a feature.
    #[arg(long, conflicts_with = "label_column")]
    pub unlabelled: bool,
    /// Probability that an interval around the prediction of a number contains it, 0 for none [default: 0.9].
    #[arg(long, value_name = "COVERAGE", help_heading = "Output")]
    pub interval: Option<f64>,
    /// Write the predictions here as CSV instead of printing them; - is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write the scores here, as JSON; null without labels; - is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Print only predictions and errors.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}
