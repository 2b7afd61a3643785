//! `cvx predict`.

use super::data::SourceArgs;
use clap::Args;
use std::path::PathBuf;

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
    /// Probability that an interval around the prediction of a number contains it; 0 for no intervals.
    #[arg(
        long,
        value_name = "COVERAGE",
        default_value_t = 0.9,
        help_heading = "Output",
        allow_negative_numbers = true
    )]
    pub interval: f64,
    /// Write the predictions here as CSV instead of printing them.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write loss, accuracy and confusions here, as JSON; null without labels.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Print only predictions and errors.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}
