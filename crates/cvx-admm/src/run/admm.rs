//! The ADMM iteration (docs/math.md, section 2), one stage per line.

use crate::api::observer::Observer;
use crate::api::record::Iteration;
use crate::api::settings::ValidSettings;
use crate::checkpoint::file::Checkpointer;
use crate::clock::{enqueued, timed};
use crate::evaluation::estimate::estimated_gap;
use crate::evaluation::incumbent::Incumbent;
use crate::evaluation::schedule::{Indicator, Schedule};
use crate::iterates::anderson::Anderson;
use crate::iterates::penalty::{Penalty, Preparation, Rescaling, Residuals, Weights};
use crate::iterates::state::State;
use crate::run::recorder::{Record, train_scores, unevaluated};
use crate::run::termination::{Facts, Termination};
use cvx_artifact::Status;
use cvx_linalg::{Accuracy, Backend, LinalgError, LinearInfo, LinearSolver, LinearStatus, SolverState};
use cvx_model::{ConvexProgram, SystemOperator, SystemWorkspace, Task};

/// Accuracy of the first u-update, before any outer residual is known.
const FIRST_ACCURACY: Accuracy = Accuracy::Relative(0.1);

/// The problem, which does not change during a run.
pub(crate) struct Context<'a, B: Backend> {
    pub program: &'a ConvexProgram<B>,
    pub settings: &'a ValidSettings,
    pub task: &'a Task,
    /// A change of beta updates rho in the solver only if rho changes by at least this factor.
    pub rho_threshold: f64,
}

/// The state of the iteration on one set of patterns.
pub(crate) struct Admm<B: Backend> {
    pub linear: Box<dyn LinearSolver<B>>,
    pub system: SystemWorkspace<B>,
    pub penalty: Penalty,
    pub preparation: Preparation,
    /// State of the solver of a resumed run, restored after the solver is prepared.
    pub resumed_solver: Option<SolverState>,
    pub state: State<B>,
    pub anderson: Anderson<B>,
    pub incumbent: Incumbent<B>,
    pub schedule: Schedule,
    pub termination: Termination,
    pub checkpointer: Option<Checkpointer<B>>,
    /// Number of completed iterations of this run.
    pub iteration: usize,
    /// Number of iterations that an earlier process completed, for a resumed run.
    pub resumed_at: usize,
    /// Number of iterations in the record before this run.
    pub earlier: usize,
    /// Residuals of the last iteration.
    pub residuals: Option<Residuals>,
    /// Whether the run has been set up.
    pub begun: bool,
}

impl<B: Backend> Admm<B> {
    /// Sets up, or does one iteration; a status ends the run. An error without a status is a bug.
    pub fn advance(
        &mut self,
        cx: &Context<'_, B>,
        record: &mut Record<B>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Status>, LinalgError> {
        let advanced = if self.begun { self.step(cx, record, observer) } else { self.begin(cx, record) };
        record.info.penalty_changes = self.penalty.changes();
        advanced.or_else(|error| match Termination::of_error(&error) {
            None => Err(error),
            Some(status) => {
                if matches!(status, Status::DeviceError | Status::NumericalError) {
                    record.info.failure = Some(error);
                }
                Ok(Some(status))
            }
        })
    }

    /// The work before the first iteration.
    fn begin(&mut self, cx: &Context<'_, B>, record: &mut Record<B>) -> Result<Option<Status>, LinalgError> {
        let relative_gap = self.incumbent.objective().relative_gap;
        if let Some(status) = self.termination.before(self.iteration + 1, Some(relative_gap)) {
            return Ok(Some(status));
        }
        self.prepare(cx, record)?;
        self.begun = true;
        Ok(None)
    }

    /// One iteration. Set-up and u-update can be stopped. The short steps after a u-update always complete, so that the
    /// iterates are consistent after every iteration and can be saved.
    fn step(
        &mut self,
        cx: &Context<'_, B>,
        record: &mut Record<B>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Status>, LinalgError> {
        let iteration = self.iteration + 1;
        if let Some(status) = self.termination.before(iteration, None) {
            return Ok(Some(status));
        }
        let (program, settings) = (cx.program, cx.settings);
        let (alpha, gamma, beta) = (settings.over_relaxation, settings.dual_step, program.beta());

        interruptible(program, || self.settle_penalty(program, record))?;
        let weights @ Weights { rho, .. } = self.penalty.weights();
        self.state.keep_start(weights)?;
        let inner = self.u_update(program, record)?; // (4a)
        if let Some(status) = self.termination.after_solve(inner.status) {
            return Ok(Some(status));
        }
        record.info.unconverged_solves += usize::from(inner.status != LinearStatus::Converged);
        self.check_first_solve(program, record)?;
        let gradients = self.gradient_norms(program)?;

        let (state, seconds) = (&mut self.state, &mut record.info.seconds);
        enqueued(&mut seconds.v, || state.v_update(program, alpha, beta / rho))?; // (4b)
        let row_scale = self.system.row_scale();
        // (4b), (4c) and (6.3), or (17.2)
        let slack = enqueued(&mut seconds.s, || state.slack_update(program, row_scale, [alpha, gamma], weights))?;
        enqueued(&mut seconds.dual, || state.dual_update(gamma))?; // (4c)
        let residuals = state.residuals(&slack)?;
        if let Some(status) = self.termination.after_steps(residuals.finite()) {
            return Ok(Some(status));
        }

        let indicator = self.indicator(program, record, gradients, &residuals)?;
        let evaluated = self.evaluate(cx, record, &residuals, indicator, &inner)?;
        let flops = self.linear.flops();
        let ended = self.termination.after_evaluation(&Facts {
            iteration,
            relative_gap: evaluated.relative_gap,
            network: evaluated.network,
            best: self.incumbent.network().objective,
            change: flops.update / flops.solve.max(1.0),
            observer: observer.iteration(&evaluated),
        });
        if let Some(status) = ended.filter(|status| !status.can_resume()) {
            return Ok(Some(status));
        }

        if self.penalty.propose(iteration, &residuals, self.state.split.residuals(), self.linear.flops()) {
            self.anderson.restart();
        } else {
            let (state, anderson, row_scale) = (&mut self.state, &mut self.anderson, self.system.row_scale());
            enqueued(&mut record.info.seconds.dual, || state.accelerate(program, row_scale, anderson, weights))?;
        }
        (self.iteration, self.residuals) = (iteration, Some(residuals));
        let due = self.checkpointer.as_ref().filter(|_| ended.is_none()).map(Checkpointer::is_due);
        // By the clock of the first rank.
        if due.is_some_and(|due| program.backend().samples().of_first(due)) {
            self.write_checkpoint(program, record, observer);
        }
        Ok(ended)
    }

    /// Prepares the solver for its next solve.
    fn prepare(&mut self, cx: &Context<'_, B>, record: &mut Record<B>) -> Result<(), LinalgError> {
        let program = cx.program;
        let Admm { state, penalty, preparation, linear, system, anderson, .. } = self;
        let mut system = SystemOperator::with_workspace(program, system);
        interruptible(program, || {
            timed(program.backend(), &mut record.info.seconds.setup, || {
                let rescaling = penalty.prepare(preparation, &mut **linear, &mut system, cx.rho_threshold)?;
                if rescaling != Rescaling::NONE {
                    anderson.restart();
                }
                state.rescale_duals(rescaling)
            })
        })?;
        self.resumed_solver.take().map_or(Ok(()), |memory| self.linear.restore(program.backend(), &memory))
    }

    /// Changes rho and kappa if the last iteration proposed a change.
    fn settle_penalty(&mut self, program: &ConvexProgram<B>, record: &mut Record<B>) -> Result<(), LinalgError> {
        let Admm { state, penalty, linear, system, .. } = self;
        let mut system = SystemOperator::with_workspace(program, system);
        timed(program.backend(), &mut record.info.seconds.setup, || {
            let rescaling = penalty.settle(&mut **linear, &mut system)?;
            state.rescale_duals(rescaling)
        })
    }

    /// (4a), to the accuracy that the last residuals require. A stopped iterative solve leaves the state unchanged.
    fn u_update(&mut self, program: &ConvexProgram<B>, record: &mut Record<B>) -> Result<LinearInfo, LinalgError> {
        let Admm { state, linear, system, checkpointer, iteration, residuals, .. } = self;
        let (backend, mut system) = (program.backend(), SystemOperator::with_workspace(program, system));
        let accuracy = residuals.map_or(FIRST_ACCURACY, |residuals| residuals.inner_accuracy(*iteration));
        if let Some(checkpointer) = checkpointer {
            checkpointer.keep(backend, &**linear, &state.solution)?;
        }
        let solved = interruptible(program, || {
            timed(backend, &mut record.info.seconds.u, || state.u_update(&mut **linear, &mut system, accuracy))
        });
        if let (Err(LinalgError::Stopped(_)), Some(checkpointer)) = (&solved, checkpointer) {
            checkpointer.put_back(backend, &mut **linear, &mut state.solution)?;
        }
        solved
    }

    /// Relative residual of (4a) in f64: computed once per solver object, even if rho and beta change later.
    fn check_first_solve(&mut self, program: &ConvexProgram<B>, record: &mut Record<B>) -> Result<(), LinalgError> {
        if record.info.linear_residual.is_none() {
            let Admm { state, system, incumbent, .. } = self;
            let system = SystemOperator::with_workspace(program, system);
            let residual = timed(program.backend(), &mut record.info.seconds.certificate, || {
                state.linear_residual(&mut incumbent.certificate(program), &system)
            })?;
            record.info.linear_residual = Some(residual);
        }
        Ok(())
    }

    /// Norms of the dual gradient, if the schedule needs them and the last solve of (4a) provides them.
    fn gradient_norms(&mut self, program: &ConvexProgram<B>) -> Result<Option<Vec<f64>>, LinalgError> {
        let known = self.schedule.uses_indicators() && program.n_cones() == 0;
        known.then(|| self.state.gradient_norms(program, self.penalty.rho())).transpose()
    }

    /// The indicator for the schedule: the estimated gap if the gradients are known, else the residuals.
    fn indicator(
        &mut self,
        program: &ConvexProgram<B>,
        record: &mut Record<B>,
        gradients: Option<Vec<f64>>,
        residuals: &Residuals,
    ) -> Result<Indicator, LinalgError> {
        let Some(gradients) = gradients else { return Ok(Indicator::Residual(residuals.largest())) };
        let Admm { state, system, incumbent, penalty, .. } = self;
        let (system, kappa) = (SystemOperator::with_workspace(program, system), penalty.weights().kappa);
        timed(program.backend(), &mut record.info.seconds.certificate, || {
            estimated_gap(program, &system, state, incumbent, &gradients, kappa).map(Indicator::Gap)
        })
    }

    /// Records the iteration. At some iterations, and always at the last, evaluates the network and the dual point.
    fn evaluate(
        &mut self,
        cx: &Context<'_, B>,
        record: &mut Record<B>,
        residuals: &Residuals,
        indicator: Indicator,
        inner: &LinearInfo,
    ) -> Result<Iteration, LinalgError> {
        let (program, Weights { rho, kappa }) = (cx.program, self.penalty.weights());
        let iteration = self.iteration + 1;
        let mut entry = unevaluated(self.earlier + iteration, residuals, rho, inner);
        if self.schedule.is_due(iteration, self.earlier, indicator) || self.termination.is_last(iteration) {
            let Admm { incumbent, state, system, .. } = self;
            let value = timed(program.backend(), &mut record.info.seconds.certificate, || {
                let scaled = state.scaled_residual(kappa)?;
                let residual = scaled.as_ref().unwrap_or(&state.solution.residual);
                let nu = state.cones.as_ref().map(|cones| &cones.nu);
                incumbent.evaluate(program, &state.v, residual, nu, rho, system.row_scale())
            })?;
            let objective = incumbent.objective();
            self.schedule.learn(objective.relative_gap, indicator);
            record.push_targets(entry.iteration, &value, &incumbent.objectives());
            entry.network = Some(value.objective);
            entry.dual_bound = Some(objective.dual_bound);
            entry.relative_gap = Some(objective.relative_gap);
            entry.train = Some(train_scores(program, cx.task, &value));
            entry.seconds = record.clock.seconds();
            entry.test = record.test_scores(program, cx.task, &self.state.v, &value.output_bias)?;
        } else {
            entry.seconds = record.clock.seconds();
        }
        record.push(entry);
        Ok(entry)
    }
}

/// Runs work that a stop request may end. Outside such work, stop requests are deferred.
fn interruptible<B: Backend, R>(
    program: &ConvexProgram<B>,
    work: impl FnOnce() -> Result<R, LinalgError>,
) -> Result<R, LinalgError> {
    let stop = program.backend().stop();
    stop.heed(|| {
        stop.check()?;
        work()
    })
}
