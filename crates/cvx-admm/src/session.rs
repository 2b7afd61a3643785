//! A problem on its device, with what one run leaves to the next: samples, factors, penalty and iterates.

use crate::admm::{Progress, Run};
use crate::anderson::{Anderson, Point};
use crate::checkpoint::{Checkpoint, Checkpointer, Standing};
use crate::clock::Clock;
use crate::closing::finish;
use crate::error::TrainError;
use crate::identity::identity;
use crate::incumbent::{Incumbent, Legacy};
use crate::info::Info;
use crate::memory::{base_bytes, checkpoint_bytes, choose_solver};
use crate::observer::{Observer, Summary};
use crate::path::FoldPoint;
use crate::penalty::{Penalty, Preparation, default_sigma, initial_rho};
use crate::prediction;
use crate::refine::{LEAST_PROGRESS, Round, fresh_gates, moved_blocks, next_gates, outgrows};
use crate::schedule::Schedule;
use crate::settings::{Beta, Gates, ValidSettings};
use crate::state::State;
use crate::train::{Host, PredictionStart, Problem, Solution, WarmStart};
use cvx_artifact::Status;
use cvx_artifact::{Certify, Scores};
use cvx_linalg::{Backend, HostMatrix, LinearSolver};
use cvx_model::{
    Activation, Certificate, ConvexProgram, GateKind, HeldOut, ProgramError, RowScale, SystemOperator, accuracy,
    sample_errors,
};
use cvx_solvers::{ProblemShape, SolverKind};

/// From this share of the gated beta_max on, a run begins with the multipliers of the zero network.
const NEAR_ZERO: f64 = 0.3;

/// The share of the cones' multipliers that the next beta of a path begins with, where it loosens the cones. From 0 to 0.7 it takes fewer
/// iterations and its networks get worse; at 1 they lose what makes them better than the sampled optimum.
const CONE_MEMORY: f64 = 0.5;

/// One problem on one device.
pub(crate) struct Session<'p, B: Backend> {
    problem: &'p Problem,
    settings: &'p ValidSettings,
    program: ConvexProgram<B>,
    held_out: Option<(HeldOut<B>, HostMatrix)>,
    summary: Summary,
    /// Number of gates that the first programme had.
    sampled: usize,
    /// Round of refinement, from 0.
    round: usize,
    /// Bytes that may be used.
    budget: u64,
    row_scale: RowScale,
    sigma: f64,
    /// max ||X'D_i y|| of each target.
    gated_maxima: Vec<f64>,
    schedule: Schedule,
    /// Whether a run is to end when its network hardly gets better.
    passes_on: bool,
    clock: Clock,
    /// When the last run ended, by that clock.
    ended: f64,
    engine: Option<Engine<B>>,
    /// The record of the programmes before the present one.
    record: Info,
    /// What the first run goes on from.
    resumed: Option<&'p Checkpoint>,
}

/// What moves from run to run.
struct Engine<B: Backend> {
    linear: Box<dyn LinearSolver<B>>,
    penalty: Penalty,
    state: State<B>,
    preparation: Preparation,
    /// What was best at the beta before.
    legacy: Option<Legacy<B>>,
    /// What is remembered of the fixed-point map, which is nearly the same at the next beta.
    anderson: Option<Anderson<B>>,
    /// Where a run ended, with its beta and rho.
    last: Option<(Point<B>, f64, f64)>,
}

impl<B: Backend> Engine<B> {
    /// Before its first run.
    fn new(linear: Box<dyn LinearSolver<B>>, penalty: Penalty, state: State<B>, preparation: Preparation) -> Self {
        Engine { linear, penalty, state, preparation, legacy: None, anderson: None, last: None }
    }
}

impl<'p, B: Backend> Session<'p, B> {
    /// Chooses a solver that fits the memory, draws the gates, and puts the problem on the device.
    pub fn open(
        backend: B,
        host: Host,
        problem: &'p Problem,
        settings: &'p ValidSettings,
        clock: Clock,
    ) -> Result<Self, TrainError> {
        let Problem { xt, targets, .. } = problem;
        let shape = ProblemShape {
            n_samples: xt.cols(),
            n_features: xt.rows(),
            n_patterns: settings.sampled(),
            n_targets: targets.y.cols(),
            signs: settings.activation.signs(),
            scalar_bytes: backend.scalar_bytes(),
        };
        let budget = settings.memory_budget.unwrap_or_else(|| backend.memory_info().free / 10 * 9);
        let base = problem.base_bytes(&shape, settings);
        let (solver, memory_bytes) = choose_solver(settings.solver, &settings.solver_settings(), &shape, base, budget)?;
        let (device, device_name) = (backend.device(), backend.describe());

        let gates = match &settings.gates {
            Gates::Given(gates) => gates,
            _ => &problem.sample_gates(&backend, settings, shape.n_patterns, settings.seed)?,
        };
        let program = ConvexProgram::new(backend, xt, targets.y.clone(), gates, 0.0)?;
        let mut program = program.with_activation(settings.activation);
        program.set_loss(problem.loss.clone())?;
        let gated_maxima = Certificate::new(&program)?.gated_maxima()?;
        let beta = match settings.beta {
            Beta::Value(beta) => beta,
            Beta::Fraction(fraction) => fraction * largest(&gated_maxima),
        };
        program.set_beta(beta)?;
        let sigma = settings.sigma.unwrap_or_else(|| default_sigma(solver));
        let summary = Summary {
            task: targets.task.name(),
            shape: ProblemShape { n_patterns: program.n_patterns(), ..shape },
            solver,
            device,
            device_name,
            passed_over: host.passed_over,
            threads: host.threads,
            beta,
            gap: settings.gap,
            max_iterations: settings.max_iterations,
            merged_patterns: program.patterns().merged(),
            memory_bytes,
        };
        Ok(Session {
            row_scale: row_scale(settings, sigma),
            held_out: problem.held_out(&program)?,
            problem,
            settings,
            program,
            summary,
            sampled: shape.n_patterns,
            budget,
            sigma,
            gated_maxima,
            schedule: Schedule::Regular { every: settings.evaluate_every },
            passes_on: false,
            clock,
            ended: 0.0,
            engine: None,
            round: 0,
            record: Info::default(),
            resumed: None,
        })
    }

    /// Goes on where `checkpoint` was written, of a session that was opened with its settings; those of the user are `settings`.
    pub fn resume(&mut self, checkpoint: &'p Checkpoint, settings: &'p ValidSettings) {
        let Standing { round, passes_on, merged, seconds, .. } = *checkpoint.standing();
        (self.settings, self.sampled) = (settings, settings.sampled());
        (self.round, self.passes_on, self.ended) = (round, passes_on, seconds);
        self.summary.merged_patterns = merged;
        self.resumed = Some(checkpoint);
    }

    /// max ||X'D_i y||: from this beta on, the zero network is optimal.
    pub fn gated_beta_max(&self) -> f64 {
        largest(&self.gated_maxima)
    }

    /// The weight of F u = q: 1 for the squared loss.
    fn kappa(&self) -> f64 {
        self.program.loss().kappa(self.program.y_host())
    }

    /// The problem and its sizes, as observers are told.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Begins with these iterates instead of zeros.
    pub fn take_warm_start(&mut self, warm: &WarmStart) -> Result<(), TrainError> {
        check_warm_start(warm, &self.program)?;
        self.sigma = warm.sigma;
        self.row_scale = row_scale(self.settings, warm.sigma);
        self.engine = Some(Engine::new(
            self.summary.solver.build(&self.settings.solver_settings()),
            Penalty::new(warm.rho, self.kappa(), self.settings.adapt_rho),
            State::new(&self.program, Some(warm))?,
            Preparation::Everything,
        ));
        Ok(())
    }

    /// Judges when the gap may have been reached, instead of keeping a record; unless it is early networks that reach it.
    pub fn judge_sparingly(&mut self) {
        if !self.loosens_cones() {
            self.schedule = Schedule::until(self.settings.gap);
        }
    }

    /// Whether every beta begins with looser cones than the last one ended with. As networks, the early iterates of ReLU neurons are better
    /// than the sampled optimum, by cones that they have not yet come into (docs/math.md, section 5); a path that went on unchanged would
    /// come into them, and lose that.
    fn loosens_cones(&self) -> bool {
        self.settings.activation == Activation::Relu && self.settings.certify == Certify::Network
    }

    /// The rho that a run from zeros begins with.
    fn first_rho(&self) -> f64 {
        let start = || self.kappa() * initial_rho(&self.program, &self.gated_maxima, self.sigma);
        self.settings.rho.unwrap_or_else(start)
    }

    /// Moves on to another beta; factors stay, the penalty follows when it has to, and the iterates go on: as they went from the beta
    /// before, or with looser cones.
    pub fn set_beta(&mut self, beta: f64) -> Result<(), TrainError> {
        let (from, rho_from) = (self.program.beta(), self.first_rho());
        self.program.set_beta(beta)?;
        self.summary.beta = beta;
        let (loosens, start) = (self.loosens_cones(), self.first_rho());
        let Some(engine) = &mut self.engine else { return Ok(()) };
        engine.penalty.follow(start / rho_from);
        match &mut engine.legacy {
            Some(legacy) if from > 0.0 => legacy.revalue(beta / from),
            // At beta = 0 the objective does not tell the norms.
            legacy => *legacy = None,
        }
        if loosens {
            return Ok(engine.state.loosen_cones(CONE_MEMORY)?);
        }
        let rho = engine.penalty.rho();
        let point = engine.state.point(rho)?;
        if let Some((last, last_beta, last_rho)) = engine.last.take()
            && rho == last_rho
        {
            let step = (beta - from) / (from - last_beta);
            engine.state.predict(&last, step, beta, rho)?;
        }
        engine.last = Some((point, from, rho));
        Ok(())
    }

    /// What a checkpoint says of the session.
    fn standing(&self) -> Standing {
        Standing {
            settings: identity(self.problem, self.settings),
            fingerprint: self.problem.fingerprint,
            solver: self.summary.solver.name().to_string(),
            beta: self.program.beta(),
            sigma: self.sigma,
            round: self.round,
            passes_on: self.passes_on,
            merged: self.summary.merged_patterns,
            iterations: self.record.history.len(),
            seconds: self.ended,
        }
    }

    /// Solves the programme from where the last run ended, and gives `close` the finished run.
    fn run<R>(
        &mut self,
        observer: &mut dyn Observer,
        close: impl FnOnce(&mut Run<'_, B>, Status) -> Result<R, TrainError>,
    ) -> Result<R, TrainError> {
        let (kappa, start, loosens) = (self.kappa(), self.first_rho(), self.loosens_cones());
        let checkpoint = self.settings.checkpoint.as_ref().map(|plan| (plan, self.standing()));
        let Session { program, settings, .. } = self;
        let program = &*program;
        let solver_settings = settings.solver_settings();
        let mut incumbent = Incumbent::new(program, settings.certify, &self.gated_maxima)?;
        let engine = match self.engine.take() {
            Some(mut engine) => {
                match engine.legacy.take() {
                    Some(legacy) => incumbent.inherit(legacy, loosens),
                    None => {
                        incumbent.judge_network(&engine.state.v)?;
                    }
                }
                engine
            }
            None => {
                let near_zero = program.n_cones() == 0 && program.beta() >= NEAR_ZERO * largest(&self.gated_maxima);
                Engine::new(
                    self.summary.solver.build(&solver_settings),
                    Penalty::new(start, kappa, settings.adapt_rho),
                    if near_zero { State::at_zero(program, start)? } else { State::new(program, None)? },
                    Preparation::Everything,
                )
            }
        };
        let last = engine.last;
        let checkpointer = match checkpoint {
            Some((plan, standing)) => {
                let warm_started = (!self.summary.solver.is_direct()).then_some(&engine.state.solution);
                Some(Checkpointer::new(plan, standing, program.backend(), warm_started)?)
            }
            None => None,
        };
        // Extrapolation needs v, s to be functions of v + lambda, s + nu, which a dual step of 1 alone gives.
        let memory = if settings.dual_step == 1.0 { settings.anderson_memory } else { 0 };
        let State { v, s, prediction, .. } = &engine.state;
        let anderson = match engine.anderson {
            Some(anderson) => anderson,
            None => Anderson::new(program.backend(), memory, v, s, &prediction.zeros())?,
        };
        let info = std::mem::take(&mut self.record);
        let mut run = Run {
            program,
            settings,
            task: &self.problem.targets.task,
            system: SystemOperator::new(program, self.row_scale, engine.penalty.system())?,
            linear: engine.linear,
            solver_memory: None,
            incumbent,
            anderson,
            progress: Progress::after(info.history.len()),
            penalty: engine.penalty,
            preparation: engine.preparation,
            schedule: self.schedule.clone(),
            passes_on: self.passes_on,
            state: engine.state,
            held_out: self.held_out.take(),
            checkpointer,
            clock: self.clock,
            info,
        };
        if let Some(checkpoint) = self.resumed.take() {
            checkpoint.restore(&mut run)?;
            // Before the first iteration of a programme, its solver had not been prepared.
            let begun = run.progress.iteration > 0;
            run.preparation = if begun { Preparation::Again } else { Preparation::Everything };
        }
        run.info.seconds.setup += run.clock.seconds() - self.ended;
        let status = run.solve(observer);
        if status == Status::DeviceError {
            // Closing takes memory too, and the factors are of no more use.
            run.linear = SolverKind::Cg.build(&solver_settings);
            run.anderson.restart();
        }
        // Where the device answers no more, what it said first is what counts.
        let failure = run.info.failure.clone();
        let closed = close(&mut run, status).map_err(|error| failure.map_or(error, Into::into));
        self.record.linear_residual = run.info.linear_residual;
        let Run { linear, penalty, preparation, state, held_out, clock, incumbent, mut schedule, .. } = run;
        let mut anderson = run.anderson;
        anderson.pause();
        let legacy = Some(incumbent.bequeath());
        // From iterates that are not finite there is no way on.
        let goes_on = status != Status::NumericalError;
        let anderson = Some(anderson);
        self.engine = goes_on.then_some(Engine { linear, penalty, state, preparation, legacy, anderson, last });
        schedule.restart();
        (self.held_out, self.clock, self.schedule, self.ended) = (held_out, clock, schedule, clock.seconds());
        closed
    }

    /// Solves at the present beta, and says how good the best network is, on the held-out samples too.
    pub fn fold_point(&mut self, observer: &mut dyn Observer) -> Result<FoldPoint, TrainError> {
        let (begin, task) = (self.clock.seconds(), &self.problem.targets.task);
        self.run(observer, |run, status| {
            let mut validation = (Scores { loss: 0.0, accuracy: None }, Vec::new());
            if let Some((held_out, y)) = &mut run.held_out {
                let prediction = held_out.predict(run.program.backend(), run.incumbent.v())?;
                let scores = Scores {
                    loss: run.program.loss().loss().total(&prediction, y),
                    accuracy: accuracy(task, &prediction, y),
                };
                validation = (scores, sample_errors(task, run.program.loss().loss(), &prediction, y));
            }
            let value = run.incumbent.network();
            Ok(FoldPoint {
                beta: run.program.beta(),
                status,
                objective: run.incumbent.objective(),
                iterations: run.info.history.len(),
                seconds: run.clock.seconds() - begin,
                neurons: value.neurons,
                train: Scores { loss: value.loss, accuracy: accuracy(task, &value.prediction, run.program.y_host()) },
                validation: validation.0,
                errors: validation.1,
            })
        })
    }

    /// Solves; then, as often as the settings say and as long as it helps, refines the patterns and solves again. All but the last
    /// programme are left when their network hardly gets better; the last is solved to the gap.
    pub fn solve_and_refine(&mut self, observer: &mut dyn Observer) -> Result<Solution, TrainError> {
        if self.resumed.is_none() {
            self.passes_on = self.settings.refine > 0;
        }
        let mut solution = self.solve_round(observer)?;
        while self.passes_on && solution.status.can_continue() {
            // What the device fails at now is no reason to lose the network that is there.
            match self.refine(&solution) {
                Ok(true) => self.passes_on = self.round < self.settings.refine,
                Ok(false) if solution.objective.relative_gap <= self.settings.gap => break,
                Ok(false) => {
                    self.passes_on = false;
                    self.record.rounds.pop();
                }
                Err(error) => return solution.cut_short_by(error),
            }
            solution = match self.solve_round(observer) {
                Ok(next) => next,
                Err(error) => return solution.cut_short_by(error),
            };
        }
        Ok(solution)
    }

    /// Solves the present programme, as one more in the record.
    fn solve_round(&mut self, observer: &mut dyn Observer) -> Result<Solution, TrainError> {
        let mut solution = self.solve(observer)?;
        let round = Round::new(&solution);
        solution.info.rounds.push(round);
        if self.settings.refine > 0 {
            observer.round(&round);
        }
        self.record = solution.info.clone();
        Ok(solution)
    }

    /// Makes the neurons of the network gates, with fresh ones beside them, and begins there. Says whether that is worth while: whether the
    /// last such step was, and the programme fits the memory and has not outgrown the first.
    fn refine(&mut self, solution: &Solution) -> Result<bool, TrainError> {
        let fell = match solution.info.rounds.as_slice() {
            [.., before, last] => last.network < before.network * (1.0 - LEAST_PROGRESS),
            _ => true,
        };
        let network = &solution.model.network;
        if !fell || network.n_neurons() == 0 || self.engine.is_none() {
            return Ok(false);
        }
        let (settings, program) = (self.settings, &mut self.program);
        let backend = program.backend().clone();
        let seed = settings.seed.wrapping_add(self.round as u64 + 1);
        let fresh = self.problem.sample_gates(&backend, settings, fresh_gates(self.sampled), seed)?;
        let gates = next_gates(network, &fresh);
        let shape = ProblemShape { n_patterns: gates.cols(), ..self.summary.shape };
        let needed = self.summary.solver.memory_bytes(&shape, &settings.solver_settings());
        let fits = self.problem.base_bytes(&shape, settings).saturating_add(needed) <= self.budget;
        if !fits || outgrows(gates.cols(), self.sampled) {
            return Ok(false);
        }
        // The old state goes before the new one comes: both together may be too large.
        let Some(Engine { linear, penalty, .. }) = self.engine.take() else { return Ok(false) };
        self.held_out = None;
        program.set_gates(&gates)?;
        let v = moved_blocks(network, program.patterns());
        self.gated_maxima = Certificate::new(program)?.gated_maxima()?;
        self.held_out = self.problem.held_out(program)?;
        self.summary.shape.n_patterns = program.n_patterns();
        let state = State::at(program, &v, self.row_scale, penalty.rho())?;
        self.engine = Some(Engine::new(linear, penalty, state, Preparation::Patterns));
        self.round += 1;
        Ok(true)
    }

    /// Solves, and returns the model with its proof.
    pub fn solve(&mut self, observer: &mut dyn Observer) -> Result<Solution, TrainError> {
        let (problem, summary, sigma) = (self.problem, self.summary.clone(), self.sigma);
        self.run(observer, |run, status| {
            // Closing takes memory too.
            run.anderson.restart();
            finish(run, status, summary, sigma, problem)
        })
    }
}

impl Problem {
    /// Bytes that a run takes whatever its solver.
    pub(crate) fn base_bytes(&self, shape: &ProblemShape, settings: &ValidSettings) -> u64 {
        let held_out = self.test.as_ref().map_or(0, |(xt, _)| xt.cols());
        let prediction = prediction::bytes(&self.loss, shape.n_samples, shape.n_targets, settings.anderson_memory);
        // A covariance and a copy of the samples, in f64.
        let d = shape.n_features as u64;
        let whitening = match settings.gates {
            Gates::Kind(GateKind::Whitened) => {
                d.saturating_mul(d.saturating_add(shape.n_samples as u64)).saturating_mul(8)
            }
            _ => 0,
        };
        let checkpoint = settings.checkpoint.as_ref().map_or(0, |_| checkpoint_bytes(shape, settings.anderson_memory));
        [prediction, whitening, checkpoint]
            .into_iter()
            .fold(base_bytes(shape, held_out, settings.anderson_memory), u64::saturating_add)
    }

    /// `count` gates of the kind that the settings ask for.
    pub(crate) fn sample_gates<B: Backend>(
        &self,
        backend: &B,
        settings: &ValidSettings,
        count: usize,
        seed: u64,
    ) -> Result<HostMatrix, ProgramError> {
        let kind = match (&settings.gates, settings.activation, self.kind) {
            (Gates::Kind(kind), ..) => *kind,
            (_, Activation::Gated, cvx_model::FeatureKind::Image { .. }) => GateKind::Local,
            _ => GateKind::Gaussian,
        };
        kind.sample(backend, &self.xt, self.kind, settings.bias, count, seed)
    }

    fn held_out<B: Backend>(&self, program: &ConvexProgram<B>) -> Result<Option<(HeldOut<B>, HostMatrix)>, TrainError> {
        let Some((xt, y)) = &self.test else { return Ok(None) };
        match HeldOut::new(program, xt) {
            Ok(held_out) => Ok(Some((held_out, y.clone()))),
            Err(ProgramError::Model(error)) => Err(TrainError::Test(error)),
            Err(ProgramError::Linalg(error)) => Err(error.into()),
        }
    }
}

fn largest(maxima: &[f64]) -> f64 {
    maxima.iter().copied().fold(0.0, f64::max)
}

fn row_scale(settings: &ValidSettings, sigma: f64) -> RowScale {
    match settings.activation {
        Activation::Gated => RowScale::None,
        Activation::Relu if settings.scale_rows => RowScale::Normalised { sigma },
        Activation::Relu => RowScale::Unscaled,
    }
}

fn check_warm_start<B: Backend>(warm: &WarmStart, program: &ConvexProgram<B>) -> Result<(), TrainError> {
    let (d, n, blocks, cones) = (program.n_features(), program.n_samples(), program.n_blocks(), program.n_cones());
    let mut parts = vec![
        ("v", &warm.v, d, blocks),
        ("lambda", &warm.lambda, d, blocks),
        ("s", &warm.s, n, cones),
        ("nu", &warm.nu, n, cones),
    ];
    if let Some(PredictionStart { q, mu }) = &warm.prediction {
        parts.extend([("q", q, n, program.n_targets()), ("mu", mu, n, program.n_targets())]);
    }
    for (name, matrix, rows, columns) in parts {
        if (matrix.rows(), matrix.cols()) != (rows, columns) {
            return Err(TrainError::WarmStart {
                detail: format!("{name} is {} x {}, expected {rows} x {columns}", matrix.rows(), matrix.cols()),
            });
        }
    }
    if warm.rho > 0.0 && warm.rho.is_finite() && warm.sigma > 0.0 && warm.sigma.is_finite() {
        return Ok(());
    }
    Err(TrainError::WarmStart { detail: format!("rho = {} and sigma = {} must be positive", warm.rho, warm.sigma) })
}

#[cfg(test)]
mod tests;
