//! What is shown while a run goes on: a bar on a terminal, a line now and then elsewhere.

use crate::args::{FitArgs, LogArg};
use crate::log::JsonLog;
use crate::output::note;
use crate::table::{counted, percent};
use cvx_admm::{FileError, Iteration, Observer, Round, Scores, Settings, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Evaluations that the estimate of the time left looks back on.
const TREND: usize = 8;

/// Shows a run on stderr.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// Whether one of the features is a bias.
    bias: bool,
    terminal: bool,
    gap: f64,
    max_iterations: usize,
    time_limit: Option<f64>,
    /// (seconds, gap) of the last evaluations.
    trend: VecDeque<(f64, f64)>,
    /// Iterations and seconds at the last iteration, and at the beginning of this run; a path has many.
    done: (usize, f64),
    began: (usize, f64),
    last: String,
    printed: Instant,
}

impl Progress {
    /// Shows nothing when `quiet`.
    pub fn new(quiet: bool, settings: &Settings) -> Self {
        let &Settings { bias, gap, max_iterations, time_limit, .. } = settings;
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(max_iterations as u64),
            if quiet || !terminal { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) },
        );
        // The template is a constant that the tests draw; a wrong one would only lose the decoration.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Progress {
            bar,
            quiet,
            bias,
            terminal,
            gap,
            max_iterations,
            time_limit,
            trend: VecDeque::new(),
            done: (0, 0.0),
            began: (0, 0.0),
            last: String::new(),
            printed: Instant::now(),
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| note(text));
        }
    }

    /// Seconds until the first limit is reached, as far as the trend tells.
    fn seconds_left(&self, record: &Iteration) -> Option<f64> {
        let (first, last) = (self.trend.front()?, self.trend.back()?);
        let rate = (first.1 / last.1).ln() / (last.0 - first.0);
        let by_gap = (rate > 0.0 && rate.is_finite()).then(|| (last.1 / self.gap).ln().max(0.0) / rate);
        let iterations = record.iteration - self.began.0.min(record.iteration);
        let per_iteration = (record.seconds - self.began.1) / iterations.max(1) as f64;
        let by_iterations = per_iteration * self.max_iterations.saturating_sub(iterations) as f64;
        let by_time = self.time_limit.map(|limit| (limit - record.seconds).max(0.0));
        [by_gap, Some(by_iterations), by_time].into_iter().flatten().reduce(f64::min)
    }
}

/// Clears the bar.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Who watches a run: people, a program, nobody.
pub fn watcher(args: &FitArgs, settings: &Settings) -> Box<dyn Observer> {
    match args.log {
        LogArg::Json if args.quiet => Box::new(()),
        LogArg::Json => Box::new(JsonLog),
        LogArg::Text => Box::new(Progress::new(args.quiet, settings)),
    }
}

/// A number of any size in a few digits.
pub fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value) { format!("{value:.4}") } else { format!("{value:.3e}") }
}

/// 12 MB, 1.5 GB.
pub fn bytes(count: u64) -> String {
    let count = count as f64;
    if count < 1e9 { format!("{:.0} MB", (count / 1e6).max(1.0)) } else { format!("{:.1} GB", count / 1e9) }
}

impl Observer for Progress {
    fn begin(&mut self, summary: &Summary) {
        self.trend.clear();
        self.gap = summary.gap;
        // The last run of a path has a clock of its own.
        (self.done, self.began) = ((0, 0.0), (0, 0.0));
        let shape = &summary.shape;
        let task = match shape.n_targets {
            1 => summary.task.to_string(),
            // Whole numbers with few values are taken for classes, which is not always what was meant.
            targets if summary.task == "multiclass" => {
                format!("multiclass with {targets} classes (--task regression for numbers)")
            }
            targets => format!("{} with {targets} targets", summary.task),
        };
        let merged = match summary.merged_patterns {
            0 => String::new(),
            merged => format!(" ({merged} more were duplicates)"),
        };
        self.say(&format!(
            "{task}: {} samples, {}{}, {} patterns{merged}; beta {}\n{} on {} ({} threads), about {}",
            shape.n_samples,
            counted(shape.n_features - usize::from(self.bias), "feature"),
            if self.bias { " and a bias" } else { "" },
            shape.n_patterns,
            short(summary.beta),
            summary.solver,
            summary.device_name,
            summary.threads,
            bytes(summary.memory_bytes)
        ));
        if let Some(reason) = &summary.passed_over {
            self.say(&format!("cuda:0 was passed over: {reason}"));
        }
        self.bar.set_message("setting up: factorising");
        self.bar.enable_steady_tick(Duration::from_millis(125));
    }

    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        self.done = (record.iteration, record.seconds);
        if let (Some(network), Some(bound), Some(gap)) = (record.network, record.dual_bound, record.relative_gap) {
            self.trend.push_back((record.seconds, gap));
            if self.trend.len() > TREND {
                self.trend.pop_front();
            }
            let left = match self.seconds_left(record) {
                Some(left) if self.trend.len() >= TREND / 2 => format!(", about {left:.0} s left"),
                _ => String::new(),
            };
            self.last = format!("objective {network:.5}, bound {bound:.5}, gap {gap:.1e} of {:.0e}{left}", self.gap);
        }
        let line = format!("iteration {:>4}, {:.1} s: {}", record.iteration, record.seconds, self.last);
        if !self.terminal && self.printed.elapsed() >= LINE_EVERY {
            self.printed = Instant::now();
            self.say(&line);
        }
        self.bar.set_message(line);
        ControlFlow::Continue(())
    }

    fn round(&mut self, round: &Round) {
        self.trend.clear();
        self.began = self.done;
        let Round { patterns, neurons, network, dual_bound, seconds, .. } = round;
        let (patterns, neurons) = (counted(*patterns, "pattern"), counted(*neurons, "neuron"));
        self.say(&format!("{patterns}, {seconds:.1} s: objective {network:.5}, bound {dual_bound:.5}, {neurons}"));
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        if let Err(error) = written {
            let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
            self.say(&format!("warning: no checkpoint: {error}{cause}; the run goes on"));
        }
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        self.trend.clear();
        // Each beta counts from 1.
        self.began = (0, self.done.1);
        let held_out = match validation.accuracy {
            Some(accuracy) => format!("accuracy {}", percent(accuracy)),
            None => format!("loss {}", short(validation.loss)),
        };
        let fraction = format!("beta at {fraction:.2e} of its largest value");
        self.say(&format!("{fraction}: gap {relative_gap:.1e}, {held_out} on the held-out samples"));
    }
}
