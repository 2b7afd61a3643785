//! The observer of a run.

use crate::args::{LogFormat, OutputArgs};
use crate::terminal::iterations::IterationTable;
use crate::terminal::log::JsonLog;
use crate::terminal::progress::Progress;
use cvx_admm::{Observer, Settings};

/// The observer that the arguments ask for: a progress bar, a table of iterations, lines of JSON, or none.
pub fn watcher(args: &OutputArgs, settings: &Settings) -> Box<dyn Observer> {
    match args.log {
        _ if args.quiet => Box::new(()),
        LogFormat::Json => Box::new(JsonLog),
        LogFormat::Text if args.verbose => Box::new(IterationTable::new(settings)),
        LogFormat::Text => Box::new(Progress::new(settings)),
    }
}
