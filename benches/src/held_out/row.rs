//! One choice as a JSON line.

use super::chooser::Chooser;
use super::ground::Ground;
use super::outcome::Outcome;
use crate::host::Host;
use cvx_model::{Dataset, Loss, Normalisation};
use serde::Serialize;

/// A chosen network, complete with where and how it was made.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which benchmark made it.
    pub bench: &'static str,
    /// Machine, threads, revision.
    pub host: Host,
    /// Name in tables.
    pub contender: String,
    /// What was given to the contender.
    pub settings: serde_json::Value,
    /// Of the split, and of gates, or of first weights and batches.
    pub seed: u64,
    /// Data source.
    pub data: String,
    /// Classes that were asked for; none for all.
    pub classes: Vec<String>,
    /// All training samples.
    pub n_samples: usize,
    /// Those of them that were held out.
    pub n_held_out: usize,
    /// Test samples.
    pub n_test: usize,
    /// Features, the bias among them.
    pub n_features: usize,
    /// The loss of the objective; its regulariser is the sum of ||w1_j|| ||w2_j||, for all that have an objective.
    pub loss: &'static str,
    /// How features are scaled.
    pub normalisation: Normalisation,
    /// Whether there is a bias feature.
    pub bias: bool,
    /// Certified gap of the convex programme on all training samples.
    pub gap: f64,
    /// Seconds for choosing and closing run.
    pub time_limit: Option<f64>,
    /// Where it ran.
    pub device: String,
    /// The device for people, with the name of a card.
    pub device_name: String,
    /// How matrices were stored.
    pub precision: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Row {
    /// Runs a method and makes a row of it however it ends, so that failures are recorded.
    pub fn new(bench: &'static str, chooser: &dyn Chooser, ground: &Ground, seed: u64, threads: usize) -> Self {
        let failed = |error: anyhow::Error| Outcome {
            status: "Failed".to_string(),
            error: Some(format!("{error:#}")),
            ..Outcome::default()
        };
        Row {
            bench,
            host: Host::new(threads),
            contender: chooser.name(ground),
            settings: chooser.settings(),
            seed,
            data: ground.data.clone(),
            classes: ground.classes.clone(),
            n_samples: ground.split.train.n_samples(),
            n_held_out: ground.held_out(seed).map_or(0, |rows| rows.len()),
            n_test: ground.split.test.as_ref().map_or(0, Dataset::n_samples),
            n_features: ground.split.train.n_features() + 1,
            loss: Loss::Squared.name(),
            normalisation: ground.normalisation(),
            bias: true,
            gap: ground.gap,
            time_limit: ground.time_limit,
            device: ground.place.name().to_string(),
            device_name: ground.place.description(),
            precision: if ground.double { "f64" } else { "f32" },
            outcome: chooser.choose(ground, seed).unwrap_or_else(failed),
        }
    }
}
