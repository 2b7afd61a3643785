//! The ADMM loop (docs/math.md, section 2), one stage to a line.

use crate::anderson::Anderson;
use crate::clock::{Clock, timed};
use crate::incumbent::Incumbent;
use crate::info::{Info, Iteration, Scores};
use crate::observer::{Flow, Observer};
use crate::penalty::{Penalty, Preparation, Residuals};
use crate::schedule::Schedule;
use crate::settings::ValidSettings;
use crate::state::State;
use crate::status::Status;
use cvx_linalg::{Accuracy, Backend, HostMatrix, LinalgError, LinearInfo, LinearSolver, LinearStatus, StopReason};
use cvx_model::{ConvexProgram, HeldOut, SystemOperator, Task, accuracy};

/// Accuracy whose time is recorded: the original's yardstick.
const TARGET_ACCURACY: f64 = 0.97;

/// Of the first u-update, when no outer residual is known yet.
const FIRST_ACCURACY: Accuracy = Accuracy::Relative(0.1);

/// Over a doubling of the iterations from here on, the gap has to fall by 1 %.
const STALL_FROM: usize = 5000;

/// A run that passes its network on ends when the objective falls by less than this share over so many iterations.
const SLOW_FALL: f64 = 0.05;
const SLOW_OVER: usize = 10;

/// One training run on one device.
pub(crate) struct Run<'a, B: Backend> {
    pub program: &'a ConvexProgram<B>,
    pub settings: &'a ValidSettings,
    pub task: &'a Task,
    pub system: SystemOperator<'a, B>,
    pub linear: Box<dyn LinearSolver<B>>,
    pub incumbent: Incumbent<'a, B>,
    pub penalty: Penalty,
    pub preparation: Preparation,
    pub schedule: Schedule,
    /// Whether the run ends as soon as the network hardly gets better: other patterns will follow.
    pub passes_on: bool,
    pub state: State<B>,
    pub held_out: Option<(HeldOut<B>, HostMatrix)>,
    pub clock: Clock,
    pub info: Info,
}

impl<B: Backend> Run<'_, B> {
    /// Sets up and iterates until a status is reached. However it ends, the incumbent stands.
    pub fn solve(&mut self, observer: &mut dyn Observer) -> Status {
        let stop = self.program.backend().stop();
        stop.heed();
        let status = match self.iterate(observer) {
            Ok(status) => status,
            Err(LinalgError::Stopped(StopReason::Interrupted)) => Status::Interrupted,
            Err(LinalgError::Stopped(StopReason::TimeLimit)) => Status::TimeLimit,
            Err(error @ (LinalgError::DeviceMemory { .. } | LinalgError::DeviceFailure { .. })) => {
                self.info.failure = Some(error);
                Status::DeviceError
            }
            Err(_) => Status::NumericalError,
        };
        stop.ignore();
        self.info.penalty_changes = self.penalty.changes();
        status
    }

    fn iterate(&mut self, observer: &mut dyn Observer) -> Result<Status, LinalgError> {
        let (program, settings, backend) = (self.program, self.settings, self.program.backend());
        let (alpha, gamma, beta) = (settings.over_relaxation, settings.dual_step, program.beta());
        if self.incumbent.objective().relative_gap <= settings.gap {
            return Ok(Status::Optimal);
        }
        let Run { state, penalty, preparation, linear, system, .. } = self;
        timed(backend, &mut self.info.seconds.setup, || {
            backend.stop().check()?;
            penalty.prepare(preparation, &mut **linear, system, [&mut state.lambda, &mut state.nu])
        })?;
        // Extrapolation needs v, s to be functions of v + lambda, s + nu, which a dual step of 1 alone gives.
        let memory = if gamma == 1.0 { settings.anderson_memory } else { 0 };
        let mut anderson =
            Anderson::new(backend, memory, &self.state.v, &self.state.s, &self.state.prediction.zeros())?;
        let mut accuracy = FIRST_ACCURACY;
        let mut stall = Stall::new();
        let mut slowness = Slowness::default();

        for iteration in 1..=settings.max_iterations {
            backend.stop().check()?;
            let Run { state, linear, system, penalty, .. } = self;
            let (seconds, rho) = (&mut self.info.seconds, penalty.rho());
            state.mark(rho)?;
            let inner = timed(backend, &mut seconds.u, || state.u_update(&mut **linear, system, accuracy))?; // (4a)
            match inner.status {
                LinearStatus::Converged => {}
                LinearStatus::NonFinite => return Ok(Status::NumericalError),
                // An inexact u-update; the outer residuals and the certificate judge what it is worth.
                LinearStatus::IterationLimit | LinearStatus::Breakdown => self.info.unconverged_solves += 1,
            }
            if iteration == 1 {
                let residual = timed(backend, &mut seconds.certificate, || {
                    state.linear_residual(self.incumbent.certificate(), system)
                })?;
                self.info.linear_residual = Some(residual);
            }
            timed(backend, &mut seconds.v, || state.v_update(alpha, beta / rho))?; // (4b)
            let slack = timed(backend, &mut seconds.s, || {
                state.slack_update(program, system.row_scale(), alpha, gamma) // (4b), (4c)
            })?;
            timed(backend, &mut seconds.dual, || state.dual_update(gamma))?; // (4c)
            timed(backend, &mut seconds.dual, || state.prediction_update(alpha, gamma))?; // (6.3)

            let residuals = state.residuals(&slack)?;
            if !residuals.finite() {
                return Ok(Status::NumericalError);
            }
            accuracy = residuals.inner_accuracy(iteration);
            let record = self.judge(iteration, &residuals, &inner)?;
            if record.relative_gap.is_some_and(|gap| gap <= settings.gap) {
                observer.iteration(&record);
                return Ok(Status::Optimal);
            }
            if observer.iteration(&record) == Flow::Stop {
                return Ok(Status::Interrupted);
            }
            let slow = self.passes_on && slowness.reached(&record, self.incumbent.network().objective);
            if slow || stall.reached(&record) {
                return Ok(Status::InsufficientProgress);
            }

            let Run { state, linear, system, penalty, .. } = self;
            let seconds = &mut self.info.seconds;
            match penalty.proposal(iteration, &residuals, linear.flops()) {
                Some(factor) => timed(backend, &mut seconds.setup, || {
                    anderson.restart();
                    penalty.change(factor, &mut **linear, system, [&mut state.lambda, &mut state.nu])
                })?,
                None => timed(backend, &mut seconds.dual, || state.accelerate(&mut anderson, beta, rho))?,
            }
        }
        Ok(Status::IterationLimit)
    }

    /// Records the iteration; every few of them (the last always), values the network and the dual point.
    fn judge(&mut self, iteration: usize, residuals: &Residuals, inner: &LinearInfo) -> Result<Iteration, LinalgError> {
        let (program, settings, backend) = (self.program, self.settings, self.program.backend());
        let rho = self.penalty.rho();
        let mut record = Iteration {
            iteration,
            seconds: 0.0,
            network: None,
            dual_bound: None,
            relative_gap: None,
            train: None,
            test: None,
            primal_residual: residuals.primal,
            dual_residual: rho * residuals.change,
            rho,
            inner_iterations: inner.iterations,
        };
        if self.schedule.is_due(iteration, residuals) || iteration == settings.max_iterations {
            let Run { incumbent, state, system, .. } = self;
            let value = timed(backend, &mut self.info.seconds.certificate, || {
                let scaled = state.scaled_residual()?;
                let residual = scaled.as_ref().unwrap_or(&state.solution.residual);
                incumbent.judge(&state.v, residual, &state.nu, rho, system.row_scale())
            })?;
            let objective = incumbent.objective();
            self.schedule.learn(objective.relative_gap, residuals);
            record.network = Some(value.objective);
            record.dual_bound = Some(objective.dual_bound);
            record.relative_gap = Some(objective.relative_gap);
            record.train =
                Some(Scores { loss: value.loss, accuracy: accuracy(self.task, &value.prediction, program.y_host()) });
        }
        record.seconds = self.clock.seconds();
        let train_accuracy = record.train.and_then(|scores| scores.accuracy);
        if train_accuracy.is_some_and(|accuracy| accuracy >= TARGET_ACCURACY) {
            self.info.seconds_to_train_accuracy_97.get_or_insert(record.seconds);
        }
        if record.network.is_some()
            && let Some((held_out, y)) = &mut self.held_out
        {
            let prediction = self.clock.excluding(|| held_out.predict(backend, &self.state.v))?;
            let loss = program.loss().loss().total(&prediction, y);
            record.test = Some(Scores { loss, accuracy: accuracy(self.task, &prediction, y) });
        }
        self.info.history.push(record);
        Ok(record)
    }
}

/// Whether the network has come near the best one and slowed down.
#[derive(Default)]
struct Slowness {
    /// Iteration and objective of the last comparison.
    last: Option<(usize, f64)>,
}

impl Slowness {
    fn reached(&mut self, record: &Iteration, best: f64) -> bool {
        let Some(network) = record.network else { return false };
        let (iteration, last) = *self.last.get_or_insert((record.iteration, network));
        if record.iteration < iteration + SLOW_OVER {
            return false;
        }
        self.last = Some((record.iteration, network));
        network <= best * (1.0 + SLOW_FALL) && network > last * (1.0 - SLOW_FALL)
    }
}

/// Whether the gap has stopped falling.
struct Stall {
    /// The iteration of the next comparison, and the gap at the last one.
    next: usize,
    gap: f64,
}

impl Stall {
    fn new() -> Self {
        Stall { next: STALL_FROM, gap: f64::INFINITY }
    }

    fn reached(&mut self, record: &Iteration) -> bool {
        let Some(gap) = record.relative_gap.filter(|_| record.iteration >= self.next) else {
            return false;
        };
        let stalled = gap > 0.99 * self.gap;
        (self.next, self.gap) = (2 * record.iteration, gap);
        stalled
    }
}
