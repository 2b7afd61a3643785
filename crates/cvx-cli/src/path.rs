//! `cvx path`.

use crate::Exit;
use crate::args::{ChoiceArg, PathArgs};
use crate::json::{PathReport, to_json};
use crate::output::{Named, complain, note, print, write_whole};
use crate::progress::watcher;
use crate::{page, source, table, train};
use anyhow::Result;
use cvx_admm::{Beta, Choice, PathPoint, PathSettings, PathSolution, Settings, StopToken, Validation, path};
use cvx_figures::{ENDINGS, Panel, Point, Scale, Series, render, with_ending};
use std::path::{Path, PathBuf};

/// Trains along the path, reports, saves.
pub fn run(args: &PathArgs) -> Result<Exit> {
    let mut settings = train::settings(&args.fit, Settings::default())?;
    settings.validate()?;
    let path_settings = PathSettings {
        betas: args.betas,
        ratio: args.beta_ratio,
        gap: args.path_gap,
        validation: args.folds.map_or(Validation::Share(args.validation), Validation::Folds),
        choice: match args.choose {
            ChoiceArg::Best => Choice::Best,
            ChoiceArg::Sparsest => Choice::Sparsest,
        },
    };
    path_settings.validate()?;
    let pictures: Vec<PathBuf> =
        args.plot.iter().flat_map(|stem| ENDINGS.iter().map(|ending| with_ending(stem, ending))).collect();
    let pictures: Vec<Named> = pictures.iter().map(|path| ("--plot", path.as_path())).collect();
    train::check_outputs(&args.fit, &[], &pictures)?;
    let split = source::load_to_train(&args.fit)?;
    train::choose_patterns(&args.fit, &split, &mut settings)?;
    let stop = StopToken::new();
    train::stop_on_interrupt(&stop)?;

    let mut progress = watcher(&args.fit, &settings);
    let found = path(&split.train, split.test.as_ref(), &settings, &path_settings, &stop, &mut *progress)
        .map_err(|error| source::blame(error, &args.fit.source))?;
    drop(progress);

    let saved = match (&args.fit.model, &found.solution) {
        (Some(path), Some(solution)) => Some(solution.model.save(path).map_err(Into::into)),
        _ => None,
    };
    let report = || to_json(&PathReport::new(&found, settings.precision, settings.seed));
    let reported = args.fit.json.as_deref().map(|path| write_whole(path, &report()?));
    let drawn = args.plot.as_deref().map(|stem| draw(&found, stem));
    // What the last run was asked for.
    let chosen = found.points.get(found.chosen).map_or(settings.beta, |point| Beta::Fraction(point.fraction));
    let settings = Settings { beta: chosen, ..settings };
    let subject = page::Subject {
        solution: found.solution.as_ref(),
        path: Some(&found),
        settings: &settings,
        split: &split,
        source: &args.fit.source,
    };
    let shown = args.fit.report.as_deref().map(|folder| page::write(folder, &subject));
    if !args.fit.quiet {
        print(table::path(&found));
    }
    let Some(solution) = &found.solution else {
        let ended = found.cut_short.map_or(String::new(), |status| format!(" ({status})"));
        note(format_args!(
            "The path was cut short{ended}, so there is no model; --json, --plot and --report have the betas so far."
        ));
        [reported, drawn, shown].into_iter().flatten().filter_map(Result::err).for_each(|error| complain(&error));
        return Ok(Exit::Failed);
    };
    if !args.fit.quiet {
        print(table::closing(solution, &settings));
        train::say_saved(&args.fit, &saved);
        page::say_written(&args.fit, &shown);
    }
    Ok(train::exit(solution, [saved, reported, drawn, shown]))
}

/// The picture of a path in its files.
fn draw(path: &PathSolution, stem: &Path) -> Result<()> {
    let panels = panels(path);
    let files = render("Regularisation path", &panels, panels.len())?;
    files.iter().try_for_each(|(ending, bytes)| write_whole(&with_ending(stem, ending), bytes))
}

/// Accuracy (or loss), objective and number of neurons against beta.
pub fn panels(path: &PathSolution) -> [Panel; 3] {
    let curve = |label: &str, y: &dyn Fn(&PathPoint) -> f64, error: &dyn Fn(&PathPoint) -> f64| Series::Curve {
        label: label.to_string(),
        points: (path.points.iter())
            .map(|point| {
                let (y, error) = (y(point), error(point));
                Point { x: point.fraction, y, error: (error > 0.0).then_some((y - error, y + error)) }
            })
            .collect(),
    };
    // A path that was cut short has not chosen.
    let chosen = path.points.get(path.chosen).filter(|_| path.solution.is_some());
    let at = |y: &dyn Fn(&PathPoint) -> f64| Series::Curve {
        label: "chosen".to_string(),
        points: chosen.iter().map(|point| Point { x: point.fraction, y: y(point), error: None }).collect(),
    };
    let none = |_: &PathPoint| 0.0;
    let panel = |title: &str, y_label: &str, y_scale: Scale, series: Vec<Series>| Panel {
        title: title.to_string(),
        x_label: "beta over its largest value".to_string(),
        y_label: y_label.to_string(),
        x_scale: Scale::Log,
        y_scale,
        bars: Vec::new(),
        series,
    };
    let right = |point: &PathPoint| 1.0 - point.error;
    let train_right = |point: &PathPoint| point.train.accuracy.unwrap_or_default();
    let scores = if path.points.iter().any(|point| point.validation.accuracy.is_some()) {
        vec![
            curve("training", &train_right, &none),
            curve("held out", &right, &|point| point.standard_error),
            at(&right),
        ]
    } else {
        vec![curve("held out", &|point| point.error, &|point| point.standard_error), at(&|point| point.error)]
    };
    [
        panel("Samples", if scores.len() == 3 { "accuracy" } else { "mean loss" }, Scale::Linear, scores),
        panel(
            "Objective",
            "network, and bound over sampled patterns (log)",
            Scale::Log,
            vec![
                curve("network", &|point| point.objective.network, &none),
                curve("bound", &|point| point.objective.dual_bound, &none),
                at(&|point| point.objective.network),
            ],
        ),
        panel(
            "Neurons",
            "number",
            Scale::Linear,
            vec![curve("neurons", &|point| point.neurons, &none), at(&|point| point.neurons)],
        ),
    ]
}
