//! The progress of reading a table: a bar on a terminal, nothing elsewhere.

use cvx_data::Reading;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Shorter reading shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where a bar is drawn: on stderr, where it is hidden unless that is a terminal, or nowhere.
pub fn bar_target(quiet: bool) -> ProgressDrawTarget {
    if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

/// Rows so far, their rate, and the share of the text.
pub struct ReadingBar {
    bar: ProgressBar,
    /// When the table was begun, and its rows at the last look. Fewer rows belong to another table, or to the same one
    /// read again.
    begun: Cell<Option<(Instant, usize)>>,
}

impl ReadingBar {
    /// A bar, unless it should be `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, bar_target(quiet));
        // The template is a constant; a wrong one would only lose the style.
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}") {
            bar.set_style(style);
        }
        ReadingBar { bar, begun: Cell::new(None) }
    }

    /// Shows how far the reading has come.
    pub fn show(&self, reading: &Reading) {
        let begun = self.begun.get().filter(|(_, rows)| *rows <= reading.rows).map_or_else(Instant::now, |(at, _)| at);
        self.begun.set(Some((begun, reading.rows)));
        let elapsed = begun.elapsed();
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
