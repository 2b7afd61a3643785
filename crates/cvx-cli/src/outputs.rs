//! The files of a run: checked before it, written and announced after it.

use crate::args::FitArgs;
use crate::exit::Exit;
use crate::file::{self, Named, write_whole};
use crate::report::{RunReport, to_json};
use crate::summary::quality::Qualities;
use crate::terminal::stream::{note, print};
use crate::terminal::{iterations, result};
use crate::{page, shell, source, understanding};
use anyhow::Result;
use cvx_admm::{PathSolution, Settings, Solution};
use cvx_model::DataSplit;
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

/// A run that ended, with the path that led to it if there is one.
pub struct Ended<'a> {
    /// The network.
    pub solution: &'a Solution,
    /// The path on which its beta was chosen.
    pub path: Option<&'a PathSolution>,
    /// The settings of the run.
    pub settings: &'a Settings,
    /// The samples.
    pub split: &'a DataSplit,
}

/// Saves the model, writes report and page, and prints the results. The model comes first: it cannot be recomputed
/// cheaply. An output that fails does not keep the others from being written. `more` was written before.
pub fn conclude(args: &FitArgs, ended: &Ended, more: Option<Result<()>>) -> Exit {
    let Ended { solution, path, settings, split } = *ended;
    if args.output.verbose {
        note(iterations::closing(solution));
    }
    let saved = args.output.model.as_deref().map(|path| Ok(solution.model.save(path)?));
    let qualities = Qualities::of(solution, path);
    // It takes seconds, which only a page is worth.
    let understanding = args.output.report.as_ref().map(|_| understanding::of(solution, split, settings.seed));
    let report = || to_json(&RunReport::new(solution, settings, path, &qualities, understanding.as_ref()));
    let reported = args.output.json.as_deref().map(|path| write_whole(path, &report()?));
    let (qualities, source) = (&qualities, &args.data.source);
    let shown = args.output.report.as_deref().zip(understanding.as_ref()).map(|(folder, understanding)| {
        page::write(folder, &page::Subject { solution, path, settings, split, qualities, understanding, source })
    });
    if args.output.prints() {
        path.into_iter().for_each(|path| print(result::path(path, settings)));
        print(result::closing(solution, path, args.output.verbose));
        print_model(args, &saved);
        print_page(args, &shown);
    }
    Exit::of_run(solution, [saved, reported, shown, more])
}

/// Prints where the model is, and how to check it.
fn print_model(args: &FitArgs, saved: &Option<Result<()>>) {
    if let (Some(path), Some(Ok(()))) = (&args.output.model, saved) {
        let (model, data) = (shell::quoted(&path.to_string_lossy()), source::arguments(&args.data.source));
        print(format!("The model is in {}; check it with: cvx verify {model} {data}", path.display()));
    }
}

/// Prints where the page is.
fn print_page(args: &FitArgs, written: &Option<Result<()>>) {
    if let (Some(folder), Some(Ok(()))) = (&args.output.report, written) {
        print(format!("The report is in {}", folder.join("index.html").display()));
    }
}
