//! Options under "Choice of beta".

use clap::Args;

/// The samples that choose beta, and how long that may take.
#[derive(Args)]
#[command(next_help_heading = "Choice of beta")]
pub struct ChoiceArgs {
    /// Cross-validate with K parts, each held out in turn [default: 5, up to 5,000 samples].
    #[arg(long, value_name = "K", conflicts_with = "validation")]
    pub folds: Option<usize>,
    /// Hold out this share of the training samples once [default: 0.2, beyond 5,000 samples].
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub validation: Option<f64>,
    /// Networks with other seeds, averaged into one [default: 3 for `train` up to 500 samples, else 1].
    #[arg(long, value_name = "K")]
    pub ensemble: Option<usize>,
    /// Seconds for everything: no other beta is tried after three quarters of it.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub budget: Option<f64>,
}
