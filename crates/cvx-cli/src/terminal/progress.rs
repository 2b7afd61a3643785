//! The progress of a run on stderr: a bar on a terminal, a line now and then elsewhere.

use super::event;
use super::stream::note;
use crate::number::{bytes, short};
use crate::summary::patches::{Layout, features};
use cvx_admm::{FileError, Iteration, Observer, Round, Scores, Settings, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time between two lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Most evaluations that the estimate of the remaining time uses.
const TREND: usize = 8;

/// Shows a run on stderr.
pub struct Progress {
    bar: ProgressBar,
    /// Whether one of the features is a bias.
    bias: bool,
    /// What gates of patches look at.
    layout: Option<Layout>,
    terminal: bool,
    gap: f64,
    max_iterations: usize,
    time_limit: Option<f64>,
    /// (seconds, gap) of the last evaluations.
    trend: VecDeque<(f64, f64)>,
    /// Iterations and seconds at the last iteration, and at the start of this run; a path has many runs.
    done: (usize, f64),
    began: (usize, f64),
    last: String,
    printed: Instant,
    /// A time limit counts from here, also where a run is resumed or follows others.
    started: Instant,
}

impl Progress {
    /// The progress of runs with these settings, with gates of patches if there is a layout.
    pub fn new(settings: &Settings, layout: Option<Layout>) -> Self {
        let &Settings { bias, gap, max_iterations, time_limit, .. } = settings;
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(max_iterations as u64),
            if terminal { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() },
        );
        // The template is a constant; a wrong one would only lose the style.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Progress {
            bar,
            bias,
            layout,
            terminal,
            gap,
            max_iterations,
            time_limit,
            trend: VecDeque::new(),
            done: (0, 0.0),
            began: (0, 0.0),
            last: String::new(),
            printed: Instant::now(),
            started: Instant::now(),
        }
    }

    fn print(&self, text: &str) {
        self.bar.suspend(|| note(text));
    }

    /// Seconds until the first limit is reached, by the trend.
    fn seconds_left(&self, record: &Iteration) -> Option<f64> {
        let (first, last) = (self.trend.front()?, self.trend.back()?);
        let rate = (first.1 / last.1).ln() / (last.0 - first.0);
        let by_gap = (rate > 0.0 && rate.is_finite()).then(|| (last.1 / self.gap).ln().max(0.0) / rate);
        let iterations = record.iteration - self.began.0.min(record.iteration);
        let per_iteration = (record.seconds - self.began.1) / iterations.max(1) as f64;
        let by_iterations = per_iteration * self.max_iterations.saturating_sub(iterations) as f64;
        let by_time = self.time_limit.map(|limit| (limit - self.started.elapsed().as_secs_f64()).max(0.0));
        // The limits alone say little: most runs reach their gap long before.
        Some(by_gap?.min(by_iterations).min(by_time.unwrap_or(f64::INFINITY)))
    }
}

/// Clears the bar.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn candidate(&mut self, settings: &Settings) {
        self.print(&event::candidate(settings));
    }

    fn begin(&mut self, summary: &Summary) {
        self.trend.clear();
        self.gap = summary.gap;
        // The final run of a path has its own clock.
        (self.done, self.began) = ((0, 0.0), (0, 0.0));
        let at_hand = summary.features.map_or(String::new(), |found| format!("; {}", features(found)));
        self.print(&format!(
            "{}: {}; beta {}\n{} on {} ({} threads), about {}{at_hand}",
            event::task(summary),
            event::sizes(summary, self.bias, self.layout.as_ref().filter(|_| summary.features.is_some())),
            short(summary.beta),
            summary.solver,
            summary.device_name,
            summary.threads,
            bytes(summary.memory_bytes)
        ));
        if let Some(reason) = event::passed_over(summary) {
            self.print(&reason);
        }
        self.bar.set_message("setting up: factorising");
        self.bar.enable_steady_tick(Duration::from_millis(125));
    }

    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        if record.iteration <= self.done.0 {
            // Another run, such as that of the next fold.
            self.trend.clear();
            self.began = (0, self.done.1);
        }
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
            self.print(&line);
        }
        self.bar.set_message(line);
        ControlFlow::Continue(())
    }

    fn round(&mut self, round: &Round) {
        self.trend.clear();
        self.began = self.done;
        self.print(&event::round(round));
    }

    fn checkpoint(&mut self, written: Result<&Path, &FileError>) {
        if let Err(error) = written {
            self.print(&event::no_checkpoint(error));
        }
    }

    fn point(&mut self, fraction: f64, relative_gap: f64, validation: &Scores) {
        self.trend.clear();
        // Each beta counts its iterations from 1.
        self.began = (0, self.done.1);
        self.print(&event::point(fraction, relative_gap, validation));
    }
}
