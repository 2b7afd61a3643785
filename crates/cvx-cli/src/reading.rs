//! The progress of reading a table: a bar on a terminal, nothing elsewhere.

use cvx_data::Reading;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Shorter reading shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Rows so far, their rate, and the share of the text.
pub struct ReadingBar {
    bar: ProgressBar,
    started: Instant,
}

impl ReadingBar {
    /// A bar, unless it should be `quiet`.
    pub fn new(quiet: bool) -> Self {
        // It is hidden where stderr is no terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        // The template is a constant; a wrong one would only lose the style.
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}") {
            bar.set_style(style);
        }
        ReadingBar { bar, started: Instant::now() }
    }

    /// Shows how far the reading has come.
    pub fn show(&self, reading: &Reading) {
        let elapsed = self.started.elapsed();
        if elapsed < PATIENCE {
            return;
        }
        let rate = (reading.rows as f64 / elapsed.as_secs_f64()) as u64;
        self.bar.set_length(reading.length);
        self.bar.set_position(reading.bytes);
        self.bar.set_message(format!("{} rows, {} a second", HumanCount(reading.rows as u64), HumanCount(rate)));
    }
}

/// Clears the bar.
impl Drop for ReadingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
