//! The options that `cvx train` and `cvx path` share.

use super::advanced::AdvancedArgs;
use super::constraints::ConstraintArgs;
use super::data::DataArgs;
use super::model::ModelArgs;
use super::output::OutputArgs;
use super::patches::PatchArgs;
use super::stopping::StoppingArgs;
use clap::Args;

/// How to train.
#[derive(Args)]
pub struct FitArgs {
    /// The samples.
    #[command(flatten)]
    pub data: DataArgs,
    /// The network.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Gates of patches.
    #[command(flatten)]
    pub patches: PatchArgs,
    /// What predictions must obey.
    #[command(flatten)]
    pub constraints: ConstraintArgs,
    /// The end of the run.
    #[command(flatten)]
    pub stopping: StoppingArgs,
    /// Files and messages.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The computation.
    #[command(flatten)]
    pub advanced: AdvancedArgs,
}
