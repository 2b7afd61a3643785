//! The termination tests: they map the results of an iteration to a status.

use crate::api::settings::ValidSettings;
use cvx_artifact::Status;
use cvx_linalg::{LinalgError, LinearStatus, StopReason};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// From this iteration on, the gap must fall by 1 % over each doubling of the iterations.
const STALL_FROM: usize = 5000;

/// An intermediate round ends where the network of an iteration is at most this share above the best one.
const NEAR_BEST: f64 = 0.05;

/// The termination tests, with their state.
#[derive(Clone, Debug)]
pub(crate) struct Termination {
    gap: f64,
    max_iterations: usize,
    /// Whether slow progress ends the run, because other patterns will follow.
    intermediate: bool,
    progress: Progress,
}

/// The state of the tests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Iteration and gap of the last comparison of gaps.
    stall: Option<(usize, f64)>,
    /// The best objective at the first comparison of objectives; iteration and objective of the last.
    slow: Option<(f64, usize, f64)>,
}

/// The results of an iteration, which was evaluated or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub iteration: usize,
    /// The certified gap, if it was evaluated.
    pub relative_gap: Option<f64>,
    /// Objective of this iteration's network, if it was evaluated.
    pub network: Option<f64>,
    /// Objective of the best network.
    pub best: f64,
    /// The cost of the next programme's factors, in iterations.
    pub change: f64,
    /// The observer's answer.
    pub observer: ControlFlow<()>,
}

impl Termination {
    pub fn new(settings: &ValidSettings, intermediate: bool) -> Self {
        Termination {
            gap: settings.gap,
            max_iterations: settings.max_iterations,
            intermediate,
            progress: Progress::default(),
        }
    }

    /// Test before an iteration, with the gap of the best network and bound if it may have changed since the last test.
    pub fn before(&self, iteration: usize, relative_gap: Option<f64>) -> Option<Status> {
        if relative_gap.is_some_and(|gap| gap <= self.gap) {
            return Some(Status::Optimal);
        }
        (iteration > self.max_iterations).then_some(Status::IterationLimit)
    }

    /// Test after the u-update (4a). An inexact u-update does not end the run: outer residuals and certificate show its
    /// effect.
    pub fn after_solve(&self, status: LinearStatus) -> Option<Status> {
        match status {
            LinearStatus::NonFinite => Some(Status::NumericalError),
            LinearStatus::Converged | LinearStatus::IterationLimit | LinearStatus::Breakdown => None,
        }
    }

    /// Test after the steps (4b) and (4c), with whether their norms are finite.
    pub fn after_steps(&self, finite: bool) -> Option<Status> {
        (!finite).then_some(Status::NumericalError)
    }

    /// Test after the evaluation and the observer. A status that [can be resumed](Status::can_resume) ends the run
    /// after the iteration is complete, any other status at once.
    pub fn after_evaluation(&mut self, facts: &Facts) -> Option<Status> {
        if facts.relative_gap.is_some_and(|gap| gap <= self.gap) {
            return Some(Status::Optimal);
        }
        let slow = self.intermediate && self.progress.is_slow(facts);
        let stalled = self.progress.is_stalled(facts);
        match facts.observer {
            ControlFlow::Break(()) => Some(Status::Interrupted),
            ControlFlow::Continue(()) if slow || stalled => Some(Status::InsufficientProgress),
            ControlFlow::Continue(()) => (facts.iteration >= self.max_iterations).then_some(Status::IterationLimit),
        }
    }

    /// The status for an error of the iteration. An error that is caused by a bug remains an error.
    pub fn of_error(error: &LinalgError) -> Option<Status> {
        match error {
            LinalgError::Stopped(StopReason::Interrupted) => Some(Status::Interrupted),
            LinalgError::Stopped(StopReason::TimeLimit) => Some(Status::TimeLimit),
            LinalgError::DeviceMemory { .. } | LinalgError::DeviceFailure { .. } => Some(Status::DeviceError),
            LinalgError::NotPositiveDefinite { .. } | LinalgError::NoEigenvalues | LinalgError::NonFinite { .. } => {
                Some(Status::NumericalError)
            }
            _ => None,
        }
    }

    /// The status of a run after its closing evaluation, which may reach a gap that the last evaluation of the loop
    /// missed.
    pub fn after_closing(gap: f64, status: Status, relative_gap: f64) -> Status {
        let ended_early = matches!(status, Status::IterationLimit | Status::TimeLimit | Status::InsufficientProgress);
        if ended_early && relative_gap <= gap { Status::Optimal } else { status }
    }

    /// Whether the network of this iteration must be evaluated: always for the last iteration of a run.
    pub fn is_last(&self, iteration: usize) -> bool {
        iteration == self.max_iterations
    }

    /// The state of the tests, for a checkpoint.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Restores the state of the tests.
    pub fn restore(&mut self, progress: Progress) {
        self.progress = progress;
    }
}

impl Progress {
    /// Whether every stored comparison is at or before this iteration.
    pub fn is_until(&self, iteration: usize) -> bool {
        let slow = self.slow.map(|(_, at, _)| at);
        self.stall.map(|(at, _)| at).into_iter().chain(slow).all(|at| at <= iteration)
    }

    /// Whether the network is close to the best one, and the logarithm of its objective now falls more slowly than it
    /// did on average over the round, whose cost includes the change to the next one: a new round then promises more
    /// (the marginal value theorem of Charnov 1976).
    fn is_slow(&mut self, facts: &Facts) -> bool {
        let Facts { iteration, best, change, .. } = *facts;
        let Some(network) = facts.network else { return false };
        let (start, before, last) = *self.slow.get_or_insert((best, iteration, network));
        if iteration == before {
            return false;
        }
        self.slow = Some((start, iteration, network));
        let fall = |from: f64, to: f64| (from / to).ln();
        let now = fall(last, network) / (iteration - before) as f64;
        let average = fall(start, best) / (iteration as f64 + change);
        // Of objectives of 0 there is no logarithm, and nothing more to gain. A round that has not gained anything yet
        // goes on.
        best < start && network <= best * (1.0 + NEAR_BEST) && now.partial_cmp(&average) != Some(Ordering::Greater)
    }

    /// Whether the gap has stopped falling.
    fn is_stalled(&mut self, facts: &Facts) -> bool {
        let next = self.stall.map_or(STALL_FROM, |(before, _)| 2 * before);
        let Some(gap) = facts.relative_gap.filter(|_| facts.iteration >= next) else { return false };
        let stalled = self.stall.is_some_and(|(_, last)| gap > 0.99 * last);
        self.stall = Some((facts.iteration, gap));
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::Settings;

    fn termination(intermediate: bool) -> Termination {
        let settings = Settings { gap: 1e-3, max_iterations: 20_000, ..Settings::default() };
        Termination::new(&settings.validate().unwrap(), intermediate)
    }

    fn facts(iteration: usize, gap: f64, network: f64) -> Facts {
        let (relative_gap, network) = (Some(gap), Some(network));
        Facts { iteration, relative_gap, network, best: 1.0, change: 5.0, observer: ControlFlow::Continue(()) }
    }

    #[test]
    fn the_gap_comes_first_then_the_observer_then_progress_then_the_limit() {
        let mut termination = termination(false);
        assert_eq!(termination.before(1, Some(2e-3)), None);
        assert_eq!(termination.before(1, Some(1e-3)), Some(Status::Optimal));
        assert_eq!(termination.before(20_001, None), Some(Status::IterationLimit));
        let stopped = |facts: Facts| Facts { observer: ControlFlow::Break(()), ..facts };
        assert_eq!(termination.after_evaluation(&stopped(facts(3, 1e-4, 1.0))), Some(Status::Optimal));
        assert_eq!(termination.after_evaluation(&stopped(facts(3, 1.0, 1.0))), Some(Status::Interrupted));
        assert_eq!(termination.after_evaluation(&stopped(facts(20_000, 1.0, 1.0))), Some(Status::Interrupted));
        assert_eq!(termination.after_evaluation(&facts(3, 1.0, 1.0)), None);
        assert_eq!(termination.after_solve(LinearStatus::NonFinite), Some(Status::NumericalError));
        assert_eq!(termination.after_steps(false), Some(Status::NumericalError));
        let at_limit = Facts { relative_gap: None, network: None, ..facts(20_000, 0.0, 0.0) };
        assert_eq!(termination.after_evaluation(&at_limit), Some(Status::IterationLimit));
    }

    #[test]
    fn a_gap_that_has_not_fallen_by_a_hundredth_over_a_doubling_ends_a_run() {
        let mut stalled = termination(false);
        let mut falling = termination(false);
        for iteration in 1..10_000 {
            assert_eq!(stalled.after_evaluation(&facts(iteration, 0.5, 1.0)), None, "{iteration}");
            assert_eq!(falling.after_evaluation(&facts(iteration, 0.5, 1.0)), None);
        }
        assert_eq!(stalled.after_evaluation(&facts(10_000, 0.496, 1.0)), Some(Status::InsufficientProgress));
        assert_eq!(falling.after_evaluation(&facts(10_000, 0.494, 1.0)), None);
    }

    #[test]
    fn slow_progress_ends_an_intermediate_round_alone() {
        for intermediate in [false, true] {
            let mut termination = termination(intermediate);
            let best = |iteration, best| Facts { best, ..facts(iteration, 0.5, best) };
            assert_eq!(termination.after_evaluation(&best(1, 8.0)), None);
            // The objective halves, then falls by a quarter, then hardly: a sixth of its logarithm an iteration, 0.06
            // of it an iteration against 0.14 on average.
            assert_eq!(termination.after_evaluation(&best(3, 4.0)), None);
            let above = Facts { network: Some(4.5), ..best(6, 4.0) };
            assert_eq!(termination.after_evaluation(&above), None, "it is not near the best one");
            assert_eq!(termination.after_evaluation(&best(7, 3.9)), None);
            let ended = termination.after_evaluation(&best(11, 3.8));
            assert_eq!(ended, intermediate.then_some(Status::InsufficientProgress));
        }
    }

    #[test]
    fn errors_of_the_program_are_no_status() {
        let shape = LinalgError::Shape { operation: "gemm", detail: "2 x 3 times 2 x 3".to_string() };
        assert_eq!(Termination::of_error(&shape), None);
        assert_eq!(Termination::of_error(&LinalgError::NoEigenvalues), Some(Status::NumericalError));
        let stopped = LinalgError::Stopped(StopReason::TimeLimit);
        assert_eq!(Termination::of_error(&stopped), Some(Status::TimeLimit));
    }

    #[test]
    fn a_closing_evaluation_may_reach_the_gap_but_does_not_excuse_an_interrupt() {
        let closed = |status| Termination::after_closing(1e-3, status, 9e-4);
        assert_eq!(closed(Status::TimeLimit), Status::Optimal);
        assert_eq!(closed(Status::Interrupted), Status::Interrupted);
        assert_eq!(Termination::after_closing(1e-3, Status::TimeLimit, 2e-3), Status::TimeLimit);
    }
}
