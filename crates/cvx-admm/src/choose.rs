//! The choice of a network by a plan: one path, or two on the same held-out samples.

use crate::api::error::TrainError;
use crate::api::observer::{Guarded, Observer};
use crate::auto::Plan;
use crate::clock::Clock;
use crate::path::settings::PathSettings;
use crate::path::{PathSolution, Search};
use cvx_linalg::StopToken;
use cvx_model::Dataset;

/// Share of a budget that the network beside the planned one may take.
const BUDGET_BESIDE: f64 = 0.25;

/// [`path`](crate::path()) with the settings of a plan. If it has another network beside, both choose a beta on the
/// same held-out samples, and the one with the smaller mean loss is trained to the end. The planned one alone is tried
/// under a time limit, and where the other one does not fit the memory.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn choose(
    data: &Dataset,
    test: Option<&Dataset>,
    plan: &Plan,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<PathSolution, TrainError> {
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer, data.samples()));
    // The other one comes first: if the choice is interrupted, what there is of the planned network is not lost.
    let beside = match plan.beside.as_ref().filter(|_| plan.settings.time_limit.is_none()) {
        Some(settings) => {
            let budget = plan.path.budget.map(|budget| BUDGET_BESIDE * budget);
            let path = PathSettings { budget, ..plan.path.clone() };
            observer.candidate(settings);
            match Search::new(data, test, settings, &path, (clock, stop), observer) {
                Err(TrainError::Memory { .. }) => None,
                search => Some(search?),
            }
        }
        None => None,
    };
    let (winner, other) = match beside {
        Some(cut) if cut.is_cut_short() => (cut, None),
        beside => {
            if beside.is_some() {
                observer.candidate(&plan.settings);
            }
            let planned = Search::new(data, test, &plan.settings, &plan.path, (clock, stop), observer)?;
            match beside {
                Some(beside) if beside.mean_loss() < planned.mean_loss() => (beside, Some(planned)),
                beside => (planned, beside),
            }
        }
    };
    let seconds = other.as_ref().map_or(0.0, Search::seconds).max(winner.seconds());
    let solution = winner.finish(data, test, &plan.path, (&mut clock, stop), observer)?;
    Ok(PathSolution { seconds, beside: other.and_then(Search::into_beside), ..solution })
}
