//! What a run returns.

use crate::api::observer::Summary;
use crate::api::record::Info;
use crate::iterates::state::WarmStart;
use cvx_artifact::{Model, Objective, Scores, Status};
use cvx_model::Confusion;

/// What a run returns, however it ended.
#[derive(Clone, Debug)]
pub struct Solution {
    /// How it ended.
    pub status: Status,
    /// The best network, ready to predict.
    pub model: Model,
    /// The certificate.
    pub objective: Objective,
    /// On the training samples, of the recovered network.
    pub train: Scores,
    /// The same by class; `None` for a regression.
    pub train_confusion: Option<Confusion>,
    /// Training accuracy of the convex model F u of the last iterate; `None` for a run that was stopped.
    pub convex_accuracy: Option<f64>,
    /// On the test samples, where there are any.
    pub test: Option<Scores>,
    /// The same by class; `None` for a regression.
    pub test_confusion: Option<Confusion>,
    /// Number of neurons that were taken out in the end, because the network can do without them.
    pub pruned: usize,
    /// Largest relative violation of a cone by the returned network, before it was pruned.
    pub cone_violation: f64,
    /// Weight of the group norm.
    pub beta: f64,
    /// The last penalty.
    pub rho: f64,
    /// The weight of the cone constraint.
    pub sigma: f64,
    /// What was run.
    pub summary: Summary,
    /// History and phase times.
    pub info: Info,
    /// The last iterates.
    pub warm_start: WarmStart,
}
