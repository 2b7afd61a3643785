//! The solver object: set up once on samples and gates, solved at many betas.

mod changes;
pub(crate) mod closing;
pub(crate) mod continuation;
mod prune;
pub(crate) mod results;
mod resumption;
pub(crate) mod solution;

use crate::api::error::{TrainError, out_of_range};
use crate::api::observer::{Observer, Summary};
use crate::api::record::{Info, Iteration};
use crate::api::settings::{Beta, Gates, Settings, ValidSettings};
use crate::checkpoint::file::Checkpointer;
use crate::clock::Clock;
use crate::evaluation::incumbent::Incumbent;
use crate::evaluation::schedule::Schedule;
use crate::iterates::anderson::Point;
use crate::iterates::penalty::{Penalty, Preparation, Weights, default_sigma, initial_rho};
use crate::iterates::state::State;
use crate::problem::input::{Host, Problem};
use crate::problem::memory::differences;
use crate::problem::patches::{FittedGates, OwnFeatures};
use crate::run::admm::{Admm, Context};
use crate::run::recorder::Record;
use crate::run::termination::Termination;
use closing::close;
use continuation::Continuation;
use cvx_artifact::{Certify, Status};
use cvx_linalg::{Backend, HostMatrix, LinearSolver, StopReason};
use cvx_model::{Activation, Certificate, ConvexProgram, Dataset, RowScale, SystemWorkspace};
use cvx_solvers::{ProblemShape, SolverKind};
use solution::Solution;
use std::ops::ControlFlow;
use std::sync::Arc;

/// From this share of the gated beta_max upwards, a run starts with the multipliers of the zero network.
const NEAR_ZERO: f64 = 0.3;

/// One programme on one device: set up once, solved at many betas, by single iterations if required.
///
/// The first solve computes the factors that depend on samples and gates; later ones reuse them. A solve continues from
/// the end of the last one. [`train`](crate::train), [`path`](crate::path) and refinement use this type.
///
/// ```
/// use cvx_admm::{Settings, Solver};
/// use cvx_linalg::Cpu;
/// use cvx_model::{Dataset, FeatureKind, Labels};
///
/// let x: Vec<f64> = (0..60).map(|k| (k as f64 * 0.7).sin()).collect();
/// let labels = Labels::numbers((0..30).map(|row| f64::from(u8::from(x[2 * row] > x[2 * row + 1]))).collect());
/// let data = Dataset::new(2, x, Some(labels), FeatureKind::Table)?;
/// let settings = Settings { patterns: 10, ..Settings::default() };
/// let mut solver = Solver::new(Cpu::<f64>::new(), &data, None, &settings)?;
/// for share in [0.3, 0.1, 0.03] {
///     solver.set_beta(share * solver.gated_beta_max())?;
///     let solution = solver.solve(&mut ())?;
///     let dual = solver.dual_point()?;
///     println!("{} neurons, gap {:.1e}", solution.model.network.n_neurons(), solution.objective.relative_gap);
///     println!("largest residual multiplier {:?}", dual.xi.values().iter().copied().fold(0.0, f64::max));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Solver<B: Backend> {
    problem: Arc<Problem>,
    settings: ValidSettings,
    program: ConvexProgram<B>,
    summary: Summary,
    /// max ||X'D_i y|| of each target.
    gated_maxima: Vec<f64>,
    row_scale: RowScale,
    sigma: f64,
    continuation: Continuation,
    /// The memory budget in bytes.
    budget: u64,
    schedule: Schedule,
    /// Round of refinement, from 0, and whether another one follows.
    round: usize,
    intermediate: bool,
    record: Record<B>,
    /// Time of the end of the last run, by the clock of the record.
    ended_at: f64,
    /// A u-update solver from the user, until its first use.
    given_solver: Option<Box<dyn LinearSolver<B>>>,
    /// The iteration; `None` before the first run.
    admm: Option<Admm<B>>,
    /// The status of the last run; `None` before the first run and during a run.
    ended: Option<Status>,
    running: bool,
    /// Whether the next run appends to the record of the last one.
    keeps_record: bool,
    /// The final points of the runs at the last two betas, with beta and the penalties.
    last: Option<(Point<B>, f64, Weights)>,
    /// Whether the next run continues the run of a checkpoint.
    resumed: bool,
}

impl<B: Backend> Solver<B> {
    /// Validates the input, draws the gates and puts the problem on the device of `backend`. Device, precision and
    /// threads of the settings are not used: the back end has its own. Its stop token ends set-up and u-updates; the
    /// short steps between them always complete.
    ///
    /// # Errors
    /// [`TrainError`] for invalid input or too little memory, before any long work.
    pub fn new(backend: B, data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<Self, TrainError> {
        let settings = settings.validate()?;
        if settings.certify == Certify::Global {
            let range = "network or sampled for a solver: train searches all patterns in rounds of solves";
            return Err(out_of_range("certify", settings.certify, range));
        }
        let problem = Arc::new(Problem::new(data, test, &settings)?);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Solver::open(backend, Host { threads, passed_over: None }, problem, settings, Clock::start(), None)
    }

    /// Chooses a solver that fits the memory, draws the gates, and puts the problem on the device. With `positive`, the
    /// given gates are neurons with a block of one sign each, the first so many of sign +.
    pub(crate) fn open(
        backend: B,
        host: Host,
        problem: Arc<Problem>,
        settings: ValidSettings,
        clock: Clock,
        positive: Option<usize>,
    ) -> Result<Self, TrainError> {
        Solver::open_with(backend, host, problem, settings, clock, positive, None)
    }

    /// [`open`](Solver::open) with the features of patches, if they have been computed already.
    pub(crate) fn open_with(
        backend: B,
        host: Host,
        problem: Arc<Problem>,
        settings: ValidSettings,
        clock: Clock,
        positive: Option<usize>,
        given: Option<OwnFeatures<B>>,
    ) -> Result<Self, TrainError> {
        backend.stop().defer();
        let Problem { xt, targets, .. } = &*problem;
        let patterns = problem.most_patterns(&settings, settings.sampled())?;
        let shape = problem.shape(&settings, patterns, backend.scalar_bytes())?;
        let shape = ProblemShape { signs: positive.map_or(shape.signs, |_| 1), ..shape };
        let budget = settings.memory_budget.unwrap_or_else(|| backend.memory_info().free / 10 * 9);
        let given_as = given.as_ref().map(|given| given.features);
        let (kind, memory_bytes, features) = problem.choose(&settings, &shape, budget, given_as)?;
        let memory_bytes = problem.bytes_of_rounds(memory_bytes, kind, &shape, &settings);
        let (device, device_name) = (backend.device(), backend.describe());

        let (mut program, held_out) = match (&settings.gates, given, features) {
            (_, Some(given), _) => given.program(backend, problem.test.as_ref(), targets.y.clone())?,
            (Gates::Patches(patches), None, Some(features)) => {
                let drawn = (shape.n_patterns, settings.seed);
                let fitted = FittedGates::of(&backend, &problem, patches, features.precision, drawn)?;
                let own = OwnFeatures::of(&backend, &fitted, &problem, features)?;
                own.program(backend, problem.test.as_ref(), targets.y.clone())?
            }
            _ => {
                let gates = match &settings.gates {
                    Gates::Given(gates) => gates,
                    _ => &problem.sample_gates(&backend, &settings, settings.sampled(), settings.seed)?,
                };
                let program = ConvexProgram::on_samples(backend, xt.clone(), targets.y.clone(), gates, 0.0)?;
                let mut program = problem.constrain(program.with_activation(settings.activation), gates)?;
                if let Some(positive) = positive {
                    program.set_neurons(gates, positive)?;
                }
                let held_out = problem.held_out(&program)?;
                (program, held_out)
            }
        };
        program.set_loss(problem.loss.clone())?;
        let gated_maxima = Certificate::new(&program)?.gated_maxima()?;
        let beta = match settings.beta {
            Beta::Value(beta) => beta,
            Beta::Fraction(fraction) => fraction * largest(&gated_maxima),
        };
        program.set_beta(beta)?;
        let sigma = settings.sigma.unwrap_or_else(|| default_sigma(kind));
        let summary = Summary {
            task: targets.task.name(),
            shape: ProblemShape {
                n_samples: problem.samples.total(shape.n_samples),
                n_patterns: program.n_patterns(),
                ..shape
            },
            folds: None,
            solver: kind,
            device,
            device_name,
            passed_over: host.passed_over,
            threads: host.threads,
            beta,
            gap: settings.gap,
            max_iterations: settings.max_iterations,
            merged_patterns: program.patterns().merged(),
            features,
            memory_bytes,
        };
        Ok(Solver {
            row_scale: row_scale(&settings, sigma),
            program,
            summary,
            gated_maxima,
            sigma,
            continuation: Continuation::of(&settings),
            budget,
            schedule: Schedule::Regular { every: settings.evaluate_every },
            round: 0,
            intermediate: false,
            record: Record { info: Info::default(), clock, held_out },
            ended_at: 0.0,
            given_solver: None,
            admm: None,
            ended: None,
            running: false,
            keeps_record: false,
            last: None,
            resumed: false,
            problem,
            settings,
        })
    }

    /// Replaces the u-update solver of the settings by the given one. Call it before the first run.
    pub fn with_linear_solver(self, solver: Box<dyn LinearSolver<B>>) -> Self {
        Solver { given_solver: Some(solver), ..self }
    }

    /// Replaces the row weights g of the cones (docs/math.md, section 2). Call it before the first run.
    pub fn with_row_scale(self, row_scale: RowScale) -> Self {
        Solver { row_scale, ..self }
    }

    // ---- the problem -------------------------------------------------------------------------------------------

    /// The sizes of the problem, the solver and the device.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The samples and targets on the host.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Why the run is to end now, if it is.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        let stop = self.program.backend().stop();
        stop.heed(|| stop.reason())
    }

    /// The programme: samples, patterns, targets, loss and beta.
    pub fn program(&self) -> &ConvexProgram<B> {
        &self.program
    }

    /// max ||X'D_i y|| (-l'(0) in place of y for other losses): at this beta and above, the zero network is optimal.
    pub fn gated_beta_max(&self) -> f64 {
        largest(&self.gated_maxima)
    }

    /// The memory budget in bytes, and the bytes that the programme with this number of patterns would need, each with
    /// so many blocks of a target.
    pub(crate) fn memory(&self, n_patterns: usize, signs: usize) -> (u64, u64) {
        let shape = ProblemShape { n_patterns, signs, n_samples: self.program.n_samples(), ..self.summary.shape };
        let solver = self.summary.solver.memory(&shape, &self.settings.solver_settings());
        (self.budget, self.problem.round_bytes(&shape, &self.settings).peak(solver))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Samples `count` gates of the kind that the settings specify (d x `count`).
    ///
    /// # Errors
    /// [`TrainError`] if they cannot be drawn.
    pub fn sample_gates(&self, count: usize, seed: u64) -> Result<HostMatrix, TrainError> {
        Ok(self.problem.sample_gates(self.program.backend(), &self.settings, count, seed)?)
    }

    // ---- options ------------------------------------------------------------------------------------------

    /// Sets whether slow progress ends a run: for the intermediate rounds of a refinement, after which the gates
    /// change.
    pub fn stop_when_slow(&mut self, intermediate: bool) {
        self.intermediate = intermediate;
    }

    /// Before the first run: lets the loss price the violation of cones, where it can (docs/math.md, section 17).
    pub fn soften_cones(&mut self) {
        self.program.soften_cones();
    }

    /// Whether [`stop_when_slow`](Solver::stop_when_slow) is on.
    pub fn stops_when_slow(&self) -> bool {
        self.intermediate
    }

    /// Number of changes of the gates.
    pub fn round(&self) -> usize {
        self.round
    }

    /// The next run appends to the record of the last one, as after [`set_gates`](Solver::set_gates).
    pub fn keep_record(&mut self) {
        self.keeps_record = true;
    }

    /// Evaluates the certificate only if the gap may have been reached, instead of at regular iterations, unless the
    /// [`Continuation`] needs the regular ones.
    pub fn evaluate_sparingly(&mut self) {
        if self.continuation.evaluates_sparingly() {
            self.schedule = Schedule::until(self.settings.gap);
        }
    }

    // ---- solving -----------------------------------------------------------------------------------------------

    /// Sets up if necessary, or does one iteration of the current run, and returns its record. A status ends the run;
    /// the next call starts another one.
    ///
    /// # Errors
    /// [`TrainError::Linalg`] for a bug in the program or in a solver of the user.
    pub fn step(&mut self) -> Result<ControlFlow<Status, Iteration>, TrainError> {
        let done = self.record.info.history.len();
        loop {
            if let Some(status) = self.advance(&mut ())? {
                return Ok(ControlFlow::Break(status));
            }
            if let Some(last) = self.record.info.history.get(done) {
                return Ok(ControlFlow::Continue(*last));
            }
        }
    }

    /// Iterates at the current beta until a status is reached. The best network is kept for every status.
    ///
    /// # Errors
    /// The same as [`step`](Solver::step).
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Status, TrainError> {
        loop {
            if let Some(status) = self.advance(observer)? {
                return Ok(status);
            }
        }
    }

    /// [`run`](Solver::run); then returns the best network and its certificate as a model that can be saved.
    ///
    /// # Errors
    /// The same as [`step`](Solver::step), and [`TrainError::Linalg`] if the device failed before there was a network.
    pub fn solve(&mut self, observer: &mut dyn Observer) -> Result<Solution, TrainError> {
        let status = self.run(observer)?;
        self.close(status)
    }

    /// The network and certificate as they are, without another iteration: after a run, those of its end, and before
    /// the first run the zero network with `status`.
    pub(crate) fn close_as_it_is(&mut self, status: Status) -> Result<Solution, TrainError> {
        if self.admm.is_none() {
            self.begin_run()?;
            self.end_run(status);
        }
        self.close(self.ended.unwrap_or(status))
    }

    /// One stage of the current run. Starts a run if there is none.
    fn advance(&mut self, observer: &mut dyn Observer) -> Result<Option<Status>, TrainError> {
        if !self.running {
            self.begin_run()?;
        }
        let Solver { program, settings, problem, record, admm, continuation, .. } = self;
        let Some(admm) = admm else { return Ok(None) };
        let (task, rho_threshold) = (&problem.targets.task, continuation.rho_threshold());
        let cx = Context { program, settings, task, rho_threshold };
        let Some(status) = admm.advance(&cx, record, observer)? else { return Ok(None) };
        // The start of a refined programme is also worth a checkpoint.
        let moved = admm.iteration > admm.resumed_at || admm.resumed_at == 0 && admm.earlier > 0;
        if status.can_resume() && moved {
            admm.write_checkpoint(program, record, observer);
        }
        self.end_run(status);
        Ok(Some(status))
    }

    /// Starts a run from zeros, from installed iterates, or from the end of the last run.
    fn begin_run(&mut self) -> Result<(), TrainError> {
        if self.ended == Some(Status::NumericalError) {
            // Non-finite iterates cannot start another run.
            self.admm = None;
        }
        match &mut self.admm {
            Some(admm) if self.ended.is_some() => {
                let proof = self.continuation.keeps_proof();
                admm.incumbent.restart(&self.program, &self.gated_maxima, proof)?;
            }
            Some(_) => {}
            None => self.install_cold()?,
        }
        if !std::mem::take(&mut self.keeps_record) {
            let linear_residual = self.record.info.linear_residual;
            self.record.info = Info { linear_residual, ..Info::default() };
        }
        let header = self.settings.checkpoint.is_some().then(|| self.header());
        let Solver { program, settings, record, admm, .. } = self;
        let Some(admm) = admm else { return Ok(()) };
        if !std::mem::take(&mut self.resumed) {
            (admm.begun, admm.iteration, admm.resumed_at, admm.residuals) = (false, 0, 0, None);
            admm.earlier = record.info.history.len();
            admm.penalty.restart();
            admm.termination = Termination::new(settings, self.intermediate);
        }
        admm.schedule = self.schedule.clone();
        admm.checkpointer = match (&settings.checkpoint, header) {
            (Some(plan), Some(header)) => {
                let warm_started = (!self.summary.solver.is_direct()).then_some(&admm.state.solution);
                Some(Checkpointer::new(plan, header, program.backend(), warm_started)?)
            }
            _ => None,
        };
        record.info.seconds.setup += record.clock.seconds() - self.ended_at;
        (self.running, self.ended) = (true, None);
        Ok(())
    }

    /// Ends the current run, if there is one, before the programme changes: its bound is one of the old programme.
    fn interrupt(&mut self) {
        if self.running {
            self.end_run(Status::Interrupted);
        }
    }

    fn end_run(&mut self, status: Status) {
        (self.running, self.ended) = (false, Some(status));
        self.ended_at = self.record.clock.seconds();
        let Some(admm) = &mut self.admm else { return };
        if status == Status::DeviceError {
            // The end of a run needs memory, and the factors are no longer needed.
            admm.linear = SolverKind::Cg.build(&self.settings.solver_settings());
            admm.preparation = Preparation::Everything;
            admm.anderson.restart();
        }
        admm.anderson.pause();
        self.schedule = admm.schedule.clone();
        self.schedule.restart();
    }

    /// The model of the best network, with the results of the closing evaluation.
    fn close(&mut self, status: Status) -> Result<Solution, TrainError> {
        let Solver { program, settings, problem, record, admm, continuation, .. } = self;
        let Some(admm) = admm else {
            return Err(TrainError::WarmStart { detail: "the solver has not run yet".to_string() });
        };
        // The end of a run needs memory.
        admm.anderson.restart();
        let rho_threshold = continuation.rho_threshold();
        let cx = Context { program, settings, task: &problem.targets.task, rho_threshold };
        let failure = record.info.failure.clone().filter(|_| status == Status::DeviceError);
        let closed = close(admm, &cx, record, problem, status, &self.summary, (self.round, self.sigma));
        self.ended_at = record.clock.seconds();
        // If the device has failed, its first error is the cause.
        closed.map_err(|error| failure.map_or(error, Into::into))
    }

    // ---- parts -------------------------------------------------------------------------------------------------

    fn accelerated(&self) -> bool {
        self.differences() > 0
    }

    /// Number of differences that the acceleration uses.
    fn differences(&self) -> usize {
        let program = &self.program;
        // Of all samples, so that ranks take the same.
        let n = program.backend().samples().total(program.n_samples());
        let entries = program.n_features() * program.n_blocks() + n * program.n_cones();
        let point = entries * program.backend().scalar_bytes();
        differences(&self.settings, point)
    }

    /// The first weight of F u = q: 1 for the squared loss.
    fn first_kappa(&self) -> f64 {
        self.program.loss().kappa(self.program.y_host())
    }

    /// The penalties of a run that starts with `rho`.
    fn first_penalty(&self, rho: f64) -> Penalty {
        let kappa = self.first_kappa();
        Penalty::new(Weights { rho, kappa }, kappa, self.settings.adapt_rho)
    }

    /// The initial rho of a run from zeros.
    fn first_rho(&self) -> f64 {
        let start = || self.first_kappa() * initial_rho(&self.program, &self.gated_maxima, self.sigma);
        self.settings.rho.unwrap_or_else(start)
    }

    /// The u-update solver of the user, or that of the settings.
    fn linear_solver(&mut self) -> Box<dyn LinearSolver<B>> {
        let settings = self.settings.solver_settings();
        self.given_solver.take().unwrap_or_else(|| self.summary.solver.build(&settings))
    }

    /// Iterates at zero.
    fn install_cold(&mut self) -> Result<(), TrainError> {
        let (program, accelerated) = (&self.program, self.accelerated());
        let penalty = self.first_penalty(self.first_rho());
        let near_zero = program.n_cones() == 0 && program.beta() >= NEAR_ZERO * largest(&self.gated_maxima);
        let state = if near_zero {
            State::at_zero(program, penalty.weights(), accelerated)?
        } else {
            State::new(program, None, penalty.weights().kappa, accelerated)?
        };
        let linear = self.linear_solver();
        self.put(linear, penalty, state, Preparation::Everything)
    }

    /// Installs iterates and evaluates their network, as the first candidate for the best one.
    fn install(
        &mut self,
        linear: Box<dyn LinearSolver<B>>,
        penalty: Penalty,
        state: State<B>,
        preparation: Preparation,
    ) -> Result<(), TrainError> {
        self.put(linear, penalty, state, preparation)?;
        if let Some(admm) = &mut self.admm {
            admm.incumbent.evaluate_network(&self.program, &admm.state.v)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        linear: Box<dyn LinearSolver<B>>,
        penalty: Penalty,
        state: State<B>,
        preparation: Preparation,
    ) -> Result<(), TrainError> {
        let (program, settings, differences) = (&self.program, &self.settings, self.differences());
        self.admm = Some(Admm {
            linear,
            system: SystemWorkspace::new(program, self.row_scale, penalty.system())?,
            penalty,
            preparation,
            resumed_solver: None,
            anderson: state.accelerator(differences)?,
            incumbent: Incumbent::new(program, settings.certify, &self.gated_maxima)?,
            state,
            schedule: self.schedule.clone(),
            termination: Termination::new(settings, self.intermediate),
            checkpointer: None,
            iteration: 0,
            resumed_at: 0,
            earlier: 0,
            residuals: None,
            begun: false,
        });
        (self.running, self.ended) = (false, None);
        Ok(())
    }
}

fn largest(maxima: &[f64]) -> f64 {
    maxima.iter().copied().fold(0.0, f64::max)
}

fn row_scale(settings: &ValidSettings, sigma: f64) -> RowScale {
    match settings.activation {
        Activation::Gated => RowScale::None,
        Activation::Relu => RowScale::Normalised { sigma },
    }
}

#[cfg(test)]
mod tests;
