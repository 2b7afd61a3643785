//! `cvx verify`.

use super::data::SourceArgs;
use clap::Args;
use std::path::PathBuf;

/// `cvx verify`.
#[derive(Args)]
#[command(after_help = "Example:\n  cvx verify planes.cvx --data cifar-10-batches-bin --classes airplane,automobile")]
pub struct VerifyArgs {
    /// A trained model.
    pub model: PathBuf,
    /// The source that it was trained on.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print only errors; the exit code tells whether the claims hold.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}
