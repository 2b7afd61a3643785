//! `cvx verify`.

use super::data::SourceArgs;
use clap::Args;
use std::path::PathBuf;

/// `cvx verify`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cvx verify planes.cvx --data cifar-10-batches-bin --classes airplane,automobile
  cvx verify robust.proof --model planes.cvx")]
pub struct VerifyArgs {
    /// A trained model, or a file of proofs.
    pub file: PathBuf,
    /// The model that the proofs are about.
    #[arg(long = "model", value_name = "MODEL", id = "of_model", help_heading = "Proofs")]
    pub of_model: Option<PathBuf>,
    /// The other model, of proofs about two.
    #[arg(long, value_name = "OTHER", help_heading = "Proofs", requires = "of_model")]
    pub same_as: Option<PathBuf>,
    /// The source that it was trained on.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print only errors; the exit code tells whether the claims hold.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}
