//! The files of a run: checked before it, announced after it.

use crate::args::FitArgs;
use crate::file::{self, Named};
use crate::terminal::stream::print;
use crate::{page, shell, source};
use anyhow::Result;
use std::path::Path;

/// Checks that everything can be written, `more` beside the files of every run, and that no file of `read` or of the
/// arguments would be lost.
pub fn check(args: &FitArgs, read: &[Named], more: &[Named]) -> Result<()> {
    let inputs = [
        ("--data", Some(Path::new(&args.data.source.data))),
        ("--test", args.data.test.as_deref().map(Path::new)),
        ("--gates", args.model.gates.as_deref()),
        ("--config", args.advanced.config.as_deref()),
    ];
    let outputs = [("--model", args.output.model.as_deref()), ("--json", args.output.json.as_deref())];
    file::check(&[&given(inputs), read].concat(), &[&given(outputs), more].concat())?;
    args.output.report.as_deref().map_or(Ok(()), page::check)
}

/// The files whose options are given.
fn given<'a, const N: usize>(files: [(&'static str, Option<&'a Path>); N]) -> Vec<Named<'a>> {
    files.into_iter().filter_map(|(option, path)| Some((option, path?))).collect()
}

/// Prints where the model is, and how to check it.
pub fn print_model(args: &FitArgs, saved: &Option<Result<()>>) {
    if let (Some(path), Some(Ok(()))) = (&args.output.model, saved) {
        let (model, data) = (shell::quoted(&path.to_string_lossy()), source::arguments(&args.data.source));
        print(format!("The model is in {}; check it with: cvx verify {model} {data}", path.display()));
    }
}

/// Prints where the page is.
pub fn print_page(args: &FitArgs, written: &Option<Result<()>>) {
    if let (Some(folder), Some(Ok(()))) = (&args.output.report, written) {
        print(format!("The report is in {}", folder.join("index.html").display()));
    }
}
