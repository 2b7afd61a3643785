//! Options under "Data".

use super::values::{class_weights, one_of};
use clap::Args;
use cvx_admm::ClassWeights;
use cvx_model::{Normalisation, TaskChoice};

/// The tasks by their names on the command line.
const TASKS: [(&str, TaskChoice); 4] = [
    ("auto", TaskChoice::Auto),
    ("binary", TaskChoice::Binary),
    ("multiclass", TaskChoice::Multiclass),
    ("regression", TaskChoice::Regression),
];

/// The ways of scaling features.
const SCALINGS: [Normalisation; 3] = [Normalisation::None, Normalisation::Global, Normalisation::Column];

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
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Label column of a table, by name or by number from 1.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
}

/// The samples of a training run and what is made of them.
#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// The training samples.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Test samples, if --data has none.
    #[arg(long, value_name = "SRC")]
    pub test: Option<String>,
    /// What to learn; auto decides by the labels.
    #[arg(long, default_value = "auto", value_parser = one_of(TASKS))]
    pub task: TaskChoice,
    /// Weights of classes: balanced, or A=W,B=W,.. (others have 1).
    #[arg(long, value_name = "WEIGHTS", value_parser = class_weights)]
    pub class_weight: Option<ClassWeights>,
    /// Scaling of features [default: global for images, column for tables].
    #[arg(long, value_name = "SCALING", value_parser = one_of(SCALINGS.map(|scaling| (scaling.name(), scaling))))]
    pub normalize: Option<Normalisation>,
}
