//! Options under "Data".

use super::columns::{ColumnArgs, HeaderArgs};
use super::values::{by_name, class_weights, whole};
use clap::Args;
use cvx_admm::{ClassWeights, Settings};
use cvx_model::{Normalisation, TaskChoice};

/// Which samples are read.
#[derive(Args, Clone)]
#[command(next_help_heading = "Data")]
pub struct SourceArgs {
    /// The samples: see "Data sources" in `cvx --help`.
    #[arg(long, value_name = "SRC", default_value = "planted")]
    pub data: String,
    /// Use only the samples of these classes.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Use only the first N training samples.
    #[arg(long, value_name = "N", value_parser = whole)]
    pub limit: Option<usize>,
    /// Label column of a table, by name or by number from 1.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// The first line of a table.
    #[command(flatten)]
    pub header: HeaderArgs,
}

/// The samples of a training run and what is made of them.
#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// The training samples.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The columns of a table.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Test samples, if --data has none.
    #[arg(long, value_name = "SRC")]
    pub test: Option<String>,
    /// auto (by labels), binary, multiclass or regression.
    #[arg(long, hide_possible_values = true, default_value_t = Settings::default().task, value_parser = by_name::<TaskChoice>())]
    pub task: TaskChoice,
    /// Weights of classes: balanced, or A=W,B=W,.. (others have 1).
    #[arg(long, value_name = "WEIGHTS", value_parser = class_weights)]
    pub class_weight: Option<ClassWeights>,
    /// none, global or column [default: column for tables, else global].
    #[arg(long, hide_possible_values = true, value_name = "SCALING", value_parser = by_name::<Normalisation>())]
    pub normalize: Option<Normalisation>,
}
