//! The result of a run.

use crate::api::observer::Summary;
use crate::api::record::Info;
use crate::iterates::state::WarmStart;
use cvx_artifact::{Model, Objective, Predictions, Scores, Status};
use cvx_linalg::{SampleSums, Traffic};
use cvx_model::Confusion;

/// The ranks of a run, and what their sums have cost the one that returns this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankRecord {
    /// Number of ranks.
    pub ranks: usize,
    /// Number of shards of the samples.
    pub shards: usize,
    /// Since the samples were read.
    pub traffic: Traffic,
}

impl RankRecord {
    /// Those of a run on these samples.
    pub(crate) fn of(samples: &SampleSums) -> Option<Self> {
        let ranks = samples.ranks()?;
        Some(RankRecord { ranks: ranks.size(), shards: ranks.shards().count(), traffic: ranks.traffic() })
    }
}

/// The result of a run, for every status.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The status of the run.
    pub status: Status,
    /// The best network, ready to predict.
    pub model: Model,
    /// The certificate.
    pub objective: Objective,
    /// Scores of the recovered network on the training samples.
    pub train: Scores,
    /// The predictions of the network on the training samples.
    pub train_predictions: Predictions,
    /// The training scores by class; `None` for a regression.
    pub train_confusion: Option<Confusion>,
    /// Training accuracy of the convex model F u of the last iterate; `None` if the run was stopped.
    pub convex_accuracy: Option<f64>,
    /// Scores on the test samples, if there are any.
    pub test: Option<Scores>,
    /// The predictions of the network on the test samples, if there are any.
    pub test_predictions: Option<Predictions>,
    /// The test scores by class; `None` for a regression.
    pub test_confusion: Option<Confusion>,
    /// Number of superfluous neurons that were removed at the end.
    pub pruned: usize,
    /// Largest relative violation of a cone by the returned network, before it was pruned.
    pub cone_violation: f64,
    /// Weight of the group norm.
    pub beta: f64,
    /// The last penalty rho.
    pub rho: f64,
    /// The weight sigma of the cone constraint.
    pub sigma: f64,
    /// The problem and the solver of the run.
    pub summary: Summary,
    /// History and phase times.
    pub info: Info,
    /// The ranks that the samples are spread over, if they are.
    pub ranks: Option<RankRecord>,
    /// The last iterates, if the settings keep them.
    pub warm_start: Option<WarmStart>,
}
