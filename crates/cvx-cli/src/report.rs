//! What `--json` writes. The keys are stable; keys may be added.

mod choice;
mod confusion;
mod history;
mod patches;
mod prediction;
mod run;
mod scores;
mod targets;

pub use prediction::PredictionReport;
pub use run::RunReport;
pub use scores::ScoresReport;

use anyhow::Result;
use serde::Serialize;

/// Indented JSON.
pub fn to_json(report: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
