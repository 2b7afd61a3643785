//! The ADMM loop (docs/math.md, section 2), one stage to a line.

use crate::anderson::Anderson;
use crate::checkpoint::Checkpointer;
use crate::clock::{Clock, timed};
use crate::estimate::estimated_gap;
use crate::incumbent::Incumbent;
use crate::info::{Info, Iteration};
use crate::observer::Observer;
use crate::penalty::{Penalty, Preparation, Residuals};
use crate::schedule::{Schedule, Sign};
use crate::settings::ValidSettings;
use crate::state::State;
use cvx_artifact::Scores;
use cvx_artifact::Status;
use cvx_linalg::{
    Accuracy, Backend, HostMatrix, LinalgError, LinearInfo, LinearSolver, LinearStatus, SolverMemory, StopReason,
};
use cvx_model::{ConvexProgram, HeldOut, SystemOperator, Task, accuracy};
use serde::{Deserialize, Serialize};

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
    /// What a resumed run's solver is to recall once it is prepared.
    pub solver_memory: Option<SolverMemory>,
    pub incumbent: Incumbent<'a, B>,
    pub penalty: Penalty,
    pub preparation: Preparation,
    pub schedule: Schedule,
    pub anderson: Anderson<B>,
    pub progress: Progress,
    /// Whether the run ends as soon as the network hardly gets better: other patterns will follow.
    pub passes_on: bool,
    pub state: State<B>,
    pub held_out: Option<(HeldOut<B>, HostMatrix)>,
    pub checkpointer: Option<Checkpointer<B>>,
    pub clock: Clock,
    pub info: Info,
}

/// How far the loop has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Iterations done.
    pub iteration: usize,
    /// Iterations of the record that are those of earlier programmes.
    pub earlier: usize,
    /// Of the last iteration.
    residuals: Option<Residuals>,
    stall: Stall,
    slowness: Slowness,
}

impl Progress {
    /// At the beginning of a programme, after `earlier` iterations on others.
    pub fn after(earlier: usize) -> Self {
        Progress { earlier, ..Progress::default() }
    }

    /// Whether its counts fit a record of so many iterations.
    pub fn is_after(&self, done: usize) -> bool {
        let looked = [self.stall.last, self.slowness.last].into_iter().flatten().all(|(at, _)| at <= self.iteration);
        self.earlier.checked_add(self.iteration) == Some(done) && looked
    }
}

impl<B: Backend> Run<'_, B> {
    /// Sets up and iterates until a status is reached. However it ends, the incumbent stands.
    pub fn solve(&mut self, observer: &mut dyn Observer) -> Status {
        let begun = self.progress.iteration;
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
        self.program.backend().stop().ignore();
        self.info.penalty_changes = self.penalty.changes();
        let can_resume = matches!(status, Status::IterationLimit | Status::Interrupted | Status::TimeLimit);
        // The beginning of a refined programme is worth keeping too.
        if can_resume && (self.progress.iteration > begun || begun == 0 && self.progress.earlier > 0) {
            self.checkpoint(observer);
        }
        status
    }

    /// The token stops set-up and u-updates. What follows a u-update is short, and is done to its end: between two iterations, all
    /// that the next one depends on fits together and can be kept.
    fn iterate(&mut self, observer: &mut dyn Observer) -> Result<Status, LinalgError> {
        let (program, settings, backend) = (self.program, self.settings, self.program.backend());
        let (alpha, gamma, beta) = (settings.over_relaxation, settings.dual_step, program.beta());
        let stop = backend.stop();
        stop.heed();
        if self.incumbent.objective().relative_gap <= settings.gap {
            return Ok(Status::Optimal);
        }
        self.prepare()?;

        for iteration in self.progress.iteration + 1..=settings.max_iterations {
            stop.heed();
            stop.check()?;
            self.settle_penalty()?;
            let rho = self.penalty.rho();
            self.state.mark(rho)?;
            let inner = self.u_update()?; // (4a)
            stop.ignore();
            match inner.status {
                LinearStatus::Converged => {}
                LinearStatus::NonFinite => return Ok(Status::NumericalError),
                // An inexact u-update; the outer residuals and the certificate judge what it is worth.
                LinearStatus::IterationLimit | LinearStatus::Breakdown => self.info.unconverged_solves += 1,
            }
            self.check_first_solve()?;
            let gradients = self.gradients()?;
            let Run { state, system, .. } = self;
            let seconds = &mut self.info.seconds;
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
            let sign = self.sign(gradients, &residuals)?;
            let record = self.judge(iteration, &residuals, sign, &inner)?;
            let goes_on = observer.iteration(&record).is_continue();
            if record.relative_gap.is_some_and(|gap| gap <= settings.gap) {
                return Ok(Status::Optimal);
            }
            let Progress { slowness, stall, .. } = &mut self.progress;
            let best = self.incumbent.network().objective;
            let slow = self.passes_on && slowness.reached(iteration, record.network, best);
            let stalled = stall.reached(iteration, record.relative_gap);
            if goes_on && (slow || stalled) {
                return Ok(Status::InsufficientProgress);
            }

            let Run { state, linear, penalty, anderson, .. } = self;
            if penalty.propose(iteration, &residuals, linear.flops()) {
                anderson.restart();
            } else {
                timed(backend, &mut self.info.seconds.dual, || state.accelerate(anderson, beta, rho))?;
            }
            (self.progress.iteration, self.progress.residuals) = (iteration, Some(residuals));
            if !goes_on {
                return Ok(Status::Interrupted);
            }
            if self.checkpointer.as_ref().is_some_and(Checkpointer::is_due) {
                self.checkpoint(observer);
            }
        }
        Ok(Status::IterationLimit)
    }

    /// Does what the solver has to do before its next solve.
    fn prepare(&mut self) -> Result<(), LinalgError> {
        let Run { state, penalty, preparation, linear, system, anderson, schedule, .. } = self;
        let backend = self.program.backend();
        let rho = penalty.rho();
        timed(backend, &mut self.info.seconds.setup, || {
            backend.stop().check()?;
            let duals = [&mut state.lambda, &mut state.nu];
            penalty.prepare(preparation, &mut **linear, system, duals, schedule.predicts())
        })?;
        if penalty.rho() != rho {
            anderson.restart();
        }
        self.solver_memory.take().map_or(Ok(()), |memory| self.linear.recall(backend, &memory))
    }

    /// Changes rho where the last iteration asked for it.
    fn settle_penalty(&mut self) -> Result<(), LinalgError> {
        let Run { state, penalty, linear, system, .. } = self;
        timed(self.program.backend(), &mut self.info.seconds.setup, || {
            penalty.settle(&mut **linear, system, [&mut state.lambda, &mut state.nu])
        })
    }

    /// (4a), to the accuracy that the last residuals deserve. One that is stopped leaves no trace, where traces would be kept.
    fn u_update(&mut self) -> Result<LinearInfo, LinalgError> {
        let Run { state, linear, system, checkpointer, progress, .. } = self;
        let backend = self.program.backend();
        let accuracy =
            progress.residuals.map_or(FIRST_ACCURACY, |residuals| residuals.inner_accuracy(progress.iteration));
        if let Some(checkpointer) = checkpointer {
            checkpointer.keep(backend, &**linear, &state.solution)?;
        }
        let solved = timed(backend, &mut self.info.seconds.u, || state.u_update(&mut **linear, system, accuracy));
        if let (Err(LinalgError::Stopped(_)), Some(checkpointer)) = (&solved, checkpointer) {
            backend.stop().ignore();
            checkpointer.put_back(backend, &mut **linear, &mut state.solution)?;
        }
        solved
    }

    /// Writes all that the next iteration depends on to the file that was asked for. A failure is no reason to end the run.
    fn checkpoint(&mut self, observer: &mut dyn Observer) {
        let Some(mut checkpointer) = self.checkpointer.take() else { return };
        let written = checkpointer.write(self);
        observer.checkpoint(written.as_ref().map(|()| checkpointer.path()));
        self.info.checkpoint_failure = written.err().map(|error| error.to_string());
        self.checkpointer = Some(checkpointer);
    }

    /// How well (4a) was solved, in f64: once in a session, whatever rho and beta are later.
    fn check_first_solve(&mut self) -> Result<(), LinalgError> {
        if self.info.linear_residual.is_none() {
            let Run { program, state, system, incumbent, .. } = self;
            let residual = timed(program.backend(), &mut self.info.seconds.certificate, || {
                state.linear_residual(incumbent.certificate(), system)
            })?;
            self.info.linear_residual = Some(residual);
        }
        Ok(())
    }

    /// What the schedule goes by: the gap itself where (4a), which was just solved, tells the gradients, else the residuals.
    fn gradients(&mut self) -> Result<Option<Vec<f64>>, LinalgError> {
        let told = self.schedule.predicts() && self.program.n_cones() == 0;
        told.then(|| self.state.gradient_norms(self.penalty.rho())).transpose()
    }

    fn sign(&mut self, gradients: Option<Vec<f64>>, residuals: &Residuals) -> Result<Sign, LinalgError> {
        let Some(gradients) = gradients else { return Ok(Sign::Residual(residuals.largest())) };
        let Run { program, system, state, incumbent, .. } = self;
        timed(program.backend(), &mut self.info.seconds.certificate, || {
            estimated_gap(program, system, state, incumbent, &gradients).map(Sign::Gap)
        })
    }

    /// Records the iteration; every few of them (the last always), values the network and the dual point.
    fn judge(
        &mut self,
        iteration: usize,
        residuals: &Residuals,
        sign: Sign,
        inner: &LinearInfo,
    ) -> Result<Iteration, LinalgError> {
        let (program, settings, backend) = (self.program, self.settings, self.program.backend());
        let rho = self.penalty.rho();
        let mut record = Iteration {
            iteration: self.progress.earlier + iteration,
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
        if self.schedule.is_due(iteration, sign) || iteration == settings.max_iterations {
            let Run { incumbent, state, system, .. } = self;
            let value = timed(backend, &mut self.info.seconds.certificate, || {
                let scaled = state.scaled_residual()?;
                let residual = scaled.as_ref().unwrap_or(&state.solution.residual);
                incumbent.judge(&state.v, residual, &state.nu, rho, system.row_scale())
            })?;
            let objective = incumbent.objective();
            self.schedule.learn(objective.relative_gap, sign);
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Slowness {
    /// Iteration and objective of the last comparison.
    last: Option<(usize, f64)>,
}

impl Slowness {
    fn reached(&mut self, iteration: usize, network: Option<f64>, best: f64) -> bool {
        let Some(network) = network else { return false };
        let (before, last) = *self.last.get_or_insert((iteration, network));
        if iteration < before + SLOW_OVER {
            return false;
        }
        self.last = Some((iteration, network));
        network <= best * (1.0 + SLOW_FALL) && network > last * (1.0 - SLOW_FALL)
    }
}

/// Whether the gap has stopped falling.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stall {
    /// The iteration and the gap of the last comparison.
    last: Option<(usize, f64)>,
}

impl Stall {
    fn reached(&mut self, iteration: usize, gap: Option<f64>) -> bool {
        let next = self.last.map_or(STALL_FROM, |(before, _)| 2 * before);
        let Some(gap) = gap.filter(|_| iteration >= next) else { return false };
        let stalled = self.last.is_some_and(|(_, last)| gap > 0.99 * last);
        self.last = Some((iteration, gap));
        stalled
    }
}
