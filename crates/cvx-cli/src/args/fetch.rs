//! `cvx data fetch`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cvx_fetch::DataSet;
use std::path::PathBuf;

/// `cvx data fetch`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cvx data fetch cifar10 && cvx train --data cifar10 --classes cat,dog
  cvx data fetch mnist --to digits && cvx train --data digits")]
pub struct FetchArgs {
    /// The data set.
    #[arg(value_name = "NAME", value_parser = data_set())]
    pub data_set: DataSet,
    /// Put the files here [default: a folder in the cache, where --data finds them by name].
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Another address, to which the names of the files are appended.
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Print only errors.
    #[arg(long)]
    pub quiet: bool,
}

/// A data set by its name: `--help` lists the names, and no other is accepted.
fn data_set() -> impl TypedValueParser<Value = DataSet> {
    PossibleValuesParser::new(DataSet::ALL.map(|data_set| data_set.name))
        .try_map(|name| DataSet::by_name(&name).cloned().ok_or("unknown name"))
}
