//! `cvx export`.

use super::values::one_of;
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
    #[arg(long, value_name = "FORMAT", value_parser = one_of(Format::ALL.map(|format| (format.name(), format))))]
    pub to: Option<Format>,
    /// Precision of the file: f64 predicts what `cvx predict` does, f32 has half the size.
    #[arg(long, default_value = "f64", value_parser = one_of([("f32", Float::F32), ("f64", Float::F64)]))]
    pub precision: Float,
    /// Print only errors.
    #[arg(long)]
    pub quiet: bool,
}
