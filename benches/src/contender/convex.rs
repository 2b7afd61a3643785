//! ADMM on the convex program, with one of the solvers of its u-update.

use super::problem::Problem;
use crate::row::{Goal, Outcome, Phase, TARGET_ACCURACY, TracePoint, finite, thinned};
use anyhow::Result;
use cvx_admm::{
    Beta, Iteration, Observer, Precision, Settings, Solution, SolverChoice, SolverKind, StopToken, train_with, verify,
};
use cvx_bench::feng::{self, FengSolver};
use cvx_bench::history::seconds_to;
use std::ops::ControlFlow;

/// A solver with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Convex {
    /// Of the u-update.
    pub solver: ConvexSolver,
    /// Whether it continues with other patterns: neurons become gates, twice. For the objective; an accuracy is reached
    /// before.
    pub refined: bool,
}

/// Whose solver it is.
#[derive(Clone, Copy, Debug)]
pub enum ConvexSolver {
    /// One of the shipped crates.
    Ours(SolverKind),
    /// One that only Feng et al. have.
    Feng(FengSolver),
}

/// Rounds of refinement: a third lowers the objective by less than its certificate costs.
const ROUNDS: usize = 2;

impl Convex {
    /// Every solver, those of Feng et al., and the exact one with refinement.
    pub fn all() -> impl Iterator<Item = Convex> {
        let ours = SolverKind::ALL.into_iter().map(Convex::plain);
        let theirs = FengSolver::ALL.map(|solver| Convex { solver: ConvexSolver::Feng(solver), refined: false });
        ours.chain(theirs).chain([Convex { refined: true, ..Convex::plain(SolverKind::Cholesky) }])
    }

    /// This solver as the shipped crates have it, on the sampled patterns.
    pub fn plain(solver: SolverKind) -> Self {
        Convex { solver: ConvexSolver::Ours(solver), refined: false }
    }

    /// Name in figures and tables.
    pub fn name(self) -> String {
        let name = match self.solver {
            ConvexSolver::Ours(solver) => solver.name(),
            ConvexSolver::Feng(solver) => solver.name(),
        };
        format!("{name}{}", if self.refined { " refined" } else { "" })
    }

    /// Penalty and steps of Feng et al. where it iterates as printed; else the defaults, which lead to a certificate.
    fn settings(self, problem: &Problem) -> Settings {
        let base = if self.iterates_as_printed(problem) { feng::settings() } else { Settings::default() };
        Settings {
            patterns: problem.patterns,
            beta: Beta::Value(problem.beta),
            gap: problem.gap,
            solver: match self.solver {
                ConvexSolver::Ours(solver) => SolverChoice::Kind(solver),
                ConvexSolver::Feng(solver) => SolverChoice::Kind(solver.counterpart()),
            },
            device: problem.place.device(),
            precision: if problem.double { Precision::F64 } else { Precision::F32 },
            threads: problem.threads,
            time_limit: Some(problem.time_limit),
            max_iterations: problem.max_iterations,
            seed: problem.seed,
            refine: if self.refined && problem.goal == Goal::Objective { ROUNDS } else { 0 },
            ..base
        }
    }

    /// Whether it runs in the iteration of Feng et al.: for their task, since rho = 0.01 reaches an accuracy soonest,
    /// and for their iterative solvers always.
    fn iterates_as_printed(self, problem: &Problem) -> bool {
        let theirs = [FengSolver::LineSearchRbcd, FengSolver::WholeNystromPcg];
        let is_theirs = matches!(self.solver, ConvexSolver::Feng(solver) if theirs.contains(&solver));
        problem.goal == Goal::Accuracy || is_theirs
    }

    /// Trains, with the solver of Feng et al. in place of the chosen one where it is one of theirs.
    fn solve(self, problem: &Problem, settings: &Settings, observer: &mut dyn Observer) -> Result<Solution> {
        let (train, test, as_printed) = (problem.train, problem.test, self.iterates_as_printed(problem));
        let solver = match self.solver {
            ConvexSolver::Ours(_) if !as_printed => {
                return Ok(train_with(train, test, settings, None, &StopToken::new(), observer)?);
            }
            ConvexSolver::Ours(_) => None,
            ConvexSolver::Feng(solver) => Some(solver),
        };
        feng::Run { train, test, settings, double: problem.double, unscaled_rows: as_printed, solver }
            .on(&problem.place, observer)
    }

    /// Trains and verifies.
    pub fn run(self, problem: &Problem) -> Result<Outcome> {
        let solution = self.solve(problem, &self.settings(problem), &mut Until(problem.goal))?;
        // Outside the clock, by code that shares nothing with the run's.
        let found = verify(&solution.model, problem.train)?;
        let (info, seconds) = (&solution.info, &solution.info.seconds);
        let trace: Vec<TracePoint> = info.history.iter().filter_map(point).collect();
        let reached = seconds_to(TARGET_ACCURACY, &info.history);
        let ended_by_accuracy = problem.goal == Goal::Accuracy && reached.is_some();
        let holds = !ended_by_accuracy || found.accuracy.is_some_and(|accuracy| accuracy >= TARGET_ACCURACY);
        Ok(Outcome {
            status: if ended_by_accuracy { "Reached".to_string() } else { solution.status.to_string() },
            error: None,
            verified: found.holds(),
            iterations: info.history.len() as f64,
            inner_iterations: info.history.iter().map(|record| record.inner_iterations).sum(),
            objective: finite(solution.objective.network),
            dual_bound: finite(solution.objective.dual_bound),
            relative_gap: finite(solution.objective.relative_gap),
            train_loss: finite(solution.train.loss),
            train_accuracy: solution.train.accuracy,
            test_accuracy: solution.test.and_then(|test| test.accuracy),
            best_test_accuracy: trace.iter().filter_map(|point| point.test_accuracy).reduce(f64::max),
            seconds: seconds.total,
            phases: vec![
                Phase::new("set-up", seconds.setup),
                Phase::new("u", seconds.u),
                Phase::new("v", seconds.v),
                Phase::new("s + dual", seconds.s + seconds.dual),
                Phase::new("certificate", seconds.certificate),
            ],
            seconds_to_train_accuracy_97: reached.filter(|_| found.holds() && holds),
            trace: thinned(trace),
        })
    }
}

/// An iteration whose network was valued.
fn point(record: &Iteration) -> Option<TracePoint> {
    Some(TracePoint {
        iteration: record.iteration as f64,
        seconds: record.seconds,
        objective: finite(record.network?),
        dual_bound: record.dual_bound.and_then(finite),
        train_loss: record.train.and_then(|scores| finite(scores.loss)),
        train_accuracy: record.train.and_then(|scores| scores.accuracy),
        test_loss: record.test.and_then(|scores| finite(scores.loss)),
        test_accuracy: record.test.and_then(|scores| scores.accuracy),
    })
}

/// Stops a run at its goal; a certified gap stops it without help.
struct Until(Goal);

impl Observer for Until {
    fn iteration(&mut self, record: &Iteration) -> ControlFlow<()> {
        let accuracy = record.train.and_then(|scores| scores.accuracy);
        let reached = accuracy.is_some_and(|accuracy| accuracy >= TARGET_ACCURACY);
        if self.0 == Goal::Accuracy && reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
