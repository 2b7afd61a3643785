//! Options under "Choice of beta".

use super::values::whole;
use clap::Args;

/// The samples that choose beta, and how long that may take.
#[derive(Args)]
#[command(next_help_heading = "Choice of beta")]
pub struct ChoiceArgs {
    /// Cross-validate with K parts [default: 5, up to 5,000 samples].
    #[arg(long, value_name = "K", conflicts_with = "validation", value_parser = whole)]
    pub folds: Option<usize>,
    /// Hold out this share once instead [default: 0.2, beyond 5,000 samples].
    #[arg(long, value_name = "SHARE")]
    pub validation: Option<f64>,
    /// Average this many seeds [default: 1; in train up to 500 samples, 3].
    #[arg(long, value_name = "K", value_parser = whole)]
    pub ensemble: Option<usize>,
    /// Try no other beta after three quarters of this time.
    #[arg(long, value_name = "SECONDS")]
    pub budget: Option<f64>,
}
