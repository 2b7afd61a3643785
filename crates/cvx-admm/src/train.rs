//! From a data set to a trained model with its certificate.

use crate::admm::Run;
use crate::clock::Clock;
use crate::dispatch::dispatch;
use crate::error::TrainError;
use crate::incumbent::Incumbent;
use crate::info::{Info, Objective, Scores};
use crate::memory::{base_bytes, choose_solver};
use crate::model::{Claim, Model, Provenance, Witness, fingerprint};
use crate::observer::{Observer, Summary};
use crate::penalty::{Penalty, default_sigma, initial_rho};
use crate::prediction;
use crate::settings::{Beta, Settings, ValidSettings};
use crate::state::State;
use crate::status::Status;
use crate::weights::sample_weights;
use cvx_linalg::{Backend, HostMatrix, StopToken, SystemSolution};
use cvx_model::{
    Certificate, ConvexProgram, Dataset, FeatureKind, HeldOut, ModelError, Normalisation, PatternSet, ProgramError,
    ReluNetwork, RowScale, SystemOperator, Targets, Transform, WeightedLoss, accuracy,
};
use cvx_solvers::{ProblemShape, SolverKind};

/// Iterates that a later run on the same samples and gates can begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmStart {
    /// v (d x 2PC).
    pub v: HostMatrix,
    /// Scaled dual of u = v (d x 2PC).
    pub lambda: HostMatrix,
    /// s (n x 2PC).
    pub s: HostMatrix,
    /// Scaled dual of Gt u = s (n x 2PC).
    pub nu: HostMatrix,
    /// q and mu, where the loss is split off; without them a run begins at the prediction 0.
    pub prediction: Option<PredictionStart>,
    /// The penalty that the duals are scaled by.
    pub rho: f64,
    /// The weight that s and nu are scaled by.
    pub sigma: f64,
}

/// Predictions that a later run can begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionStart {
    /// q (n x C).
    pub q: HostMatrix,
    /// Scaled dual of F u = q (n x C).
    pub mu: HostMatrix,
}

/// What a run returns, however it ended.
#[derive(Clone, Debug)]
pub struct Solution {
    /// How it ended.
    pub status: Status,
    /// The best network, ready to predict.
    pub model: Model,
    /// The certificate.
    pub objective: Objective,
    /// On the training samples, of the recovered network.
    pub train: Scores,
    /// Training accuracy of the convex model F u of the last iterate; `None` for a run that was stopped.
    pub convex_accuracy: Option<f64>,
    /// On the test samples, where there are any.
    pub test: Option<Scores>,
    /// Largest relative violation of a cone by the returned network.
    pub cone_violation: f64,
    /// Weight of the group norm.
    pub beta: f64,
    /// The last penalty.
    pub rho: f64,
    /// The weight of the cone constraint.
    pub sigma: f64,
    /// What was run.
    pub summary: Summary,
    /// History and phase times.
    pub info: Info,
    /// The last iterates.
    pub warm_start: WarmStart,
}

/// Trains a network on `data`, watching `test` where given.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn train(data: &Dataset, test: Option<&Dataset>, settings: &Settings) -> Result<Solution, TrainError> {
    train_with(data, test, settings, None, &StopToken::new(), &mut ())
}

/// [`train`] from a warm start, with a token that stops it and an observer that watches it.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn train_with(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    warm: Option<&WarmStart>,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let clock = Clock::start();
    let settings = settings.validate()?;
    let problem = Problem::new(data, test, &settings)?;
    dispatch(&problem, &settings, warm, stop, clock, observer)
}

/// What a run is to say of the machine around its device.
#[derive(Clone)]
pub(crate) struct Host {
    /// Threads of the CPU.
    pub threads: usize,
    /// Why a GPU that is there is not used.
    pub passed_over: Option<String>,
}

/// The input, checked and transformed, still on the host.
pub(crate) struct Problem {
    xt: HostMatrix,
    targets: Targets,
    transform: Transform,
    normalisation: Normalisation,
    kind: FeatureKind,
    fingerprint: u32,
    loss: WeightedLoss,
    test: Option<(HostMatrix, HostMatrix)>,
}

impl Problem {
    fn new(data: &Dataset, test: Option<&Dataset>, settings: &ValidSettings) -> Result<Self, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let targets = Targets::new(labels, settings.task)?;
        if settings.loss.needs_classes() && targets.task.classes().is_empty() {
            return Err(ModelError::NeedsClasses { what: format!("the {} loss", settings.loss.name()) }.into());
        }
        let weights = sample_weights(data, &targets.task, &targets.y, &settings.class_weights)?;
        let loss = WeightedLoss::new(settings.loss, weights)?;
        let normalisation = settings.normalisation.unwrap_or(Normalisation::default_for(data.kind()));
        let transform = Transform::fit(data, normalisation, settings.bias)?;
        let test = match test {
            None => None,
            Some(test) => {
                let labels = test.labels().ok_or(TrainError::Test(ModelError::NoLabels))?;
                let xt = transform.apply(test).map_err(TrainError::Test)?;
                Some((xt, targets.task.encode(labels).map_err(TrainError::Test)?))
            }
        };
        let xt = transform.apply(data)?;
        Ok(Problem {
            fingerprint: fingerprint(&xt, &targets.y),
            xt,
            targets,
            transform,
            normalisation,
            kind: data.kind(),
            loss,
            test,
        })
    }
}

/// Trains on one back end.
pub(crate) fn run<B: Backend>(
    backend: B,
    host: Host,
    problem: &Problem,
    settings: &ValidSettings,
    warm: Option<&WarmStart>,
    clock: Clock,
    observer: &mut dyn Observer,
) -> Result<Solution, TrainError> {
    let Problem { xt, targets, .. } = problem;
    let shape = ProblemShape {
        n_samples: xt.cols(),
        n_features: xt.rows(),
        n_patterns: settings.gates.as_ref().map_or(settings.patterns, HostMatrix::cols),
        n_targets: targets.y.cols(),
        scalar_bytes: backend.scalar_bytes(),
    };
    let base = base_bytes(&shape, problem.test.as_ref().map_or(0, |(xt, _)| xt.cols()), settings.anderson_memory);
    let base = base.saturating_add(prediction::bytes(
        &problem.loss,
        shape.n_samples,
        shape.n_targets,
        settings.anderson_memory,
    ));
    let budget = settings.memory_budget.unwrap_or_else(|| backend.memory_info().free / 10 * 9);
    let (solver, memory_bytes) = choose_solver(settings.solver, &settings.solver_settings(), &shape, base, budget)?;
    let (device, device_name, precision) = (backend.device(), backend.describe(), settings.precision);

    let gates = match &settings.gates {
        Some(gates) => gates,
        None => &PatternSet::sample_gates(shape.n_features, shape.n_patterns, settings.seed),
    };
    let mut program = ConvexProgram::new(backend, xt, targets.y.clone(), gates, 0.0)?;
    program.set_loss(problem.loss.clone())?;
    let beta = match settings.beta {
        Beta::Value(beta) => beta,
        Beta::Fraction(fraction) => fraction * Certificate::new(&program)?.gated_beta_max()?,
    };
    program.set_beta(beta)?;
    let program = &program;
    let held_out = match &problem.test {
        None => None,
        Some((xt, y)) => Some((
            HeldOut::new(program.backend(), xt, program.n_blocks(), y.cols()).map_err(|error| match error {
                ProgramError::Model(error) => TrainError::Test(error),
                ProgramError::Linalg(error) => error.into(),
            })?,
            y.clone(),
        )),
    };
    check_warm_start(warm, program)?;
    let incumbent = Incumbent::new(program, settings.certify)?;
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
    observer.begin(&summary);

    let sigma = warm.map(|warm| warm.sigma).or(settings.sigma).unwrap_or_else(|| default_sigma(solver));
    let row_scale = if settings.scale_rows { RowScale::Normalised { sigma } } else { RowScale::Unscaled };
    let kappa = program.loss().kappa(program.y_host());
    let rho = (warm.map(|warm| warm.rho).or(settings.rho))
        .unwrap_or_else(|| kappa * initial_rho(beta, incumbent.gated_beta_max(), program.row_norms(), sigma));
    let mut run = Run {
        program,
        settings,
        task: &targets.task,
        system: SystemOperator::new(program, row_scale, rho / kappa)?,
        linear: solver.build(&settings.solver_settings()),
        incumbent,
        penalty: Penalty::new(rho, kappa, settings.adapt_rho),
        state: State::new(program, warm)?,
        held_out,
        clock,
        info: Info::default(),
    };
    run.info.seconds.setup = run.clock.seconds();
    let status = run.solve(observer);
    if status == Status::DeviceError {
        // Closing takes memory too, and the factors are of no more use.
        run.linear = SolverKind::Cg.build(&settings.solver_settings());
    }
    // Where the device answers no more, what it said first is what counts.
    let failure = run.info.failure.clone();
    finish(run, status, summary, sigma, problem, precision.name()).map_err(|error| failure.map_or(error, Into::into))
}

/// Closes a run: the network, its last metrics, and the witness that proves its bound.
fn finish<B: Backend>(
    mut run: Run<'_, B>,
    status: Status,
    summary: Summary,
    sigma: f64,
    problem: &Problem,
    precision: &'static str,
) -> Result<Solution, TrainError> {
    let (program, task) = (run.program, &problem.targets.task);
    let cone_violation = run.incumbent.close(&run.state.v)?;
    let v = program.backend().download(run.incumbent.v())?;
    let network = ReluNetwork::from_blocks(&v, program.n_patterns(), program.n_targets());
    let (xi, multipliers) = run.incumbent.witness()?;
    let objective = run.incumbent.objective();
    let ended_early = matches!(status, Status::IterationLimit | Status::TimeLimit | Status::InsufficientProgress);
    // The closing evaluation may find what the last one of the loop just missed.
    let status = if ended_early && objective.relative_gap <= run.settings.gap { Status::Optimal } else { status };
    let value = run.incumbent.network();
    let train = Scores { loss: value.loss, accuracy: accuracy(task, &value.prediction, program.y_host()) };
    let convex_accuracy = match status {
        // The u-update may have been left half done.
        Status::Interrupted | Status::TimeLimit | Status::NumericalError | Status::DeviceError => None,
        // u = 0 and the zero network predict the same.
        _ if run.info.history.is_empty() => train.accuracy,
        _ => {
            // F u itself: an inexact u-update's residual may stand for something else.
            let SystemSolution { xu, residual, .. } = &mut run.state.solution;
            program.backend().masked_row_sum(Some(program.mask()), xu, residual)?;
            let convex = program.backend().download(residual)?;
            accuracy(task, &convex, program.y_host())
        }
    };
    run.info.seconds.total = run.clock.seconds();
    let test = match &mut run.held_out {
        None => None,
        Some((held_out, y)) => {
            let prediction = held_out.predict(program.backend(), run.incumbent.v())?;
            let loss = program.loss().loss().total(&prediction, y);
            Some(Scores { loss, accuracy: accuracy(task, &prediction, y) })
        }
    };
    let model = Model {
        network,
        transform: problem.transform.clone(),
        normalisation: problem.normalisation,
        task: task.clone(),
        kind: problem.kind,
        claim: Claim {
            objective,
            certify: run.settings.certify,
            beta: program.beta(),
            loss: program.loss().loss(),
            weights: program.loss().weights().map(<[f64]>::to_vec),
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            n_samples: program.n_samples(),
            fingerprint: problem.fingerprint,
            status,
        },
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_string(),
            solver: summary.solver.name().to_string(),
            device: summary.device.to_string(),
            precision: precision.to_string(),
            seed: run.settings.seed,
            iterations: run.info.history.len() as u64,
        },
        witness: Some(Witness {
            gates: program.patterns().gates().clone(),
            patterns: program.patterns().bits().clone(),
            xi,
            multipliers,
        }),
    };
    Ok(Solution {
        status,
        model,
        objective,
        train,
        convex_accuracy,
        test,
        cone_violation,
        beta: program.beta(),
        rho: run.penalty.rho(),
        sigma,
        summary,
        warm_start: run.state.warm_start(run.penalty.rho(), sigma)?,
        info: run.info,
    })
}

fn check_warm_start<B: Backend>(warm: Option<&WarmStart>, program: &ConvexProgram<B>) -> Result<(), TrainError> {
    let Some(warm) = warm else { return Ok(()) };
    let (d, n, columns) = (program.n_features(), program.n_samples(), program.n_blocks());
    let mut parts = vec![
        ("v", &warm.v, d, columns),
        ("lambda", &warm.lambda, d, columns),
        ("s", &warm.s, n, columns),
        ("nu", &warm.nu, n, columns),
    ];
    if let Some(PredictionStart { q, mu }) = &warm.prediction {
        parts.extend([("q", q, n, program.n_targets()), ("mu", mu, n, program.n_targets())]);
    }
    for (name, matrix, rows, cols) in parts {
        if (matrix.rows(), matrix.cols()) != (rows, cols) {
            return Err(TrainError::WarmStart {
                detail: format!("{name} is {} x {}, expected {rows} x {cols}", matrix.rows(), matrix.cols()),
            });
        }
    }
    if warm.rho > 0.0 && warm.rho.is_finite() && warm.sigma > 0.0 && warm.sigma.is_finite() {
        return Ok(());
    }
    Err(TrainError::WarmStart { detail: format!("rho = {} and sigma = {} must be positive", warm.rho, warm.sigma) })
}
