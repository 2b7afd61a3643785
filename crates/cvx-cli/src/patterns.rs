//! `--patterns auto`.

use crate::args::{FitArgs, LogFormat, Patterns};
use crate::source;
use crate::terminal::{log, stream};
use anyhow::Result;
use cvx_admm::{Settings, Suggestion, suggest_patterns};
use cvx_model::DataSplit;
use serde_json::json;

/// Chooses the number of patterns for `--patterns auto`, and tells it with the reason.
pub fn choose(args: &FitArgs, split: &DataSplit, settings: &mut Settings) -> Result<()> {
    if args.model.patterns != Some(Patterns::Auto) {
        return Ok(());
    }
    let Suggestion { patterns, reason } = suggest_patterns(&split.train, split.test.as_ref(), settings)
        .map_err(|error| source::blame(error, &args.data.source))?;
    settings.patterns = patterns;
    match args.output.log {
        _ if args.output.quiet => {}
        LogFormat::Text => stream::note(format_args!("{patterns} patterns: {reason}")),
        LogFormat::Json => log::event("patterns", json!({ "patterns": patterns, "reason": reason })),
    }
    Ok(())
}
