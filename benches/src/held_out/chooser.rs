//! A method that chooses networks.

use super::ground::Ground;
use super::outcome::Outcome;
use anyhow::Result;

/// One who chooses a network: by the held-out samples alone, then trains it on all training samples, then looks at the
/// test samples.
pub trait Chooser {
    /// Name in tables; what follows from the samples is part of it.
    fn name(&self, ground: &Ground) -> String;
    /// What is given and not chosen, for a row.
    fn settings(&self) -> serde_json::Value;
    /// Chooses and trains.
    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome>;
}
