//! `cvx path`.

use crate::args::PathArgs;
use crate::exit::Exit;
use crate::file::{Named, write_whole};
use crate::interrupt::stop_on_interrupt;
use crate::report::{PathReport, to_json};
use crate::terminal::stream::{complain, note, print};
use crate::terminal::{iterations, result};
use crate::watcher::watcher;
use crate::{figures, notes, outputs, page, patterns, settings, source};
use anyhow::Result;
use cvx_admm::{Beta, PathSolution, Settings, path};
use cvx_figures::{ENDINGS, render, with_ending};
use std::path::{Path, PathBuf};

/// Trains along the path, saves, reports.
pub fn run(args: &PathArgs) -> Result<Exit> {
    let fit = &args.fit;
    let (mut settings, path_settings) = settings::of_path(args)?;
    let pictures: Vec<PathBuf> =
        args.plot.iter().flat_map(|stem| ENDINGS.iter().map(|ending| with_ending(stem, ending))).collect();
    let pictures: Vec<Named> = pictures.iter().map(|path| ("--plot", path.as_path())).collect();
    outputs::check(fit, &[], &pictures)?;
    let split = source::load_to_train(fit)?;
    notes::of_training(&split, &fit.output);
    patterns::choose(fit, &split, &mut settings)?;
    let stop = stop_on_interrupt()?;

    let mut watcher = watcher(&fit.output, &settings);
    let found = path(&split.train, split.test.as_ref(), &settings, &path_settings, &stop, &mut *watcher);
    drop(watcher);
    let found = found.map_err(|error| source::blame(error, &fit.data.source))?;
    if let (true, Some(solution)) = (fit.output.verbose, &found.solution) {
        note(iterations::closing(solution));
    }

    let saved = match (&fit.output.model, &found.solution) {
        (Some(path), Some(solution)) => Some(solution.model.save(path).map_err(Into::into)),
        _ => None,
    };
    let report = || to_json(&PathReport::new(&found, &settings));
    let reported = fit.output.json.as_deref().map(|path| write_whole(path, &report()?));
    let drawn = args.plot.as_deref().map(|stem| draw(&found, stem));
    // The settings of the final run.
    let chosen = found.points.get(found.chosen).map_or(settings.beta, |point| Beta::Fraction(point.fraction));
    let settings = Settings { beta: chosen, ..settings };
    let subject = page::Subject {
        solution: found.solution.as_ref(),
        path: Some(&found),
        settings: &settings,
        split: &split,
        source: &fit.data.source,
    };
    let shown = fit.output.report.as_deref().map(|folder| page::write(folder, &subject));
    if !fit.output.quiet {
        print(result::path(&found));
    }
    let Some(solution) = &found.solution else {
        let ended = found.cut_short.map_or(String::new(), |status| format!(" ({status})"));
        note(format_args!(
            "The path was cut short{ended}, so there is no model; --json, --plot and --report have the betas so far."
        ));
        [reported, drawn, shown].into_iter().flatten().filter_map(Result::err).for_each(|error| complain(&error));
        return Ok(Exit::Failed);
    };
    if !fit.output.quiet {
        print(result::closing(solution, &settings));
        outputs::print_model(fit, &saved);
        outputs::print_page(fit, &shown);
    }
    Ok(Exit::of_run(solution, [saved, reported, drawn, shown]))
}

/// Writes the figure of a path.
fn draw(path: &PathSolution, stem: &Path) -> Result<()> {
    let panels = figures::path_panels(path);
    let files = render("Regularisation path", &panels, panels.len())?;
    files.iter().try_for_each(|(ending, bytes)| write_whole(&with_ending(stem, ending), bytes))
}
