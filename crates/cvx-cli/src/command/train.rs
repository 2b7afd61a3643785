//! `cvx train`.

use crate::args::TrainArgs;
use crate::exit::Exit;
use crate::file::write_whole;
use crate::interrupt::stop_on_interrupt;
use crate::report::{RunReport, to_json};
use crate::terminal::stream::{note, print};
use crate::terminal::{iterations, result};
use crate::watcher::watcher;
use crate::{notes, outputs, page, patterns, settings, shell, source};
use anyhow::{Context, Result};
use cvx_admm::{Checkpoint, Status, resume, train_with};

/// Trains, saves, reports.
pub fn run(args: &TrainArgs) -> Result<Exit> {
    let mut settings = settings::of_training(args)?;
    // A resumed run may write its checkpoints into the file that it continues from.
    let resumed_from = args.resume.as_deref().filter(|_| args.resume != args.checkpoint);
    let checkpoint = args.checkpoint.as_deref().map(|path| ("--checkpoint", path));
    outputs::check(&args.fit, resumed_from.map(|path| ("--resume", path)).as_slice(), checkpoint.as_slice())?;
    let resumed = args.resume.as_deref().map(Checkpoint::load).transpose().context("--resume")?;
    let fit = &args.fit;
    let split = source::load_to_train(fit)?;
    notes::of_training(&split, &fit.output);
    patterns::choose(fit, &split, &mut settings)?;
    let stop = stop_on_interrupt()?;

    let mut watcher = watcher(&fit.output, &settings);
    let (train, test) = (&split.train, split.test.as_ref());
    let solution = match &resumed {
        Some(checkpoint) => resume(train, test, &settings, checkpoint, &stop, &mut *watcher),
        None => train_with(train, test, &settings, None, &stop, &mut *watcher),
    };
    drop(watcher);
    let solution = solution.map_err(|error| source::blame(error, &fit.data.source))?;
    if fit.output.verbose {
        note(iterations::closing(&solution));
    }

    // The model first: it cannot be recomputed cheaply. An output that fails does not keep the others from being
    // written.
    let saved = fit.output.model.as_deref().map(|path| Ok(solution.model.save(path)?));
    let report = || to_json(&RunReport::new(&solution, &settings));
    let reported = fit.output.json.as_deref().map(|path| write_whole(path, &report()?));
    let subject = page::Subject {
        solution: Some(&solution),
        path: None,
        settings: &settings,
        split: &split,
        source: &fit.data.source,
    };
    let shown = fit.output.report.as_deref().map(|folder| page::write(folder, &subject));
    if !fit.output.quiet {
        print(result::closing(&solution, &settings));
        outputs::print_model(fit, &saved);
        outputs::print_page(fit, &shown);
        if let Some(path) = args.checkpoint.as_deref().filter(|path| solution.status.can_resume() && path.is_file()) {
            let path = shell::quoted(&path.to_string_lossy());
            // The limit counts the iterations before the checkpoint, too.
            let limit = match solution.status {
                Status::IterationLimit => " and a larger --max-iterations",
                _ => "",
            };
            print(format!("To continue, give the same command with --resume {path}{limit}"));
        }
    }
    Ok(Exit::of_run(&solution, [saved, reported, shown]))
}
