//! The termination tests: they map the results of an iteration to a status.

use crate::api::settings::ValidSettings;
use cvx_artifact::Status;
use cvx_linalg::{LinalgError, LinearStatus, StopReason};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// From this iteration on, the gap must fall by 1 % over each doubling of the iterations.
const STALL_FROM: usize = 5000;

/// An intermediate round ends if the objective falls by less than this share over this number of iterations.
const SLOW_FALL: f64 = 0.05;
const SLOW_OVER: usize = 10;

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
    /// Iteration and objective of the last comparison of objectives.
    slow: Option<(usize, f64)>,
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
        [self.stall, self.slow].into_iter().flatten().all(|(at, _)| at <= iteration)
    }

    /// Whether the network is close to the best one and its progress is slow.
    fn is_slow(&mut self, facts: &Facts) -> bool {
        let Some(network) = facts.network else { return false };
        let (before, last) = *self.slow.get_or_insert((facts.iteration, network));
        if facts.iteration < before + SLOW_OVER {
            return false;
        }
        self.slow = Some((facts.iteration, network));
        network <= facts.best * (1.0 + SLOW_FALL) && network > last * (1.0 - SLOW_FALL)
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
        Facts { iteration, relative_gap, network, best: 1.0, observer: ControlFlow::Continue(()) }
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
            assert_eq!(termination.after_evaluation(&facts(1, 0.5, 1.04)), None);
            assert_eq!(termination.after_evaluation(&facts(10, 0.5, 1.03)), None, "too early to compare");
            let ended = termination.after_evaluation(&facts(11, 0.5, 1.02));
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
