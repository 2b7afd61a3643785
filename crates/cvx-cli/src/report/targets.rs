//! The certificate by target.

use cvx_admm::{Objective, Solution, TargetRecord};
use serde::Serialize;

/// A class or a target column. Its objective, bound and gap are null if the loss couples the targets.
#[derive(Serialize)]
pub struct TargetReport {
    name: String,
    network: Option<f64>,
    sampled_primal: Option<f64>,
    dual_bound: Option<f64>,
    relative_gap: Option<f64>,
    neurons: usize,
}

impl TargetReport {
    /// A report for each target; `None` with one target.
    pub fn of(solution: &Solution) -> Option<Vec<TargetReport>> {
        let targets = &solution.info.targets;
        let report = |(name, &TargetRecord { objective, neurons }): (String, &TargetRecord)| {
            let value = |of: fn(&Objective) -> f64| objective.as_ref().map(of);
            TargetReport {
                name,
                network: value(|objective| objective.network),
                sampled_primal: objective.and_then(|objective| objective.sampled_primal),
                dual_bound: value(|objective| objective.dual_bound),
                relative_gap: value(|objective| objective.relative_gap),
                neurons,
            }
        };
        (!targets.is_empty()).then(|| solution.model.outputs().into_iter().zip(targets).map(report).collect())
    }
}
