//! `cvx export`.

use crate::args::ExportArgs;
use crate::exit::Exit;
use crate::file;
use crate::terminal::stream::print;
use anyhow::{Context, Result, bail, ensure};
use cvx_admm::Model;
use cvx_export::{Format, save};
use std::path::Path;

/// Writes a model in the format of another program.
pub fn run(args: &ExportArgs) -> Result<Exit> {
    ensure!(!file::is_stdout(&args.out), "--out -: a model is not text: name a file");
    let ending = by_ending(&args.out);
    if let (Some(to), Some(ending)) = (args.to, ending)
        && to != ending
    {
        let (to, ending, out) = (to.name(), ending.name(), args.out.display());
        bail!("--to {to}, but --out {out} is named like a file of {ending}: change one of them");
    }
    let format = args.to.or(ending).with_context(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        format!("--out {}: the ending does not name a format: give --to, one of {names}", args.out.display())
    })?;
    let model = Model::load(&args.model)?;
    file::check(&[("the model", &args.model)], &[("--out", &args.out)])?;
    save(&model, format, args.precision, &args.out)?;
    if !args.quiet {
        print(format_args!("The {} file is in {}", format.name(), args.out.display()));
        if model.transform.recipe.as_ref().is_some_and(|recipe| !recipe.is_identity()) {
            print(format_args!(
                "It takes the {} features that the columns of the table become, not the columns: the key recipe of its \
                 metadata says how",
                model.transform.n_inputs()
            ));
        }
    }
    Ok(Exit::Done)
}

fn by_ending(path: &Path) -> Option<Format> {
    let ending = path.extension()?;
    Format::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.name()))
}
