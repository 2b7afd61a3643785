//! `cvx export`.

use crate::Exit;
use crate::args::{ExportArgs, PrecisionArg};
use crate::output::{check_outputs, print};
use anyhow::{Context, Result, bail};
use cvx_admm::Model;
use cvx_export::{Float, Format, save};
use std::path::Path;

/// Writes a model in a format of other programs.
pub fn run(args: &ExportArgs) -> Result<Exit> {
    let ending = by_ending(&args.out);
    if let (Some(to), Some(ending)) = (args.to, ending)
        && to != ending
    {
        let (to, ending, out) = (to.name(), ending.name(), args.out.display());
        bail!("--to {to}, but --out {out} is named like a file of {ending}: change one of them");
    }
    let format = args.to.or(ending).with_context(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        format!("--out {}: the ending says nothing of the format: give --to, one of {names}", args.out.display())
    })?;
    let model = Model::load(&args.model)?;
    check_outputs(&[("the model", &args.model)], &[("--out", &args.out)])?;
    let float = match args.precision {
        PrecisionArg::F32 => Float::F32,
        PrecisionArg::F64 => Float::F64,
    };
    save(&model, format, float, &args.out)?;
    if !args.quiet {
        print(format_args!("The {} file is in {}", format.name(), args.out.display()));
    }
    Ok(Exit::Done)
}

fn by_ending(path: &Path) -> Option<Format> {
    let ending = path.extension()?;
    Format::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.name()))
}
