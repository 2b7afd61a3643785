//! `cvx train`.

use crate::args::{FitArgs, TrainArgs};
use crate::exit::Exit;
use crate::interrupt::stop_on_interrupt;
use crate::outputs::{Ended, conclude};
use crate::ranks::{self, Job};
use crate::settings::Training;
use crate::terminal::stream::print;
use crate::watcher::watcher;
use crate::{notes, outputs, patterns, settings, shell, source};
use anyhow::{Context, Result};
use cvx_admm::{Beta, Checkpoint, Plan, Settings, Status, StopToken, automatic, choose, resume, train_with};
use cvx_model::DataSplit;

/// Trains, saves, reports.
pub fn run(mut args: TrainArgs) -> Result<Exit> {
    ranks::run(|job| {
        // The first rank speaks for all.
        args.fit.output.quiet |= !job.is_first();
        run_in(job, &args)
    })
}

fn run_in(job: &Job, args: &TrainArgs) -> Result<Exit> {
    let fit = &args.fit;
    // A resumed run may write its checkpoints into the file that it continues from.
    let resumed_from = args.resume.as_deref().filter(|_| args.resume != args.checkpoint);
    let checkpoint = args.checkpoint.as_deref().map(|path| ("--checkpoint", path));
    let training = settings::of_training(args)?;
    if job.is_first() {
        outputs::check(fit, resumed_from.map(|path| ("--resume", path)).as_slice(), checkpoint.as_slice())?;
    }
    let resumed = args.resume.as_deref().map(Checkpoint::load).transpose().context("--resume")?;
    let split = source::load_share(fit, job)?;
    notes::of_training(&split, &fit.output);
    let stop = stop_on_interrupt()?;
    match training {
        Training::AtGivenBeta(settings) => at_given_beta(job, args, *settings, resumed.as_ref(), &split, &stop),
        Training::AtChosenBeta(planned) => {
            let (settings, path, wishes) = *planned;
            let plan = automatic(&split.train, &settings, &path, &wishes)
                .map_err(|error| source::blame(error, &fit.data.source))?;
            at_chosen_beta(job, fit, plan, &split, &stop)
        }
    }
}

/// One run.
fn at_given_beta(
    job: &Job,
    args: &TrainArgs,
    mut settings: Settings,
    resumed: Option<&Checkpoint>,
    split: &DataSplit,
    stop: &StopToken,
) -> Result<Exit> {
    let fit = &args.fit;
    patterns::choose(fit, split, &mut settings)?;
    let mut watcher = watcher(&fit.output, &settings, split.train.kind());
    let (train, test) = (&split.train, split.test.as_ref());
    let solution = match resumed {
        Some(checkpoint) => resume(train, test, &settings, checkpoint, stop, &mut *watcher),
        None => train_with(train, test, &settings, None, stop, &mut *watcher),
    };
    drop(watcher);
    let solution = solution.map_err(|error| source::blame(error, &fit.data.source))?;
    let split = &job.of_outputs(split, &fit.output)?;
    if !job.is_first() {
        return Ok(Exit::Done);
    }
    let exit = conclude(fit, &Ended { solution: &solution, path: None, settings: &settings, split }, None);
    let resumable = args.checkpoint.as_deref().filter(|path| solution.status.can_resume() && path.is_file());
    if let (Some(path), true) = (resumable, fit.output.prints()) {
        let path = shell::quoted(&path.to_string_lossy());
        // The limit counts the iterations before the checkpoint, too.
        let limit = match solution.status {
            Status::IterationLimit => " and a larger --max-iterations",
            _ => "",
        };
        print(format!("To continue, give the same command with --resume {path}{limit}"));
    }
    Ok(exit)
}

/// A path that chooses beta, and the network at the chosen one.
fn at_chosen_beta(job: &Job, fit: &FitArgs, plan: Plan, split: &DataSplit, stop: &StopToken) -> Result<Exit> {
    let mut watcher = watcher(&fit.output, &plan.settings, split.train.kind());
    let found = choose(&split.train, split.test.as_ref(), &plan, stop, &mut *watcher);
    drop(watcher);
    let found = found.map_err(|error| source::blame(error, &fit.data.source))?;
    let split = &job.of_outputs(split, &fit.output)?;
    if !job.is_first() {
        return Ok(Exit::Done);
    }
    // The settings of the last runs.
    let beta = found.points.get(found.chosen).map_or(found.settings.beta, |point| Beta::Fraction(point.fraction));
    let settings = Settings { beta, ..found.settings.clone() };
    let ended = Ended { solution: &found.solution, path: Some(&found), settings: &settings, split };
    Ok(conclude(fit, &ended, None))
}
