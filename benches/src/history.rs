//! What the history of a run tells.

use cvx_admm::Iteration;

/// When a network first reached this accuracy on the training samples.
pub fn seconds_to(accuracy: f64, history: &[Iteration]) -> Option<f64> {
    let reached = |record: &&Iteration| record.train.and_then(|scores| scores.accuracy).is_some_and(|a| a >= accuracy);
    history.iter().find(reached).map(|record| record.seconds)
}
