//! `cvx export`.

use super::values::by_name;
use clap::Args;
use cvx_export::{Float, Format};
use std::path::PathBuf;

/// `cvx export`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cvx export planes.cvx --to onnx --out planes.onnx
  cvx export planes.cvx --precision f32 --out planes.safetensors")]
pub struct ExportArgs {
    /// A trained model.
    pub model: PathBuf,
    /// Write this file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The format [default: by the ending of --out].
    #[arg(long, value_name = "FORMAT", value_parser = by_name::<Format>())]
    pub to: Option<Format>,
    /// Precision of the file: f64 predicts what `cvx predict` does, f32 has half the size.
    #[arg(long, default_value_t = Float::F64, value_parser = by_name::<Float>())]
    pub precision: Float,
    /// Print only errors.
    #[arg(long)]
    pub quiet: bool,
}
