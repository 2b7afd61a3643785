//! The observer of a run.

use crate::args::{LogFormat, OutputArgs};
use crate::summary::patches::Layout;
use crate::terminal::iterations::IterationTable;
use crate::terminal::log::JsonLog;
use crate::terminal::progress::Progress;
use cvx_admm::{Observer, Settings};
use cvx_model::FeatureKind;

/// The observer that the arguments ask for: a progress bar, a table of iterations, lines of JSON, or none.
pub fn watcher(args: &OutputArgs, settings: &Settings, kind: FeatureKind) -> Box<dyn Observer> {
    let layout = Layout::planned(settings, kind);
    match args.log {
        _ if args.quiet => Box::new(()),
        LogFormat::Json => Box::new(JsonLog::new(layout)),
        LogFormat::Text if args.verbose => Box::new(IterationTable::new(settings, layout)),
        LogFormat::Text => Box::new(Progress::new(settings, layout)),
    }
}
