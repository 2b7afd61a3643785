//! `cvx path`.

use crate::args::PathArgs;
use crate::exit::Exit;
use crate::file::{Named, write_whole};
use crate::interrupt::stop_on_interrupt;
use crate::outputs::{Ended, conclude};
use crate::ranks::{self, Job};
use crate::watcher::watcher;
use crate::{figures, notes, outputs, patterns, settings, source};
use anyhow::Result;
use cvx_admm::{Beta, PathSolution, Settings, path};
use cvx_figures::{ENDINGS, render, with_ending};
use std::path::{Path, PathBuf};

/// Trains along the path, saves, reports.
pub fn run(mut args: PathArgs) -> Result<Exit> {
    ranks::run(|job| {
        // The first rank speaks for all.
        args.fit.output.quiet |= !job.is_first();
        run_in(job, &args)
    })
}

fn run_in(job: &Job, args: &PathArgs) -> Result<Exit> {
    let fit = &args.fit;
    let (mut settings, path_settings) = settings::of_path(args)?;
    let pictures: Vec<PathBuf> =
        args.plot.iter().flat_map(|stem| ENDINGS.iter().map(|ending| with_ending(stem, ending))).collect();
    let pictures: Vec<Named> = pictures.iter().map(|path| ("--plot", path.as_path())).collect();
    if job.is_first() {
        outputs::check(fit, &[], &pictures)?;
    }
    let split = source::load_share(fit, job)?;
    notes::of_training(&split, &fit.output);
    patterns::choose(fit, &split, &mut settings)?;
    let stop = stop_on_interrupt()?;

    let mut watcher = watcher(&fit.output, &settings, split.train.kind());
    let found = path(&split.train, split.test.as_ref(), &settings, &path_settings, &stop, &mut *watcher);
    drop(watcher);
    let found = found.map_err(|error| source::blame(error, &fit.data.source))?;
    let split = job.of_outputs(&split, &fit.output)?;
    if !job.is_first() {
        return Ok(Exit::Done);
    }
    let drawn = args.plot.as_deref().map(|stem| draw(&found, stem));
    // The settings of the final run.
    let chosen = found.points.get(found.chosen).map_or(settings.beta, |point| Beta::Fraction(point.fraction));
    let settings = Settings { beta: chosen, ..settings };
    let ended = Ended { solution: &found.solution, path: Some(&found), settings: &settings, split: &split };
    Ok(conclude(fit, &ended, drawn))
}

/// Writes the figure of a path.
fn draw(path: &PathSolution, stem: &Path) -> Result<()> {
    let panels = figures::path_panels(path);
    let files = render("Regularisation path", &panels, panels.len())?;
    files.iter().try_for_each(|(ending, bytes)| write_whole(&with_ending(stem, ending), bytes))
}
