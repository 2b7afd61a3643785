//! `cvx info`.

use super::columns::{ColumnArgs, HeaderArgs};
use super::values::seconds;
use clap::Args;
use std::path::PathBuf;

/// `cvx info`.
#[derive(Args)]
#[command(after_help = "Examples:\n  cvx info planes.cvx\n  cvx info table.csv --json table.json")]
pub struct InfoArgs {
    /// A trained model, or a data source.
    pub what: String,
    /// Label column of a table, by name or by number from 1.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// The first line of a table.
    #[command(flatten)]
    pub header: HeaderArgs,
    /// The columns of a table.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Bound how fast a model's outputs change by a semidefinite programme, too; for up to 999 neurons.
    #[arg(long)]
    pub lipschitz: bool,
    /// Most time for --lipschitz; the bound is then what was proved by then.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub time_limit: f64,
    /// Write the description here, as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
