//! Options under "Output".

use crate::file::is_stdout;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `--log`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

/// What a run writes and prints.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Save the trained model here.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Write all measurements here, as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page about the run and its figures into this folder.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Print the problem's sizes and a row per iteration on stderr.
    #[arg(long, short, conflicts_with_all = ["quiet", "log"])]
    pub verbose: bool,
    /// text, or json (an object per line), on stderr.
    #[arg(long, hide_possible_values = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log: LogFormat,
    /// Print only errors.
    #[arg(long)]
    pub quiet: bool,
}

impl OutputArgs {
    /// Whether the results are printed: the report may take their place on standard output.
    pub fn prints(&self) -> bool {
        !self.quiet && !self.json.as_deref().is_some_and(is_stdout)
    }
}
